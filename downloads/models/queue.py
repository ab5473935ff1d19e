"""The queue of all: whether anything new may start, and the mutex behind which downloads do."""

from typing import Self

from django.db import connection, models

from downloads.models.statements import ask
from downloads.models.transactions import database_now, short_transaction

MUTEX = 0x766E73697465  # of pg_advisory_xact_lock, in this database: "vnsite"


def take_mutex() -> None:
    """Hold the mutex of claims until the transaction ends.

    On SQLite the transaction is IMMEDIATE and so excludes other writers already.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [MUTEX])


class Queue(models.Model):
    """The one row of the queue; without it the queue is open."""

    paused_at = models.DateTimeField(null=True)  # None: it is open
    paused_by = models.CharField(max_length=200, blank=True, default="")  # an actor

    def __str__(self) -> str:
        return "paused" if self.paused_at else "open"

    @classmethod
    def current(cls) -> Self:
        """Return the row, or an open queue that is not saved."""
        return cls.objects.filter(pk=1).first() or cls(pk=1)

    @classmethod
    def is_paused(cls) -> bool:
        return bool(ask("SELECT 1 FROM downloads_queue WHERE id = 1 AND paused_at IS NOT NULL"))

    @classmethod
    def pause(cls, *, actor: str) -> bool:
        """Let nothing new start; when this returns no claim is under way. False: it was paused."""
        with short_transaction():
            take_mutex()
            if cls.current().paused_at:
                return False
            values = {"paused_at": database_now(), "paused_by": actor}
            cls.objects.update_or_create(pk=1, defaults=values)
        return True

    @classmethod
    def resume(cls) -> bool:
        """Let downloads start again. False: it was open."""
        paused = cls.objects.filter(pk=1, paused_at__isnull=False)
        return bool(paused.update(paused_at=None, paused_by=""))
