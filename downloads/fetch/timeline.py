"""Puts the fragments of a stream one after the other, and notices what is missing between them.

A playlist's durations alone prove nothing: many are rounded, some are wrong. They count together
with what the media say: a fragment is cut when it is shorter than announced and the next one begins
later than it ends.
"""

from dataclasses import dataclass

from downloads.disk.timing import Span
from downloads.fetch.verify import Incomplete

TOLERANCE_SECONDS = 0.5
# A stream that lasts more than so many times as long as announced is not the one of the playlist.
MOST_TIMES = 2


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What a playlist says of one fragment."""

    seconds: float = 0.0  # 0: it does not say
    begins_anew: bool = False  # its times need not follow those before it (EXT-X-DISCONTINUITY)


@dataclass(frozen=True, kw_only=True)
class _Placed:
    """A fragment in its place in the stream. All in seconds of the stream."""

    start: float
    end: float
    announced: float

    @property
    def is_short(self) -> bool:
        return self.end - self.start < self.announced - TOLERANCE_SECONDS


class Timeline:
    """The fragments of one stream, in the order in which they are appended."""

    def __init__(self) -> None:
        self._placed: list[_Placed] = []
        self._shift = 0.0  # of the fragments' own times, in seconds

    def place(self, span: Span, announced: Announced) -> float:
        """Place a fragment; returns by how many seconds it must be moved to follow the last one.

        Raises Incomplete when something between the two is missing.
        """
        last = self._placed[-1] if self._placed else None
        gap = span.start + self._shift - last.end if last else 0.0
        if gap < -TOLERANCE_SECONDS or (announced.begins_anew and gap > TOLERANCE_SECONDS):
            self._shift -= gap
            gap = 0.0
        start = span.start + self._shift
        placed = _Placed(
            start=start, end=start + span.end - span.start, announced=announced.seconds
        )
        self._placed.append(placed)
        if gap > TOLERANCE_SECONDS and last and (last.is_short or placed.is_short):
            raise Incomplete(f"{gap:.1f} s are missing before fragment {len(self._placed)}")
        return self._shift

    def finish(self) -> None:
        """Compare the whole with what was announced. Raises Incomplete."""
        announced = [placed.announced for placed in self._placed]
        if not announced or not all(announced):
            return
        played = sum(placed.end - placed.start for placed in self._placed)
        if played > MOST_TIMES * sum(announced) + TOLERANCE_SECONDS:
            raise Incomplete(
                f"{played:.1f} s came of a stream of which {sum(announced):.1f} s were announced"
            )
        *others, last = self._placed
        # One that differs from all others was measured; theirs may all be the same target.
        was_measured = last.announced not in [other.announced for other in others]
        if was_measured and last.is_short and not any(other.is_short for other in others):
            raise Incomplete(f"{last.end - last.start:.1f} of {last.announced:.1f} s came at last")
