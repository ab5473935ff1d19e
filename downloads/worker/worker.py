"""The worker: claims downloads, runs an attempt in each slot, and stops gracefully.

Wiring: `attempt` carries out an attempt, `recovery` mends what dead workers left.
"""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connection, connections
from django.utils import timezone

from downloads import actions, logs
from downloads.disk import isolation
from downloads.fetch.processes import ChildFailed
from downloads.models import (
    Deletion,
    Download,
    LostDownload,
    Worker,
    any_in,
    claims,
    database_now,
    submissions,
)
from downloads.models.notifier import Doorbell, open_doorbell
from downloads.models.outage import in_words, is_damaged, is_outage
from downloads.rules.lease import heartbeat_seconds
from downloads.rules.links import clean_url
from downloads.rules.options import DownloadOptions
from downloads.rules.states import WAITING
from downloads.subscriptions import checks
from downloads.updates.state import Home
from downloads.worker import free_space, one_processor, recovery, resume
from downloads.worker.attempt import AttemptRun
from downloads.worker.background import Background, Heartbeat
from downloads.worker.endings import NOT_BEGUN, StopRequest
from downloads.worker.fork_servers import ForkServers
from downloads.worker.reactions import Reactions
from downloads.worker.retention import Retention
from downloads.worker.updates import Updates
from downloads.worker.upkeep import UPKEEP_SECONDS, Upkeep
from downloads.worker.version import Release
from downloads.worker.vitals import Vitals

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 10.0
TIDYING_SECONDS = 600.0  # of rows that are kept for a day
UPDATE_SECONDS = 5.0
SUBSCRIPTION_SECONDS = 5.0
FENCE_SECONDS = 0.25  # how often the worker looks whether its lease is over
GRACE_SECONDS = 10.0
# The longest sleep of the loop while downloads wait: no commit announces that the time of one has
# come, or that the disk has room again.
PATIENCE_SECONDS = 1.0
# And while none waits and none runs. What begins that is committed, which rings.
IDLE_PATIENCE_SECONDS = 5.0
# Between two looks at all that may have been asked of running downloads. Not at every ring: our own
# transitions ring as well. Then only cancels are looked for.
REQUESTS_SECONDS = 0.1
ROOM_SECONDS = 1.0


