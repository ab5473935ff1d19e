"""The stream of events: who has listened how far, and who is told what is new.

The table of transitions is the stream, and seq the id of an event. One tailer thread per process
reads what is new into a ring; every listener is a cursor into that ring. Knows rows and asyncio;
must not import channels, Twisted or anything of requests.
"""

import asyncio
import logging
import math
import threading
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile

from asgiref.sync import sync_to_async
from django.db import Error, connection
from django.utils import timezone

from downloads.models import StreamPosition
from downloads.models.notifier import Doorbell, open_doorbell
from downloads.models.outage import in_words, is_outage
from downloads.stream.frames import (
    BATCH_FRAMES,
    HEARTBEAT_SECONDS,
    Bye,
    Frame,
    Piece,
    Report,
    Resync,
    Stats,
    bye,
    heartbeat,
    join_reports,
    read_frames,
    read_reports,
    resync,
)

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25
STATS_SECONDS = 1.0
# A worker that dies, and a disk that fills, commit nothing: look at them without being rung for.
STATS_IDLE_SECONDS = 5.0
AFTER_ERROR_SECONDS = 1.0
# Without an error as well: a server that was stopped, or cut off, says nothing.
STALE_SECONDS = 3 * STATS_IDLE_SECONDS

RING_FRAMES = 4096  # about 1 MB
CHUNK_BYTES = 64 * 1024  # sent at once, about

# The ring and its listeners: everything from here to the tailer happens in the event loop --------


