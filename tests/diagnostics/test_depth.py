"""The last day of the queue is what the transitions say."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from downloads import actions
from downloads.diagnostics.depth import SLOT, SPAN, Change, depth_for, rebuilt
from downloads.models import Download
from downloads.rules.states import State
from tests.helpers import lives

UNTIL = datetime(2026, 11, 29, 12, tzinfo=UTC)


def ago(change: int, **since: float) -> Change:
    return UNTIL - timedelta(**since), change


def runs(most: list[int]) -> Iterator[tuple[int, int]]:
    """Yield (how many waited, over how many slots), oldest first."""
    begin = 0
    for index in range(1, len(most) + 1):
        if index == len(most) or most[index] != most[begin]:
            yield most[begin], index - begin
            begin = index


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ([], 0, [(0, 96)]),
        ([], 3, [(3, 96)]),
        ([ago(1, hours=1, minutes=5)], 1, [(0, 91), (1, 5)]),
        ([ago(-1, hours=12, minutes=5)], 0, [(1, 48), (0, 48)]),
        ([ago(5, minutes=20), ago(-5, minutes=19)], 0, [(0, 94), (5, 1), (0, 1)]),
        ([ago(2, minutes=-1)], 2, [(0, 95), (2, 1)]),  # by a clock that is ahead
        ([ago(-1, minutes=1)], -1, [(0, 96)]),  # committed between two queries
    ],
)
def test_the_most_that_waited_is_rebuilt_from_what_changed(
    changes: list[Change], now: int, expected: list[tuple[int, int]]
) -> None:
    most = rebuilt(changes, until=UNTIL, now=now)

    assert len(most) == SPAN // SLOT
    assert list(runs(most)) == expected


@pytest.mark.both_databases
@pytest.mark.django_db
def test_what_came_and_left_is_in_the_day_of_who_may_see_it(user: User, staff: User) -> None:
    lives.complete(lives.submit(user))
    actions.cancel(lives.submit(), actor="test")
    lives.submit(user)
    waiting = Download.objects.filter(state=State.CREATED).count()

    of_all, own = depth_for(staff, waiting=waiting), depth_for(user, waiting=waiting)

    # One came after the other left, but for the last: at most one waited at a time.
    assert list(runs(list(of_all.most))) == [(0, 95), (1, 1)]
    assert list(runs(list(own.most))) == [(0, 95), (1, 1)]
    assert timezone.now() - of_all.until < SLOT


@pytest.mark.both_databases
@pytest.mark.django_db
def test_others_do_not_see_how_many_of_others_waited(user: User, staff: User) -> None:
    for _ in range(3):
        actions.cancel(lives.submit(), actor="test")
    waited = [lives.submit() for _ in range(4)]
    for download in waited:
        actions.cancel(download, actor="test")

    assert max(depth_for(staff, waiting=0).most) == 4
    assert max(depth_for(user, waiting=0).most) == 0
