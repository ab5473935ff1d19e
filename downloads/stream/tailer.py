"""The thread that reads new rows for all listeners of this process.

Knows rows and the news that it fills; must not know who listens.
"""

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable

from django.db import Error, connection

from downloads.models import StreamPosition
from downloads.models.notifier import Doorbell, open_doorbell
from downloads.models.outage import in_words, is_outage
from downloads.stream.budget import Budget
from downloads.stream.frames import BATCH_FRAMES, Frame, Report, Stats, read_frames, read_reports
from downloads.stream.ring import News

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.25
STATS_SECONDS = 1.0
# While downloads run, something is committed all the time. Two lone downloads are a burst.
READING_SHARE, READING_BURST_SECONDS = 0.03, 0.06
# Whoever adds thousands of downloads at once makes nobody wait: to read as many takes a second.
LONGEST_PAUSE_SECONDS = 0.5
# A worker that dies, or a disk that fills, commits nothing that would ring.
STATS_IDLE_SECONDS = 5.0
AFTER_ERROR_SECONDS = 1.0
# A server that was stopped or cut off may cause no error at all.
STALE_SECONDS = 3 * STATS_IDLE_SECONDS


class Throttle:
    """Lets through what is wanted, but not before `seconds` after the last time."""

    def __init__(self, seconds: float) -> None:
        self.is_wanted = True
        self._seconds = seconds
        self._not_before = 0.0

    def seconds_left(self) -> float:
        """Return the time until `take` may succeed; infinite when nothing is wanted."""
        return max(0.0, self._not_before - time.monotonic()) if self.is_wanted else math.inf

    def want(self) -> None:
        self.is_wanted = True

    def take(self) -> bool:
        """Return whether it is due; the caller that gets True does it."""
        if self.seconds_left() > 0:
            return False
        self.is_wanted = False
        self._not_before = time.monotonic() + self._seconds
        return True


class Tailer(threading.Thread):
    """Reads rows when the doorbell rings, and hands what is new to the news, in their loop."""

    def __init__(
        self,
        wake: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        *,
        seconds_until_told: Callable[[], float],
    ) -> None:
        """`seconds_until_told` is how long news that were read now would lie about; it is called
        in this thread."""
        super().__init__(name="tailer", daemon=True)
        self._seconds_until_told = seconds_until_told
        self.news = News(wake, fresh_seconds=STALE_SECONDS)
        self._loop = loop
        self._stopping = threading.Event()
        self._bell: Doorbell | None = None
        self._seq = -1  # it has not begun
        self._is_away = False  # the database does not answer, and that was logged
        self._reports: dict[int, Report] = {}
        self._reports_version = 0
        self._progress = Throttle(PROGRESS_SECONDS)
        self._stats = Throttle(STATS_SECONDS)
        self._budget = Budget(
            READING_SHARE,
            burst_seconds=READING_BURST_SECONDS,
            longest_seconds=LONGEST_PAUSE_SECONDS,
        )
        self._told_fresh_at = -math.inf

    def stop(self) -> None:
        """Ask the thread to end; it does soon. Call this in the loop, which may close after it."""
        self._stopping.set()
        if self._bell is not None:
            self._bell.interrupt()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._tail()
            except Exception as error:
                # The listeners stay, and get what they missed when the database is back.
                self._hand_over(self.news.set_fresh, 0)
                self._log_once(error)
                self._stopping.wait(AFTER_ERROR_SECONDS)
            finally:
                connection.close()

    def _log_once(self, error: Exception) -> None:
        if self._is_away:
            return
        self._is_away = True
        if isinstance(error, Error) and is_outage(error):
            logger.warning("The event stream waits for the database: %s", in_words(error))
        else:
            logger.exception("The event stream failed and tries again")

    def _tail(self) -> None:
        self._bell = open_doorbell()
        try:
            if self._seq < 0:
                self._seq = StreamPosition.current()
                recent = read_frames(after=max(0, self._seq - BATCH_FRAMES), upto=self._seq)
                self._hand_over(self.news.begin, self._seq, recent)
            rang = True
            while not self._stopping.is_set():
                began_at = time.thread_time()
                self._read(rang)
                self._budget.spend(time.thread_time() - began_at)
                rang = self._bell.wait(self._patience())
                if pause := max(self._budget.seconds_left(), self._seconds_until_told()):
                    self._stopping.wait(pause)
                    rang = self._bell.wait(0) or rang  # what has rung meanwhile is read as well
        finally:
            bell, self._bell = self._bell, None
            bell.close()

    def _patience(self) -> float:
        return min(self._progress.seconds_left(), self._stats.seconds_left(), STATS_IDLE_SECONDS)

    def _read(self, rang: bool) -> None:
        frames: list[Frame] = []
        if rang:
            frames = self._read_transitions()
            self._progress.want()
            self._stats.want()
        elif not (self._progress.is_wanted or self._stats.is_wanted):
            self._stats.want()
        stats = Stats.read() if self._stats.take() else None
        reports = self._read_progress() if self._progress.take() else None
        # Only now: after an error before this line, all is read again.
        if frames or reports is not None or stats is not None:
            self._take(frames, reports, stats)
        self._tell_fresh()
        if self._is_away:
            self._is_away = False
            logger.warning("The event stream goes on")

    def _tell_fresh(self) -> None:
        """At most once a second: to tell it wakes the loop up."""
        now = time.monotonic()
        if self._is_away or now >= self._told_fresh_at + STATS_SECONDS:
            self._told_fresh_at = now
            self._hand_over(self.news.set_fresh, STALE_SECONDS)

    def _read_transitions(self) -> list[Frame]:
        """Read what is new; of very much, the last is returned and all before it handed over."""
        while len(frames := read_frames(after=self._seq)) == BATCH_FRAMES:
            self._take(frames, None, None)
        return frames

    def _take(
        self, frames: list[Frame], reports: dict[int, Report] | None, stats: Stats | None
    ) -> None:
        if frames:
            before, self._seq = self._seq, frames[-1].seq
            has_gap = len(frames) < self._seq - before
            if has_gap and before < StreamPosition.newest_pruned():
                # This process was stopped for days: what all listeners missed is not there.
                self._hand_over(self.news.begin, self._seq, frames)
                frames = []
        self._hand_over(self.news.add, frames, reports, stats)

    def _read_progress(self) -> dict[int, Report] | None:
        """Read the progress of all; None when it has not changed."""
        version = self._reports_version + 1
        reports = read_reports(self._reports, version=version)
        if reports == self._reports:
            return None
        self._reports, self._reports_version = reports, version
        return reports

    def _hand_over(self, receive: Callable[..., None], *news: object) -> None:
        if not self._stopping.is_set():  # else the loop may be closed by now
            self._loop.call_soon_threadsafe(receive, *news)
