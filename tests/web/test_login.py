"""Signing in: how often a wrong password may be tried, and from where."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from tests.conftest import PASSWORD

LIMIT = 10

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


def try_to_sign_in(
    client: Client, password: str, *, username: str = "ursula", address: str = "192.0.2.1"
) -> HttpResponse:
    data = {"username": username, "password": password}
    response: HttpResponse = client.post("/login/", data, REMOTE_ADDR=address)
    return response


def use_up_the_tries(client: Client, *, path: str = "/login/") -> None:
    for number in range(LIMIT):
        data = {"username": "ursula", "password": f"wrong {number}"}
        client.post(path, data, REMOTE_ADDR="192.0.2.1")


def test_wrong_passwords_are_answered_until_the_limit(client: Client, user: User) -> None:
    answers = [try_to_sign_in(client, "wrong").status_code for _ in range(100)]

    assert answers == [200] * (LIMIT - 1) + [429] * (101 - LIMIT)


def test_then_not_even_the_right_one_is_taken(client: Client, user: User) -> None:
    use_up_the_tries(client)

    answer = try_to_sign_in(client, PASSWORD)

    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()
    assert "_auth_user_id" not in client.session


def test_it_says_when_the_lock_ends(client: Client, user: User) -> None:
    use_up_the_tries(client)
    AccessAttempt.objects.update(attempt_time=timezone.now() - timedelta(minutes=9, seconds=30))

    answer = try_to_sign_in(client, PASSWORD)  # which does not make it longer

    assert 320 <= int(answer["Retry-After"]) <= 330
    assert "in 6 minutes" in answer.content.decode()


def test_after_the_lock_one_still_gets_where_one_wanted(client: Client, user: User) -> None:
    use_up_the_tries(client)
    form = {"username": "ursula", "password": "wrong"}

    refused = client.post("/login/", {**form, "next": "/?q=a"}, REMOTE_ADDR="192.0.2.1")
    elsewhere = client.post("/login/", {**form, "next": "//evil.example"}, REMOTE_ADDR="192.0.2.1")

    assert 'href="/login/?next=/%3Fq%3Da"' in refused.content.decode()
    assert "evil" not in elsewhere.content.decode()


def test_a_wrong_password_is_said_in_words_and_the_name_stays(client: Client, user: User) -> None:
    page = try_to_sign_in(client, "wrong").content.decode()

    assert 'class="errors is-error" role="alert"' in page
    assert 'value="ursula"' in page
    assert 'autocomplete="current-password"' in page


def test_the_admin_has_no_other_door(client: Client, staff: User) -> None:
    for _ in range(LIMIT):
        client.post("/admin/login/", {"username": "stefan", "password": "wrong"})

    answer = client.post("/admin/login/", {"username": "stefan", "password": PASSWORD})

    assert answer.status_code == 429


def test_the_owner_can_still_sign_in_from_elsewhere(client: Client, user: User) -> None:
    use_up_the_tries(client)

    assert try_to_sign_in(client, PASSWORD, address="192.0.2.2").status_code == 302


def test_others_behind_the_same_address_can_still_sign_in(
    client: Client, user: User, staff: User
) -> None:
    use_up_the_tries(client)

    assert try_to_sign_in(client, PASSWORD, username="stefan").status_code == 302


def test_a_right_password_forgives_the_wrong_ones_before_it(client: Client, user: User) -> None:
    for _ in range(3):
        for _ in range(LIMIT - 1):
            try_to_sign_in(client, "wrong")

        assert try_to_sign_in(client, PASSWORD).status_code == 302
        client.logout()


def test_a_made_up_forwarded_address_gives_no_new_tries(client: Client, user: User) -> None:
    for number in range(LIMIT):
        client.post(
            "/login/",
            {"username": "ursula", "password": "wrong"},
            REMOTE_ADDR="192.0.2.1",
            HTTP_X_FORWARDED_FOR=f"198.51.100.{number}",
        )

    assert try_to_sign_in(client, PASSWORD).status_code == 429


def test_a_locked_session_that_was_open_goes_on(client: Client, user: User) -> None:
    other = Client()
    other.force_login(user)
    use_up_the_tries(client)

    assert other.get("/").status_code == 200
