"""Parts that all writes of rows share: transaction, clock, refusals, storable texts."""

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from django.db import Error, connection, transaction
from django.utils import timezone

from downloads.rules import redaction

MAX_MESSAGE_LENGTH = 4000
MAX_LISTED = 200


class IllegalMove(Exception):
    """The table of states has no such edge. Always a fault of the caller."""


class LostDownload(Exception):
    """The row is no longer in the state and attempt that the caller knows. Nothing was written."""


class CancelWasAsked(Exception):
    """Somebody asked to cancel before the decision to publish. Nothing was written."""


# SQLite lets one transaction write at a time; a waiting one sleeps for up to 100 ms between tries.
# The threads of one process queue here instead, and go on at once.
_turn = threading.RLock()


@contextmanager
def short_transaction() -> Iterator[None]:
    """Open a transaction, or a savepoint in the caller's. No input or output inside."""
    # A thread inside a transaction must not queue: the thread whose turn it is waits for it.
    queues = connection.vendor == "sqlite" and not connection.in_atomic_block
    with _turn if queues else nullcontext(), transaction.atomic():
        yield


@contextmanager
def joined_transaction() -> Iterator[None]:
    """Be in the caller's transaction, or open a short one.

    Without a savepoint, which costs two statements: what raises here after its first write must
    end the caller's transaction as well.
    """
    with nullcontext() if connection.in_atomic_block else short_transaction():
        yield


SNAPSHOTS = {
    "sqlite": "BEGIN DEFERRED",
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
}


@contextmanager
def snapshot() -> Iterator[None]:
    """Have all queries inside see the database as it is at the first of them.

    For reading alone: nothing is locked, and others go on writing. Within a transaction it does
    nothing. Raises DatabaseError when it cannot begin.
    """
    if connection.in_atomic_block:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(SNAPSHOTS[connection.vendor])
        try:
            yield
        finally:
            try:
                cursor.execute("COMMIT")
            except Error:  # the database is gone: a query inside has said so, or the next one will
                connection.close()


def database_now() -> datetime:
    """Return the instant by the clock that all machines share: that of PostgreSQL.

    Heartbeats and leases, which machines compare, are written and read by it. With SQLite there is
    one machine.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def clock_ahead_seconds() -> float:
    """Return by how much this machine's clock is ahead of `database_now`; negative: behind."""
    asked_at, now = timezone.now(), database_now()
    meanwhile = timezone.now() - asked_at
    return (asked_at + meanwhile / 2 - now).total_seconds()


def storable(value: Any) -> Any:
    """Return a text without NUL, which PostgreSQL refuses, and halves of characters."""
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode(errors="replace").decode()


Told = dict[str, str | int | list[dict[str, str | int]]]


def tellable(data: Mapping[str, Any]) -> Told:
    """Return what of the data may be stored: words and whole numbers, and lists of such mappings.

    No secrets, no endless texts, no endless lists.
    """
    lists = {
        key: [_told(each) for each in value[:MAX_LISTED] if isinstance(each, Mapping)]
        for key, value in data.items()
        if isinstance(value, list)
    }
    return {**_told(data), **lists}


def _told(data: Mapping[str, Any]) -> dict[str, str | int]:
    words = {
        key: redaction.safe_text(value[: 2 * MAX_MESSAGE_LENGTH])[:MAX_MESSAGE_LENGTH]
        for key, value in data.items()
        if isinstance(value, str)
    }
    return words | {key: value for key, value in data.items() if isinstance(value, int)}


def choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(str(word), str(word)) for word in words]


def plain_values(words: Iterable[str]) -> list[str]:
    """Return plain strings in a fixed order: migrations compare the conditions made of them."""
    return sorted(str(word) for word in words)
