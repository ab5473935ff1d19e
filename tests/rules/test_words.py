"""Sentences that are said in the language of who reads them."""

from collections.abc import Iterator

import pytest

from downloads.rules import words
from downloads.rules.options import DownloadOptions, InvalidOption

SPANISH = {"{was} is not one of {allowed}.": "{was} no es uno de {allowed}."}


@pytest.fixture
def spanish() -> Iterator[None]:
    spoken = words._catalogue
    before = spoken.gettext, spoken.ngettext, spoken.in_groups
    words.speak_with(
        lambda text: SPANISH.get(text, text),
        lambda one, many, number: f"{{number:,}} de {many}",
        lambda number: f"{number:,}".replace(",", "."),
    )
    yield
    words.speak_with(*before)


def test_a_sentence_is_said_as_the_catalogue_has_it(spanish: None) -> None:
    with pytest.raises(InvalidOption, match="'big' no es uno de best"):
        DownloadOptions(quality="big")


def test_a_sentence_without_a_translation_is_english(spanish: None) -> None:
    assert words.say("At most {most} KiB.", most=4) == "At most 4 KiB."


def test_a_number_chooses_its_sentence() -> None:
    said = [words.say_number("{number} file", "{number} files", number=each) for each in (1, 2)]

    assert said == ["1 file", "2 files"]


def test_a_number_is_written_as_the_reader_does(spanish: None) -> None:
    assert words.say_number("{number:,} file", "files", number=12_345) == "12.345 de files"


def test_nothing_is_said_as_nothing() -> None:
    assert words.say("") == ""
