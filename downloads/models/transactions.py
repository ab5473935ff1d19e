"""What every write of a row shares: its transaction, the clock, its refusals, storable texts."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone


class IllegalMove(Exception):
    """The table of states has no such edge. Always a fault of the caller."""


class LostDownload(Exception):
    """The row is no longer in the state and attempt that the caller knows. Nothing was written."""


class CancelWasAsked(Exception):
    """Somebody asked to cancel before the decision to publish. Nothing was written."""


# SQLite lets one transaction write at a time, and whoever finds it taken sleeps for up to 100 ms.
# The threads of one process queue here instead, and go on at once.
_turn = threading.RLock()


@contextmanager
def short_transaction() -> Iterator[None]:
    """One short transaction, or a part of the caller's. No input or output inside."""
    # Inside of a transaction it is this thread's turn in the database: whoever has the turn here
    # waits for it.
    queues = connection.vendor == "sqlite" and not connection.in_atomic_block
    with _turn if queues else nullcontext(), transaction.atomic():
        yield


def database_now() -> datetime:
    """Now, by the one clock that all machines share: PostgreSQL's. SQLite has but one machine.

    What is compared across machines, a heartbeat with a lease, is written and read by it.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def storable(value: Any) -> Any:
    """A text as every database takes it: PostgreSQL refuses a NUL, and both half a character.

    What a site says in its error messages is not ours to choose.
    """
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode(errors="replace").decode()


def choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(str(word), str(word)) for word in words]


def plain_values(words: Iterable[str]) -> list[str]:
    """Plain strings in a fixed order: migrations compare the conditions that they are part of."""
    return sorted(str(word) for word in words)
