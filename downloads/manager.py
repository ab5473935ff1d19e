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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import (
    DEFAULT_DB_ALIAS,
    DatabaseError,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)

from downloads import actions, isolation, recovery
from downloads.attempt import Attempt, Request
from downloads.child import ChildFailed, Process, WarmProcess
from downloads.doorbell import Doorbell, open_doorbell
from downloads.links import clean_url
from downloads.models import Download, Worker, database_now, worker_actor
from downloads.options import DownloadOptions

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 5.0
SWEEP_SECONDS = 10.0
GRACE_SECONDS = 10.0
MAX_HOST_LENGTH = 90  # in a worker's name
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
        self._obstacle = ""  # the last one that was said
        self._running: dict[int, tuple[Attempt, Future[None]]] = {}
        # (primary key, attempt) of downloads whose attempt ended without giving them an end.
        self._abandoned: set[tuple[int, int]] = set()

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
        now = database_now()
        process = Process.of(os.getpid())
        return Worker.objects.create(
            name=f"{self.host[:MAX_HOST_LENGTH]}-{os.getpid()}-{secrets.token_hex(2)}",
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
            has_claimed, patience_seconds = False, PATIENCE_SECONDS
            with database_may_be_gone():
                has_claimed = self._step(doorbell)
                patience_seconds = REQUESTS_SECONDS if self._running else PATIENCE_SECONDS
            if once and not has_claimed and not self._running:
                return
            doorbell.wait(patience_seconds)

    def _step(self, doorbell: Doorbell) -> bool:
        """Look once at everything that may have changed; True when something was claimed."""
        self._forget_finished()
        self._pass_on_requests()
        has_claimed = False
        while len(self._running) < self.slots and not self._stops and self._can_begin():
            download = Download.objects.claim_next(
                self._worker, directory_name=isolation.directory_name
            )
            if download is None:
                break
            self._begin(download, doorbell)
            has_claimed = True
        return has_claimed

    def _can_begin(self) -> bool:
        return self._has_room() and self._is_warm()

    def _is_warm(self) -> bool:
        """Whether children can be forked; starts another warm process when that one ended."""
        if self._warm.is_alive():
            return True
        logger.error("the process that runs yt-dlp ended; starting another one")
        self._warm.close()
        try:
            self._warm.start()
        except ChildFailed as error:
            # It was killed again, or there is no memory: nothing is claimed, and later is soon.
            logger.error("trying again: %s", error)
            return False
        return True

    def _has_room(self) -> bool:
        """Whether something new may be started; says why not, once."""
        obstacle = room_obstacle()
        if obstacle and obstacle != self._obstacle:
            logger.warning("Nothing new is started: %s", obstacle)
        self._obstacle = obstacle
        return not obstacle

    def _begin(self, download: Download, doorbell: Doorbell) -> None:
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
        if now < self._requests_due_at:
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
            if row is None or row[0] != attempt.epoch:
                attempt.ask(Request.LEAVE)
            elif row[1] is not None:
                attempt.ask(Request.CANCEL)
        # Nobody works on them: the database hung up before it said that they were claimed, or when
        # their attempt was about to end.
        self._abandoned |= {(key, rows[key][0]) for key in rows.keys() - self._running.keys()}

    def _drain(self, doorbell: Doorbell) -> None:
        """Wait for running attempts; when the grace is over or at the second stop, end them."""
        deadline = time.monotonic() + self.grace_seconds
        while self._running:
            if self._stops > 1 or time.monotonic() >= deadline:
                for attempt, _ in self._running.values():
                    attempt.ask(Request.STOP)
            self._forget_finished()
            with database_may_be_gone():
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
        with database_may_be_gone():  # then the kernel, or the lease, says that it has stopped
            Worker.objects.filter(pk=self._worker.pk).update(stopped_at=database_now())
        self._doorbell = None
        doorbell.close()
        logger.info("worker %s stopped", self._worker.name)

    def _repeat(self, step: Callable[[], None], seconds: float) -> None:
        """Do a step now and every so often, on a connection of its own, until the worker ends."""
        while not self._ended.wait(seconds):
            try:
                with database_may_be_gone():
                    step()
            except Exception:
                # Without heartbeat or sweep the worker would go on as if all were well.
                logger.exception("a step in the background broke; trying again")
            finally:
                connections.close_all()

    def _beat(self) -> None:
        Worker.objects.filter(pk=self._worker.pk).update(heartbeat_at=database_now())

    def _sweep(self) -> None:
        recovery.recover(
            actor=f"recovery:{self._worker.name}",
            host=self.host,
            abandoned=frozenset(self._abandoned),
        )
        recovery.forget_old_workers(database_now(), host=self.host)


@contextmanager
def database_may_be_gone() -> Iterator[None]:
    """Say that the database does not answer, and have the next query make a new connection."""
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        is_foreseen = isinstance(error, OperationalError | InterfaceError)
        reason = " ".join(str(error).split())
        logger.warning(
            "The database does not answer, trying again: %s", reason, exc_info=not is_foreseen
        )
        connection.close()


def room_obstacle() -> str:
    """Why nothing new may be started, or "": temp root and library must be there and each have
    VNSITE_MIN_FREE_BYTES free."""
    for root in (settings.VNSITE.temp_root, settings.VNSITE.media_root):
        try:
            root.mkdir(parents=True, exist_ok=True)
            free_bytes = shutil.disk_usage(root).free
        except OSError as error:
            return f"{root} cannot be used ({error.strerror})"
        if free_bytes < settings.VNSITE.min_free_bytes:
            return f"less than VNSITE_MIN_FREE_BYTES is free in {root}"
    return ""
