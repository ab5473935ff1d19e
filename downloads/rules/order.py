"""Moves of one download within its owner's queue: which places change, as few as possible.

Pure. A queue is in the order of (-place, -priority, key).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class Move(StrEnum):
    FIRST = "first"
    UP = "up"
    DOWN = "down"
    LAST = "last"


@dataclass(frozen=True, kw_only=True)
class Queued:
    """A waiting download, with what its owner's queue is ordered by."""

    key: int
    priority: int
    place: int

    def before(self, other: "Queued") -> "Queued":
        """Return it with the lowest place that puts it before `other`."""
        is_ahead = (-self.priority, self.key) < (-other.priority, other.key)
        return replace(self, place=other.place if is_ahead else other.place + 1)

    def behind(self, other: "Queued") -> "Queued":
        """Return it with the highest place that puts it behind `other`."""
        is_ahead = (-self.priority, self.key) < (-other.priority, other.key)
        return replace(self, place=other.place - 1 if is_ahead else other.place)


def moved(queue: Sequence[Queued], key: int, move: Move) -> list[Queued]:
    """Return those of a queue, which is in its order, whose places change by a move of one."""
    index = next(index for index, each in enumerate(queue) if each.key == key)
    others = [*queue[:index], *queue[index + 1 :]]
    target = {
        Move.FIRST: 0,
        Move.UP: max(0, index - 1),
        Move.DOWN: min(len(others), index + 1),
        Move.LAST: len(others),
    }[move]
    if target == index:
        return []
    ahead, following = others[:target], others[target:]
    present = queue[index]
    last = present.before(following[0]) if following else present.behind(ahead[-1])
    changed = [last] if last != present else []
    for each in reversed(ahead):  # what is ahead stays ahead
        needed = each.before(last)
        if each.place >= needed.place:
            break
        changed.append(needed)
        last = needed
    return changed
