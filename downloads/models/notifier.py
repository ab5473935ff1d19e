"""Wakes a waiter when another connection has committed something, without saying what.

The worker waits here for downloads, the web for transitions: whoever wakes up reads the rows.
Imports neither channels nor Twisted.
"""

import contextlib
import ctypes
import os
import select
import socket
import sqlite3
import time
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, Error, OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

# SQLite's counter moves a moment after the write of which the kernel tells, and commits come in
# flocks: both are looked for a few times, less and less often. A commit is several writes, and so
# the kernel is not listened to in the first of these pauses.
STIRRED_POLL_SECONDS = 0.001
BUSY_POLL_SECONDS = 0.005
# Then only the kernel tells of the next write. Where it does not, it is looked for so often: waking
# up for a look costs 0.1 to 0.2 ms of CPU, so that twenty looks a second are 0.4 % of a core.
BLIND_POLL_SECONDS = 0.05
# A file system that tells of no writes, though it promised to, makes nobody wait for longer.
DOUBT_SECONDS = 1.0

_IN_MODIFY = 0x2  # inotify(7)
_libc = ctypes.CDLL(None, use_errno=True)

CHANNEL = "downloads"  # of NOTIFY, as in migrations/_triggers.py
RECONNECT_SECONDS = 1.0


class _Waker:
    """Ends a sleep from another thread or a signal handler."""

    def __init__(self) -> None:
        # Not a pipe: a late interrupt would write into whatever file has its number by then.
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._waker.setblocking(False)

    def interrupt(self) -> None:
        with contextlib.suppress(OSError):  # interrupted often and not yet noticed, or closed
            self._waker.send(b"!")

    def was_interrupted(self, seconds: float, *also: int) -> bool:
        """Sleep until one of `also` can be read, at most `seconds`; True at once when interrupted.

        One call takes all interrupts that have come.
        """
        sleeping = select.poll()
        for descriptor in (self._wake.fileno(), *also):
            sleeping.register(descriptor, select.POLLIN)
        sleeping.poll(seconds * 1000)
        try:
            return bool(self._wake.recv(4096))
        except BlockingIOError:
            return False

    def close(self) -> None:
        self._wake.close()
        self._waker.close()


class SqliteDoorbell:
    """Looks at SQLite's counter of commits. Every commit of another connection rings."""

    def __init__(self, database: str) -> None:
        """`database` is what `sqlite3.connect` takes, a path or a `file:` URI.

        Raises django.db.OperationalError when it does not exist or cannot be read.
        """
        if not database.startswith("file:"):
            # As a plain path, a database that is gone would be made anew, empty.
            database = f"{Path(database).absolute().as_uri()}?mode=rw"
        try:
            self._connection = sqlite3.connect(
                database, uri=True, timeout=0, isolation_level=None, check_same_thread=False
            )
        except sqlite3.OperationalError as error:
            raise OperationalError(f"{database}: {error}") from error
        try:
            self._seen = self._data_version()
        except OperationalError:
            self._connection.close()
            raise
        self._pause = BUSY_POLL_SECONDS
        self._waker = _Waker()
        self._writes = self._watch_writes()

    def wait(self, timeout_seconds: float) -> bool:
        """See `Doorbell`. Raises django.db.OperationalError when the file cannot be read."""
        deadline = time.monotonic() + timeout_seconds
        while not self._has_rung():
            left = deadline - time.monotonic()
            if left <= 0 or self._was_interrupted(left):
                return False
        self._pause = BUSY_POLL_SECONDS
        return True

    def interrupt(self) -> None:
        self._waker.interrupt()

    def close(self) -> None:
        self._connection.close()
        self._waker.close()
        if self._writes is not None:
            os.close(self._writes)
            self._writes = None

    def _watch_writes(self) -> int | None:
        """Return a descriptor that can be read when the database was written, or None."""
        ((_, _, path),) = self._connection.execute("PRAGMA database_list").fetchall()
        files = [file for file in (path, f"{path}-wal") if Path(file).is_file()]
        descriptor = _libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if descriptor < 0:
            return None  # this user has too many of them already
        told = [
            _libc.inotify_add_watch(descriptor, os.fsencode(file), _IN_MODIFY) for file in files
        ]
        if told and min(told) >= 0:
            return int(descriptor)
        os.close(descriptor)  # in memory, or this user watches too many files already
        return None

    def _was_interrupted(self, seconds: float) -> bool:
        """Sleep until it is time for a look, or somebody writes; return whether interrupted."""
        pause, is_short = self._pause, self._pause < BLIND_POLL_SECONDS
        if is_short:
            self._pause = 2 * pause
        if self._writes is None or pause <= BUSY_POLL_SECONDS:
            return self._waker.was_interrupted(min(pause, BLIND_POLL_SECONDS, seconds))
        patience = min(pause if is_short else DOUBT_SECONDS, seconds)
        if self._waker.was_interrupted(patience, self._writes):
            return True
        with contextlib.suppress(BlockingIOError):
            os.read(self._writes, 65536)
            self._pause = STIRRED_POLL_SECONDS
        return False

    def _has_rung(self) -> bool:
        version = self._data_version()
        has_changed = version != self._seen
        self._seen = version
        return has_changed

    def _data_version(self) -> int:
        """Return SQLite's counter of commits by other connections, in any process.

        -1 while the database is locked against readers: that rings once, and the end of it again.
        """
        try:
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.Error as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return -1
            raise OperationalError(str(error)) from error
        return int(row[0])


