"""The speed of the newest attempt, for the chart of a download's page: points, marks, words."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from downloads.models import Download, Transition
from downloads.rules.states import State
from downloads.web.format import LOOKS, length, size
from downloads.web.history import end_of

ROW_SECONDS = 30  # of the table
Point = tuple[float, float]  # seconds since the attempt began, bytes per second


@dataclass(frozen=True, kw_only=True)
class ChartView:
    """The chart of one attempt. `chart.js` draws it, and goes on with it while it lasts."""

    started_at: datetime
    ended_at: datetime | None  # None: it lasts
    points: Sequence[Point]
    marks: Sequence[tuple[float, str]]  # transitions: seconds since the attempt began, and a word

    @property
    def speeds(self) -> str:
        return json.dumps(self.points)

    @property
    def marks_as_json(self) -> str:
        return json.dumps(self.marks)

    @property
    def recorded(self) -> str:
        """When it was recorded, in UTC; "" while it lasts."""
        if self.ended_at is None:
            return ""
        times = {"start": f"{self.started_at:%H:%M}", "end": f"{self.ended_at:%H:%M}"}
        return _("Recorded %(start)s–%(end)s UTC") % times  # noqa: RUF001 — a span

    @property
    def sentence(self) -> str:
        """What the chart shows; "" as long as that is nothing."""
        if not self.points:
            return ""
        speeds = [speed for _seconds, speed in self.points]
        words = {"average": _speed(sum(speeds) / len(speeds)), "most": _speed(max(speeds))}
        said = [_("Average %(average)s, at most %(most)s") % words]
        stalls = sum(is_zero for is_zero, _group in groupby(speeds, key=lambda speed: not speed))
        if stalls:
            said.append(ngettext("%(n)s stall", "%(n)s stalls", stalls) % {"n": stalls})
        return ", ".join(said)

    @property
    def rows(self) -> Iterator[tuple[str, str]]:
        """Yield the time since the attempt began and the average speed from then on."""
        for row, points in groupby(self.points, key=lambda point: int(point[0] // ROW_SECONDS)):
            speeds = [speed for _seconds, speed in points]
            yield length(row * ROW_SECONDS), _speed(sum(speeds) / len(speeds))


def chart_of(download: Download, entries: Sequence[Transition]) -> ChartView | None:
    """Return the chart of the newest attempt; None when there is nothing to draw."""
    attempt = download.attempts.last()
    if attempt is None or not (attempt.speeds or download.state == State.DOWNLOADING):
        return None
    own = [entry for entry in entries if entry.attempt == attempt.number]
    end = end_of(own)
    marks = [
        (
            round((entry.at - attempt.started_at).total_seconds(), 1),
            str(LOOKS[State(entry.to_state)].label),
        )
        for entry in own
        if entry.to_state in (State.DOWNLOADING, *([end.to_state] if end else []))
    ]
    return ChartView(
        started_at=attempt.started_at,
        ended_at=end.at if end else None,
        points=attempt.speeds,
        marks=marks,
    )


def _speed(bytes_per_second: float) -> str:
    return f"{size(bytes_per_second)}/s"
