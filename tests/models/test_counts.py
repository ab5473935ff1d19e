"""The counts say what counting the rows would say, whatever happens to them and however many do."""

from contextlib import suppress

import pytest
from django.contrib.auth.models import AnonymousUser, User

from downloads import actions
from downloads.models import Counts, Download, LostDownload, submissions
from downloads.models.counts import wrong_counts
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from tests.helpers import lives
from tests.models.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def other(db: None) -> User:
    return User.objects.create_user("otto")


def counted() -> dict[tuple[int, str, str], int]:
    rows = Counts.objects.exclude(number=0)
    return {(row.owner_key, row.state, row.outcome): row.number for row in rows}


def assert_counts_are_right() -> None:
    assert wrong_counts(Download.objects.all()) == {}


def cancelled(owner: User | None) -> Download:
    return actions.cancel(lives.submit(owner), actor="test")


@pytest.mark.usefixtures("clean_disk")
def test_each_end_of_a_life_is_counted(user: User) -> None:
    actions.clean(lives.complete(lives.submit(user)), actor="test")
    lives.fail(lives.submit(user))
    cancelled(user)
    lives.submit()

    assert counted() == {
        (user.pk, "cleaned", "completed"): 1,
        (user.pk, "failed", "failed"): 1,
        (user.pk, "cleaned", "cancelled"): 1,
        (0, "created", ""): 1,
    }


@pytest.mark.parametrize("who", ["owner", "other", "staff", "nobody"])
def test_everybody_sees_the_counts_of_what_they_see(
    user: User, other: User, staff: User, who: str
) -> None:
    lives.submit(user)
    lives.submit(other)
    lives.submit(other)
    viewers = {"owner": user, "other": other, "staff": staff, "nobody": AnonymousUser()}

    visible = Counts.objects.visible_to(viewers[who])

    assert visible.by_state()["created"] == {"owner": 1, "other": 2, "staff": 3, "nobody": 0}[who]


def test_a_batch_is_counted_without_what_was_there_already(user: User) -> None:
    wishes = [(f"https://example.org/{number % 3}", DownloadOptions()) for number in range(5)]

    submissions.submit(wishes, owner=user, actor="test")
    submissions.submit(wishes, owner=user, actor="test")

    assert counted() == {(user.pk, "created", ""): 3}


def test_a_forgotten_download_is_not_counted(user: User) -> None:
    kept, forgotten = cancelled(user), cancelled(user)

    forgotten.forget()

    assert counted() == {(user.pk, kept.state, "cancelled"): 1}


def test_the_downloads_of_a_deleted_user_are_counted_as_nobodys(user: User) -> None:
    cancelled(None)
    lives.start(lives.submit(user))
    lives.submit(user)

    user.delete()

    assert counted() == {(0, "cleaned", "cancelled"): 2, (0, "downloading", ""): 1}
    assert_counts_are_right()


def test_a_move_by_who_does_not_know_that_the_owner_was_deleted_is_counted(user: User) -> None:
    running = lives.start(lives.submit(user))
    user.delete()

    running.move(
        State.FAILED, actor="test", reason=ErrorClass.NETWORK, error_class=ErrorClass.NETWORK
    )

    assert counted() == {(0, "failed", "failed"): 1}


def test_who_knows_an_earlier_outcome_moves_nothing(user: User) -> None:
    failed = lives.fail(lives.submit(user))
    actions.clean(failed, actor="test")
    stale = Download.objects.get(pk=failed.pk)
    actions.cancel(actions.retry(failed, actor="test"), actor="test")

    with pytest.raises(LostDownload):
        stale.move(State.CREATED, actor="test", reason=Reason.RETRIED)

    assert counted() == {(user.pk, "cleaned", "cancelled"): 1}


def test_a_move_that_was_rolled_back_is_not_counted(user: User) -> None:
    running = lives.start(lives.submit(user))
    Download.objects.filter(pk=running.pk).update(attempt=9)

    with pytest.raises(LostDownload):
        running.move(State.CREATED, actor="test", reason=Reason.WILL_RETRY)

    assert counted() == {(user.pk, "downloading", ""): 1}


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_counts_are_right_after_many_at_once(user: User, other: User) -> None:
    """Submissions, claims, ends, retries, deletions of downloads and of a user, in 8 threads."""
    worker, others_key = lives.make_worker(), other.pk

    def live(index: int) -> None:
        owner = (None, user, other)[index % 3]
        for number in range(4):
            wishes = [
                (f"https://example.org/{index}/{number}/{each}", DownloadOptions())
                for each in range(3)
            ]
            added = submissions.submit(wishes, owner=owner, actor="test")
            actions.cancel(added[0].download, actor="test")
            claimed = lives.claim_next(worker)
            if claimed is not None:
                claimed.move(State.CREATED, actor="test", reason=Reason.SHUTDOWN)
            if number % 2:
                with suppress(actions.NotAllowed):  # somebody claimed it before it was cancelled
                    actions.forget(added[0].download)

    def live_or_delete(index: int) -> None:
        if index == 7:
            other.delete()
        elif index % 3 != 2:
            live(index)

    at_once(8, live)
    at_once(8, live_or_delete)

    assert_counts_are_right()
    assert not Counts.objects.filter(owner_key=others_key).exists()
