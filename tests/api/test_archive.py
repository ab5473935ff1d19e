"""GET and POST /archive, as a script with a token asks."""

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import Client

from downloads.accounts import tokens
from downloads.models import ArchivedMedia, Scope

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

PATH = "/api/v1/archive"
TEXT = "youtube dQw4w9WgXcQ\nvimeo 76979871\n"


@pytest.fixture
def caller(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='test')}"})


def send(client: Client, text: str | bytes, content_type: str = "text/plain") -> Any:
    return client.post(PATH, text, content_type)


@async_to_sync
async def text_of(answer: Any) -> str:
    return "".join([part.decode() async for part in answer.streaming_content])


def test_what_was_sent_is_given_back(caller: Client) -> None:
    assert send(caller, TEXT).json() == {"added": 2, "present": 0}

    answer = caller.get(PATH)

    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert text_of(answer) == TEXT


def test_an_empty_archive_is_an_empty_text(caller: Client) -> None:
    assert text_of(caller.get(PATH)) == ""


def test_sending_it_again_says_what_was_there(caller: Client) -> None:
    send(caller, TEXT)

    assert send(caller, f"{TEXT}youtube new\n").json() == {"added": 1, "present": 2}


def test_the_kind_that_curl_gives_a_text_is_taken(caller: Client) -> None:
    assert send(caller, TEXT, "application/x-www-form-urlencoded").status_code == 200


def test_a_wrong_line_adds_nothing_and_is_named(caller: Client) -> None:
    answer = send(caller, f"{TEXT}nonsense\nvimeo 1\n\x00\n")

    assert answer.status_code == 422
    reasons = [error["reason"] for error in answer.json()["errors"]]
    assert [reason.partition(":")[0] for reason in reasons] == ["Line 3", "Line 5"]
    assert not ArchivedMedia.objects.exists()


def test_a_body_that_is_too_large_is_refused(caller: Client) -> None:
    answer = send(caller, b"youtube abc\n" * 400_000)

    assert answer.status_code == 413


def test_a_form_with_a_file_is_refused(user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    client.get("/")  # sets the cookie with the token
    headers = {"X-CSRFToken": client.cookies["csrftoken"].value}

    answer = client.post(PATH, {"file": "youtube abc"}, headers=headers)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "body", "reason": "Send the text itself, not a form."}
    ]
    assert not ArchivedMedia.objects.exists()


def test_everybody_has_an_archive_of_their_own(caller: Client, staff: User) -> None:
    send(caller, TEXT)
    client = Client()
    client.force_login(staff)

    assert text_of(client.get(PATH)) == ""


def test_a_token_that_may_only_read_adds_nothing(user: User) -> None:
    token = tokens.issue(user, name="reader", scope=Scope.READ)
    client = Client(headers={"Authorization": f"Bearer {token}"})

    assert send(client, TEXT).status_code == 403
    assert not ArchivedMedia.objects.exists()
