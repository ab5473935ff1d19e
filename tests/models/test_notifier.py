"""The doorbell: who it wakes, and when. First SQLite's, then what any of the site's has to do."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.utils import timezone

from downloads import actions, queueing
from downloads.models import Download, Progress, Worker
from downloads.models.notifier import Doorbell, PostgresqlDoorbell, SqliteDoorbell, open_doorbell
from tests.helpers import lives
from tests.helpers.postgresql import Cluster
from tests.helpers.processes import open_files

pytestmark = pytest.mark.both_databases

LONG = 30.0  # a deadline, never waited for


def connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "bell.sqlite3"
    with closing(connect(path)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE mail (letter TEXT)")
    return path


@pytest.fixture
def database(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path)) as database:
        yield database


@pytest.fixture
def bell(path: Path) -> Iterator[SqliteDoorbell]:
    with closing(SqliteDoorbell(str(path))) as bell:
        yield bell


def commit(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO mail VALUES ('hello')")


def test_it_is_silent_when_nothing_is_committed(bell: SqliteDoorbell) -> None:
    assert bell.wait(0.05) is False


def test_a_commit_wakes_who_waits(bell: SqliteDoorbell, database: sqlite3.Connection) -> None:
    committing = threading.Timer(0.1, commit, [database])
    committing.start()

    assert bell.wait(LONG) is True
    committing.join()


def test_a_commit_to_a_database_without_a_log_wakes_who_waits(tmp_path: Path) -> None:
    path = tmp_path / "no-log.sqlite3"
    with closing(connect(path)) as database, closing(SqliteDoorbell(str(path))) as bell:
        database.execute("CREATE TABLE mail (letter TEXT)")
        assert bell.wait(LONG) is True
        committing = threading.Timer(0.1, commit, [database])
        committing.start()

        assert bell.wait(LONG) is True
        committing.join()


def test_a_commit_of_another_process_wakes_who_waits(bell: SqliteDoorbell, path: Path) -> None:
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); "
    command = [sys.executable, "-c", script + "c.commit(); c.close()", str(path)]
    with subprocess.Popen([*command, "INSERT INTO mail VALUES ('hello')"]):
        assert bell.wait(LONG) is True


def test_who_looks_less_and_less_often_still_hears_a_commit(
    bell: SqliteDoorbell, database: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("downloads.models.notifier.BUSY_POLL_SECONDS", 0.001)
    monkeypatch.setattr("downloads.models.notifier.BLIND_POLL_SECONDS", 10 * LONG)
    bell._pause = 2 * LONG  # until the next look
    committing = threading.Timer(0.1, commit, [database])
    giving_up = threading.Timer(LONG / 4, bell.interrupt)
    committing.start()
    giving_up.start()

    assert bell.wait(LONG) is True
    giving_up.cancel()
    committing.join()


def test_a_commit_before_the_wait_is_not_lost(
    bell: SqliteDoorbell, database: sqlite3.Connection
) -> None:
    commit(database)

    assert bell.wait(LONG) is True
    assert bell.wait(0) is False


def test_a_commit_is_heard_although_no_time_is_left(
    bell: SqliteDoorbell, database: sqlite3.Connection
) -> None:
    commit(database)

    assert bell.wait(0) is True


def test_what_is_rolled_back_does_not_ring(
    bell: SqliteDoorbell, database: sqlite3.Connection
) -> None:
    database.execute("BEGIN IMMEDIATE")
    commit(database)
    database.execute("ROLLBACK")

    assert bell.wait(0.05) is False


def test_an_open_transaction_does_not_ring(
    bell: SqliteDoorbell, database: sqlite3.Connection
) -> None:
    database.execute("BEGIN EXCLUSIVE")
    commit(database)

    assert bell.wait(0.05) is False

    database.execute("COMMIT")
    assert bell.wait(LONG) is True


def test_an_interrupt_ends_the_wait(bell: SqliteDoorbell) -> None:
    interrupting = threading.Timer(0.1, bell.interrupt)
    interrupting.start()

    assert bell.wait(LONG) is False
    interrupting.join()


def test_interrupts_before_the_wait_end_it_once(bell: SqliteDoorbell) -> None:
    bell.interrupt()
    bell.interrupt()

    before = time.monotonic()
    assert bell.wait(LONG) is False
    assert time.monotonic() - before < LONG
    assert bell.wait(0.05) is False


def test_a_signal_handler_may_interrupt(bell: SqliteDoorbell) -> None:
    earlier = signal.signal(signal.SIGALRM, lambda *_: bell.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert bell.wait(LONG) is False
    finally:
        signal.signal(signal.SIGALRM, earlier)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match=r"gone\.sqlite3"):
        SqliteDoorbell(str(tmp_path / "gone.sqlite3"))

    assert not (tmp_path / "gone.sqlite3").exists()


def test_a_database_locked_against_readers_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "no-wal.sqlite3"
    with closing(connect(path)) as database, closing(SqliteDoorbell(str(path))) as bell:
        database.execute("BEGIN EXCLUSIVE")
        bell.wait(0.05)
        database.execute("CREATE TABLE mail (letter TEXT)")
        database.execute("COMMIT")

        assert bell.wait(LONG) is True


def test_one_that_cannot_be_read_leaves_nothing_open(tmp_path: Path) -> None:
    path = tmp_path / "text.sqlite3"
    path.write_text("This is no database. " * 100, encoding="utf-8")

    with pytest.raises(OperationalError) as raised:  # holds on to what the doorbell had made
        SqliteDoorbell(str(path))

    assert str(path) not in open_files(os.getpid())
    assert "not a database" in str(raised.value)


def in_another_thread(work: Callable[[], object]) -> None:
    """Do it on another connection, and let it be committed."""

    def run() -> None:
        work()
        connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


@pytest.fixture
def site_bell(shared_db: None) -> Iterator[Doorbell]:
    with closing(open_doorbell()) as bell:
        yield bell


def test_the_bell_of_the_site_is_silent_when_nothing_happens(site_bell: Doorbell) -> None:
    assert site_bell.wait(0.05) is False


def test_it_is_of_the_site_s_database(site_bell: Doorbell) -> None:
    expected = {"sqlite": SqliteDoorbell, "postgresql": PostgresqlDoorbell}

    assert type(site_bell) is expected[connection.vendor]


def test_whatever_somebody_waits_for_rings(shared_db: None) -> None:
    worker = lives.make_worker()
    waiting, running = lives.submit(), lives.submit()
    lives.start(waiting, worker)
    changes: list[Callable[[], object]] = [
        lives.submit,
        lambda: actions.cancel(lives.submit(), actor="test"),
        lambda: lives.start(running, worker),
        lambda: Progress.objects.update(received_bytes=5),
        lambda: running.ask_to_cancel(actor="test"),
        lambda: Download.objects.filter(pk=running.pk).update(not_before=timezone.now()),
        lambda: queueing.pause(Download.objects.get(state="created"), actor="test"),
        lambda: queueing.first(Download.objects.get(state="created"), actor="test"),
        lambda: queueing.pause_queue(actor="test"),
        lambda: queueing.resume_queue(actor="test"),
        lambda: Worker.objects.filter(pk=worker.pk).update(stopped_at=timezone.now()),
        lives.make_worker,
        lambda: Download.objects.exclude(pk__in=[waiting.pk, running.pk])[0].forget(),
    ]
    for change in changes:
        with closing(open_doorbell()) as bell:
            in_another_thread(change)
            assert bell.wait(LONG) is True


def test_an_interrupt_ends_the_wait_of_the_site_s_bell(site_bell: Doorbell) -> None:
    interrupting = threading.Timer(0.1, site_bell.interrupt)
    interrupting.start()

    assert site_bell.wait(LONG) is False
    interrupting.join()


def test_interrupts_before_the_wait_end_it_once_there_too(site_bell: Doorbell) -> None:
    for _ in range(3):
        site_bell.interrupt()

    before = time.monotonic()
    assert site_bell.wait(LONG) is False
    assert time.monotonic() - before < LONG
    assert site_bell.wait(0.05) is False


def test_a_signal_handler_may_interrupt_the_site_s_bell(site_bell: Doorbell) -> None:
    earlier = signal.signal(signal.SIGALRM, lambda *_: site_bell.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert site_bell.wait(LONG) is False
    finally:
        signal.signal(signal.SIGALRM, earlier)


def test_a_late_interrupt_does_no_harm(shared_db: None) -> None:
    bell = open_doorbell()
    bell.close()

    bell.interrupt()


@pytest.mark.postgresql
def test_a_heartbeat_rings_nobody(shared_db: None) -> None:
    worker = lives.make_worker()
    with closing(open_doorbell()) as bell:
        in_another_thread(
            lambda: Worker.objects.filter(pk=worker.pk).update(heartbeat_at=timezone.now())
        )

        assert bell.wait(0.05) is False


@pytest.mark.postgresql
def test_what_is_rolled_back_does_not_ring_on_postgresql(site_bell: Doorbell) -> None:
    def roll_back() -> None:
        with transaction.atomic():
            lives.submit()
            transaction.set_rollback(True)

    in_another_thread(roll_back)

    assert site_bell.wait(0.05) is False


@pytest.mark.postgresql
def test_it_is_silent_while_the_server_is_gone_and_rings_once_when_it_is_back(
    site_bell: Doorbell, cluster: Cluster
) -> None:
    cluster.stop()
    assert site_bell.wait(0.05) is False
    assert site_bell.wait(0.05) is False

    cluster.start()
    assert site_bell.wait(LONG) is True
    assert site_bell.wait(0.05) is False

    in_another_thread(lives.submit)
    assert site_bell.wait(LONG) is True


@pytest.mark.postgresql
def test_an_interrupt_ends_the_wait_for_a_server_that_is_gone(
    site_bell: Doorbell, cluster: Cluster
) -> None:
    cluster.stop()
    interrupting = threading.Timer(0.1, site_bell.interrupt)
    interrupting.start()

    assert site_bell.wait(LONG) is False
    interrupting.join()


@pytest.mark.postgresql
def test_no_bell_can_be_had_from_a_server_that_is_gone(shared_db: None, cluster: Cluster) -> None:
    cluster.stop()

    with pytest.raises(OperationalError):
        open_doorbell()
