"""How far one listener is in the stream, and what it may see. Pure: waits for nothing."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from downloads.stream.events import Resync, deleted, progress, resync
from downloads.stream.frames import Frame, Piece, Report, Stats
from downloads.stream.ring import News, Ring

CHUNK_BYTES = 64 * 1024  # sent at once, about


class Place(NamedTuple):
    """All on which it depends what a cursor takes next: two in one place take the same."""

    owner_id: int | None
    correlation_id: str | None
    seq: int
    version_seen: int
    stats: bytes
    waiting: bytes


@dataclass(kw_only=True)
class Cursor:
    """The position and the rights of one listener.

    Each `take_…` returns whole events that were not taken before, or b"".
    """

    seq: int  # everything up to here was sent, or is not wanted
    owner_id: int | None  # None: it sees the downloads of all
    correlation_id: str | None = None  # None: of all downloads, and the stats
    _version_seen: int = 0  # the highest of all reports
    _stats: bytes = b""  # the last event of each kind
    _waiting: bytes = b""

    @property
    def place(self) -> Place:
        return Place(
            self.owner_id,
            self.correlation_id,
            self.seq,
            self._version_seen,
            self._stats,
            self._waiting,
        )

    def go_to(self, place: Place) -> None:
        """Go where another cursor with the same rights is."""
        _, _, self.seq, self._version_seen, self._stats, self._waiting = place

    def take(self, news: News) -> bytes:
        """Take all that is new, but not much more than CHUNK_BYTES: the rest of the transitions
        comes by the next call, and all else after them."""
        if news.ring is None:
            return b""
        transitions = self.take_transitions(news.ring)
        if self.seq < news.ring.newest:
            return transitions
        reports = self.take_reports(news.reports.values())
        return transitions + reports + self.take_stats(news.stats) + self.take_waiting(news.stats)

    def sees(self, piece: Piece) -> bool:
        is_of_download = self.correlation_id in (None, piece.correlation_id)
        return is_of_download and self.owner_id in (None, piece.owner_id)

    def take_transitions(self, ring: Ring) -> bytes:
        """About CHUNK_BYTES at most; resync when the ring has lost some."""
        if self.seq < ring.start:
            self.seq = ring.newest
            return resync(Resync.GAP)
        taken, size = [], 0
        for frame in ring.after(self.seq):
            self.seq = frame.seq
            taken.append(frame)
            size += len(frame.data)
            if size > CHUNK_BYTES:
                break
        return self.events_of(taken)

    def events_of(self, frames: Iterable[Frame]) -> bytes:
        """Return the events that it may see; deletions that follow each other are one."""
        seen = (frame for frame in frames if self.sees(frame))
        events = bytearray()
        for is_deletion, run in groupby(seen, key=attrgetter("is_deletion")):
            if is_deletion:
                gone = list(run)
                events += deleted((frame.correlation_id for frame in gone), seq=gone[-1].seq)
            else:
                events += b"".join(frame.data for frame in run)
        return bytes(events)

    def take_reports(self, reports: Iterable[Report]) -> bytes:
        """The reports that changed since the last time, as one event."""
        changed = [report for report in reports if report.version > self._version_seen]
        self._version_seen = max((each.version for each in changed), default=self._version_seen)
        return progress(report.data for report in changed if self.sees(report))

    def take_stats(self, stats: Stats | None) -> bytes:
        if stats is None or self.correlation_id is not None:
            return b""
        before, self._stats = self._stats, stats.event_for(self.owner_id)
        return b"" if self._stats == before else self._stats

    def take_waiting(self, stats: Stats | None) -> bytes:
        """What is in the way: for one download, too, and always at first. A page may have been
        drawn just before its site began to wait."""
        if stats is None:
            return b""
        before, self._waiting = self._waiting, stats.waiting_event_for(self.owner_id)
        return b"" if self._waiting == before else self._waiting
