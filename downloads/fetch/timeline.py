"""Puts the fragments of a stream one after the other, and notices what is missing between them.

A playlist's durations alone prove nothing: many are rounded, some are wrong, and recordings of live
streams have gaps of their own. They count together with what the media say: a fragment is cut when
it is shorter than announced, does not reach its neighbour, and packets between the two are missing.
"""

from dataclasses import dataclass
from itertools import pairwise

from downloads.disk.timing import Span
from downloads.fetch.verify import Incomplete

TOLERANCE_SECONDS = 0.5
# A stream that lasts longer than so many times what was announced, and what rounding may take from
# that of a short one, is not the one of the playlist.
MOST_TIMES = 2
ROUNDING_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What a playlist says of one fragment."""

    seconds: float = 0.0  # 0: it does not say
    begins_anew: bool = False  # its times need not follow those before it (EXT-X-DISCONTINUITY)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A fragment in its place in the stream."""

    span: Span
    start: float  # in seconds of the stream
    gap: float  # seconds between the one before and this one
    announced: Announced

    @property
    def end(self) -> float:
        return self.start + self.length

    @property
    def length(self) -> float:
        return self.span.end - self.span.start

    @property
    def is_short(self) -> bool:
        return self.length < self.announced.seconds - TOLERANCE_SECONDS


class Timeline:
    """The fragments of one stream, in the order in which they are appended."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._shift = 0.0  # of the fragments' own times, in seconds

    @property
    def played(self) -> float:
        """Seconds from the beginning of the first fragment to the end of the last one."""
        return self._placed[-1].end - self._placed[0].start if self._placed else 0.0

    def place(self, span: Span, announced: Announced) -> float:
        """Place a fragment; returns by how many seconds it must be moved to follow the last one."""
        gap = span.start + self._shift - self._placed[-1].end if self._placed else 0.0
        if gap < -TOLERANCE_SECONDS or (announced.begins_anew and gap > TOLERANCE_SECONDS):
            self._shift -= gap
            gap = 0.0
        start = span.start + self._shift
        self._placed.append(_Placed(span=span, start=start, gap=gap, announced=announced))
        return self._shift

    def finish(self) -> None:
        """Compare the whole with what was announced. Raises Incomplete."""
        self._require_its_length()
        self._require_every_packet()

    def _require_its_length(self) -> None:
        announced = [placed.announced.seconds for placed in self._placed]
        played = sum(placed.length for placed in self._placed)
        if announced and all(announced) and played > MOST_TIMES * sum(announced) + ROUNDING_SECONDS:
            raise Incomplete(
                f"{played:.1f} s came of a stream of which {sum(announced):.1f} s were announced"
            )
        if len(announced) < 2 or any(placed.is_short for placed in self._placed[:-1]):
            return
        # A duration that differs from all others was measured; equal ones may be a mere target.
        last = self._placed[-1]
        if last.is_short and last.span.counters and announced.count(announced[-1]) == 1:
            raise Incomplete(f"{last.length:.1f} of {announced[-1]:.1f} s came at last")

    def _require_every_packet(self) -> None:
        """Compare the counters where there is a gap. Some sites count anew in every fragment."""
        usual: list[bool] = []
        missing: list[float] = []
        for before, after in pairwise(self._placed):
            is_continued = before.span.is_continued_by(after.span)
            if after.gap > TOLERANCE_SECONDS and (before.is_short or after.is_short):
                missing += [] if is_continued else [after.gap]
            elif not after.announced.begins_anew:
                usual.append(is_continued)
        if missing and sum(usual) * 2 >= len(usual):
            raise Incomplete(f"{sum(missing):.1f} s are missing between fragments")
