"""A worker's care for its host's set of extractors: it looks daily, and does what staff ask for."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings

from downloads.models import Extractors, Wanted, Worker
from downloads.updates import apart
from downloads.updates.refusal import Interrupted, Refused
from downloads.updates.state import Home
from downloads.worker import one_processor
from downloads.worker.background import Heartbeat
from downloads.worker.fork_servers import ForkServers

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 24 * 3600
TRY_AGAIN_SECONDS = 3600  # after a refusal


class Updates:
    """The step that a worker repeats in a thread of its own."""

    def __init__(
        self,
        heartbeat: Heartbeat,
        fork_servers: ForkServers,
        *,
        should_stop: Callable[[], bool],
    ) -> None:
        self._heartbeat = heartbeat
        self._fork_servers = fork_servers
        self._should_stop = should_stop
        self._home = Home(settings.VNSITE.extractors_root)
        self._mode = settings.VNSITE.extractors_update
        self._channel = settings.VNSITE.extractors_channel
        self._failure: dict[str, Any] = {}  # of what this worker did last
        self._look_due_at = 0.0

    def step(self) -> None:
        """Show what is used; then fulfil a wish, or look when it is time. Raises DatabaseError."""
        worker, yt_dlp = self._heartbeat.worker, self._fork_servers.current.yt_dlp
        if worker.yt_dlp != yt_dlp:
            Worker.objects.filter(pk=worker.pk).update(yt_dlp=yt_dlp)
            worker.yt_dlp = yt_dlp
        row, _ = Extractors.objects.get_or_create(host=worker.host)
        self._show(row)
        wanted = Wanted(row.wanted) if row.wanted else self._due()
        if wanted is None:
            return
        try:
            self._do(wanted, is_asked=bool(row.wanted))
            self._failure = {}
        except Interrupted:
            return  # the wish stays for the next worker
        except Refused as refusal:
            if refusal.code == "busy":
                return  # by another worker of this host, or the command: it looks again
            logger.warning("%s", refusal)
            self._failure = refusal.failure
            self._look_due_at = time.monotonic() + TRY_AGAIN_SECONDS
        self._show(row)
        row.fulfil()

    def _due(self) -> Wanted | None:
        """Return what is to be done by itself now."""
        if self._mode == "off" or time.monotonic() < self._look_due_at:
            return None
        state = self._home.read()
        has_failed = state.tried_at > state.looked_at
        pause_seconds = TRY_AGAIN_SECONDS if has_failed else LOOK_AGAIN_SECONDS
        # A time that is still to come means that the clock was set back.
        if 0 <= time.time() - state.tried_at < pause_seconds:
            return None
        return Wanted.UPDATE if self._mode == "auto" else Wanted.LOOK

    def _do(self, wanted: Wanted, *, is_asked: bool) -> None:
        if self._mode == "off" and wanted is not Wanted.ROLLBACK:
            raise Refused("off")
        with one_processor.left():
            apart.carry_out(
                wanted.value,
                {"is_asked": is_asked} if wanted is Wanted.UPDATE else {},
                home=self._home.path,
                should_stop=self._should_stop,
                index_url=settings.VNSITE.extractors_index,
                channel=self._channel,
                min_free_bytes=settings.VNSITE.min_free_bytes,
                plugins=settings.VNSITE.extractor_plugins,
            )

    def _show(self, row: Extractors) -> None:
        """Write what is so where pages see it, if it has changed."""
        state = self._home.read()
        failure = state.failure or self._failure  # that could not be written down there
        used = self._fork_servers.current.yt_dlp
        shown = {
            "state": {**state.as_dict(), "failure": failure, "used": used},
            "mode": self._mode,
            "channel": self._channel,
        }
        if any(getattr(row, name) != value for name, value in shown.items()):
            Extractors.objects.filter(pk=row.pk).update(**shown)
            for name, value in shown.items():
                setattr(row, name, value)
