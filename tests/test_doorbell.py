"""The doorbell: who it wakes, and when."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from django.db import OperationalError

from downloads.doorbell import Doorbell, open_doorbell

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
def bell(path: Path) -> Iterator[Doorbell]:
    with closing(Doorbell(str(path))) as bell:
        yield bell


def commit(database: sqlite3.Connection) -> None:
    database.execute("INSERT INTO mail VALUES ('hello')")


def test_it_is_silent_when_nothing_is_committed(bell: Doorbell) -> None:
    assert bell.wait(0.05) is False


def test_a_commit_wakes_who_waits(bell: Doorbell, database: sqlite3.Connection) -> None:
    committing = threading.Timer(0.1, commit, [database])
    committing.start()

    assert bell.wait(LONG) is True
    committing.join()


def test_a_commit_of_another_process_wakes_who_waits(bell: Doorbell, path: Path) -> None:
    script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute(sys.argv[2]); "
    command = [sys.executable, "-c", script + "c.commit(); c.close()", str(path)]
    with subprocess.Popen([*command, "INSERT INTO mail VALUES ('hello')"]):
        assert bell.wait(LONG) is True


def test_a_commit_before_the_wait_is_not_lost(bell: Doorbell, database: sqlite3.Connection) -> None:
    commit(database)

    assert bell.wait(LONG) is True
    assert bell.wait(0) is False


def test_a_commit_is_heard_although_no_time_is_left(
    bell: Doorbell, database: sqlite3.Connection
) -> None:
    commit(database)

    assert bell.wait(0) is True


def test_what_is_rolled_back_does_not_ring(bell: Doorbell, database: sqlite3.Connection) -> None:
    database.execute("BEGIN IMMEDIATE")
    commit(database)
    database.execute("ROLLBACK")

    assert bell.wait(0.05) is False


def test_an_open_transaction_does_not_ring(bell: Doorbell, database: sqlite3.Connection) -> None:
    database.execute("BEGIN EXCLUSIVE")
    commit(database)

    assert bell.wait(0.05) is False

    database.execute("COMMIT")
    assert bell.wait(LONG) is True


def test_an_interrupt_ends_the_wait(bell: Doorbell) -> None:
    interrupting = threading.Timer(0.1, bell.interrupt)
    interrupting.start()

    assert bell.wait(LONG) is False
    interrupting.join()


def test_interrupts_before_the_wait_end_it_once(bell: Doorbell) -> None:
    bell.interrupt()
    bell.interrupt()

    before = time.monotonic()
    assert bell.wait(LONG) is False
    assert time.monotonic() - before < LONG
    assert bell.wait(0.05) is False


def test_a_signal_handler_may_interrupt(bell: Doorbell) -> None:
    earlier = signal.signal(signal.SIGALRM, lambda *_: bell.interrupt())
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        assert bell.wait(LONG) is False
    finally:
        signal.signal(signal.SIGALRM, earlier)


def test_a_database_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(OperationalError, match=r"gone\.sqlite3"):
        Doorbell(str(tmp_path / "gone.sqlite3"))

    assert not (tmp_path / "gone.sqlite3").exists()


def test_the_site_has_one(shared_db: None) -> None:
    with closing(open_doorbell()) as bell:
        assert bell.wait(0) is False


def test_a_database_locked_against_readers_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "no-wal.sqlite3"
    with closing(connect(path)) as database, closing(Doorbell(str(path))) as bell:
        database.execute("BEGIN EXCLUSIVE")
        bell.wait(0.05)
        database.execute("CREATE TABLE mail (letter TEXT)")
        database.execute("COMMIT")

        assert bell.wait(LONG) is True
