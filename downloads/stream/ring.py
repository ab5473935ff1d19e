"""The newest of the stream in memory: the tailer fills it, every listener reads it.

Everything here happens in the event loop of the listeners. Knows neither rows nor threads.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from itertools import takewhile

from downloads.stream.frames import Frame, Report, Stats, reach_back

RING_FRAMES = 4096  # about 1 MB


class Ring:
    """The newest frames, at most RING_FRAMES: all that came after `start`."""

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
        """Return the frames after a seq, oldest first. Some are missing if it is before `start`."""
        newer = list(takewhile(lambda frame: frame.seq > seq, reversed(self._frames)))
        newer.reverse()
        return newer


class News:
    """The present state of the stream. Every change of it calls `wake`."""

    def __init__(self, wake: Callable[[], None], *, fresh_seconds: float) -> None:
        self.ring: Ring | None = None  # None: the tailer has not begun yet
        self.reports: dict[int, Report] = {}
        self.stats: Stats | None = None
        self._fresh_until = time.monotonic() + fresh_seconds
        self._wake = wake

    @property
    def is_stale(self) -> bool:
        """Whether the database does not answer."""
        return time.monotonic() >= self._fresh_until

    def begin(self, newest: int, recent: list[Frame]) -> None:
        """Begin with the frames up to `newest`, as far back as none is missing: most of those who
        come back after a restart find in them what they missed."""
        known = reach_back(recent, newest=newest)
        self.ring = Ring(newest - len(known))
        self.ring.add(known)
        self._wake()

    def add(
        self, frames: list[Frame], reports: dict[int, Report] | None, stats: Stats | None
    ) -> None:
        """Take what one reading found; None is what has not changed."""
        if self.ring is not None:
            self.ring.add(frames)
        if reports is not None:
            self.reports = reports
        if stats is not None:
            self.stats = stats
        self._wake()

    def set_fresh(self, seconds: float) -> None:
        """Note that the database was read, and will be again within so many seconds; 0: it is
        away."""
        was_stale = self.is_stale
        self._fresh_until = time.monotonic() + seconds
        if self.is_stale != was_stale:
            self._wake()
