from dataclasses import replace
from typing import Any

import pytest

from downloads.rules.options import DownloadOptions
from downloads.rules.presets import (
    BEST,
    MAX_NAME_LENGTH,
    SHIPPED,
    InvalidPreset,
    UnusablePreset,
    clean_name,
    clean_options,
    key_of,
)

ALL_INSIDE = ["subtitles", "thumbnail", "chapters", "metadata"]


def test_the_presets_that_come_with_vnsite_and_their_keys_do_not_change() -> None:
    assert {each.key: (each.name, each.options.chosen()) for each in SHIPPED} == {
        "best": ("Best", {}),
        "devices": (
            "1080p for every device",
            {"quality": "1080p", "container": "mp4", "compatible": True},
        ),
        "m4a": ("Audio as m4a", {"audio": "m4a"}),
        "podcast": ("Podcast", {"audio": "mp3", "embed": ALL_INSIDE[1:]}),
        "archive": ("Archive", {"container": "mkv", "subtitles": ["all"], "embed": ALL_INSIDE}),
    }


@pytest.mark.parametrize(
    ("text", "name"),
    [("TV", "TV"), ("  For  the\tTV ", "For the TV"), ("Größe ✓", "Größe ✓"), ("x" * 60, "x" * 60)],
)
def test_a_name_has_no_superfluous_space(text: str, name: str) -> None:
    assert clean_name(text) == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "Enter a name."),
        (" \n", "Enter a name."),
        ("x" * (MAX_NAME_LENGTH + 1), "A name can have at most 60 characters."),
        *[
            (text, "A name has no slashes and no control characters.")
            for text in ("a/b", "a\\b", "a\0b", "\u202eb", "..", ".")
        ],
        ("BEST", "“BEST” comes with vnsite. Choose another name."),
        ("audio  as M4A", "“audio as M4A” comes with vnsite. Choose another name."),
    ],
)
def test_what_is_not_a_name_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidPreset) as refusal:
        clean_name(text)

    assert (refusal.value.field, str(refusal.value)) == ("name", sentence)


def test_names_are_compared_without_regard_to_case_and_spelling() -> None:
    assert key_of("  STRASSE  Cafe\u0301 ") == key_of("straße café")


@pytest.mark.parametrize("chosen", [{"clip": "1-2"}, {"start_at": "2126-01-01T00:00Z"}])
def test_what_belongs_to_one_link_is_in_no_preset(chosen: dict[str, Any]) -> None:
    with pytest.raises(InvalidPreset, match="belongs to one link") as refusal:
        clean_options(DownloadOptions.from_mapping(chosen))

    assert refusal.value.field == f"options.{next(iter(chosen))}"


def test_a_preset_of_another_version_says_so() -> None:
    newer = replace(BEST, name="TV", stored={"quality": "4320p"})

    with pytest.raises(UnusablePreset) as unusable:
        _ = newer.options

    assert str(unusable.value) == newer.fault
    assert newer.fault == (
        "The preset “TV” cannot be used: another version of vnsite wrote its “quality”."
    )
    assert BEST.fault == ""
