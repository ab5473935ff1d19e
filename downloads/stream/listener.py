"""Who listens in this process, and what each of them is sent next.

What is new is told to all in one go: whoever is at the same place of the stream and may see the
same gets the same bytes, made once. Those who missed something, or whose connection is full, go
their own way until they have caught up.

Knows asyncio and, to replay what was missed, rows; must not import channels, Twisted or requests.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from typing import NamedTuple

from django.db import Error
from django.utils import timezone

from downloads.models import StreamPosition
from downloads.models.outage import is_outage
from downloads.stream.budget import Budget
from downloads.stream.cursor import Cursor, Place
from downloads.stream.direct import Chunk, Direct
from downloads.stream.events import HEARTBEAT_SECONDS, Bye, Resync, bye, heartbeat, resync
from downloads.stream.frames import BATCH_FRAMES, Frame, oldest_deletion, read_frames
from downloads.stream.ring import News, Ring
from downloads.stream.tailer import Tailer
from downloads.stream.together import TOGETHER

REPLAY_AGAIN_SECONDS = 1.0  # after an outage
# To tell a thousand listeners takes 10 ms: then they are told of several transitions at once.
TELLING_SHARE, TELLING_BURST_SECONDS = 0.025, 0.01
LONGEST_PAUSE_SECONDS = 1.0
CHUNKS_AT_ONCE = 4  # to one listener; who is further behind lets others come first

Told = dict[Place, tuple[Chunk | None, Place]]  # what is new at a place, and where it leads


class Stream:
    """The listeners of this process. The tailer lives from the first to the last of them: a site
    that nobody looks at reads nothing."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._tailer: Tailer | None = None
        self._telling: asyncio.TimerHandle | None = None
        self._budget = Budget(
            TELLING_SHARE,
            burst_seconds=TELLING_BURST_SECONDS,
            longest_seconds=LONGEST_PAUSE_SECONDS,
        )

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
            loop = asyncio.get_running_loop()
            self._tailer = Tailer(
                partial(self._tell_soon, loop), loop, seconds_until_told=self._budget.seconds_left
            )
            self._tailer.start()
        return self._tailer.news

    def leave(self, listener: "Listener") -> None:
        self._listeners.discard(listener)
        if self._tailer is not None and not self._listeners:
            self._tailer.stop()
            self._tailer = None
            if self._telling is not None:
                self._telling.cancel()
                self._telling = None

    def end(self, why: Bye) -> None:
        """Say goodbye to all listeners."""
        for listener in self._listeners:
            listener.end(why)

    def _tell_soon(self, loop: asyncio.AbstractEventLoop) -> None:
        """Tell all, once for all changes until then. Many listeners are told less often, so that
        pages and downloads go on beside them."""
        if self._telling is None and self._listeners:
            self._telling = loop.call_later(self._budget.seconds_left(), self._tell_all)

    def _tell_all(self) -> None:
        self._telling = None
        if self._tailer is None:
            return
        began_at = time.thread_time()
        told: Told = {}
        for listener in self._listeners:
            listener.tell(self._tailer.news, told)
        self._budget.spend(time.thread_time() - began_at)


STREAM = Stream()


class Listener:
    """One connection: follows the stream from where its cursor is."""

    def __init__(self, cursor: Cursor, direct: Direct | None = None) -> None:
        """With `direct` it also writes by itself, while nobody waits for a chunk of `follow`."""
        self._cursor = cursor
        self._direct = direct
        self._is_replaying = True  # until the ring has all that is missing
        self._is_idle = False  # has caught up, and waits in `follow`
        self._was_stale = False
        self._beat_at = 0.0
        self._ending: Bye | None = None
        self._woken = asyncio.Event()

    def wake(self) -> None:
        self._woken.set()

    def tell(self, news: News, told: Told) -> None:
        """Write what is new, if that is possible at once; else `follow` yields it. `told` is what
        was made for others before, in the same state of the news."""
        direct = self._direct
        if direct is None or not self._is_idle or self._woken.is_set() or not direct.has_room:
            return self.wake()
        if news.is_stale != self._was_stale:
            return self.wake()
        for _ in range(CHUNKS_AT_ONCE):
            self._write(direct, news, told)
            if news.ring is None or self._cursor.seq >= news.ring.newest:
                return
            if not direct.has_room:
                break
        self.wake()  # there is more than is sent at once

    def _write(self, direct: Direct, news: News, told: Told) -> None:
        """Write as much of what is new as is sent at once."""
        place = self._cursor.place
        if place not in told:
            body = self._cursor.take(news)
            told[place] = Chunk(body) if body else None, self._cursor.place
        chunk, after = told[place]
        self._cursor.go_to(after)
        if chunk is not None:
            direct.write_chunk(chunk)

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
                self._is_idle = not self._is_replaying
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._patience())
                self._is_idle = False
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
            chunk = await self._replay(news, news.ring)
            self._is_replaying = cursor.seq < news.ring.start
            if chunk or self._is_replaying:
                return chunk
        return cursor.take(news)

    async def _replay(self, news: News, ring: Ring) -> bytes:
        """Take what was missed, a batch at a time; b"" also while the database is away."""
        chunk, upto = b"", ring.start
        try:
            while not chunk and self._cursor.seq < upto and not news.is_stale:
                chunk = await self._replay_batch(ring, upto=upto)
        except Error as error:
            if not is_outage(error):
                raise
        return chunk

    async def _replay_batch(self, ring: Ring, *, upto: int) -> bytes:
        """Take the next batch. The transitions that are missing are those of deleted downloads; the
        deletion comes later, unless it is too old to be kept: then a page loads again. It does so
        too when histories were pruned beyond its place, and then misses what the ring lacks."""
        cursor = self._cursor
        read = partial(_read_missed, after=cursor.seq, upto=upto)
        missed = await TOGETHER.ask(read, key=(_read_missed, cursor.seq, upto))
        if cursor.seq < missed.newest_pruned:
            cursor.seq = ring.newest
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
    frames = read_frames(after=after, upto=upto)
    return _Missed(frames, oldest_deletion(), StreamPosition.newest_pruned())
