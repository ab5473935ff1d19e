"""What a site says about a video: only what makes sense, and only so much of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.about import (
    MAX_CHAPTERS,
    MAX_DESCRIPTION_LENGTH,
    MAX_TAG_LENGTH,
    MAX_TAGS,
    about_of,
)

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["start_time", "title"]) | st.text(), inner)
    ),
    max_leaves=20,
)
said = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(["description", "tags", "chapters", "language"], anything)
)


def test_what_a_site_says_is_kept() -> None:
    about = {
        "description": "First line\n\nSecond line",
        "tags": ["talk", "maths"],
        "chapters": [{"start_time": 0, "title": "Intro"}, {"start_time": 30.5, "title": ""}],
        "language": "es-419",
    }

    assert about_of(about) == about


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("description", ["x"]),
        ("description", " \n\u202e\n"),
        ("tags", "talk"),
        ("tags", [None, 3, "", {}]),
        ("chapters", {"start_time": 1}),
        ("chapters", [None, {"start_time": "1"}, {"start_time": -1}, {"start_time": 1e300}]),
        ("chapters", [{"start_time": float("nan")}]),
        ("language", 7),
    ],
)
def test_what_makes_no_sense_is_left_out(name: str, value: Any) -> None:
    assert about_of({name: value}) == {}


def test_what_is_too_long_is_cut() -> None:
    about = about_of(
        {
            "description": "x" * 10**6,
            "tags": [f"{number}" * 500 for number in range(1000)],
            "chapters": [{"start_time": number, "title": "x" * 999} for number in range(1000)],
        }
    )

    assert len(about["description"]) == MAX_DESCRIPTION_LENGTH
    assert len(about["tags"]) == MAX_TAGS
    assert max(map(len, about["tags"])) == MAX_TAG_LENGTH
    assert len(about["chapters"]) == MAX_CHAPTERS


def test_invisible_characters_go_and_lines_stay() -> None:
    about = about_of({"description": "a\x00\u202eb\r\nc", "tags": ["a\nb", "a b"]})

    assert about == {"description": "ab\nc", "tags": ["a b"]}


def test_chapters_that_go_back_in_time_are_left_out() -> None:
    starts = [0, 30, 20, 30, 40]

    chapters = about_of({"chapters": [{"start_time": each, "title": "x"} for each in starts]})

    assert [each["start_time"] for each in chapters["chapters"]] == [0, 30, 40]


@given(said)
def test_whatever_a_site_says_is_read_once_and_for_all(values: dict[str, Any]) -> None:
    about = about_of(values)

    assert about_of(about) == about
