"""Small steps that a worker repeats beside its loop, the heartbeat among them."""

import logging
import os
import secrets
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connections
from django.db.models import F

from downloads import logs
from downloads.fetch.processes import Process, boot_id
from downloads.models import Worker, database_now
from downloads.models.schema import version_on_disk
from downloads.rules.lease import Lease, boot_seconds

if TYPE_CHECKING:
    from django.db.models import QuerySet

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0  # after a step that the database did not answer
MAX_HOST_LENGTH = 90  # in a worker's name


class Background:
    """Repeats steps, each in a thread and on a connection of its own, which it keeps.

    A thread for each: one that waits for the database must not hold up the others. A step that
    broke gets a new connection.
    """

    def __init__(self, *, guard: Callable[[], AbstractContextManager[None]], worker: str) -> None:
        """`guard` is entered for each step, takes what the database raises, and closes that
        connection."""
        self._guard = guard
        self._worker = worker
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []
        self._needed: list[threading.Event] = []

    def start(
        self,
        step: Callable[[], bool | None],
        *,
        seconds: float,
        needed: threading.Event | None = None,
    ) -> None:
        """Do a step every so often, the first time after `seconds`.

        One that returns True has more to do, and is done again in a moment. `needed`: the step is
        left out while this is not set, and its thread sleeps; `end` sets it. None: the step is
        always needed.
        """
        thread = threading.Thread(target=self._repeat, args=(step, seconds, needed), daemon=True)
        thread.start()
        self._threads.append(thread)
        if needed is not None:
            self._needed.append(needed)

    def end(self) -> None:
        """Let the present steps come to their ends."""
        self._ended.set()
        for needed in self._needed:
            needed.set()
        for thread in self._threads:
            thread.join()

    def _repeat(
        self, step: Callable[[], bool | None], seconds: float, needed: threading.Event | None
    ) -> None:
        pause_seconds = seconds
        while not self._ended.wait(pause_seconds):
            if needed is not None:
                needed.wait()
                if self._ended.is_set():
                    break
            pause_seconds = min(seconds, AGAIN_SECONDS)
            try:
                with logs.about(worker=self._worker), self._guard():
                    has_more = step()
                    pause_seconds = min(seconds, AGAIN_SECONDS) if has_more else seconds
            except Exception as error:
                # Without heartbeat or sweep the worker would go on as if all were well.
                logs.failed(logger, "a step in the background broke; trying again", error)
                connections.close_all()
        connections.close_all()


class Heartbeat:
    """The worker's row, and the lease that each beat of it renews."""

    def __init__(self, *, host: str, slots: int) -> None:
        self._host = host
        self._slots = slots
        self.lease = Lease(settings.VNSITE.lease_seconds)
        self.worker = self._register()

    def beat(self) -> None:
        asked_at = boot_seconds()
        # No `short_transaction`: a thread that waits for the database there must not hold this up.
        if not self._row().update(heartbeat_at=database_now()):
            logger.warning("worker %s was forgotten; registering again", self.worker.name)
            self.worker = self._register()
        self.lease.renew(asked_at=asked_at)

    def count_orphans(self, *, mended: int, left: int) -> None:
        """Add what was mended, and note what could not be."""
        rows = self._row().exclude(orphans_left=left) if not mended else self._row()
        rows.update(orphans_mended=F("orphans_mended") + mended, orphans_left=left)

    def stop(self) -> None:
        """Write that the worker has stopped."""
        self._row().update(stopped_at=database_now())

    def _row(self) -> "QuerySet[Worker]":
        return Worker.objects.filter(pk=self.worker.pk)

    def _register(self) -> Worker:
        asked_at = boot_seconds()
        now = database_now()
        process = Process.of(os.getpid())
        worker = Worker.objects.create(
            name=f"{self._host[:MAX_HOST_LENGTH]}-{os.getpid()}-{secrets.token_hex(2)}",
            host=self._host,
            pid=os.getpid(),
            pid_started=process.started if process else 0,
            boot_id=boot_id(),
            slots=self._slots,
            version=version_on_disk(),
            started_at=now,
            heartbeat_at=now,
        )
        self.lease.renew(asked_at=asked_at)
        return worker
