"""What a site has of a video, as choices."""

import pytest

from downloads.rules.found import Found, quality_for
from downloads.rules.options import DownloadOptions


@pytest.mark.parametrize(
    ("height", "quality"),
    [
        (0, "best"),
        (144, "360p"),
        (360, "360p"),
        (361, "480p"),
        (1080, "1080p"),
        (2160, "2160p"),
        (4320, "best"),
    ],
)
def test_the_lowest_quality_that_lets_a_picture_through(height: int, quality: str) -> None:
    assert quality_for(height) == quality


@pytest.mark.parametrize(
    "found",
    [
        Found(height=720, container="mp4", size_bytes=5_000),
        Found(container="webm"),
        Found(is_audio=True),
        Found(is_audio=True, container="m4a", size_bytes=1),
    ],
)
def test_a_row_gives_back_what_was_found(found: Found) -> None:
    assert Found.from_mapping(found.as_dict()) == found


def test_what_stood_in_the_way_is_taken_back() -> None:
    wish = DownloadOptions(quality="2160p", container="webm", subtitles=["en"])

    picture = wish.with_overrides(**Found(height=720, container="mp4").changes)
    sound = wish.with_overrides(**Found(is_audio=True).changes)

    assert picture.chosen() == {"quality": "720p", "subtitles": ["en"]}
    assert sound.chosen() == {"quality": "2160p", "audio": "best", "subtitles": ["en"]}
