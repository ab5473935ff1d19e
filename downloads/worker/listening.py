"""Listens to a child while it runs, passes its messages on, and judges what it does."""

import time
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from downloads.disk import isolation
from downloads.fetch.client import Child
from downloads.fetch.protocol import Broke, LastMessage, Learned, Listed, Message, Renewed, Said
from downloads.sandbox.limits import FILE_SIZE_FACTOR
from downloads.worker.attempt_log import LogKeeper
from downloads.worker.learning import Learning
from downloads.worker.listing import ListBeingRead
from downloads.worker.loan import Loan
from downloads.worker.progress import ProgressReport
from downloads.worker.throughput import ThroughputWatchdog

LONGEST_WAIT_SECONDS = 1.0


class ChildListener:
    """The worker's side of one child's messages, until its last word."""

    def __init__(
        self,
        child: Child,
        *,
        directory: Path,
        progress: ProgressReport,
        list_being_read: ListBeingRead,
        log: LogKeeper,
        loan: Loan,
        learning: Learning,
        rate_limit: int | None = None,
    ) -> None:
        """`rate_limit`: bytes per second that the child keeps to; None: as fast as it comes."""
        self._child = child
        self._directory = directory
        self._progress = progress
        self._list = list_being_read
        self._log = log
        self._loan = loan
        self._learning = learning
        self._heard_at = time.monotonic()
        least = settings.VNSITE.min_bytes_per_second
        self._pace = ThroughputWatchdog(
            now=self._heard_at,
            max_seconds=settings.VNSITE.max_seconds,
            # What keeps to its limit is not called slow.
            min_bytes_per_second=min(least, rate_limit // 2) if rate_limit else least,
            window_seconds=settings.VNSITE.stall_seconds,
        )

    def receive(self, *, wake: int) -> list[Message] | None:
        """Wait for messages or for what is due; None when it ended or `wake` is readable."""
        due_seconds = min(LONGEST_WAIT_SECONDS, self._progress.due_in_seconds())
        return self._child.receive(timeout_seconds=due_seconds, wake=wake)

    def take(self, messages: Iterable[Message]) -> LastMessage | None:
        """Pass the messages on, up to the last word, which is returned."""
        for message in messages:
            if isinstance(message, Said):
                self._log.take(message)
                continue
            self._heard_at = time.monotonic()
            if isinstance(message, Renewed):
                self._loan.take(message)
                continue
            if isinstance(message, Learned):
                self._learning.take(message)
                continue
            if isinstance(message, LastMessage):
                return message
            if isinstance(message, Listed):
                self._list.take(message.entries)
                if self._list.is_enough:
                    self._child.keep()
            self._progress.take(message)
        return None

    def why_stop(self) -> Broke | None:
        """Say what is wrong with a child that goes on: too much, too slow, or silent."""
        # The most that fetching and merging can need.
        most_bytes = settings.VNSITE.max_bytes * FILE_SIZE_FACTOR
        if isolation.directory_size(self._directory) > most_bytes:
            return Broke(kinds=["TooLarge"], data={"code": "wrote_too_much"})
        silent_seconds = time.monotonic() - self._heard_at
        if self._progress.may_stall and silent_seconds > settings.VNSITE.stall_seconds:
            return Broke(kinds=["Stalled"], data={"silent_seconds": round(silent_seconds)})
        return self._pace.measure(
            now=time.monotonic(),
            received_bytes=self._progress.fetched_bytes,
            is_recorded=self._progress.is_recorded,
        )

    def report(self) -> None:
        """Write what is due. It may wait for the database, and meanwhile nobody listens."""
        self._progress.write_if_due()
        self._log.write_if_due()
