"""Single faults at one chosen moment, which no sweep of kills brings about."""

import os
import signal
from contextlib import ExitStack
from pathlib import Path

import pytest
from django.db import connection

from downloads import actions
from downloads.diagnostics import invariants
from downloads.disk import isolation
from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from tests.crash.cleaning import begun_cleanup, cleanup
from tests.crash.injecting import fault_in_the_attempt
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.crash.tracing import fork_server_of, require_strace
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]


@pytest.mark.sqlite  # whose commit is a call that can fail
def test_when_the_database_fails_at_the_end_it_is_written_again(
    media_server: MediaServer, tmp_path: Path
) -> None:
    # The third commit is that of COMPLETED, after DOWNLOADING with READY, and the decision.
    with fault_in_the_attempt("fdatasync:error=EIO:when=3", media_server, tmp_path):
        download = submit(media_server.url("/small/2.mp4?once"))
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))
    assert download.attempt == 1
    assert download.transitions.get(to_state=State.COMPLETED).actor.startswith("worker:")
    # Once to see what it is, once to fetch it: as without the fault.
    assert media_server.hits_of("/small/2.mp4?once", "GET") == 2
    assert_nothing_is_left()


def test_a_retry_during_the_removal_gets_a_directory_and_an_end_of_its_own(
    media_server: MediaServer, tmp_path: Path
) -> None:
    delayed = "unlinkat:delay_enter=10000000:when=1"  # time for the retry, however slow
    with fault_in_the_attempt(delayed, media_server, tmp_path, slots=2):
        download = submit(media_server.url("/slow.mp4?rate=1000000"))
        wait_for_state(download, State.DOWNLOADING)
        actions.cancel(download, actor="test")
        wait_for_state(download, State.CANCELLED)
        wait_for(lambda: any(map(is_being_removed, temp_entries())), what="the removal")
        actions.retry(download, actor="test")
        wait_for_state(download, State.CLEANED)

    attempt = ["claimed", "directory_made", "child_started"]
    before, after = ["submitted", *attempt, "cancelled"], ["retried", *attempt]
    ends = ["published", "cleaned"]
    # The retry removes the directory first: the worker's sweep may then be quicker to say so.
    swept = [*before, "cleaned", *after, *ends]
    reasons = [reason for _, reason in history(download)]
    assert reasons in ([*before, *after, *ends], swept)
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


def is_being_removed(name: str) -> bool:
    return name.endswith(isolation.REMOVING)


def test_three_cleanups_at_once_do_the_work_of_one(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    urls = [media_server.url(f"/slow.mp4?rate=50000&n={number}") for number in range(8)]
    wishes = [(url, DownloadOptions()) for url in urls]
    submissions.submit(wishes, owner=None, actor="test")
    with running_worker("--concurrency", "8", **allowed):
        wait_for(lambda: Download.objects.filter(state=State.DOWNLOADING).count() == 8)

    with ExitStack() as stack:
        cleanups = [stack.enter_context(begun_cleanup()) for _ in range(3)]
        codes = [each.wait() for each in cleanups]

    assert codes == [0, 0, 0]
    assert set(Download.objects.values_list("state", "attempt")) == {("created", 1)}
    assert_nothing_is_left()


def test_a_broken_cleanup_is_finished_by_the_next(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    """Killed at each call of its own that changes the disk or, on SQLite, ends a transaction."""
    require_strace()
    calls = ["rename", "unlinkat", "rmdir"]
    calls += ["fdatasync"] if connection.vendor == "sqlite" else []
    wishes = [
        (media_server.url(f"/slow.mp4?rate=50000&{call}"), DownloadOptions()) for call in calls
    ]
    submissions.submit(wishes, owner=None, actor="test")
    with running_worker("--concurrency", "4", **allowed):
        wait_for(lambda: Download.objects.filter(state=State.DOWNLOADING).count() == len(calls))

    for call in calls:
        assert cleanup(inject=f"{call}:signal=SIGKILL:when=1") == -signal.SIGKILL
        assert [finding for finding in invariants.check() if finding.is_breach] == []
    assert cleanup() == 0

    assert set(Download.objects.values_list("state", flat=True)) == {State.CREATED}
    for download in Download.objects.all():
        actions.cancel(download, actor="test")
    assert_nothing_is_left()


def test_of_two_that_finish_a_publication_both_succeed(
    media_server: MediaServer, tmp_path: Path
) -> None:
    with fault_in_the_attempt("renameat2:signal=SIGKILL:when=1", media_server, tmp_path) as worker:
        download = submit(media_server.url("/small/2.mp4"))
        wait_for(lambda: worker.process.poll() is not None, what="the kill before the rename")

    with begun_cleanup(inject="renameat2:delay_enter=6000000:when=1") as late:
        late.wait_until_it_says("complete")
        assert cleanup() == 0
        assert late.wait() == 0

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


def test_a_retry_during_a_cleanup_is_no_fault_of_the_cleanup(
    media_server: MediaServer, tmp_path: Path
) -> None:
    with fault_in_the_attempt("unlinkat:signal=SIGKILL:when=1", media_server, tmp_path) as worker:
        download = submit(media_server.url("/status/404"))
        wait_for(lambda: worker.process.poll() is not None, what="the kill in the removal")
    download.refresh_from_db()

    with begun_cleanup(inject="unlinkat:delay_enter=3000000:when=1") as late:
        late.wait_until_it_says("clean")
        actions.retry(download, actor="test")
        assert late.wait() == 0

    wait_for_state(download, State.CREATED)
    assert_nothing_is_left()


def test_the_check_finds_no_breach_beside_a_worker_at_work(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    wishes = [
        (media_server.url(f"/small/{number}.mp4?busy"), DownloadOptions()) for number in range(40)
    ]
    submissions.submit(wishes, owner=None, actor="test")

    with running_worker("--concurrency", "4", **allowed):
        while Download.objects.exclude(state=State.CLEANED).exists():
            assert invariants.check(hashes=True) == []
    assert_nothing_is_left()


@pytest.mark.sqlite
def test_a_fork_server_that_is_killed_while_it_starts_does_not_end_the_worker(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker(**allowed) as worker:
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        killed: set[int | None] = {None}
        for _ in range(3):
            [fork_server] = wait_for(
                lambda: {fork_server_of(worker.process.pid)} - killed, what="a fork server"
            )
            os.kill(fork_server, signal.SIGKILL)
            killed.add(fork_server)

        download = submit(media_server.url("/small/2.mp4"))
        wait_for_state(download, State.CLEANED)
        assert worker.process.poll() is None

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()
