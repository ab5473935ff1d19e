"""Refusals that Django makes before a view: a host name that is not allowed, an old form."""

import html
import logging
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Download
from downloads.web import refused_host
from tests.conftest import PASSWORD
from tests.helpers.serving import serving

pytestmark = pytest.mark.django_db

HOST = "nas.local:8000"


def words_of(answer: Any) -> str:
    text = re.sub(r"<[^>]*>", " ", answer.content.decode())
    return " ".join(html.unescape(text).split())


@pytest.fixture(autouse=True)
def _nothing_noted_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refused_host, "_notes", refused_host._Notes())


# Host names.


@pytest.mark.parametrize("path", ["/", "/login/", "/nothing"])
def test_a_refused_host_is_named_with_the_setting_that_allows_it(client: Client, path: str) -> None:
    answer = client.get(path, headers={"Host": HOST})

    assert answer.status_code == 400
    assert "vnsite does not answer to nas.local ." in words_of(answer)
    assert "VNSITE_ALLOWED_HOSTS=…,nas.local" in words_of(answer)


def test_the_api_says_it_as_json(client: Client) -> None:
    answer = client.get("/api/v1/stats", headers={"Host": HOST})

    sentence = "vnsite does not answer to nas.local. VNSITE_ALLOWED_HOSTS has to name it."
    assert (answer.status_code, answer.json()) == (400, {"detail": sentence})


def test_what_is_no_host_name_is_not_repeated(client: Client) -> None:
    answer = client.get("/", headers={"Host": "<script>alert(1)</script>"})

    assert answer.status_code == 400
    assert "The host name of this request is not valid." in words_of(answer)
    assert b"alert" not in answer.content


def test_the_log_says_it_in_one_line_a_minute(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)

    for number in range(5):
        client.get("/", headers={"Host": f"nas-{number}.local"})

    allowed = ",".join(settings.ALLOWED_HOSTS)
    place = settings.VNSITE.data_dir / ".env"
    assert [record.getMessage() for record in caplog.records] == [
        "A request for the host name nas-0.local was refused."
        f" To allow it: VNSITE_ALLOWED_HOSTS={allowed},nas-0.local"
        f" in {place}, or in the environment"
    ]


def test_the_page_and_the_stream_of_a_real_site_say_it(shared_db: None, user: User) -> None:
    with serving("--no-worker") as site:
        page = site.ask("/", Host=HOST)
        stream = site.ask("/events/", user=user, Host=HOST)
        style = re.search(rb'href="(/static/[^"]+\.css)"', page.body)
        assert style
        look = site.ask(style[1].decode(), Host=HOST)
        said = site.said()

    assert (page.status, stream.status, look.status) == (400, 400, 200)
    assert b"VNSITE_ALLOWED_HOSTS" in page.body
    assert b"VNSITE_ALLOWED_HOSTS has to name it" in stream.body
    assert said.count("nas.local was refused") == 1


# Forms with an old token.


@pytest.fixture
def browser(user: User) -> Client:
    """A page was loaded in it, and then its user signed in again, in another tab."""
    client = Client(enforce_csrf_checks=True, headers={"Origin": "http://testserver"})
    client.force_login(user)
    client.get("/account/")
    return client


OLD = {"csrfmiddlewaretoken": "x" * 64}


def test_what_an_old_form_held_is_not_lost(browser: Client) -> None:
    typed = "\nhttps://example.org/1\nhttps://example.org/2 <b>"
    refused = browser.post("/downloads/", {**OLD, "urls": typed, "quality": "best", "audio": ""})

    assert refused.status_code == 403
    assert not Download.objects.exists()
    page = refused.content.decode()
    fields = dict(re.findall(r'<textarea name="(\w+)" hidden>\n([^<]*)</textarea>', page))
    (token,) = set(re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page))
    assert html.unescape(fields["urls"]) == typed
    assert "signed in as ursula" in words_of(refused)

    fields = {name: html.unescape(value) for name, value in fields.items()}
    sent = browser.post("/downloads/", {**fields, "csrfmiddlewaretoken": token})

    assert sent.status_code != 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver:81"])
def test_what_another_site_sent_is_not_offered(browser: Client, origin: str) -> None:
    fields = {**OLD, "urls": "https://example.org/1"}

    answer = browser.post("/downloads/", fields, headers={"Origin": origin})

    assert answer.status_code == 403
    assert b"example.org" not in answer.content


def test_a_password_is_never_put_into_a_page(browser: Client) -> None:
    answer = browser.post("/account/password", {**OLD, "old_password": PASSWORD})

    assert answer.status_code == 403
    assert f">\n{PASSWORD}<".encode() not in answer.content
    assert "Load it again" in words_of(answer)


@pytest.mark.parametrize("header", ["X-Requested-With", "HX-Request"])
def test_a_script_gets_a_sentence(browser: Client, header: str) -> None:
    answer = browser.post("/downloads/", OLD, headers={header: "fetch"})

    assert answer.status_code == 403
    assert words_of(answer) == "You signed in again since this page was loaded. Load it again."
