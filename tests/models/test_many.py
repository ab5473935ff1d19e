"""One action on many downloads: what becomes of each, and what is counted."""

from collections import Counter
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from downloads import actions, many, queueing
from downloads.diagnostics.invariants import check
from downloads.many import Action, Done, Refusal
from downloads.models import (
    Counts,
    Deletion,
    Download,
    LibraryEntry,
    StreamPosition,
    Transition,
)
from downloads.models.counts import wrong_counts
from downloads.models.stream import DELETIONS_KEPT
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

ACTOR = "user:ann"


def act(action: Action, *downloads: Download, with_files: bool = False) -> Done:
    chosen = Download.objects.filter(pk__in=[each.pk for each in downloads])
    return many.act(chosen, action, actor=ACTOR, with_files=with_files)


def submit(owner: User, number: int) -> list[Download]:
    return [lives.submit(owner) for _ in range(number)]


def states(*downloads: Download) -> list[str]:
    rows = Download.objects.filter(pk__in=[each.pk for each in downloads]).order_by("pk")
    return list(rows.values_list("state", flat=True))


def test_each_is_judged_by_itself(user: User) -> None:
    ended = lives.fail(lives.submit(user))
    running = lives.start(lives.submit(user))
    waiting = submit(user, 2)

    done = act(Action.CANCEL, ended, running, *waiting)

    assert done == Done(done=3, asked=1, refused=Counter({Refusal.ENDED: 1}))
    assert states(ended, running, *waiting) == ["failed", "downloading", "cleaned", "cleaned"]
    assert Download.objects.get(pk=running.pk).cancel_requested_by == ACTOR


def test_what_is_cancelled_together_has_the_history_of_each(user: User, staff: User) -> None:
    together = [*submit(user, 2), *submit(staff, 1)]
    queueing.pause(queueing.first(together[1], actor=ACTOR), actor=ACTOR)
    alone = actions.cancel(lives.submit(user), actor=ACTOR)

    act(Action.CANCEL, *together)

    columns = ("from_state", "to_state", "actor", "reason", "data", "attempt", "outcome")
    history = Transition.objects.exclude(from_state=None).order_by("seq")
    expected = list(history.filter(download=alone).values_list(*columns))
    for download in together:
        assert list(history.filter(download=download).values_list(*columns)) == expected
        row = Download.objects.get(pk=download.pk)
        assert (row.outcome, row.cancel_requested_by) == ("cancelled", ACTOR)
        assert row.finished_at is not None
        assert (row.paused_at, row.place) == (None, 0)
    assert not wrong_counts(Download.objects.all())
    assert list(check()) == []


def test_many_are_cancelled_with_hardly_more_queries_than_few(user: User) -> None:
    few, lots = submit(user, 2), submit(user, 60)
    with CaptureQueriesContext(connection) as of_few:
        act(Action.CANCEL, *few)

    with CaptureQueriesContext(connection) as of_lots:
        act(Action.CANCEL, *lots)

    assert len(of_lots) <= len(of_few) + 3  # SQLite takes a number of parameters at once
    assert Counts.objects.visible_to(user).by_state_and_outcome()[1]["cancelled"] == 62


def test_failed_and_cancelled_ones_are_retried_and_others_named(user: User) -> None:
    failed, completed = lives.fail(lives.submit(user)), lives.complete(lives.submit(user))
    running = lives.start(lives.submit(user))
    cancelled, waiting = submit(user, 2)
    actions.cancel(cancelled, actor=ACTOR)

    done = act(Action.RETRY, failed, completed, running, cancelled, waiting)

    assert done.done == 2
    assert done.refused == {Refusal.COMPLETED: 1, Refusal.RUNNING: 1, Refusal.WAITING: 1}


def test_what_was_cleaned_up_already_is_counted_apart(user: User) -> None:
    kept, clean = lives.fail(lives.submit(user)), lives.fail(lives.submit(user))
    actions.clean(clean, actor=ACTOR)
    waiting = lives.submit(user)

    done = act(Action.CLEANUP, kept, clean, waiting)

    assert done == Done(done=1, refused=Counter({Refusal.CLEAN: 1, Refusal.WAITING: 1}))