class Ring:
    """The newest frames, at most RING_FRAMES. All that came after `start` are in it."""

    def __init__(self, start: int, *, size: int = RING_FRAMES) -> None:
        self.start = start
        self.newest = start
        self._frames: deque[Frame] = deque()
        self._size = size

    def add(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self._frames.append(frame)
            self.newest = frame.seq
            if len(self._frames) > self._size:
                self.start = self._frames.popleft().seq

    def after(self, seq: int) -> list[Frame]:
        """The frames after a cursor, oldest first. Not all there were when it is before `start`."""
        newer = list(takewhile(lambda frame: frame.seq > seq, reversed(self._frames)))
        newer.reverse()
        return newer


class Stream:
    """What the listeners of this process read, and who they are.

    The tailer lives from the first listener to the last: a site that nobody looks at reads nothing.
    """

    def __init__(self) -> None:
        self.ring: Ring | None = None  # None: the tailer has not begun yet
        self.reports: dict[int, Report] = {}
        self.reports_version = 0
        self.stats: Stats | None = None
        self._fresh_until = math.inf  # by the clock of monotonic time
        self._listeners: set[Listener] = set()
        self._tailer: Tailer | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the database does not answer. False while nobody listens, who would know it."""
        return time.monotonic() >= self._fresh_until

    def join(self, listener: "Listener") -> None:
        self._listeners.add(listener)
        if self._tailer is None:
            self.set_fresh(STALE_SECONDS)
            self._tailer = Tailer(self, asyncio.get_running_loop())
            self._tailer.start()

    def leave(self, listener: "Listener") -> None:
        self._listeners.discard(listener)
        if self._tailer is not None and not self._listeners:
            self._tailer.stop()
            self._tailer = self.ring = self.stats = None
            self.reports, self.reports_version = {}, 0
            self._fresh_until = math.inf

    def end(self, why: Bye) -> None:
        """Say goodbye to all listeners."""
        for listener in self._listeners:
            listener.end(why)

    def begin(self, start: int) -> None:
        self.ring = Ring(start)
        self._wake_all()

    def add_frames(self, frames: list[Frame]) -> None:
        if self.ring is not None:
            self.ring.add(frames)
        self._wake_all()

    def set_reports(self, reports: dict[int, Report], version: int) -> None:
        self.reports, self.reports_version = reports, version
        self._wake_all()

    def set_stats(self, stats: Stats) -> None:
        self.stats = stats
        self._wake_all()

    def set_fresh(self, seconds: float) -> None:
        """The database was read and will be again within so many seconds; 0: it is away."""
        was_stale = self.is_stale
        self._fresh_until = time.monotonic() + seconds
        if self.is_stale != was_stale:
            self._wake_all()

    def _wake_all(self) -> None:
        for listener in self._listeners:
            listener.wake()


STREAM = Stream()


@dataclass(kw_only=True)
class Cursor:
    """How far one listener is, and what it may see."""

    seq: int  # everything up to here was sent, or is not wanted
    owner_id: int | None  # None: it sees the downloads of all
    correlation_id: str | None = None  # None: of all downloads, and the stats
    _reports_seen: int = 0
    _stats_sent: bytes = b""
    _waiting_seen: "Stats | None" = None
    _waiting_sent: bytes = b""

    def sees(self, piece: Piece) -> bool:
        return self.owner_id in (None, piece.owner_id) and self.correlation_id in (
            None,
            piece.correlation_id,
        )

    def take_transitions(self, ring: Ring) -> bytes:
        """The next transitions, as many as are sent at once; resync when the ring lost some."""
        if self.seq < ring.start:
            self.seq = ring.newest
            return resync(Resync.GAP)
        chunk = bytearray()
        for frame in ring.after(self.seq):
            self.seq = frame.seq
            if self.sees(frame):
                chunk += frame.data
            if len(chunk) > CHUNK_BYTES:
                break
        return bytes(chunk)

    def take_reports(self, reports: Iterable[Report], *, version: int) -> bytes:
        """The progress that is different since the last time, as one event."""
        seen, self._reports_seen = self._reports_seen, version
        return join_reports(
            report for report in reports if report.version > seen and self.sees(report)
        )

    def take_stats(self, stats: "Stats | None") -> bytes:
        """The numbers when they are different since the last time."""
        if stats is None or self.correlation_id is not None:
            return b""
        before, self._stats_sent = self._stats_sent, stats.event_for(self.owner_id)
        return self._stats_sent if self._stats_sent != before else b""

    def take_waiting(self, stats: "Stats | None") -> bytes:
        """What is in the way: at first in any case, then when it is different since the last time.

        Of one download, too: its page may have been drawn just before its site began to wait.
        """
        if stats is None or stats is self._waiting_seen:
            return b""
        self._waiting_seen = stats
        before, self._waiting_sent = self._waiting_sent, stats.waiting_event_for(self.owner_id)
        return self._waiting_sent if self._waiting_sent != before else b""


class Listener:
    """One connection: follows the stream from where its cursor is."""

    def __init__(self, cursor: Cursor, stream: Stream = STREAM) -> None:
        self._cursor = cursor
        self._stream = stream
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

        First comes what was missed. There is something every HEARTBEAT_SECONDS at least.
        """
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        self._stream.join(self)
        try:
            while self._ending is None:
                self._woken.clear()
                if chunk := await self._take() + self._take_heartbeat():
                    yield chunk
                    continue
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), self._patience())
            yield bye(self._ending)
        finally:
            self._stream.leave(self)

    def _patience(self) -> float:
        pause = AFTER_ERROR_SECONDS if self._is_replaying else HEARTBEAT_SECONDS
        return min(pause, max(0.0, self._beat_at - time.monotonic()))

    def _take_heartbeat(self) -> bytes:
        """Every HEARTBEAT_SECONDS, and at once when it has something to say."""
        is_stale = self._stream.is_stale
        if is_stale == self._was_stale and time.monotonic() < self._beat_at:
            return b""
        self._was_stale = is_stale
        self._beat_at = time.monotonic() + HEARTBEAT_SECONDS
        return heartbeat(seq=self._cursor.seq, now=timezone.now(), is_stale=is_stale)

    async def _take(self) -> bytes:
        """What is new, as much as is sent at once; empty when nothing is."""
        stream, cursor = self._stream, self._cursor
        if stream.ring is None:
            return b""
        if self._is_replaying:
            chunk = await self._replay(upto=stream.ring.start)
            self._is_replaying = cursor.seq < stream.ring.start
            if chunk or self._is_replaying:
                return chunk
        if transitions := cursor.take_transitions(stream.ring):
            return transitions
        reports = cursor.take_reports(stream.reports.values(), version=stream.reports_version)
        return reports + cursor.take_stats(stream.stats) + cursor.take_waiting(stream.stats)

    async def _replay(self, *, upto: int) -> bytes:
        """What was missed, a batch at a time; empty also while the database is away."""
        chunk = b""
        try:
            while not chunk and self._cursor.seq < upto and not self._stream.is_stale:
                chunk = await self._replay_batch(upto=upto)
        except Error as error:
            if not is_outage(error):
                raise
        return chunk

    async def _replay_batch(self, *, upto: int) -> bytes:
        """Where transitions are missing, their downloads were forgotten: who still shows those
        must know."""
        cursor = self._cursor
        frames = await sync_to_async(_read_missed)(after=cursor.seq, upto=upto)
        reached = frames[-1].seq if len(frames) == BATCH_FRAMES else upto
        has_gap = len(frames) < reached - cursor.seq
        cursor.seq = reached
        visible = b"".join(frame.data for frame in frames if cursor.sees(frame))
        return resync(Resync.GAP) + visible if has_gap else visible


