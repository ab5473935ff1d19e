"""Wishes that are submitted together."""

import pytest
from django.contrib.auth.models import User

from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions

pytestmark = pytest.mark.django_db


def submit(owner: User, *urls: str) -> list[Download]:
    wishes = [(url, DownloadOptions()) for url in urls]
    return [each.download for each in submissions.submit(wishes, owner=owner, actor="test")]


def test_what_is_added_together_has_a_batch_of_its_own(user: User) -> None:
    first = submit(user, "https://example.org/1", "https://example.org/2")
    second = submit(user, "https://example.org/3", "https://example.org/4")

    assert [len({each.batch for each in batch}) for batch in (first, second)] == [1, 1]
    assert first[0].batch
    assert first[0].batch != second[0].batch


def test_what_was_there_already_does_not_join_the_batch(user: User) -> None:
    (earlier,) = submit(user, "https://example.org/1")

    submit(user, "https://example.org/1", "https://example.org/2", "https://example.org/3")

    earlier.refresh_from_db()
    assert earlier.batch is None
    assert Download.objects.exclude(batch=None).count() == 2
