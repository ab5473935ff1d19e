"""docs/options.md says of every option what the table of the code says."""

from pathlib import Path

import pytest

from downloads.rules.option_kinds import Choice, Subset
from downloads.rules.options import OPTIONS
from downloads.rules.presets import SHIPPED

PAGE = Path(__file__).parents[1] / "docs" / "options.md"
OF_OPTIONS, _, OF_PRESETS = PAGE.read_text().partition("\n## Presets")


def rows_of(part: str) -> dict[str, str]:
    return {row.split("`")[1]: row for row in part.splitlines() if row.startswith("| `")}


ROWS = rows_of(OF_OPTIONS)


def test_every_option_has_its_row_in_the_order_of_the_table() -> None:
    assert list(ROWS) == list(OPTIONS)


@pytest.mark.parametrize("name", OPTIONS)
def test_a_row_has_every_word_that_can_be_chosen(name: str) -> None:
    option = OPTIONS[name]
    words = list(option.labels) if isinstance(option, Choice | Subset) else []

    assert [word for word in words if f"`{word}`" not in ROWS[name] and word is not None] == []


def test_every_preset_that_comes_with_vnsite_has_its_row() -> None:
    names = {key: row.split("|")[2].strip() for key, row in rows_of(OF_PRESETS).items()}

    assert names == {each.key: each.name for each in SHIPPED}
