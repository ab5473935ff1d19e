"""Who was silent for longer than its lease: it ends its processes, and changes nothing any more.

Two workers of two hosts share this machine, its database and its disk. To each other they are
other machines, of which only the lease tells whether they live. Several machines have PostgreSQL.
"""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import call_command

from downloads.models import Download, Transition, Worker, database_now
from downloads.rules.states import State
from downloads.worker import recovery
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.crash.tracing import require_strace, traced
from tests.diagnostics.test_checks import configured
from tests.helpers.clocks import Clocks
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import newest_thread
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    child_of,
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]

LEASE_SECONDS = 8  # a sixth less for the worker: it must not miss that on a busy machine
LONG_LEASE_SECONDS = 60
HOUR = 3600
LEFT = b"is left as it is, nothing was written"


@pytest.fixture
def settings_of_workers(media_server: MediaServer) -> dict[str, str]:
    return {
        "VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin,
        "VNSITE_LEASE_SECONDS": str(LEASE_SECONDS),
    }


@pytest.fixture
def clocks(tmp_path: Path) -> Clocks:
    return Clocks(tmp_path)


@pytest.fixture
def stopped() -> Iterator[list[WorkerProcess]]:
    """Workers that a test stops; they go on afterwards, or nobody could wait for their end."""
    workers: list[WorkerProcess] = []
    yield workers
    for worker in workers:
        if worker.process.poll() is None:
            worker.send(signal.SIGCONT)


def completions(download: Download) -> int:
    return Transition.objects.filter(download=download, to_state=State.COMPLETED).count()


def begun(media_server: MediaServer, path: str) -> Download:
    """A download whose first bytes have arrived."""
    download = submit(media_server.url(path))
    wait_for_state(download, State.DOWNLOADING)
    arrived = Download.objects.filter(pk=download.pk, progress__received_bytes__gt=0)
    wait_for(arrived.exists, what="the first bytes")
    return download


def lease_is_over(worker: Worker) -> bool:
    worker.refresh_from_db()
    seconds = (database_now() - worker.heartbeat_at).total_seconds()
    return seconds > LEASE_SECONDS


def row_of(worker: WorkerProcess) -> Worker:
    return Worker.objects.get(pid=worker.process.pid)


@pytest.mark.postgresql
def test_a_worker_stopped_past_its_lease_changes_nothing_and_goes_on_with_other_downloads(
    media_server: MediaServer, settings_of_workers: dict[str, str], stopped: list[WorkerProcess]
) -> None:
    with running_worker("--host-name", "one", **settings_of_workers) as stale:
        download = begun(media_server, "/slow.mp4?rate=500000")
        child = child_of(download)
        stale.freeze()
        stopped.append(stale)
        with running_worker("--host-name", "two", **settings_of_workers) as second:
            wait_for(lambda: ("created", "worker_lost") in history(download))
            stale.send(signal.SIGCONT)
            wait_for(lambda: LEFT in stale.said(), what="the stale worker to say so")
            wait_for(lambda: not child.is_alive(), what="its child to end")
            wait_for_state(download, State.CLEANED)
            second.send(signal.SIGTERM)
            assert second.wait() == 0

        assert completions(download) == 1
        assert_ended_right(download, media_server.file("big.mp4"))

        following = wait_for_state(submit(media_server.url("/video.mp4?after")), State.CLEANED)
        assert following.outcome == "completed"
    assert_nothing_is_left()


@pytest.mark.postgresql
def test_a_worker_stopped_between_decision_and_rename_renames_nothing(
    media_server: MediaServer, settings_of_workers: dict[str, str], tmp_path: Path
) -> None:
    require_strace()
    one_slot = ("--host-name", "one", "--concurrency", "1")  # its thread is the newest one
    with running_worker(*one_slot, **settings_of_workers) as stale:
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        delayed = f"renameat2:delay_enter={2 * LEASE_SECONDS * 1_000_000}:when=1"
        with traced(newest_thread(stale.process.pid), tmp_path, inject=delayed):
            download = submit(media_server.url("/small/2.mp4?stale"))
            wait_for(lambda: Download.objects.filter(pk=download.pk).exclude(library_path=""))
            stale.freeze()
            wait_for(lambda: lease_is_over(row_of(stale)), what="the end of the lease")
            with configured(lease_seconds=LEASE_SECONDS):
                [orphan] = recovery.recover(actor="recovery:two", host="two")
            assert orphan.action == "complete"

            stale.send(signal.SIGCONT)
            wait_for(lambda: LEFT in stale.said(), what="the stale worker to say so")

    download.refresh_from_db()
    assert completions(download) == 1
    assert download.transitions.get(to_state=State.COMPLETED).actor == "recovery:two"
    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


