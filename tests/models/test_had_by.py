"""The query behind "You have this already"."""

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from downloads import actions
from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


def have(owner: User | None, *, media_id: str = "abc", **options: Any) -> Download:
    """A completed download of one video, with its file in the library."""
    download = lives.complete(lives.submit(owner, **options))
    Download.objects.filter(pk=download.pk).update(extractor="youtube", media_id=media_id)
    return download


def had_by(owner: User | None, *, media_id: str = "abc", **options: Any) -> Download | None:
    return Download.objects.had_by(
        owner, extractor="youtube", media_id=media_id, options=DownloadOptions(**options)
    )


def test_the_same_video_with_the_same_options_is_had(user: User) -> None:
    download = have(user, quality="720p")

    assert had_by(user, quality="720p") == download


def test_it_is_had_when_it_was_cleaned_up(user: User) -> None:
    download = have(user)
    actions.clean(download, actor="test")

    assert had_by(user) == download


def test_what_nobody_owns_is_had_by_nobody(user: User) -> None:
    download = have(None)

    assert (had_by(None), had_by(user)) == (download, None)


def test_the_newest_of_several_is_named(user: User) -> None:
    have(user)
    newest = have(user)

    assert had_by(user) == newest


def test_another_video_other_options_and_another_owner_are_not_had(user: User, staff: User) -> None:
    have(user, quality="720p")

    assert had_by(user, quality="720p", media_id="xyz") is None
    assert had_by(user, quality="1080p") is None
    assert had_by(staff, quality="720p") is None


def test_a_video_without_an_id_is_not_had(user: User, django_assert_num_queries: Any) -> None:
    have(user, media_id="")

    with django_assert_num_queries(0):
        assert had_by(user, media_id="") is None


def test_what_has_not_completed_is_not_had(user: User) -> None:
    for download in (lives.fail(lives.submit(user)), lives.submit(user)):
        Download.objects.filter(pk=download.pk).update(extractor="youtube", media_id="abc")

    assert had_by(user) is None


def test_what_was_deleted_from_the_library_is_not_had(user: User) -> None:
    actions.delete_files(have(user))

    assert had_by(user) is None


def test_what_somebody_removed_from_the_disk_is_not_had(user: User) -> None:
    download = have(user)
    (settings.VNSITE.media_root / download.library_path / "clip.mp4").unlink()

    assert had_by(user) is None


def test_options_of_a_newer_version_are_other_options(user: User) -> None:
    Download.objects.filter(pk=have(user).pk).update(options={"quality": "9000p"})

    assert had_by(user) is None


@pytest.mark.parametrize(
    ("option", "value"),
    [("playlist", "no"), ("start_at", "2030-01-01T00:00:00+00:00"), ("rate_limit", 100_000)],
)
def test_options_that_leave_the_same_files_make_no_difference(
    user: User, option: str, value: object
) -> None:
    download = have(user)
    Download.objects.filter(pk=download.pk).update(options={option: value})

    assert had_by(user) == download


def test_a_video_that_is_not_had_costs_one_query(
    user: User, django_assert_num_queries: Any
) -> None:
    have(user, media_id="another")

    with django_assert_num_queries(1):
        assert had_by(user) is None


@pytest.mark.sqlite  # PostgreSQL reads so small a table as a whole
def test_the_video_is_found_by_the_index(user: User) -> None:
    with CaptureQueriesContext(connection) as captured:
        had_by(user)

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {captured.captured_queries[0]['sql']}")
        assert "download_by_media" in str(cursor.fetchall())


def test_again_is_kept_of_the_wish(user: User) -> None:
    wishes = [("https://example.org/1", DownloadOptions())]

    (first,) = submissions.submit(wishes, owner=user, actor="test", is_again=True)

    assert Download.objects.get(pk=first.download.pk).is_again
