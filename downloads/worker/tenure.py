"""An attempt's right to write: it ends with its worker's lease, and it outlasts an absent database.

Between the attempt and the rows: what is written is the caller's business.
"""

import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from django.conf import settings
from django.db import connection

from downloads.models import Download, LostDownload
from downloads.models.outage import in_words, is_damaged, is_outage
from downloads.rules.lease import Lease

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0


class LeaseOver(Exception):
    """Another worker may have the download by now. Nothing was written, and nothing may be."""


class Writer(Protocol):
    """Who carries out the writes of a publication: an attempt with its tenure, or recovery."""

    def require(self) -> None:
        """Raises LeaseOver when nothing may be changed any more, on the disk or in the row."""

    def insist(self, write: Callable[[], object], **wanted: Any) -> None:
        """Carry out a transaction that gives the row the columns `wanted`."""


class Once:
    """Writes once, whoever has the lease: for recovery, whose sweep comes again."""

    def require(self) -> None:
        pass

    def insist(self, write: Callable[[], object], **wanted: Any) -> None:
        write()


class LeaseGuard:
    """One attempt's right to its download, of the term of the lease in which it was claimed."""

    def __init__(self, download: Download, *, lease: Lease, term: int) -> None:
        self._download = download
        self._epoch = download.attempt
        self._lease = lease
        self._term = term
        self._hurry = threading.Event()

    @property
    def is_held(self) -> bool:
        return self._lease.holds(self._term)

    def require(self) -> None:
        """Raises LeaseOver when another worker may have the download. Safe in any thread."""
        if not self.is_held:
            silent = self._lease.silent_seconds()
            raise LeaseOver(f"its worker's last heartbeat is {silent:.0f} s old")

    def hurry(self) -> None:
        """Wait for the database no more. Safe in any thread."""
        self._hurry.set()

    def insist(self, write: Callable[[], object], **wanted: Any) -> None:
        """Carry out a transaction, again and again while the database is away.

        When the connection breaks at COMMIT nobody knows whether it was committed. So the row is
        looked at first: when it has the columns `wanted`, in our attempt, it was; what changes
        nothing wants none. Raises LeaseOver and LostDownload; and the database's last error in a
        hurry, or after the length of a lease: an answer that always is an error is no absence.
        """
        shown = _columns(self._download)
        give_up_at = time.monotonic() + settings.VNSITE.lease_seconds
        is_open = False
        while True:
            self.require()
            try:
                if not (is_open and wanted and self._was_written(wanted)):
                    write()
            except Exception as error:
                _show(self._download, shown)  # the write may show more than the row has
                if not is_outage(error) or is_damaged(error):
                    raise
                is_open = True
                connection.close()
                self._wait(error, give_up_at=give_up_at)
            else:
                return

    def _was_written(self, wanted: dict[str, Any]) -> bool:
        row = Download.objects.filter(pk=self._download.pk).first()
        if row is None or row.attempt != self._epoch:
            raise LostDownload(self._download.correlation_id)
        if any(getattr(row, name) != value for name, value in wanted.items()):
            return False
        _show(self._download, _columns(row))
        return True

    def _wait(self, error: Exception, *, give_up_at: float) -> None:
        """Wait a moment before the next try; raises the error when there is to be none."""
        if time.monotonic() >= give_up_at:
            raise error
        logger.warning(
            "%s waits, the database does not answer: %s", self._download, in_words(error)
        )
        if self._hurry.wait(AGAIN_SECONDS):
            raise error


def _columns(download: Download) -> dict[str, Any]:
    names = [field.attname for field in download._meta.concrete_fields]
    return {name: getattr(download, name) for name in names}


def _show(download: Download, columns: dict[str, Any]) -> None:
    for name, value in columns.items():
        setattr(download, name, value)
