"""What may be chosen for a download: each value, each refusal, in every form that they come in."""

import json
from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.option_kinds import Option
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from tests.helpers.wishes import CONTRADICTIONS, VALUES, WRONG_VALUES

QUALITIES = ["best", "2160p", "1440p", "1080p", "720p", "480p", "360p"]


def test_the_default_is_the_best_picture_with_sound() -> None:
    assert DownloadOptions().as_dict() == {
        "quality": "best",
        "audio": None,
        "container": "auto",
        "compatible": False,
        "subtitles": [],
        "automatic_captions": False,
        "thumbnail": True,
        "embed": [],
        "sponsorblock": "off",
        "clip": None,
        "live": "wait",
        "playlist": "ask",
        "rate_limit": None,
        "start_at": None,
        "extras": [],
        "check": False,
    }


@pytest.mark.parametrize(("name", "given", "stored"), VALUES)
def test_every_value_has_one_stored_form(name: str, given: object, stored: object) -> None:
    options = DownloadOptions.from_mapping({"subtitles": ["en"], name: given})

    row = json.loads(json.dumps(options.as_dict()))

    assert row[name] == stored
    assert type(row[name]) is type(stored)
    assert DownloadOptions.from_mapping(row) == options
    assert hash(DownloadOptions.from_mapping(row)) == hash(options)


def test_the_table_of_values_has_every_option() -> None:
    assert {name for name, _, _ in VALUES} == OPTIONS.keys()


@pytest.mark.parametrize(("name", "value", "sentence"), WRONG_VALUES)
def test_every_other_value_is_refused_with_one_sentence(
    name: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({name: value})

    assert (refusal.value.option, refusal.value.reason) == (name, sentence)
    assert str(refusal.value) == f"{name}: {sentence}"


@pytest.mark.parametrize(("wish", "option", "sentence"), CONTRADICTIONS)
def test_what_contradicts_itself_is_refused_with_one_sentence(
    wish: Mapping[str, object], option: str, sentence: str
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping(wish)

    assert (refusal.value.option, refusal.value.reason) == (option, sentence)


@pytest.mark.parametrize(
    "wish",
    [
        {"container": "webm", "compatible": True, "audio": "m4a"},  # no video: no container
        {"container": "webm", "embed": "thumbnail", "audio": "mp3"},
        {"container": "webm", "embed": "subtitles", "subtitles": "en"},
        {"audio": "m4a", "embed": "subtitles", "subtitles": "en"},
        {"clip": "10-20", "sponsorblock": "off"},
    ],
)
def test_what_only_seems_to_contradict_itself_is_taken(wish: Mapping[str, object]) -> None:
    assert DownloadOptions.from_mapping(wish).chosen().keys() <= wish.keys()


def test_an_older_row_without_an_option_has_its_default() -> None:
    options = DownloadOptions.from_mapping({"quality": "720p", "audio": None})

    assert options == DownloadOptions(quality="720p", container="auto")


def test_equal_options_give_equal_json_whatever_the_order_of_the_keys() -> None:
    one = DownloadOptions.from_mapping({"quality": "720p", "embed": "chapters,subtitles"} | EN)
    other = DownloadOptions.from_mapping(EN | {"embed": ["subtitles", "chapters"]} | P720)

    assert json.dumps(one.as_dict()) == json.dumps(other.as_dict())
    assert hash(one) == hash(other)


EN, P720 = {"subtitles": "en"}, {"quality": "720p"}


def test_overrides_make_new_options_and_leave_the_old() -> None:
    options = DownloadOptions(quality="720p")

    changed = options.with_overrides(audio="opus")

    assert changed.chosen() == {"quality": "720p", "audio": "opus"}
    assert options.chosen() == {"quality": "720p"}


@pytest.mark.parametrize("nothing", [None, "none"])
def test_an_override_can_take_the_audio_choice_back(nothing: str | None) -> None:
    assert DownloadOptions(audio="mp3").with_overrides(audio=nothing) == DownloadOptions()


def test_options_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        DownloadOptions().quality = "360p"  # type: ignore[misc]


def test_options_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        DownloadOptions("720p")  # type: ignore[misc]


@pytest.mark.parametrize("key", ["qualty", "Quality", "", "self", "cls", "exec", "postprocessors"])
def test_an_unknown_key_is_refused_with_its_name_value_and_what_is_allowed(key: str) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({key: "rm -rf"})

    assert refusal.value.option == key
    allowed = ", ".join(OPTIONS)
    assert str(refusal.value) == f"{key}: unknown option (was 'rm -rf'); allowed: {allowed}."


def test_a_refusal_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="900p"):
        DownloadOptions(quality="900p")


@pytest.mark.parametrize("name", OPTIONS)
def test_a_refusal_of_a_huge_value_stays_short(name: str) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({name: "x" * 1_000_000})

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("clip", "seconds"),
    [(None, None), ("90-240", (90.0, 240.0)), ("1:00:00.25-", (3600.25, None))],
)
def test_a_clip_in_seconds(clip: str | None, seconds: tuple[float, float | None] | None) -> None:
    assert DownloadOptions.from_mapping({"clip": clip}).clip_seconds == seconds