def test_a_deletion_leaves_what_runs_and_files_unless_told_otherwise(user: User) -> None:
    kept, removed = lives.complete(lives.submit(user)), lives.complete(lives.submit(user))
    running = lives.start(lives.submit(user))

    done = act(Action.DELETE, kept, running)
    act(Action.DELETE, removed, with_files=True)

    assert done == Done(done=1, refused=Counter({Refusal.RUNNING: 1}))
    assert list(Download.objects.all()) == [running]
    entry = LibraryEntry.objects.get()
    assert entry.correlation_id == kept.correlation_id
    assert entry.owner == user


def test_what_is_deleted_together_is_counted_told_and_gone(user: User, staff: User) -> None:
    kept = lives.fail(lives.submit(user))
    gone = [lives.fail(lives.submit(user)), lives.complete(lives.submit(staff)), *submit(user, 2)]
    directory = settings.VNSITE.temp_root / gone[0].directory

    done = act(Action.DELETE, *gone)

    assert done == Done(done=4)
    assert list(Download.objects.all()) == [kept]
    assert not directory.exists()
    told = Deletion.objects.order_by("seq").values_list("correlation_id", "owner_id")
    assert list(told) == [(each.correlation_id, each.owner_id) for each in gone]
    assert Deletion.objects.latest("seq").seq == StreamPosition.current()
    assert not wrong_counts(Download.objects.all())
    assert not [each for each in check() if each.is_breach]


def test_deletions_are_kept_for_a_while(user: User) -> None:
    act(Action.DELETE, *submit(user, 2))
    old, recent = Deletion.objects.order_by("seq")
    now = timezone.now()
    Deletion.objects.filter(pk=old.pk).update(at=now - DELETIONS_KEPT - timedelta(seconds=1))

    Deletion.objects.forget_old(now)

    assert list(Deletion.objects.all()) == [recent]


def test_a_directory_that_cannot_be_removed_keeps_its_download(user: User) -> None:
    stuck, other = lives.fail(lives.submit(user)), lives.fail(lives.submit(user))
    directory = settings.VNSITE.temp_root / stuck.directory
    directory.rename(directory.with_name("elsewhere"))
    directory.write_text("a file where the directory was")

    assert act(Action.DELETE, stuck, other) == Done(done=1, refused=Counter({Refusal.DISK: 1}))
    assert list(Download.objects.all()) == [stuck]


def test_those_that_are_put_first_keep_their_order(user: User) -> None:
    first, second, third, fourth = submit(user, 4)

    done = act(Action.FIRST, third, fourth)

    assert done == Done(done=2)
    worker = lives.make_worker()
    order = [lives.claim_next(worker) for _ in range(4)]
    assert order == [third, fourth, first, second]


def test_they_are_paused_and_resumed(user: User) -> None:
    waiting = submit(user, 2)
    running = lives.start(waiting[0])

    assert act(Action.PAUSE, *waiting) == Done(done=1, refused=Counter({Refusal.RUNNING: 1}))
    assert act(Action.RESUME, waiting[1]) == Done(done=1)
    assert running.state == "downloading"


def test_the_rest_is_left_when_the_time_is_over(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "BUDGET_SECONDS", -1.0)

    assert act(Action.CANCEL, *submit(user, 3)) == Done(left=3)


@pytest.mark.parametrize("action", list(Action))
def test_what_an_action_applies_to_is_not_refused(action: Action, user: User) -> None:
    lives.fail(lives.submit(user))
    actions.cancel(lives.submit(user), actor=ACTOR)
    lives.complete(lives.submit(user))
    lives.start(lives.submit(user))
    queueing.pause(lives.submit(user), actor=ACTOR)
    lives.submit(user)
    chosen = many.applicable(Download.objects.all(), action)
    number = chosen.count()

    done = many.act(chosen, action, actor=ACTOR)

    assert number > 0
    assert (done.done, done.refused, done.left) == (number, Counter(), 0)
