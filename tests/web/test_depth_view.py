"""The last day of the queue, as it is drawn and said."""

from datetime import UTC, datetime, timedelta

from downloads.diagnostics.depth import Depth
from downloads.web.depth_view import DepthView

UNTIL = datetime(2026, 11, 29, 12, tzinfo=UTC)


def view(*most: int, now: int = 0) -> DepthView:
    return DepthView(Depth(until=UNTIL, now=now, most=most))


def test_the_highest_step_reaches_the_top_and_none_is_at_the_bottom() -> None:
    drawn = view(0, 4, 1, 4)

    assert drawn.size == "0 0 4 40"
    assert drawn.outline == "M0 40V40h1V0h1V30h1V0h1V40z"


def test_a_day_on_which_nothing_waited_is_said() -> None:
    drawn = view(0, 0, 0, 0)

    assert drawn.sentence == "Nothing has waited in the last 24 hours."
    assert drawn.outline == "M0 40V40h1V40h1V40h1V40h1V40z"


def test_the_drawing_has_a_sentence() -> None:
    assert view(1, 7, 3, now=3).sentence == "3 waiting now, at most 7 in the last 24 hours."


def test_the_table_has_the_most_of_each_hour_the_newest_first() -> None:
    hours = list(view(1, 9, 1, 1, 0, 2, 5, 3).hours)

    assert hours == [(UNTIL - timedelta(hours=1), 5), (UNTIL - timedelta(hours=2), 9)]
