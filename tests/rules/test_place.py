"""The place of a waiting download in the queue of all, where owners take turns."""

import pytest

from downloads.rules.fairness import place_among


@pytest.mark.parametrize(
    ("own", "others", "place"),
    [
        (1, [], 1),
        (5, [], 5),
        (1, [100, 100], 1),  # each owner's first goes before anybody's second
        (3, [100], 5),
        (3, [1], 4),  # who has one waiting has one turn
        (3, [1, 2, 100], 8),
    ],
)
def test_before_it_others_have_as_many_turns_as_its_owner(
    own: int, others: list[int], place: int
) -> None:
    assert place_among(own, others) == place
