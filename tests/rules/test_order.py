"""Moves within a queue: the order afterwards, and how few places change."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.order import Move, Queued, moved


def in_order(rows: list[Queued]) -> list[Queued]:
    return sorted(rows, key=lambda each: (-each.place, -each.priority, each.key))


def queue(*rows: tuple[int, int]) -> list[Queued]:
    """Of (priority, place), with keys from 1 on, in the order of the queue."""
    return in_order(
        [
            Queued(key=key, priority=priority, place=place)
            for key, (priority, place) in enumerate(rows, 1)
        ]
    )


def keys_after(rows: list[Queued], key: int, move: Move) -> list[int]:
    changed = {each.key: each for each in moved(rows, key, move)}
    return [each.key for each in in_order([changed.get(each.key, each) for each in rows])]


@pytest.mark.parametrize(
    ("move", "key", "after", "changed"),
    [
        (Move.FIRST, 4, [4, 1, 2, 3, 5], 1),
        (Move.FIRST, 1, [1, 2, 3, 4, 5], 0),
        (Move.UP, 2, [2, 1, 3, 4, 5], 1),
        (Move.UP, 4, [1, 2, 4, 3, 5], 3),
        (Move.UP, 1, [1, 2, 3, 4, 5], 0),
        (Move.DOWN, 1, [2, 1, 3, 4, 5], 1),
        (Move.DOWN, 5, [1, 2, 3, 4, 5], 0),
        (Move.LAST, 2, [1, 3, 4, 5, 2], 1),
        (Move.LAST, 5, [1, 2, 3, 4, 5], 0),
    ],
)
def test_a_move_in_a_queue_that_nobody_put_in_order(
    move: Move, key: int, after: list[int], changed: int
) -> None:
    rows = queue(*[(0, 0)] * 5)

    assert keys_after(rows, key, move) == after
    assert len(moved(rows, key, move)) <= changed


def test_a_move_gets_before_what_is_more_urgent() -> None:
    rows = queue((0, 0), (5, 0), (9, 0))

    assert [each.key for each in rows] == [3, 2, 1]
    assert keys_after(rows, 1, Move.FIRST) == [1, 3, 2]


@given(
    rows=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=8),
    data=st.data(),
)
def test_a_move_changes_the_place_of_one_alone(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    waiting = queue(*rows)
    before = [each.key for each in waiting]
    key, move = data.draw(st.sampled_from(before)), data.draw(st.sampled_from(list(Move)))
    index = before.index(key)
    target = {
        Move.FIRST: 0,
        Move.UP: max(0, index - 1),
        Move.DOWN: min(len(before) - 1, index + 1),
        Move.LAST: len(before) - 1,
    }[move]
    expected = [each for each in before if each != key]
    expected.insert(target, key)

    assert keys_after(waiting, key, move) == expected
