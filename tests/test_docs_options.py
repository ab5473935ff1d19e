"""docs/options.md says of every option what the table of the code says."""

from pathlib import Path

import pytest

from downloads.rules.option_kinds import Choice, Subset
from downloads.rules.options import OPTIONS

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
ROWS = {row.split("`")[1]: row for row in PAGE.read_text().splitlines() if row.startswith("| `")}


def test_every_option_has_its_row_in_the_order_of_the_table() -> None:
    assert list(ROWS) == list(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_row_has_every_word_that_can_be_chosen(name: str) -> None:
    option = OPTIONS[name]
    words = list(option.labels) if isinstance(option, Choice | Subset) else []

    assert [word for word in words if f"`{word}`" not in ROWS[name] and word is not None] == []
