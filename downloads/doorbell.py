"""Wakes a waiter when another connection committed something. A bell, not the mail: it never says
what was committed, so whoever wakes up looks into the database.

Between rows and the two sides: the worker waits here for downloads, the web for transitions.
Imports neither channels nor Twisted.
"""

import contextlib
import sqlite3
import threading
import time
from pathlib import Path

from django.db import OperationalError, connection

# Waking up for a look at SQLite's counter costs 0.1 to 0.2 ms of CPU: twenty looks a second are
# 0.4 % of a core. Commits come in flocks, so after one the next looks follow more quickly.
IDLE_POLL_SECONDS = 0.05
BUSY_POLL_SECONDS = 0.005


class Doorbell:
    """One waiter on a SQLite database. `wait` belongs to one thread at a time, the rest to any.

    Whatever was committed since it was made, or since `wait` last returned True, makes the next
    `wait` return. It holds a connection of its own: do not carry one across a fork.
    """

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
        self._seen = self._data_version()
        self._pause = BUSY_POLL_SECONDS
        # Held while nobody interrupts. Not a threading.Event: a signal handler that sets one while
        # the same thread is inside its wait() finds the Event's own lock taken, for ever.
        self._quiet = threading.Lock()
        self._quiet.acquire()

    def wait(self, timeout_seconds: float) -> bool:
        """Block until another connection has committed (True), or until `interrupt` or the end of
        the time (False). Raises django.db.OperationalError when the database cannot be read."""
        deadline = time.monotonic() + timeout_seconds
        while not self._has_rung():
            left = deadline - time.monotonic()
            if left <= 0 or self._quiet.acquire(timeout=min(self._pause, left)):
                return False
            self._pause = min(2 * self._pause, IDLE_POLL_SECONDS)
        self._pause = BUSY_POLL_SECONDS
        return True

    def interrupt(self) -> None:
        """End the present `wait`, or the next one at once. Safe in threads and signal handlers."""
        with contextlib.suppress(RuntimeError):  # interrupted already, and not yet noticed
            self._quiet.release()

    def close(self) -> None:
        """Let go of the connection. Nobody may be waiting; nothing works after it."""
        self._connection.close()

    def _has_rung(self) -> bool:
        version = self._data_version()
        has_changed = version != self._seen
        self._seen = version
        return has_changed

    def _data_version(self) -> int:
        """SQLite's counter of commits by other connections, in this process or another.

        -1 while the database is locked against readers: that rings once, and the end of it again.
        """
        try:
            row = self._connection.execute("PRAGMA data_version").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                return -1
            raise OperationalError(str(error)) from error
        return int(row[0])


def open_doorbell() -> Doorbell:
    """A doorbell on the site's database, for the calling process."""
    return Doorbell(str(connection.settings_dict["NAME"]))