class Outdated(Exception):
    """The code of this process is not that of the database. The message says which is older."""


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
        demo_link: str = "",
    ) -> None:
        """`slots`: attempts at once (None: VNSITE_CONCURRENCY). `host`: this machine's name.

        `demo_link`: of the demo of `serve`, whose child may connect to its site; "": there is none.
        """
        self.slots = slots or settings.VNSITE.concurrency
        self.host = host or socket.gethostname()
        self.grace_seconds = grace_seconds
        self.demo_link = demo_link
        self._stops = 0
        self._doorbell: Doorbell | None = None  # None: it does not run
        self._fork_servers = ForkServers(
            Home(settings.VNSITE.extractors_root), plugins=settings.VNSITE.extractor_plugins
        )
        self._damage = ""  # why the database cannot be used any more
        self._requests_due_at = 0.0
        self._room_due_at = 0.0
        self._tidying_due_at = 0.0
        self._obstacle = ""  # the last one that was said
        self._running: dict[int, tuple[AttemptRun, Future[None]]] = {}
        self._runs_any = threading.Event()  # set while `_running` has any
        # (primary key, attempt) of downloads whose attempt ended without giving them an end.
        self._abandoned: set[tuple[int, int]] = set()

    def submit(
        self, url: str, options: DownloadOptions | None = None, *, owner: "User | None" = None
    ) -> str:
        """Add a download; returns its correlation id. Raises links.InvalidLink.

        The same owner's same wish that is waiting or running is returned instead of a second one.
        """
        wish = (clean_url(url), options or DownloadOptions())
        [submitted] = submissions.submit([wish], owner=owner, actor="manager")
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
        """Return the path of a running download's file; only the base name counts.

        Raises Download.DoesNotExist, and RuntimeError when it has no directory now.
        """
        download = Download.objects.get(correlation_id=correlation_id)
        if not download.directory:
            raise RuntimeError(f"{correlation_id} has no directory: it is {download.state}")
        return isolation.path_in(settings.VNSITE.temp_root / download.directory, filename)

    def stop(self) -> None:
        """Claim nothing more, and end running attempts after the grace; the second call: at once.

        Safe in a signal handler.
        """
        self._stops += 1
        if self._doorbell is not None:
            self._doorbell.interrupt()

    def warm_up(self) -> None:
        """Start the fork server already, in the thread that will `run`; needs no database."""
        self._fork_servers.launch()

    def cool_down(self) -> None:
        """End what `warm_up` started, when `run` will not be called."""
        self._fork_servers.close()

    def run(self, *, once: bool = False) -> None:
        """Work until `stop`; with `once` until nothing is claimable and nothing runs.

        Blocks. Must be called in the main thread: the kernel ends the fork server, and so every
        child, when the thread that started it ends. Raises Outdated when its code is not that of
        the database, and DatabaseError when the database is damaged.
        """
        # A slot's thread keeps its connection: opening one costs more than a transition.
        connections.settings[DEFAULT_DB_ALIAS]["CONN_MAX_AGE"] = None
        self._release = Release.on_disk()
        if reason := self._release.why_not_current():
            raise Outdated(reason)
        self._doorbell = doorbell = open_doorbell()
        self._heartbeat = heartbeat = Heartbeat(host=self.host, slots=self.slots)
        self._lease = heartbeat.lease
        update = Updates(heartbeat, self._fork_servers, should_stop=self._should_stop).step
        self._pool = ThreadPoolExecutor(self.slots, thread_name_prefix="attempt")
        name = heartbeat.worker.name
        background = Background(guard=self._database_may_be_gone, worker=name)
        self._reactions = Reactions(guard=self._database_may_be_gone, worker=name)
        with logs.about(worker=name):
            try:
                # First of all: what follows may take longer than a short lease.
                beat_seconds = heartbeat_seconds(settings.VNSITE.lease_seconds)
                background.start(heartbeat.beat, seconds=beat_seconds)
                background.start(Vitals(heartbeat).step, seconds=2 * beat_seconds)
                background.start(self._fence, seconds=FENCE_SECONDS, needed=self._runs_any)
                background.start(self._sweep, seconds=SWEEP_SECONDS)
                if settings.VNSITE.history_days:
                    retention = Retention(
                        days=settings.VNSITE.history_days, should_stop=self._should_stop
                    )
                    background.start(retention.step, seconds=SWEEP_SECONDS)
                background.start(Upkeep().step, seconds=UPKEEP_SECONDS)
                background.start(one_processor.choose_again, seconds=one_processor.AGAIN_SECONDS)
                self._recover()
                self._fork_servers.start()
                background.start(update, seconds=UPDATE_SECONDS)
                background.start(checks.step, seconds=SUBSCRIPTION_SECONDS)
                self._reactions.start()
                logger.info("worker %s is ready, %d slots", name, self.slots)
                self._work(doorbell, once=once)
                self._drain(doorbell)
            finally:
                self._close(doorbell, background)
        if self._damage:
            raise DatabaseError(self._damage)

    @property
    def _worker(self) -> Worker:
        return self._heartbeat.worker

    def _should_stop(self) -> bool:
        return self._stops > 0

    def _work(self, doorbell: Doorbell, *, once: bool) -> None:
        while not self._stops:
            has_claimed, patience_seconds = False, PATIENCE_SECONDS
            with self._database_may_be_gone():
                has_claimed = self._step(doorbell)
                patience_seconds = self._patience_seconds()
            if once and not has_claimed and not self._running:
                return
            if doorbell.wait(patience_seconds):
                self._reactions.ring()

    def _patience_seconds(self) -> float:
        if self._running:
            return REQUESTS_SECONDS
        is_busy = self._fork_servers.is_changing() or any_in(WAITING)
        return PATIENCE_SECONDS if is_busy else IDLE_PATIENCE_SECONDS

    def _step(self, doorbell: Doorbell) -> bool:
        """Look once at everything that may have changed; True when something was claimed."""
        self._forget_finished()
        self._pass_on_requests()
        self._make_room()
        term = self._lease.term
        free = self.slots - len(self._running)
        may_begin = free and not self._stops and self._lease.holds(term)
        self._fork_servers.tend({attempt.fork_server for attempt, _ in self._running.values()})
        if not (may_begin and self._has_room() and self._fork_servers.is_ready()):
            return False
        claimed = claims.claim(self._worker, slots=free)
        for download in claimed:
            # The lease may have ended meanwhile: another machine may take them.
            if self._lease.holds(term):
                self._begin(download, doorbell, term)
            else:
                self._give_back(download)
        return bool(claimed)

    def _give_back(self, download: Download) -> None:
        """Put back a download during whose claim the lease ended: the process was stopped there.

        Nothing was begun, so that this does not count as an attempt.
        """
        with suppress(LostDownload):
            download.move(
                NOT_BEGUN.to,
                actor=self._worker.actor,
                reason=NOT_BEGUN.reason,
                **NOT_BEGUN.columns(uncounted=download.uncounted),
            )

    def _has_room(self) -> bool:
        """Return whether something new may be started; log why not, once."""
        obstacle = free_space.obstacle_to_begin()
        if obstacle and obstacle != self._obstacle:
            logger.warning("Nothing new is started: %s", obstacle)
        self._obstacle = obstacle
        return not obstacle

    def _make_room(self) -> None:
        """Ask the youngest attempt to give way when a disk runs full; the last one then fails.

        One at a time, as each frees the room that it took. A recording watches the
        room itself and ends before: nobody can fetch it again.
        """
        now = time.monotonic()
        if now < self._room_due_at or not self._running:
            return
        self._room_due_at = now + ROOM_SECONDS
        if any(attempt.is_asked for attempt, _ in self._running.values()):
            return
        replaceable = [each for each, _ in self._running.values() if not each.is_recorded]
        if replaceable and (obstacle := free_space.obstacle_to_go_on()):
            youngest = replaceable[-1]
            with logs.about(
                correlation_id=youngest.download.correlation_id, attempt=youngest.epoch
            ):
                logger.warning("%s gives way: %s", youngest.download, obstacle)
            youngest.ask(StopRequest.GIVE_WAY if len(self._running) > 1 else StopRequest.NO_ROOM)

    def _begin(self, download: Download, doorbell: Doorbell, term: int) -> None:
        try:
            attempt = AttemptRun(
                download,
                fork_server=self._fork_servers.current,
                actor=self._worker.actor,
                lease=self._lease,
                term=term,
                demo_link=self.demo_link,
            )
        except OSError as error:  # no descriptor is left
            # `_pass_on_requests` will see that no attempt runs for it, and the sweep recover it.
            logs.failed(logger, f"{download} was claimed and cannot begin", error)
            return
        self._runs_any.set()
        future = self._pool.submit(attempt.run)
        self._running[download.pk] = (attempt, future)
        future.add_done_callback(lambda _: doorbell.interrupt())

    def _forget_finished(self) -> None:
        for key, (_, future) in list(self._running.items()):
            if future.done():
                del self._running[key]
        if not self._running:
            self._runs_any.clear()

    def _pass_on_requests(self) -> None:
        """Tell attempts whose cancel was asked, or whose row is not ours any more."""
        now = time.monotonic()
        if now < self._requests_due_at and not self._is_cancel_asked():
            return
        self._requests_due_at = now + REQUESTS_SECONDS
        held = claims.held_by(self._worker)
        for key, (attempt, _) in self._running.items():
            row = held.get(key)
            if row is None or row.attempt != attempt.epoch:
                attempt.ask(StopRequest.LEAVE)
            elif row.is_cancel_asked:
                attempt.ask(StopRequest.CANCEL)
            elif row.is_keep_asked:
                attempt.keep()
        # No attempt runs for them: the database hung up before it confirmed their claim, or their
        # end.
        self._abandoned |= {(key, held[key].attempt) for key in held.keys() - self._running.keys()}

    def _is_cancel_asked(self) -> bool:
        """Whether a cancel was asked for that is not passed on yet."""
        if not self._running:
            return False
        asked = claims.asked_to_cancel(self._worker)
        return any(key in asked and not run.is_asked for key, (run, _) in self._running.items())

    def _drain(self, doorbell: Doorbell) -> None:
        """Wait for running attempts; when the grace is over or at the second stop, end them."""
        deadline = time.monotonic() + self.grace_seconds
        while self._running:
            if self._stops > 1 or time.monotonic() >= deadline:
                for attempt, _ in self._running.values():
                    attempt.ask(StopRequest.STOP)
            self._forget_finished()
            with self._database_may_be_gone():
                self._pass_on_requests()
            if self._running:
                doorbell.wait(REQUESTS_SECONDS)

    def _close(self, doorbell: Doorbell, background: Background) -> None:
        self._pool.shutdown()
        self._reactions.end()
        background.end()
        self._fork_servers.close()
        # When it does not answer, the kernel or the lease says that this worker has stopped.
        with self._database_may_be_gone():
            self._heartbeat.stop()
        self._doorbell = None
        doorbell.close()
        logger.info("worker %s stopped", self._worker.name)

    def _fence(self) -> None:
        """Leave attempts whose lease is over: another machine may work on them by now.

        Touches no row: the database may be what keeps the heartbeat from renewing the lease.
        """
        for attempt, _ in list(self._running.values()):
            if not attempt.row.is_held:
                with suppress(ChildFailed):  # the next look tries again; others must not wait
                    attempt.fence()

    def _sweep(self) -> None:
        reason = self._release.why_not_current()
        if reason and not self._stops:
            logger.warning("worker %s stops, to be started again: %s", self._worker.name, reason)
            self.stop()
        self._recover()
        if any_in(WAITING):
            resume.make_room()
        if time.monotonic() >= self._tidying_due_at:
            self._tidying_due_at = time.monotonic() + TIDYING_SECONDS
            recovery.forget_old_workers(database_now(), host=self.host)
            Deletion.objects.forget_old(timezone.now())

    def _recover(self) -> None:
        orphans = recovery.recover(
            actor=f"recovery:{self._worker.name}",
            host=self.host,
            abandoned=frozenset(self._abandoned),
        )
        self._heartbeat.count_orphans(
            mended=sum(orphan.was_mended for orphan in orphans),
            left=sum(not orphan.is_mended for orphan in orphans),
        )

    @contextmanager
    def _database_may_be_gone(self) -> Iterator[None]:
        """Say that the database does not answer, and have the next query make a new connection.

        A damaged one is no better the next time: the worker ends at once.
        """
        try:
            yield
        except (DatabaseError, InterfaceError) as error:
            if is_damaged(error):
                self._damage = str(error)
                self._stops += 2
            elif is_outage(error):
                logger.warning("The database does not answer, trying again: %s", in_words(error))
            else:
                logger.exception("A step of the worker broke; trying again")
            connection.close()
