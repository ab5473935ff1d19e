"""API tokens: only a hash is stored, they expire, and polling with one does not write."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from downloads.accounts import tokens
from downloads.models import ApiToken, Scope

pytestmark = pytest.mark.both_databases


def test_a_token_names_its_user(user: User) -> None:
    text = tokens.issue(user, name="script")

    found = tokens.find(text)
    assert found is not None
    assert found.user == user


def test_the_token_itself_is_nowhere_in_the_row(user: User) -> None:
    text = tokens.issue(user, name="script")

    (row,) = ApiToken.objects.values()

    assert not [value for value in row.values() if text.removeprefix(tokens.PREFIX) in str(value)]


@pytest.mark.parametrize("text", ["", "x", "vnsite_", "\udcff", "ü" * 5000])
@pytest.mark.django_db
def test_an_unknown_token_is_nobody(text: str) -> None:
    assert tokens.find(text) is None


def test_the_stored_hash_does_not_work_as_a_token(user: User) -> None:
    text = tokens.issue(user, name="script")

    assert tokens.find(tokens.digest(text)) is None


def test_an_expired_token_is_nobody(user: User) -> None:
    text = tokens.issue(user, name="old", expires_at=timezone.now() - timedelta(seconds=1))

    assert tokens.find(text) is None


def test_a_token_of_an_inactive_user_is_nobody(user: User) -> None:
    text = tokens.issue(user, name="script")
    User.objects.filter(pk=user.pk).update(is_active=False)

    assert tokens.find(text) is None


def test_the_first_use_is_noted(user: User) -> None:
    text = tokens.issue(user, name="script")
    before = timezone.now()

    tokens.find(text)

    last_used_at = ApiToken.objects.get().last_used_at
    assert last_used_at is not None
    assert last_used_at >= before


def test_a_second_use_within_a_minute_writes_nothing(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    text = tokens.issue(user, name="script")
    tokens.find(text)

    with django_assert_num_queries(1):
        tokens.find(text)


def test_a_use_after_a_minute_is_noted(user: User) -> None:
    text = tokens.issue(user, name="script")
    earlier = timezone.now() - timedelta(minutes=2)
    ApiToken.objects.update(last_used_at=earlier)

    tokens.find(text)

    last_used_at = ApiToken.objects.get().last_used_at
    assert last_used_at is not None
    assert last_used_at > earlier


@pytest.mark.parametrize(
    ("scope", "method", "path", "code"),
    [
        (Scope.READ, "get", "/api/v1/downloads", 200),
        (Scope.READ, "get", "/api/v1/stats", 200),
        (Scope.READ, "post", "/api/v1/downloads", 403),
        (Scope.READ, "post", "/api/v1/downloads/batch", 403),
        (Scope.READ, "delete", "/api/v1/downloads/0123456789ab", 403),
        (Scope.READ, "post", "/api/v1/downloads/0123456789ab/cancel", 403),
        (Scope.WRITE, "post", "/api/v1/downloads/0123456789ab/cancel", 404),
        (Scope.WRITE, "delete", "/api/v1/downloads/0123456789ab", 404),
    ],
)
def test_a_token_for_reading_changes_nothing(
    client: Client, user: User, scope: Scope, method: str, path: str, code: int
) -> None:
    text = tokens.issue(user, name="dashboard", scope=scope)

    response = getattr(client, method)(path, headers={"Authorization": f"Bearer {text}"})

    assert response.status_code == code
    if code == 403:
        assert response.json() == {"detail": "This token may only read."}
