"""The worker: claims downloads, runs an attempt in each slot, and stops gracefully.

Wiring: what an attempt does is in `attempt`, what is done about dead workers in `recovery`.
"""

import logging
import os
import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
from django.utils import timezone

from downloads import actions, isolation, recovery
from downloads.attempt import Attempt, Request
from downloads.child import Process, WarmProcess
from downloads.doorbell import Doorbell, open_doorbell
from downloads.links import clean_url
from downloads.models import Download, Worker, worker_actor
from downloads.options import DownloadOptions

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 10.0
GRACE_SECONDS = 10.0
# How long the loop sleeps when nobody rings: a download that waits for its time, or for room on
# the disk, is not announced by a commit.
PATIENCE_SECONDS = 1.0
# How often running downloads are looked at for a request to cancel. Not at every ring: each
# transition of our own rings as well.
REQUESTS_SECONDS = 0.1


class DownloadManager:
    """One worker. Make it and `run` it in the main thread of a process of its own.

    The methods that concern one download work in any process with a configured Django.
    """

    def __init__(
        self,
        *,
        slots: int | None = None,
        host: str | None = None,
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        """`slots`: attempts at once (None: VNSITE_CONCURRENCY). `host`: this machine's name."""
        self.slots = slots or settings.VNSITE.concurrency
        self.host = host or socket.gethostname()
        self.grace_seconds = grace_seconds
        self._stops = 0
        self._doorbell: Doorbell | None = None  # None: it does not run
        self._requests_due_at = 0.0
        self._running: dict[int, tuple[Attempt, Future[None]]] = {}

    def submit(
        self, url: str, options: DownloadOptions | None = None, *, owner: "User | None" = None
    ) -> str:
        """Add a download; returns its correlation id. Raises links.InvalidLink.

        The same owner's same wish that is waiting or running is returned instead of a second one.
        """
        wish = (clean_url(url), options or DownloadOptions())
        [submitted] = Download.objects.submit([wish], owner=owner, actor="manager")
        return submitted.download.correlation_id

    def cancel(self, correlation_id: str) -> bool:
        """Cancel a waiting download, or ask its worker to stop it; False when it is too late.

        Raises Download.DoesNotExist.
        """
        try:
            actions.cancel(Download.objects.get(correlation_id=correlation_id), actor="manager")
        except actions.NotAllowed:
            return False
        return True

    def get_temp_path(self, correlation_id: str, filename: str) -> Path:
        """Where a file of a running download is while it runs; only the base name counts.

        Raises Download.DoesNotExist, and RuntimeError when it has no directory now.
        """
        download = Download.objects.get(correlation_id=correlation_id)
        if not download.directory:
            raise RuntimeError(f"{correlation_id} has no directory: it is {download.state}")
        return isolation.path_in(settings.VNSITE.temp_root / download.directory, filename)

    def stop(self) -> None:
        """Stop: claim nothing more and give running attempts the grace. The second call: at once.

        Safe in a signal handler.
        """
        self._stops += 1
        if self._doorbell is not None:
            self._doorbell.interrupt()

    def run(self, *, once: bool = False) -> None:
        """Work until `stop`; with `once` until nothing is claimable and nothing runs.

        Blocks. Must be called in the main thread: the kernel ends the warm process, and so every
        child, when the thread that started it ends.
        """
        # A slot's thread keeps its connection: opening one costs more than a transition.
        connections.settings[DEFAULT_DB_ALIAS]["CONN_MAX_AGE"] = None
        self._doorbell = doorbell = open_doorbell()
        self._warm = WarmProcess()
        self._worker = self._register()
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="attempt")
        background = [
            threading.Thread(target=self._repeat, args=(step, seconds), daemon=True)
            for step, seconds in ((self._beat, HEARTBEAT_SECONDS), (self._sweep, SWEEP_SECONDS))
        ]
        try:
            recovery.recover(actor=f"recovery:{self._worker.name}", host=self.host)
            self._warm.start()
            for thread in background:
                thread.start()
            logger.info("worker %s is ready, %d slots", self._worker.name, self.slots)
            self._work(doorbell, once=once)
            self._drain(doorbell)
        finally:
            self._close(doorbell, background)

    def _register(self) -> Worker:
        now = timezone.now()
        process = Process.of(os.getpid())
        return Worker.objects.create(
            name=f"{self.host}-{os.getpid()}-{secrets.token_hex(2)}",
            host=self.host,
            pid=os.getpid(),
            pid_started=process.started if process else 0,
            boot_id=recovery.boot_id(),
            slots=self.slots,
            started_at=now,
            heartbeat_at=now,
        )

    def _work(self, doorbell: Doorbell, *, once: bool) -> None:
        while not self._stops:
            try:
                has_claimed = self._step(doorbell)
            except DatabaseError:
                logger.exception("the database does not answer; trying again")
                has_claimed = False
            if once and not has_claimed and not self._running:
                return
            doorbell.wait(REQUESTS_SECONDS if self._running else PATIENCE_SECONDS)

    def _step(self, doorbell: Doorbell) -> bool:
        """Look once at everything that may have changed; True when something was claimed."""
        self._forget_finished()
        self._pass_on_requests()
        has_claimed = False
        while len(self._running) < self.slots and not self._stops and self._has_room():
            download = Download.objects.claim_next(
                self._worker, directory_name=isolation.directory_name
            )
            if download is None:
                break
            self._begin(download, doorbell)
            has_claimed = True
        return has_claimed

    def _has_room(self) -> bool:
        """Whether the temp root has more free than VNSITE_MIN_FREE_BYTES."""
        root = settings.VNSITE.temp_root
        root.mkdir(parents=True, exist_ok=True)
        return shutil.disk_usage(root).free >= settings.VNSITE.min_free_bytes

    def _begin(self, download: Download, doorbell: Doorbell) -> None:
        if not self._warm.is_alive():
            logger.error("the process that runs yt-dlp ended; starting another one")
            self._warm.close()
            self._warm.start()
        attempt = Attempt(download, warm=self._warm, actor=worker_actor(self._worker))
        future = self._pool.submit(attempt.run)
        self._running[download.pk] = (attempt, future)
        future.add_done_callback(lambda _: doorbell.interrupt())

    def _forget_finished(self) -> None:
        for key, (_, future) in list(self._running.items()):
            if future.done():
                del self._running[key]

    def _pass_on_requests(self) -> None:
        """Tell attempts whose cancel was asked, or whose row is not ours any more."""
        now = time.monotonic()
        if not self._running or now < self._requests_due_at:
            return
        self._requests_due_at = now + REQUESTS_SECONDS
        rows: dict[int, tuple[int, datetime | None]] = {
            key: (attempt, asked_at)
            for key, attempt, asked_at in Download.objects.running()
            .filter(worker=self._worker)
            .values_list("pk", "attempt", "cancel_requested_at")
        }
        for key, (attempt, _) in self._running.items():
            row = rows.get(key)
            if row is None or row[0] != attempt.download.attempt:
                attempt.ask(Request.LEAVE)
            elif row[1] is not None:
                attempt.ask(Request.CANCEL)

    def _drain(self, doorbell: Doorbell) -> None:
        """Wait for running attempts; when the grace is over or at the second stop, end them."""
        deadline = time.monotonic() + self.grace_seconds
        while self._running:
            if self._stops > 1 or time.monotonic() >= deadline:
                for attempt, _ in self._running.values():
                    attempt.ask(Request.STOP)
            self._forget_finished()
            self._pass_on_requests()
            if self._running:
                doorbell.wait(REQUESTS_SECONDS)

    def _close(self, doorbell: Doorbell, background: list[threading.Thread]) -> None:
        self._ended.set()
        self._pool.shutdown()
        for thread in background:
            if thread.ident is not None:
                thread.join()
        self._warm.close()
        Worker.objects.filter(pk=self._worker.pk).update(stopped_at=timezone.now())
        self._doorbell = None
        doorbell.close()
        logger.info("worker %s stopped", self._worker.name)

    def _repeat(self, step: Callable[[], None], seconds: float) -> None:
        """Do a step now and every so often, on a connection of its own, until the worker ends."""
        while not self._ended.wait(seconds):
            try:
                step()
            except DatabaseError:
                logger.exception("the database does not answer; trying again")
            finally:
                connections.close_all()

    def _beat(self) -> None:
        Worker.objects.filter(pk=self._worker.pk).update(heartbeat_at=timezone.now())

    def _sweep(self) -> None:
        recovery.recover(actor=f"recovery:{self._worker.name}", host=self.host)
        recovery.forget_old_workers(timezone.now(), host=self.host)
