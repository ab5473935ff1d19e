"""What VNSITE_HISTORY_DAYS removes of downloads that ended long ago, and what it leaves."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.models import AttemptLog, Download, StreamPosition, retention
from downloads.models.retention import Place
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Reason, State
from downloads.worker.retention import Retention
from tests.helpers import lives
from tests.helpers.clocks import Clocks
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, history, running_worker, worker_environment
from tests.models.test_races import at_once

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

DAYS = 30


def later(days: int = DAYS) -> datetime:
    """A moment at which what has ended by now ended more than so many days before."""
    return timezone.now() + timedelta(days=days, minutes=1)


def new_retention() -> Retention:
    return Retention(days=DAYS, should_stop=lambda: False)


def prune(now: datetime | None = None) -> None:
    new_retention().prune(now or later())


def cleaned() -> Download:
    """A download that completed and is clean, with a log and the speeds of its attempt."""
    download = lives.complete(lives.submit())
    keep_log(download)
    actions.clean(download, actor="test")
    return download


def keep_log(download: Download) -> None:
    AttemptLog.objects.keep(AttemptLog(download=download, attempt=download.attempt, text="a line"))
    download.attempts.filter(number=download.attempt).update(speeds=[[1, 1000.0]])


def tried_again(download: Download) -> Download:
    """The download, waiting again after an attempt that failed and left a log."""
    running = lives.start(download)
    keep_log(running)
    directory = settings.VNSITE.temp_root / running.directory
    running.move(
        State.CREATED, actor="test", reason=Reason.WILL_RETRY, error_class=ErrorClass.NETWORK
    )
    directory.joinpath("part.mp4").unlink()
    directory.rmdir()
    return running


def breaches() -> list[invariants.Finding]:
    return [finding for finding in invariants.check() if finding.is_breach]


def test_of_a_clean_download_the_last_move_stays() -> None:
    download = cleaned()
    seq = StreamPosition.current()

    prune()

    download.refresh_from_db()
    assert history(download) == [("cleaned", "cleaned")]
    assert (download.state, download.outcome, download.history_days) == ("cleaned", "completed", 30)
    assert not download.logs.exists()
    assert download.attempts.get().speeds == []
    assert StreamPosition.newest_pruned() == seq - 1
    assert StreamPosition.current() == seq
    assert download.files.count() == 1
    assert breaches() == []


def test_what_ended_within_the_days_stays() -> None:
    download = cleaned()
    before = history(download)

    prune(later() - timedelta(minutes=2))

    download.refresh_from_db()
    assert history(download) == before
    assert download.history_days is None
    assert download.logs.exists()
    assert StreamPosition.newest_pruned() == 0


def test_the_days_begin_when_it_was_cleaned() -> None:
    """It may have been kept for long before."""
    download = lives.complete(lives.submit())
    ended_at = download.finished_at
    actions.clean(download, actor="test")
    assert ended_at is not None
    between = ended_at + (download.updated_at - ended_at) / 2

    prune(between + timedelta(days=DAYS))
    assert len(history(download)) == 6

    prune(download.updated_at + timedelta(days=DAYS, milliseconds=1))
    assert len(history(download)) == 1


@pytest.mark.parametrize("state", ["waiting", "running", "failed", "cancelled"])
def test_what_has_not_come_to_its_end_stays(state: str) -> None:
    download = tried_again(lives.submit())
    if state == "running":
        lives.start(download)
    if state == "failed":
        lives.fail(download)
    if state == "cancelled":
        lives.start(download).move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    before = history(download)

    prune()

    assert history(download) == before
    assert download.logs.exists()


def test_of_a_download_whose_directory_is_kept_the_last_attempt_stays() -> None:
    download = lives.complete(tried_again(lives.submit()))
    keep_log(download)

    prune()

    download.refresh_from_db()
    assert [state for state, _ in history(download)] == [
        "initializing", "ready", "downloading", "completed",
    ]  # fmt: skip
    assert list(download.logs.values_list("attempt", flat=True)) == [2]
    assert [bool(attempt.speeds) for attempt in download.attempts.all()] == [False, True]
    assert (settings.VNSITE.temp_root / download.directory).is_dir()
    assert breaches() == []

    actions.clean(download, actor="test")
    prune()

    assert history(download) == [("cleaned", "cleaned")]
    assert not download.logs.exists()


def test_a_first_attempt_whose_directory_is_kept_loses_nothing_of_itself() -> None:
    download = lives.complete(lives.submit())
    keep_log(download)

    prune()

    assert [state for state, _ in history(download)][-4:] == [
        "initializing", "ready", "downloading", "completed",
    ]  # fmt: skip
    assert download.logs.exists()


def test_an_attempt_whose_directory_is_still_there_keeps_its_history() -> None:
    download = cleaned()
    name = download.attempts.get().directory
    directory = settings.VNSITE.temp_root / name
    directory.mkdir()
    before = history(download)

    prune()
    assert history(download) == before

    directory.rmdir()
    prune()
    assert len(history(download)) == 1


def test_a_retried_download_is_pruned_again_after_its_next_end() -> None:
    download = lives.fail(lives.submit())
    actions.clean(download, actor="test")
    prune()
    actions.retry(download, actor="test")
    assert breaches() == []
    lives.fail(download)
    download.refresh_from_db()
    actions.clean(download, actor="test")
    assert breaches() == []

    prune()

    assert history(download) == [("cleaned", "cleaned")]
    assert breaches() == []


def test_a_worker_that_stops_leaves_the_rest_to_the_next_step() -> None:
    downloads = [cleaned() for _ in range(3)]
    step = Retention(days=DAYS, should_stop=lambda: True, batch=1)

    for number in range(1, 4):
        step.prune(later())
        assert [len(history(each)) == 1 for each in downloads].count(True) == number


def test_the_database_refuses_to_lose_what_may_not_be_pruned() -> None:
    clean, failed = cleaned(), lives.fail(lives.submit())
    waiting = tried_again(lives.submit())

    def is_refused(download: Download, **those: object) -> bool:
        try:
            with transaction.atomic():
                download.transitions.filter(**those).delete()
        except IntegrityError:
            return True
        return False

    first, last = clean.transitions.order_by("seq")[0], clean.transitions.order_by("seq")[5]
    assert is_refused(clean, pk=first.pk)  # it is not marked
    Download.objects.update(history_days=DAYS)
    assert is_refused(clean, pk=first.pk)  # listeners do not know
    StreamPosition.prune_to(StreamPosition.current())
    assert is_refused(clean)  # none would be left
    assert is_refused(clean, pk=last.pk)
    assert is_refused(failed, to_state="created")
    assert is_refused(waiting, to_state="initializing")
    assert not is_refused(clean, pk=first.pk)


def test_what_was_pruned_is_never_taken_back() -> None:
    cleaned()
    StreamPosition.prune_to(5)

    StreamPosition.prune_to(3)

    assert StreamPosition.newest_pruned() == 5


def test_a_download_that_moved_meanwhile_keeps_its_history() -> None:
    download, other = lives.fail(lives.submit()), cleaned()
    actions.clean(download, actor="test")
    chosen = retention.ended_before(later(), after=Place.before_all(), most=10)
    assert {each.pk for each in chosen} == {download.pk, other.pk}

    actions.retry(download, actor="test")
    before = history(download)
    retention.prune(chosen, days=DAYS)

    assert history(download) == before
    assert len(history(other)) == 1
    assert breaches() == []


# Other processes, and threads with connections of their own


@pytest.mark.usefixtures("shared_db")
def test_two_at_once_and_a_retry_harm_nothing() -> None:
    failed = [lives.fail(lives.submit()) for _ in range(8)]
    for download in failed:
        actions.clean(download, actor="test")

    def work(index: int) -> None:
        if index < 3:
            prune()
        else:
            actions.retry(Download.objects.get(pk=failed[index].pk), actor="test")

    at_once(len(failed), work)

    assert breaches() == []
    assert [len(history(each)) for each in failed[:3]] == [1, 1, 1]
    assert [history(each)[-1][0] for each in failed[3:]] == ["created"] * 5


@contextmanager
def pruner() -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.pruner", str(DAYS)],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        yield process
        process.kill()


@pytest.mark.usefixtures("shared_db")
def test_a_kill_in_the_middle_harms_nothing() -> None:
    downloads = [cleaned() for _ in range(12)]

    for number in range(3):
        with pruner() as process:
            assert process.stdout is not None
            for _ in range(3):
                assert process.stdout.readline() == "pruned\n"
            time.sleep(random.uniform(0, 0.01))
            process.kill()
        assert breaches() == []
        lengths = [len(history(each)) for each in downloads]
        assert set(lengths) <= {1, 6}
        assert lengths.count(1) >= 3, number

    prune()
    assert {len(history(each)) for each in downloads} == {1}
    assert breaches() == []


@pytest.mark.sqlite  # PostgreSQL has a clock of its own
@pytest.mark.usefixtures("shared_db")
def test_a_worker_prunes_by_itself(tmp_path: Path) -> None:
    old = cleaned()
    clocks = Clocks(tmp_path)
    clocks.set(wall_seconds=(DAYS + 1) * 86400)

    with running_worker(VNSITE_HISTORY_DAYS=str(DAYS), **clocks.environment):
        wait_for(lambda: len(history(old)) == 1, what="its history to be pruned")

    assert breaches() == []
