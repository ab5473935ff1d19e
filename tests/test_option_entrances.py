"""Each value of each option through each entrance: the same row, or the same sentence."""

import json
from collections.abc import Iterator
from html import unescape
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from downloads.accounts import tokens
from downloads.models import Download
from downloads.rules.option_kinds import Flag
from downloads.rules.options import OPTIONS, DownloadOptions
from tests.helpers.wishes import CONTRADICTIONS, VALUES, WRONG_VALUES

pytestmark = pytest.mark.django_db

URL = "https://example.org/video"
EN = {"subtitles": ["en"]}  # what captions and embedded subtitles need


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ursula", password="password")


@pytest.fixture
def page(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def script(user: User) -> Iterator[Client]:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='test')}"})


def stored() -> dict[str, Any]:
    options: dict[str, Any] = Download.objects.get().options
    return options


def as_text(value: Any) -> Any:
    """Write a value as people do in a form or behind a flag."""
    if isinstance(value, list):
        return ",".join(value) or "none"
    if isinstance(value, bool) or value is None:
        return {None: "none", True: "true", False: "false"}[value]
    return str(value)


def in_form(wish: dict[str, Any]) -> dict[str, Any]:
    """A form sends each box that is ticked by itself."""
    texts = {name: as_text(value) for name, value in wish.items()}
    boxes = {"embed", "extras"} & texts.keys()
    return texts | {name: [] if texts[name] == "none" else texts[name].split(",") for name in boxes}


def in_flags(wish: dict[str, Any]) -> list[str]:
    flags = []
    for name, value in wish.items():
        flag = name.replace("_", "-")
        if isinstance(OPTIONS[name], Flag):
            flags.append(f"--{flag}" if value in (True, "true") else f"--no-{flag}")
        else:
            flags.append(f"--{flag}={as_text(value)}")
    return flags


def wish_of(name: str, value: Any) -> dict[str, Any]:
    return {**EN, name: value}


@pytest.mark.parametrize(("name", "given", "row"), VALUES)
def test_the_form_takes_every_value(page: Client, name: str, given: Any, row: Any) -> None:
    answer = page.post(reverse("add"), {"urls": URL, **in_form(wish_of(name, given))})

    assert answer.status_code == 302
    assert stored() == {**DownloadOptions().as_dict(), **EN, name: row}


@pytest.mark.parametrize(("name", "given", "row"), VALUES)
@pytest.mark.parametrize("path", ["downloads", "downloads/batch"])
def test_the_api_takes_every_value(
    script: Client, path: str, name: str, given: Any, row: Any
) -> None:
    link: dict[str, Any] = {"urls": [URL]} if path.endswith("batch") else {"url": URL}
    body = json.dumps({**link, "options": wish_of(name, given)})

    answer = script.post(f"/api/v1/{path}", body, "application/json")

    assert answer.status_code in (200, 201)
    assert stored() == {**DownloadOptions().as_dict(), **EN, name: row}


@pytest.mark.parametrize(("name", "given", "row"), VALUES)
def test_the_command_takes_every_value(name: str, given: Any, row: Any) -> None:
    call_command("add_download", URL, *in_flags(wish_of(name, given)), stdout=StringIO())

    assert stored() == {**DownloadOptions().as_dict(), **EN, name: row}


IN_WORDS = [
    each
    for each in WRONG_VALUES
    if isinstance(each[1], str) and each[1] and not isinstance(OPTIONS[each[0]], Flag)
]


# A form has the number of "first" in a field of its own, and the zone of the site.
IN_FORM = [each for each in IN_WORDS if each[1] not in ("first", "2026-11-29T03:00")]


@pytest.mark.parametrize(("name", "value", "sentence"), IN_FORM)
def test_the_form_refuses_any_other_value_with_its_sentence(
    page: Client, name: str, value: str, sentence: str
) -> None:
    answer = page.post(reverse("add"), {"urls": URL, **in_form({name: value})})

    assert answer.status_code == 422
    label = OPTIONS[name].label
    assert f"{label}: {sentence}" in unescape(answer.content.decode())
    assert not Download.objects.exists()


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG_VALUES)
@pytest.mark.parametrize("path", ["downloads", "downloads/batch"])
def test_the_api_refuses_any_other_value_with_its_sentence(
    script: Client, path: str, name: str, value: Any, sentence: str
) -> None:
    link: dict[str, Any] = {"urls": [URL]} if path.endswith("batch") else {"url": URL}
    body = json.dumps({**link, "options": {name: value}})

    answer = script.post(f"/api/v1/{path}", body, "application/json")

    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": f"options.{name}", "reason": sentence}]
    assert not Download.objects.exists()


@pytest.mark.parametrize(("name", "value", "sentence"), IN_WORDS)
def test_the_command_refuses_any_other_value_with_its_sentence(
    name: str, value: str, sentence: str
) -> None:
    flag = name.replace("_", "-")

    with pytest.raises(CommandError) as refusal:
        call_command("add_download", URL, f"--{flag}={value}", stdout=StringIO())

    assert f"argument --{flag}: {sentence}" in str(refusal.value)
    assert not Download.objects.exists()


@pytest.mark.parametrize(("wish", "option", "sentence"), CONTRADICTIONS)
def test_every_entrance_refuses_what_contradicts_itself(
    page: Client, script: Client, wish: dict[str, Any], option: str, sentence: str
) -> None:
    form = page.post(reverse("add"), {"urls": URL, **in_form(wish)})
    body = json.dumps({"url": URL, "options": wish})
    answer = script.post("/api/v1/downloads", body, "application/json")
    with pytest.raises(CommandError) as refusal:
        call_command("add_download", URL, *in_flags(wish), stdout=StringIO())

    assert f"{OPTIONS[option].label}: {sentence}" in unescape(form.content.decode())
    assert answer.json()["errors"] == [{"field": f"options.{option}", "reason": sentence}]
    assert f"{option}: {sentence}" in str(refusal.value)
    assert not Download.objects.exists()


def test_the_form_has_the_number_of_entries_in_a_field_of_its_own(page: Client) -> None:
    form = {"urls": URL, "playlist": "first", "playlist_first": "25"}

    page.post(reverse("add"), form)

    assert stored()["playlist"] == "first:25"


def test_the_form_reads_an_instant_in_the_zone_of_the_site(page: Client, settings: Any) -> None:
    settings.TIME_ZONE = "Europe/Berlin"

    page.post(reverse("add"), {"urls": URL, "start_at": "2126-07-01T03:00"})

    assert stored()["start_at"] == "2126-07-01T01:00:00Z"


def test_a_refused_form_shows_what_was_typed_again(page: Client) -> None:
    wish = {"subtitles": "en, de", "clip": "4:00-1:30", "rate_limit": "2M", "embed": ["chapters"]}
    times = {"playlist": "first", "playlist_first": "0", "start_at": "2126-07-01T03:00"}

    answer = page.post(reverse("add"), {"urls": URL, **wish, **times}).content.decode()

    for value in ("en, de", "4:00-1:30", "2M", "0", "2126-07-01T03:00"):
        assert f'value="{value}"' in answer
    assert 'value="chapters" id="id_embed_2" checked' in answer
    assert 'value="first" selected' in answer
