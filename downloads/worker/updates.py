"""A worker's care for its host's set of extractors: it looks daily, and does what staff ask for."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from django.conf import settings

from downloads.models import Extractors, Wanted, Worker
from downloads.updates.refusal import Interrupted, Refused
from downloads.updates.state import Home, State
from downloads.updates.updating import Updater
from downloads.worker.background import Heartbeat
from downloads.worker.fork_servers import ForkServers

logger = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 24 * 3600
# After the index could not be asked.
TRY_AGAIN_SECONDS = 3600


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

    def step(self) -> None:
        """Show what is used; then fulfil a wish, or look when it is time. Raises DatabaseError."""
        worker, yt_dlp = self._heartbeat.worker, self._fork_servers.current.yt_dlp
        if worker.yt_dlp != yt_dlp:
            Worker.objects.filter(pk=worker.pk).update(yt_dlp=yt_dlp)
            worker.yt_dlp = yt_dlp
        row, _ = Extractors.objects.get_or_create(host=worker.host)
        self._show(row, self._home.read())
        wanted = Wanted(row.wanted) if row.wanted else self._due()
        if wanted is None:
            return
        try:
            state = self._do(wanted, is_asked=bool(row.wanted))
        except Interrupted:
            return  # the wish stays for the next worker
        except Refused as refusal:
            if refusal.code == "busy":
                return  # by another worker of this host, or the command: it looks again
            logger.warning("%s", refusal)
            failure = {"code": refusal.code, "at": time.time(), **refusal.data}
            state = replace(self._home.read(), failure=failure)
        self._show(row, state)
        row.fulfil()

    def _due(self) -> Wanted | None:
        """Return what is to be done by itself now."""
        if self._mode == "off":
            return None
        state = self._home.read()
        has_failed = state.tried_at > state.looked_at
        pause_seconds = TRY_AGAIN_SECONDS if has_failed else LOOK_AGAIN_SECONDS
        # A time that is still to come means that the clock was set back.
        has_looked = 0 <= time.time() - state.tried_at < pause_seconds
        if has_looked and state.channel in ("", self._channel):
            return None
        return Wanted.UPDATE if self._mode == "auto" else Wanted.LOOK

    def _do(self, wanted: Wanted, *, is_asked: bool) -> State:
        updater = Updater(
            home=self._home,
            index_url=settings.VNSITE.extractors_index,
            channel=self._channel,
            min_free_bytes=settings.VNSITE.min_free_bytes,
            should_stop=self._should_stop,
        )
        if wanted is Wanted.ROLLBACK:
            return updater.rollback()
        if self._mode == "off":
            raise Refused("off")
        return updater.look() if wanted is Wanted.LOOK else updater.update(is_asked=is_asked)

    def _show(self, row: Extractors, state: State) -> None:
        """Write the state where pages see it, if it has changed."""
        used = self._fork_servers.current.yt_dlp
        shown = {
            "state": {**state.as_dict(), "used": used},
            "mode": self._mode,
            "channel": self._channel,
        }
        if any(getattr(row, name) != value for name, value in shown.items()):
            Extractors.objects.filter(pk=row.pk).update(**shown)
            for name, value in shown.items():
                setattr(row, name, value)