@pytest.mark.postgresql
def test_a_worker_stopped_right_after_its_claim_leaves_no_directory(
    media_server: MediaServer,
    settings_of_workers: dict[str, str],
    stopped: list[WorkerProcess],
    tmp_path: Path,
) -> None:
    require_strace()
    one_slot = ("--host-name", "one", "--concurrency", "1")  # its thread is the newest one
    with running_worker(*one_slot, **settings_of_workers) as stale:
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        delayed = f"mkdir:delay_enter={2 * LEASE_SECONDS * 1_000_000}:when=1"
        with traced(newest_thread(stale.process.pid), tmp_path, inject=delayed):
            download = submit(media_server.url("/small/2.mp4?claimed"))
            wait_for_state(download, State.INITIALIZING)
            stale.freeze()
            stopped.append(stale)
            wait_for(lambda: lease_is_over(row_of(stale)), what="the end of the lease")
            with configured(lease_seconds=LEASE_SECONDS):
                [orphan] = recovery.recover(actor="recovery:two", host="two")
            assert orphan.action == "requeue"
            stale.send(signal.SIGCONT)
            wait_for(lambda: LEFT in stale.said(), what="the stale worker to say so")
            wait_for_state(download, State.CLEANED)
            wait_for(lambda: not temp_entries(), what="its late directory to be removed")

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


@pytest.mark.sqlite
def test_a_machine_that_was_suspended_ends_its_attempts_and_begins_anew(
    media_server: MediaServer, settings_of_workers: dict[str, str], clocks: Clocks
) -> None:
    with running_worker(**settings_of_workers, **clocks.environment) as worker:
        download = begun(media_server, "/slow.mp4?rate=1000000")
        child = child_of(download)

        clocks.set(boot_seconds=HOUR)

        wait_for(lambda: not child.is_alive(), what="the child to be ended")
        wait_for(lambda: LEFT in worker.said(), what="the worker to say so")
        wait_for_state(download, State.CLEANED)
    assert (download.outcome, download.attempt) == ("completed", 2)
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


@pytest.mark.sqlite
@pytest.mark.parametrize("wall_seconds", [HOUR, -HOUR])
def test_a_wall_clock_that_jumps_costs_nothing(
    media_server: MediaServer,
    settings_of_workers: dict[str, str],
    clocks: Clocks,
    wall_seconds: int,
) -> None:
    settings_of_workers["VNSITE_LEASE_SECONDS"] = str(LONG_LEASE_SECONDS)
    with running_worker(**settings_of_workers, **clocks.environment) as worker:
        download = begun(media_server, "/slow.mp4?rate=700000")  # longer than a heartbeat

        clocks.set(wall_seconds=wall_seconds)

        wait_for_state(download, State.CLEANED)
        assert LEFT not in worker.said()
    assert (download.outcome, download.attempt) == ("completed", 1)
    states = [state for state, _ in history(download)]
    assert states == ["created", "initializing", "ready", "downloading", "completed", "cleaned"]


@pytest.mark.postgresql
@pytest.mark.parametrize("wall_seconds", [HOUR, -HOUR])
def test_of_two_machines_one_may_have_a_wrong_clock(
    media_server: MediaServer,
    settings_of_workers: dict[str, str],
    clocks: Clocks,
    wall_seconds: int,
) -> None:
    clocks.set(wall_seconds=wall_seconds)
    settings_of_workers["VNSITE_LEASE_SECONDS"] = str(LONG_LEASE_SECONDS)
    wrong = {**settings_of_workers, **clocks.environment}
    with running_worker("--host-name", "one", **wrong) as first:
        download = begun(media_server, "/slow.mp4?rate=400000")
        with running_worker("--host-name", "two", **settings_of_workers) as second:
            wait_for_state(download, State.CLEANED)
            assert (download.outcome, download.attempt) == ("completed", 1)
            assert LEFT not in first.said() + second.said()


