"""How many downloads waited in the last day, rebuilt from their transitions. Nothing counts along.

A deletion takes a download's transitions with it: what was deleted is in no part of the day.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from downloads.models import Transition
from downloads.rules.states import State

SPAN = timedelta(days=1)
SLOT = timedelta(minutes=15)
Change = tuple[datetime, int]  # when, and by how many more or fewer wait from then on


@dataclass(frozen=True, kw_only=True)
class Depth:
    """The last day of a queue."""

    until: datetime
    now: int  # that wait
    most: Sequence[int]  # that waited at once in each SLOT of SPAN, oldest first


def depth_for(user: User, *, waiting: int) -> Depth:
    """Return the last day of the queue that a user sees, in which so many wait now."""
    until = timezone.now()
    of_queue = Q(from_state=State.CREATED) | Q(to_state=State.CREATED)
    moves = Transition.objects.filter(of_queue, at__gt=until - SPAN).order_by()
    if not user.is_staff:
        moves = moves.filter(download__owner=user)
    # Sorted here: SQLite would walk the whole table in the order of its key.
    changes = [
        (at, (to == State.CREATED) - (came_from == State.CREATED))
        for _, at, came_from, to in sorted(
            moves.values_list("seq", "at", "from_state", "to_state"), key=lambda move: move[0]
        )
    ]
    return Depth(until=until, now=waiting, most=rebuilt(changes, until=until, now=waiting))


def rebuilt(changes: Sequence[Change], *, until: datetime, now: int) -> list[int]:
    """Return the most that waited at once in each SLOT of the SPAN that ends with `now` waiting.

    `changes`: all of the span, oldest first.
    """
    depth = now - sum(change for _, change in changes)
    most, index = [], 0
    for slot in range(1, SPAN // SLOT + 1):
        end, highest = until - SPAN + slot * SLOT, depth
        while index < len(changes) and (changes[index][0] <= end or end >= until):
            depth += changes[index][1]
            highest = max(highest, depth)
            index += 1
        most.append(max(highest, 0))  # what was committed between two queries is in one of them
    return most
