"""Who listens in this process, and what each of them is sent next.

Knows asyncio and, to replay what was missed, rows; must not import channels, Twisted or requests.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import NamedTuple

from asgiref.sync import sync_to_async
from django.db import Error, connection
from django.utils import timezone

from downloads.models import StreamPosition
from downloads.models.outage import is_outage
from downloads.stream.cursor import Cursor
from downloads.stream.events import HEARTBEAT_SECONDS, Bye, Resync, bye, heartbeat, resync
from downloads.stream.frames import BATCH_FRAMES, Frame, oldest_deletion, read_frames
from downloads.stream.ring import News
from downloads.stream.tailer import Tailer

REPLAY_AGAIN_SECONDS = 1.0  # after an outage


class Stream:
    """The listeners of this process. The tailer lives from the first to the last of them: a site
    that nobody looks at reads nothing."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._tailer: Tailer | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the database does not answer. False while nobody listens: nobody would know."""
        return self._tailer is not None and self._tailer.news.is_stale

    @property
    def newest(self) -> int | None:
        """The seq of the newest frame that was read; None while nobody listens."""
        ring = self._tailer.news.ring if self._tailer else None
        return ring.newest if ring else None

    def join(self, listener: "Listener") -> News:
        self._listeners.add(listener)
        if self._tailer is None:
            self._tailer = Tailer(self._wake_all, asyncio.get_running_loop())
            self._tailer.start()
        return self._tailer.news

    def leave(self, listener: "Listener") -> None:
        self._listeners.discard(listener)
        if self._tailer is not None and not self._listeners:
            self._tailer.stop()
            self._tailer = None

    def end(self, why: Bye) -> None:
        """Say goodbye to all listeners."""
        for listener in self._listeners:
            listener.end(why)

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.wake()


STREAM = Stream()


class Listener:
    """One connection: follows the stream from where its cursor is."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._is_replaying = True  # until the ring has all that is missing
        self._was_stale = False
        self._beat_at = 0.0
        self._ending: Bye | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def end(self, why: Bye) -> None:
        """Make `follow` say goodbye and return."""
        self._ending = why
        self.wake()

    async def follow(self) -> AsyncGenerator[bytes, None]:
        """Yield whole events as they happen, in order and without a gap, until `end`.

        What was missed comes first. Something comes at least every HEARTBEAT_SECONDS.
        """
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        news = STREAM.join(self)
        try:
            while self._ending is None:
                self._woken.clear()
                if chunk := await self._take(news) + self._take_heartbeat(news):
                    yield chunk
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._patience())
            yield bye(self._ending)
        finally:
            STREAM.leave(self)

    def _patience(self) -> float:
        pause = REPLAY_AGAIN_SECONDS if self._is_replaying else HEARTBEAT_SECONDS
        return min(pause, max(0.0, self._beat_at - time.monotonic()))

    def _take_heartbeat(self, news: News) -> bytes:
        """Every HEARTBEAT_SECONDS, and at once when the stream becomes stale or fresh."""
        is_stale = news.is_stale
        if is_stale == self._was_stale and time.monotonic() < self._beat_at:
            return b""
        self._was_stale = is_stale
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        return heartbeat(seq=self._cursor.seq, now=timezone.now(), is_stale=is_stale)

    async def _take(self, news: News) -> bytes:
        """Take what is new, as much as is sent at once; b"" when nothing is."""
        cursor = self._cursor
        if news.ring is None:
            return b""
        if self._is_replaying:
            chunk = await self._replay(news, upto=news.ring.start)
            self._is_replaying = cursor.seq < news.ring.start
            if chunk or self._is_replaying:
                return chunk
        if transitions := cursor.take_transitions(news.ring):
            return transitions
        reports = cursor.take_reports(news.reports.values())
        return reports + cursor.take_stats(news.stats) + cursor.take_waiting(news.stats)

    async def _replay(self, news: News, *, upto: int) -> bytes:
        """Take what was missed, a batch at a time; b"" also while the database is away."""
        chunk = b""
        try:
            while not chunk and self._cursor.seq < upto and not news.is_stale:
                chunk = await self._replay_batch(upto=upto)
        except Error as error:
            if not is_outage(error):
                raise
        return chunk

    async def _replay_batch(self, *, upto: int) -> bytes:
        """Take the next batch. The transitions that are missing are those of deleted downloads; the
        deletion comes later, unless it is too old to be kept: then a page loads again. It does so
        too when histories were pruned beyond its place, and then misses what the ring lacks."""
        cursor = self._cursor
        missed = await sync_to_async(_read_missed)(after=cursor.seq, upto=upto)
        if cursor.seq < missed.newest_pruned:
            cursor.seq = upto
            return resync(Resync.GAP)
        reached = missed.frames[-1].seq if len(missed.frames) == BATCH_FRAMES else upto
        has_gap = len(missed.frames) < reached - cursor.seq
        is_told = missed.deletions_since is not None and missed.deletions_since <= cursor.seq
        cursor.seq = reached
        visible = cursor.events_of(missed.frames)
        return resync(Resync.GAP) + visible if has_gap and not is_told else visible


class _Missed(NamedTuple):
    frames: list[Frame]
    deletions_since: int | None  # the oldest that is kept; None: there is none
    newest_pruned: int  # as of after the frames were read


def _read_missed(*, after: int, upto: int) -> _Missed:
    """Read with a new connection: the thread's last one may be from before an outage."""
    try:
        frames = read_frames(after=after, upto=upto)
        return _Missed(frames, oldest_deletion(), StreamPosition.newest_pruned())
    finally:
        connection.close()