@pytest.mark.postgresql
def test_a_retry_is_due_at_the_time_of_the_database(
    media_server: MediaServer, settings_of_workers: dict[str, str], clocks: Clocks
) -> None:
    clocks.set(wall_seconds=HOUR // 2)
    download = submit(media_server.url("/flaky/clock?fails=1"))
    with running_worker(**settings_of_workers, **clocks.environment):
        wait_for(lambda: ("created", "will_retry") in history(download))

    with running_worker(**settings_of_workers):
        wait_for_state(download, State.CLEANED)

    assert download.outcome == "completed"


@pytest.mark.postgresql
def test_the_heart_beats_while_the_main_thread_hangs(
    media_server: MediaServer, settings_of_workers: dict[str, str], tmp_path: Path
) -> None:
    require_strace()
    with running_worker("--host-name", "one", **settings_of_workers) as worker:
        download = begun(media_server, "/slow.mp4?rate=250000")
        with running_worker("--host-name", "two", **settings_of_workers):
            # Where it looks for room; SQLite's lock and a slow disk are the same to it.
            delayed = f"mkdir:delay_enter={2 * LEASE_SECONDS * 1_000_000}:when=1"
            with traced(worker.process.pid, tmp_path, inject=delayed) as held:
                wait_for(lambda: "DELAYED" in held.log.read_text(), what="the thread to go on")
            wait_for_state(download, State.CLEANED)
        assert LEFT not in worker.said()
    assert (download.outcome, download.attempt) == ("completed", 1)


def test_who_was_taken_for_dead_too_early_writes_nothing_more(
    media_server: MediaServer, settings_of_workers: dict[str, str]
) -> None:
    """By its own clock it has its lease; the row says that the attempt is not its own any more."""
    with running_worker("--host-name", "one", **settings_of_workers) as worker:
        download = begun(media_server, "/slow.mp4?rate=1500000")
        child = child_of(download)

        with configured(lease_seconds=0):
            [orphan] = recovery.recover(actor="recovery:two", host="two")

        assert orphan.action == "requeue"
        refused = f"{download} is not ours any more: nothing was written".encode()
        wait_for(lambda: refused in worker.said(), what="the worker to say so")
        wait_for(lambda: not child.is_alive(), what="the child to be ended")
        wait_for_state(download, State.CLEANED)
    assert completions(download) == 1
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


@pytest.mark.postgresql
def test_a_cleanup_on_another_host_waits_for_the_end_of_the_lease(
    media_server: MediaServer, settings_of_workers: dict[str, str], stopped: list[WorkerProcess]
) -> None:
    """The temp root is shared; only of its own host does it know which processes live."""
    with running_worker("--host-name", "one", **settings_of_workers) as worker:
        download = begun(media_server, "/slow.mp4?rate=100000")
        with configured(lease_seconds=LEASE_SECONDS):
            call_command("cleanup_orphans")
            assert temp_entries() == [download.directory]

            worker.freeze()
            stopped.append(worker)
            wait_for(lambda: lease_is_over(row_of(worker)), what="the end of the lease")
            call_command("cleanup_orphans")

        assert temp_entries() == []
        assert history(download)[-1] == ("created", "worker_lost")


@pytest.mark.sqlite
def test_recovery_on_one_host_leaves_a_stopped_worker_alone(
    media_server: MediaServer, settings_of_workers: dict[str, str], stopped: list[WorkerProcess]
) -> None:
    """Here the kernel says who lives, and the lock of a stopped worker is held."""
    with running_worker("--host-name", "one", **settings_of_workers) as worker:
        download = begun(media_server, "/slow.mp4?rate=500000")
        worker.freeze()
        stopped.append(worker)
        wait_for(lambda: lease_is_over(row_of(worker)), what="the end of the lease")

        with configured(lease_seconds=LEASE_SECONDS):
            assert recovery.recover(actor="recovery:one", host="one") == []
        assert Download.objects.get(pk=download.pk).state == State.DOWNLOADING


def test_a_worker_whose_row_was_forgotten_registers_again(
    media_server: MediaServer, settings_of_workers: dict[str, str]
) -> None:
    """Another machine forgets workers that were silent for a day: a laptop that was shut."""
    with running_worker(**settings_of_workers) as worker:
        Worker.objects.all().delete()
        wait_for(worker.row, what="the worker's new row")

        download = wait_for_state(submit(media_server.url("/video.mp4?again")), State.CLEANED)
    assert download.outcome == "completed"
