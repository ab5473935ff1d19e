"""Cookies by the API: given, described without values, deleted, refused with the line."""

import json
from time import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.accounts import tokens
from downloads.models import Scope, SiteCookies
from tests.api.test_api import API, Caller

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

PATH = "/sites/example.org/cookies"
SECRET = "canary-of-a-cookie-0123456789"
LATER = int(time() + 9e6)
LINE = f".example.org\tTRUE\t/\tTRUE\t{LATER}\tsession\t{SECRET}"


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def put(caller: Caller, text: object = LINE, path: str = PATH) -> Any:
    body = json.dumps({"cookies": text})
    return caller.client.put(API + path, body, "application/json")


def test_cookies_are_given_and_described_without_values(caller: Caller, user: User) -> None:
    expired = LINE.replace(str(LATER), "12")

    answer = put(caller, f"{LINE}\n{expired}")

    assert answer.status_code == 200
    described = answer.json()
    assert described["left_out"] == "1 has expired."
    assert {**caller.get(PATH).json(), "left_out": "1 has expired."} == described
    assert described["host"] == "example.org"
    assert described["readable"] is True
    (cookie,) = described["cookies"]
    assert cookie.pop("expires").startswith("20")
    assert cookie == {
        "name": "session",
        "domain": "example.org",
        "path": "/",
        "secure": True,
        "http_only": False,
        "host_only": False,
    }
    assert SECRET not in answer.content.decode()
    assert [each.value for each in SiteCookies.objects.get(owner=user).open()] == [SECRET]


def test_a_text_is_refused_with_its_line_and_what_is_stored_stays(caller: Caller) -> None:
    put(caller)

    answer = put(caller, f"{LINE}\n{SECRET}")

    assert answer.status_code == 422
    reason = "Line 2: a cookie has 7 fields, and here are 1."
    assert answer.json() == {
        "detail": f"cookies: {reason}",
        "errors": [{"field": "cookies", "reason": reason}],
    }
    assert caller.get(PATH).status_code == 200


@pytest.mark.parametrize("text", [None, 7, ["a"], {"a": 1}])
def test_what_is_no_text_is_refused(caller: Caller, text: object) -> None:
    answer = put(caller, text)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "cookies"


def test_they_are_deleted(caller: Caller) -> None:
    put(caller)

    assert caller.delete(PATH).status_code == 204
    assert caller.delete(PATH).status_code == 404
    answer = caller.get(PATH)
    assert answer.status_code == 404
    assert answer.json() == {"detail": "You gave no cookies of this site."}


def test_each_user_has_their_own(caller: Caller) -> None:
    put(caller)
    other = Caller(User.objects.create_user("other", is_staff=True))

    assert other.get(PATH).status_code == 404
    assert other.delete(PATH).status_code == 404
    assert caller.get(PATH).status_code == 200


def test_other_names_of_a_site_are_the_same_site(caller: Caller) -> None:
    put(caller, path="/sites/www.example.org/cookies")

    assert caller.get("/sites/EXAMPLE.org/cookies").json()["host"] == "example.org"


@pytest.mark.parametrize("host", ["a%20b", "a@b", "%00"])
def test_what_is_no_site_is_refused(caller: Caller, host: str) -> None:
    for answer in (
        put(caller, path=f"/sites/{host}/cookies"),
        caller.get(f"/sites/{host}/cookies"),
        caller.delete(f"/sites/{host}/cookies"),
    ):
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "host"


def test_a_token_that_only_reads_gives_none(user: User) -> None:
    token = tokens.issue(user, name="reads", scope=Scope.READ)
    client = Client(headers={"Authorization": f"Bearer {token}"})

    answer = client.put(API + PATH, json.dumps({"cookies": LINE}), "application/json")

    assert answer.status_code == 403
    assert not SiteCookies.objects.exists()


def test_a_stranger_gives_none_and_sees_none(client: Client) -> None:
    answer = client.put(API + PATH, json.dumps({"cookies": LINE}), "application/json")

    assert answer.status_code == 401
    assert client.get(API + PATH).status_code == 401
