"""How bad several checks are together."""

import pytest

from downloads.diagnostics.verdict import Check, Level, worst


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([], Level.OK),
        ([Level.OK, Level.WARNING], Level.WARNING),
        ([Level.WARNING, Level.FAILURE, Level.OK], Level.FAILURE),
    ],
)
def test_the_worst_level_counts(levels: list[Level], level: Level) -> None:
    found = [Check(name="x", level=each, sentence="x") for each in levels]

    assert worst(found) is level
