"""Names that a person gives to what they keep."""

import pytest

from downloads.rules.names import InvalidName, clean_name, key_of


@pytest.mark.parametrize(
    "text", ["", "  ", ".", "..", "a/b", "a\\b", "a\x07b", "a\u202eb", "a" * 61]
)
def test_what_is_not_a_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidName):
        clean_name(text)


def test_a_name_is_kept_as_it_is_written_but_for_its_space() -> None:
    assert clean_name("  Old   Films ") == "Old Films"


def test_names_that_differ_in_case_or_space_are_the_same() -> None:
    assert key_of("Old  FILMS") == key_of("old films ")
