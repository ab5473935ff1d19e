"""Writes a download's row while the lease lasts, and across an absence of the database.

What is decided is the caller's business; here it is written fenced, in full, and once.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection

from downloads.models import Download, LostDownload, short_transaction
from downloads.models.outage import in_words, is_damaged, is_outage
from downloads.rules.lease import Lease
from downloads.rules.states import State

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0

Answer = TypeVar("Answer")


class LeaseOver(Exception):
    """Another worker may have the download by now. Nothing was written, and nothing may be."""


class Row:
    """A download's row and its writer: recovery, which tries each write once and comes again."""

    def __init__(self, download: Download, *, actor: str) -> None:
        self.download = download
        self.actor = actor

    def require(self) -> None:
        """Raise LeaseOver when nothing may be changed any more, on the disk or in the row."""

    def move(
        self,
        to: State,
        reason: str,
        data: Mapping[str, Any] | None = None,
        *,
        first: Callable[[], object] | None = None,
        **columns: Any,
    ) -> None:
        """Write a change of state; `first` comes with it in one transaction.

        Raises what `Download.move` and `require` raise.
        """

        def write() -> None:
            with short_transaction() if first else nullcontext():
                if first:
                    first()
                self.download.move(to, actor=self.actor, reason=reason, data=data, **columns)

        self.write(write, state=to)
        logger.info("%s is %s (%s)", self.download, to, reason)

    def ask(self, question: Callable[[], Answer]) -> Answer:
        """Return the database's answer; also for a write of other rows that may be done twice."""
        answers: list[Answer] = []
        self.write(lambda: answers.append(question()))
        return answers[-1]

    def write(self, write: Callable[[], object], **wanted: Any) -> None:
        """Carry out a transaction that gives the row the columns `wanted`; raises what it does."""
        write()


class OwnedRow(Row):
    """The row of one attempt, owned for the term of the lease in which it was claimed.

    A write is repeated while the database is away. It raises LeaseOver, LostDownload, and the
    database's last error: after `hurry`, or when it answered with errors for the length of a lease.
    """

    def __init__(self, download: Download, *, actor: str, lease: Lease, term: int) -> None:
        super().__init__(download, actor=actor)
        self._epoch = download.attempt
        self._lease = lease
        self._term = term
        self._hurry = threading.Event()

    @property
    def is_held(self) -> bool:
        return self._lease.holds(self._term)

    def require(self) -> None:
        """Raise LeaseOver when another worker may have the download. Safe in any thread."""
        if not self.is_held:
            silent = self._lease.silent_seconds()
            raise LeaseOver(f"its worker's last heartbeat is {silent:.0f} s old")

    def hurry(self) -> None:
        """Wait for the database no more. Safe in any thread."""
        self._hurry.set()

    def write(self, write: Callable[[], object], **wanted: Any) -> None:
        """Carry out a transaction, and repeat it while the database is away.

        When the connection breaks at COMMIT, nobody knows whether it was committed. So a repetition
        reads the row first: it was if the row has the columns `wanted` in our attempt. A write that
        may be done twice wants none.
        """
        shown = _columns(self.download)
        give_up_at = time.monotonic() + settings.VNSITE.lease_seconds
        is_open = False
        while True:
            self.require()
            try:
                if not (is_open and wanted and self._was_written(wanted)):
                    write()
            except Exception as error:
                _show(self.download, shown)  # the write may show more than the row has
                if not is_outage(error) or is_damaged(error):
                    raise
                is_open = True
                connection.close()
                self._wait(error, give_up_at=give_up_at)
            else:
                return

    def _was_written(self, wanted: dict[str, Any]) -> bool:
        row = Download.objects.filter(pk=self.download.pk).first()
        if row is None or row.attempt != self._epoch:
            raise LostDownload(self.download.correlation_id)
        if any(getattr(row, name) != value for name, value in wanted.items()):
            return False
        _show(self.download, _columns(row))
        return True

    def _wait(self, error: Exception, *, give_up_at: float) -> None:
        """Wait a moment before the next try; raises the error when there is to be none."""
        if time.monotonic() >= give_up_at:
            raise error
        logger.warning("%s waits, the database does not answer: %s", self.download, in_words(error))
        if self._hurry.wait(AGAIN_SECONDS):
            raise error


def _columns(download: Download) -> dict[str, Any]:
    names = [field.attname for field in download._meta.concrete_fields]
    return {name: getattr(download, name) for name in names}


def _show(download: Download, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(download, name, value)