def _read_missed(*, after: int, upto: int) -> list[Frame]:
    """With a new connection in any case: the last one may be from before an outage."""
    try:
        return read_frames(after=after, upto=upto)
    finally:
        connection.close()


# The tailer -----------------------------------------------------------------------------------


class Throttle:
    """When something that is wanted may be done: `seconds` after the last time."""

    def __init__(self, seconds: float) -> None:
        self.is_wanted = True
        self._seconds = seconds
        self._not_before = 0.0

    def seconds_left(self) -> float:
        """Until it is due; infinite when it is not wanted."""
        return max(0.0, self._not_before - time.monotonic()) if self.is_wanted else math.inf

    def want(self) -> None:
        self.is_wanted = True

    def take(self) -> bool:
        """Whether it is to be done now. Who hears True does it."""
        if self.seconds_left() > 0:
            return False
        self.is_wanted = False
        self._not_before = time.monotonic() + self._seconds
        return True


class Tailer(threading.Thread):
    """Reads rows when the doorbell rings and hands what is new to the stream, in its loop."""

    def __init__(self, stream: Stream, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="tailer", daemon=True)
        self._stream = stream
        self._loop = loop
        self._stopping = threading.Event()
        self._bell: Doorbell | None = None
        self._seq = -1  # it has not begun
        self._is_away = False  # the database, and it was said
        self._reports: dict[int, Report] = {}
        self._reports_version = 0
        self._progress = Throttle(PROGRESS_SECONDS)
        self._stats = Throttle(STATS_SECONDS)

    def stop(self) -> None:
        """From the stream's loop: nothing is handed over any more. The thread ends soon."""
        self._stopping.set()
        if self._bell is not None:
            self._bell.interrupt()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tail()
            except Exception as error:
                # The listeners stay, and get what they missed when the database is back.
                self._hand_over(self._stream.set_fresh, 0)
                self._say_that_it_is_away(error)
                self._stopping.wait(AFTER_ERROR_SECONDS)
            finally:
                connection.close()

    def _say_that_it_is_away(self, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        if isinstance(error, Error) and is_outage(error):
            logger.warning("The stream waits for the database: %s", in_words(error))
        else:
            logger.exception("The stream broke; trying again")

    def _tail(self) -> None:
        self._bell = open_doorbell()
        try:
            if self._seq < 0:
                self._seq = StreamPosition.current()
                self._hand_over(self._stream.begin, self._seq)
            rang = True
            while not self._stopping.is_set():
                self._read(rang)
                rang = self._bell.wait(self._patience())
        finally:
            bell, self._bell = self._bell, None
            bell.close()

    def _patience(self) -> float:
        return min(self._progress.seconds_left(), self._stats.seconds_left(), STATS_IDLE_SECONDS)

    def _read(self, rang: bool) -> None:
        if rang:
            self._read_transitions()
            self._progress.want()
            self._stats.want()
        elif not (self._progress.is_wanted or self._stats.is_wanted):
            self._stats.want()
        if self._progress.take():
            self._read_progress()
        if self._stats.take():
            self._hand_over(self._stream.set_stats, Stats.read())
        self._hand_over(self._stream.set_fresh, STALE_SECONDS)
        if self._is_away:
            self._is_away = False
            logger.warning("The stream goes on")

    def _read_transitions(self) -> None:
        while frames := read_frames(after=self._seq):
            self._seq = frames[-1].seq
            self._hand_over(self._stream.add_frames, frames)
            if len(frames) < BATCH_FRAMES:
                return

    def _read_progress(self) -> None:
        version = self._reports_version + 1
        reports = read_reports(self._reports, version=version)
        if reports != self._reports:
            self._reports, self._reports_version = reports, version
            self._hand_over(self._stream.set_reports, reports, version)

    def _hand_over(self, receive: Callable[..., None], *news: object) -> None:
        if not self._stopping.is_set():  # else the loop may be closed by now
            self._loop.call_soon_threadsafe(self._unless_stopped, receive, *news)

    def _unless_stopped(self, receive: Callable[..., None], *news: object) -> None:
        """In the loop, as `stop` is: what was under way then must not reach the next listeners."""
        if not self._stopping.is_set():
            receive(*news)
