import json
from dataclasses import FrozenInstanceError
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.options import OPTIONS, Choice, DownloadOptions, InvalidOption

QUALITIES = ["best", "2160p", "1440p", "1080p", "720p", "480p", "360p"]
AUDIO = [None, "m4a", "mp3", "opus"]
CONTAINERS = ["auto", "mp4", "mkv"]


def test_the_default_is_the_best_picture_with_sound() -> None:
    assert DownloadOptions().as_dict() == {
        "quality": "best",
        "audio": None,
        "container": "auto",
    }


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("audio", AUDIO)
@pytest.mark.parametrize("container", CONTAINERS)
def test_every_choice_of_the_contract_survives_the_row(
    quality: str, audio: str | None, container: str
) -> None:
    chosen = {"quality": quality, "audio": audio, "container": container}
    options = DownloadOptions.from_mapping(chosen)

    stored = json.loads(json.dumps(options.as_dict()))

    assert stored == chosen
    assert DownloadOptions.from_mapping(stored) == options


def test_there_are_no_other_choices() -> None:
    assert {name: list(option.labels) for name, option in OPTIONS.items()} == {
        "quality": QUALITIES,
        "audio": AUDIO,
        "container": CONTAINERS,
    }


def test_an_older_row_without_an_option_has_its_default() -> None:
    options = DownloadOptions.from_mapping({"quality": "720p", "audio": None})

    assert options == DownloadOptions(quality="720p", container="auto")


def test_equal_options_give_equal_json_whatever_the_order_of_the_keys() -> None:
    one = DownloadOptions.from_mapping({"quality": "720p", "audio": "mp3"})
    other = DownloadOptions.from_mapping({"audio": "mp3", "quality": "720p"})

    assert json.dumps(one.as_dict()) == json.dumps(other.as_dict())
    assert hash(one) == hash(other)


def test_overrides_make_new_options_and_leave_the_old() -> None:
    options = DownloadOptions(quality="720p")

    changed = options.with_overrides(audio="opus")

    assert changed.chosen() == {"quality": "720p", "audio": "opus"}
    assert options.chosen() == {"quality": "720p"}


def test_an_override_can_take_the_audio_choice_back() -> None:
    assert DownloadOptions(audio="mp3").with_overrides(audio=None) == DownloadOptions()


def test_options_cannot_be_changed_in_place() -> None:
    with pytest.raises(FrozenInstanceError):
        DownloadOptions().quality = "360p"  # type: ignore[misc]


def test_options_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        DownloadOptions("720p")  # type: ignore[misc]


@pytest.mark.parametrize(
    "value", ["900p", "BEST", "", " best", None, 720, True, 1.5, b"best", ["best"], {"best": 1}]
)
def test_an_unknown_quality_is_refused_with_its_name_value_and_what_is_allowed(
    value: object,
) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({"quality": value})

    assert refusal.value.option == "quality"
    assert str(refusal.value) == f"quality: {value!r} is not one of {', '.join(QUALITIES)}"


@pytest.mark.parametrize("value", ["wav", "", "none", False, 0, ["mp3"]])
def test_an_unknown_audio_format_is_refused(value: object) -> None:
    with pytest.raises(InvalidOption, match=r"^audio: .* is not one of m4a, mp3, opus$"):
        DownloadOptions().with_overrides(audio=value)


@pytest.mark.parametrize("key", ["qualty", "Quality", "", "self", "cls", "exec", "postprocessors"])
def test_an_unknown_key_is_refused_with_its_name_value_and_what_is_allowed(key: str) -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({key: "rm -rf"})

    assert refusal.value.option == key
    assert (
        str(refusal.value)
        == f"{key}: unknown option (was 'rm -rf'); allowed: quality, audio, container"
    )


def test_a_refusal_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="900p"):
        DownloadOptions(quality="900p")


def test_a_refusal_of_a_huge_value_stays_short() -> None:
    with pytest.raises(InvalidOption) as refusal:
        DownloadOptions.from_mapping({"quality": "x" * 1_000_000})

    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize(
    ("chosen", "label", "summary"),
    [
        ({}, "", "Best quality · Video and sound · Container of the site"),
        ({"quality": "720p"}, "720p", "Up to 720p · Video and sound · Container of the site"),
        ({"audio": "mp3"}, "mp3", "Best quality · Only sound, mp3 · Container of the site"),
        (
            {"audio": "mp3", "quality": "360p"},
            "360p, mp3",
            "Up to 360p · Only sound, mp3 · Container of the site",
        ),
        ({"container": "mkv"}, "mkv", "Best quality · Video and sound · As mkv"),
    ],
)
def test_what_was_chosen_in_words(chosen: dict[str, str], label: str, summary: str) -> None:
    options = DownloadOptions.from_mapping(chosen)

    assert (options.label, options.summary) == (label, summary)
    assert options.chosen() == chosen


def test_a_value_is_stored_as_a_plain_string() -> None:
    class Height(StrEnum):
        P720 = "720p"

    assert type(DownloadOptions(quality=Height.P720).quality) is str


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_option_says_what_it_means(option: Choice) -> None:
    assert option.label
    assert option.description.endswith(".")
    assert all(option.labels.values())


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
