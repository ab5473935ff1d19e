"""The last day of the queue, drawn and in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from downloads.diagnostics.depth import SLOT, Depth

HEIGHT = 40  # of the drawing; each slot is one wide
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class DepthView:
    depth: Depth

    @property
    def peak(self) -> int:
        return max(self.depth.most)

    @property
    def size(self) -> str:
        """The drawing's `viewBox`."""
        return f"0 0 {len(self.depth.most)} {HEIGHT}"

    @property
    def outline(self) -> str:
        """A path around the steps; the highest reaches the top."""
        scale = HEIGHT / (self.peak or 1)
        heights = [HEIGHT - number * scale for number in self.depth.most]
        steps = "".join(f"V{height:.4g}h1" for height in heights)
        return f"M0 {HEIGHT}{steps}V{HEIGHT}z"

    @property
    def sentence(self) -> str:
        if not self.peak:
            return _("Nothing has waited in the last 24 hours.")
        words = {"now": self.depth.now, "most": self.peak}
        return _("%(now)s waiting now, at most %(most)s in the last 24 hours.") % words

    @property
    def hours(self) -> Iterator[tuple[datetime, int]]:
        """Yield when an hour began, and the most that waited at once in it; the newest first."""
        slots = HOUR // SLOT
        ends = range(len(self.depth.most), 0, -slots)
        for number, end in enumerate(ends, start=1):
            yield self.depth.until - number * HOUR, max(self.depth.most[end - slots : end])