class PostgresqlDoorbell:
    """Listens for the NOTIFY of the database's triggers.

    `wait` is silent while the server is gone, and rings once when it is back: commits may have been
    missed. It does not work through a pooler of single transactions.
    """

    def __init__(self) -> None:
        """Raises django.db.OperationalError when the server does not answer."""
        self._waker = _Waker()
        self._connection: BaseDatabaseWrapper | None = None  # None: the server is gone
        self._listen_again_at = 0.0
        try:
            self._listen()
        except Error:
            self.close()
            raise

    def wait(self, timeout_seconds: float) -> bool:
        deadline = time.monotonic() + timeout_seconds
        while not self._has_rung():
            left = deadline - time.monotonic()
            if left <= 0 or self._was_interrupted(left):
                return False
        return True

    def interrupt(self) -> None:
        self._waker.interrupt()

    def close(self) -> None:
        self._hang_up()
        self._waker.close()

    def _listen(self) -> None:
        listening = connections.create_connection(DEFAULT_DB_ALIAS)
        listening.inc_thread_sharing()  # who made it, who waits and who closes may be three
        with listening.cursor() as cursor:
            cursor.execute(f"LISTEN {CHANNEL}")
        self._connection = listening

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _has_rung(self) -> bool:
        if self._connection is None:
            return self._is_back()
        try:
            with self._connection.wrap_database_errors:
                return _take_notifications(self._connection.connection.pgconn)
        except Error:
            self._hang_up()
            return self._is_back()

    def _is_back(self) -> bool:
        now = time.monotonic()
        if now < self._listen_again_at:
            return False
        self._listen_again_at = now + RECONNECT_SECONDS
        try:
            self._listen()
        except Error:
            return False
        return True

    def _was_interrupted(self, seconds: float) -> bool:
        """Sleep until there is something to look at; return whether it is an interrupt."""
        if self._connection is None:
            return self._waker.was_interrupted(min(seconds, RECONNECT_SECONDS))
        return self._waker.was_interrupted(seconds, self._connection.connection.fileno())


def _take_notifications(pgconn: Any) -> bool:
    """Take those that are there; return whether there were any."""
    pgconn.consume_input()
    have_come = False
    while pgconn.notifies():
        have_come = True
    return have_come


# One waiter on the database, with a connection of its own: do not carry one across a fork.
# `wait` blocks until something was committed (True), or until `interrupt` or the end of the time
# (False); what was committed since it was made, or since `wait` last returned True, counts.
# `interrupt` ends the present `wait` or the next one; it is safe in threads and signal handlers.
Doorbell = SqliteDoorbell | PostgresqlDoorbell


def open_doorbell() -> Doorbell:
    """Make a doorbell on the site's database, for the calling process.

    Raises django.db.OperationalError when the database does not answer.
    """
    if connection.vendor == "sqlite":
        return SqliteDoorbell(str(connection.settings_dict["NAME"]))
    return PostgresqlDoorbell()