@pytest.mark.parametrize(("playlist", "first"), [("ask", None), ("all", None), ("first:7", 7)])
def test_how_many_entries_of_a_list_are_the_first(playlist: str, first: int | None) -> None:
    assert DownloadOptions(playlist=playlist).first_entries == first


def test_an_instant_is_one_of_the_world() -> None:
    options = DownloadOptions.from_mapping({"start_at": "2026-11-29T03:00+01:00"})

    assert options.starts_at == datetime(2026, 11, 29, 2, tzinfo=UTC)
    assert DownloadOptions().starts_at is None


USUAL = "Best quality · Video and sound · Container of the site"


@pytest.mark.parametrize(
    ("wish", "label", "summary"),
    [
        ({}, "", USUAL),
        ({"quality": "720p"}, "720p", "Up to 720p · Video and sound · Container of the site"),
        ({"audio": "mp3"}, "mp3", "Best quality · Audio only, mp3 · Container of the site"),
        (
            {"audio": "best", "quality": "360p"},
            "360p, audio as it is",
            "Up to 360p · Audio only, as it is · Container of the site",
        ),
        ({"container": "mkv"}, "mkv", "Best quality · Video and sound · As mkv"),
        *[
            (wish, words, f"{USUAL} · {words}")
            for wish, words in [
                ({"compatible": True}, "H.264 and AAC first"),
                ({"subtitles": ["en", "de"]}, "Subtitles: en, de"),
                ({"thumbnail": False}, "No thumbnail"),
                ({"embed": ["chapters", "metadata"]}, "Embedded: chapters, title and author"),
                ({"sponsorblock": "remove"}, "SponsorBlock: cut out"),
                ({"clip": "5-3661.5"}, "Only 0:05 to 1:01:01.5"),
                ({"clip": "90-"}, "Only from 1:30 on"),
                ({"live": "refuse"}, "Live streams: refuse"),
                ({"playlist": "first:1200"}, "Add the first 1,200 videos"),
                ({"playlist": "no"}, "Playlists: only the video named"),
                ({"rate_limit": "1.5M"}, "At most 1536 KiB/s"),
                ({"rate_limit": 5000}, "At most 5000 B/s"),
                ({"start_at": "2026-11-29T03:00Z"}, "Not before 2026-11-29 03:00 UTC"),
                ({"extras": ["nfo"]}, "Extras: NFO (title, plot, date)"),
            ]
        ],
    ],
)
def test_what_was_chosen_in_words(wish: dict[str, Any], label: str, summary: str) -> None:
    options = DownloadOptions.from_mapping(wish)

    assert (options.label, options.summary) == (label, summary)
    assert options.chosen().keys() == wish.keys()


def test_a_row_names_three_options_and_counts_the_others() -> None:
    wish = {"quality": "720p", "audio": "m4a", "subtitles": "en", "clip": "1-2", "live": "now"}

    options = DownloadOptions.from_mapping(wish)

    assert options.label == "720p, m4a, Subtitles: en, 2 more"
    assert "Only 0:01 to 0:02" in options.summary


def test_a_value_is_stored_as_a_plain_string() -> None:
    class Height(StrEnum):
        P720 = "720p"

    assert type(DownloadOptions(quality=Height.P720).quality) is str


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_option_says_what_it_means(option: Option) -> None:
    assert option.label
    assert option.description.endswith(".")
    assert option.metavar
    assert option.checked(option.as_text(option.default)) == option.default


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from(list(OPTIONS)) | st.text(), json_values))
def test_no_json_object_raises_anything_but_a_refusal(mapping: dict[str, object]) -> None:
    try:
        options = DownloadOptions.from_mapping(mapping)
    except InvalidOption:
        return
    assert DownloadOptions.from_mapping(options.as_dict()) == options


times = st.from_regex(r"(([0-9]{1,2}:)?[0-5]?[0-9]:)?[0-5][0-9](\.[0-9]{1,3})?", fullmatch=True)


@given(st.lists(times, min_size=2, max_size=2).map("-".join))
def test_a_clip_written_again_is_the_same_clip(clip: str) -> None:
    try:
        options = DownloadOptions(clip=clip)
    except InvalidOption:
        return
    shown = OPTIONS["clip"].as_text(options.clip)

    assert DownloadOptions(clip=shown) == options
