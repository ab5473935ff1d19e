"""What a site has of a video is told by a check, and when it cannot be had as wished."""

from typing import Any

import pytest

from downloads.fetch.found import found_in
from downloads.fetch.protocol import Checked, Metadata, Pictured
from downloads.rules.classify import code_of
from downloads.rules.errors import ErrorClass
from downloads.rules.found import Found
from tests.fetch.conftest import Fetch
from tests.helpers import choices
from tests.helpers.attempts import facts
from tests.helpers.choices import Choices

FROM = {"url": "https://example.org/a", "protocol": "https"}


def picture(height: int, **values: Any) -> dict[str, Any]:
    return {**FROM, "width": height * 2, "height": height, "ext": "mp4", **values}


def sound(**values: Any) -> dict[str, Any]:
    return {**FROM, "vcodec": "none", "acodec": "opus", "ext": "webm", **values}


# A check.


def test_a_check_tells_what_the_site_has_and_fetches_none_of_it(
    fetch: Fetch, offer: Choices
) -> None:
    ended = fetch(offer.url("/film"), check=True, subtitles=["en"], wants_preview=True)

    assert isinstance(ended.last, Checked)
    assert ended.last.media["duration"] == choices.SECONDS
    size = (offer.media / "360.mp4").stat().st_size
    assert ended.last.media["bytes"] == size
    assert ended.last.media["formats"] == [
        {"kind": "video", "container": "mp4", "bytes": size},
        {"kind": "audio"},
    ]
    (known,) = [each for each in ended.messages if isinstance(each, Metadata)]
    assert known.title == choices.TITLE
    assert any(isinstance(each, Pictured) for each in ended.messages)
    asked = [each for each in offer.site.requests if each.path.endswith((".mp4", ".vtt"))]
    assert [each.method for each in asked] == ["HEAD"]
    assert list(ended.directory.iterdir()) == []


def test_a_check_names_what_would_come_with_its_options(fetch: Fetch, offer: Choices) -> None:
    best = fetch(offer.url("/page"), check=True)
    lower = fetch(offer.url("/page"), check=True, quality="360p")

    heights = [each.last.media["height"] for each in (best, lower)]  # type: ignore[union-attr]
    assert heights == [540, 360]


def test_a_check_of_a_list_reads_the_list(fetch: Fetch, offer: Choices) -> None:
    links = "".join(f'<video src="/{name}"></video>' for name in ("180.mp4", "360.mp4"))
    offer.file("/several", f"<!doctype html><html><body>{links}</body></html>")

    assert len(fetch(offer.url("/several"), check=True).entries) == 2


def test_a_check_of_what_is_no_video_fails_as_a_download_does(fetch: Fetch, offer: Choices) -> None:
    offer.file("/nothing", "<!doctype html><html><body>Nothing</body></html>")

    assert fetch(offer.url("/nothing"), check=True).error_class is ErrorClass.UNSUPPORTED


# A wish that the site cannot fulfil.


def test_what_cannot_be_had_as_wished_tells_what_can(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/page"), container="mp4")

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert ended.broke.data == {
        "formats": [
            {"kind": "video", "height": 540, "container": "webm"},
            {"kind": "video", "height": 360, "container": "mp4"},
            {"kind": "audio"},
        ]
    }


def test_what_is_too_large_tells_what_else_there_is(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/page"), max_bytes=1_000)

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert [each.get("height") for each in ended.broke.data["formats"]] == [540, 360, None]


def test_each_choice_can_be_had(fetch: Fetch, offer: Choices) -> None:
    refused = fetch(offer.url("/page"), container="mp4")
    (_, lower, alone) = [Found.from_mapping(each) for each in refused.broke.data["formats"]]

    assert fetch(offer.url("/page"), **lower.changes).fetched.media["height"] == 360
    assert fetch(offer.url("/page"), **alone.changes).fetched.media["video_codec"] == ""


def test_an_error_before_a_video_was_found_tells_no_formats(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/film"), clip="20-30")

    assert code_of(facts(ended.broke)) == "empty_clip"
    offer.file("/nothing", "<!doctype html><html><body>Nothing</body></html>")
    assert "formats" not in fetch(offer.url("/nothing")).broke.data


# Summing up.


def test_of_each_quality_the_best_picture_is_told_with_the_size_of_both_its_files() -> None:
    video = {
        "duration": 10,
        "formats": [
            sound(filesize=100),
            sound(filesize=200, ext="m4a"),
            picture(360, acodec="none", filesize=1_000),
            picture(640, acodec="none", filesize=1_500),
            picture(720, acodec="none", filesize=2_000, ext="webm"),
            picture(720, acodec="none", tbr=8),
        ],
    }

    assert found_in(video) == [
        Found(height=720, container="mp4", size_bytes=10_000 + 200),
        Found(height=360, container="mp4", size_bytes=1_200),
        Found(is_audio=True, container="m4a", size_bytes=200),
    ]


def test_a_size_that_is_half_known_is_not_told() -> None:
    video = {"formats": [sound(), picture(360, acodec="none", filesize=1_000)]}

    assert [each.size_bytes for each in found_in(video)] == [0, 0]


def test_what_cannot_be_fetched_is_not_told() -> None:
    video = {
        "formats": [
            picture(1080, has_drm=True),
            picture(480, protocol="rtmp"),
            picture(180, protocol="mhtml"),
            picture(360, acodec="none"),
        ]
    }

    assert found_in(video) == [Found(height=360, container="mp4")]


@pytest.mark.parametrize("nonsense", [-1, 0, "tall", None, 10**9])
def test_nonsense_of_a_site_is_not_known(nonsense: Any) -> None:
    video = {
        "duration": nonsense,
        "formats": [{**FROM, "height": nonsense, "tbr": nonsense, "ext": None}],
    }

    assert found_in(video) == [Found(), Found(is_audio=True)]
