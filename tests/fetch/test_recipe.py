"""What options mean to yt-dlp: a table."""

from typing import Any

import pytest
from yt_dlp.utils import MEDIA_EXTENSIONS

from downloads.fetch.recipe import Recipe, recipe
from downloads.rules.options import OPTIONS, DownloadOptions

VIDEO = {"format": "bestvideo*+bestaudio/best"}
SOUND = {"format": "bestaudio/best"}


def extract(audio: str) -> dict[str, str]:
    return {"key": "FFmpegExtractAudio", "preferredcodec": audio}


def repacked(container: str, subtitles: str) -> dict[str, Any]:
    arguments = {"videoremuxer+ffmpeg_o1": ["-c:s", subtitles]}
    return {**VIDEO, "merge_output_format": container, "postprocessor_args": arguments}


def remux(container: str) -> dict[str, str]:
    sounds = "".join(f"{sound}>{sound}/" for sound in MEDIA_EXTENSIONS.audio)
    return {"key": "FFmpegVideoRemuxer", "preferedformat": sounds + container}


@pytest.mark.parametrize(
    ("chosen", "params", "post_processors"),
    [
        ({}, VIDEO, []),
        ({"quality": "2160p"}, {**VIDEO, "format_sort": ["res:2160"]}, []),
        ({"quality": "360p"}, {**VIDEO, "format_sort": ["res:360"]}, []),
        ({"audio": "m4a"}, SOUND, [extract("m4a")]),
        ({"audio": "mp3"}, SOUND, [extract("mp3")]),
        ({"audio": "opus"}, SOUND, [extract("opus")]),
        (
            {"audio": "mp3", "quality": "720p"},
            {**SOUND, "format_sort": ["res:720"]},
            [extract("mp3")],
        ),
        ({"container": "mp4"}, repacked("mp4", "mov_text"), [remux("mp4")]),
        ({"container": "mkv"}, repacked("mkv", "srt"), [remux("mkv")]),
        ({"audio": "opus", "container": "mkv"}, SOUND, [extract("opus")]),
    ],
)
def test_what_options_mean(
    chosen: dict[str, str], params: dict[str, Any], post_processors: list[dict[str, str]]
) -> None:
    made = recipe(DownloadOptions.from_mapping(chosen), has_ffmpeg=True)

    assert made == Recipe(params=params, post_processors=post_processors)


def test_without_ffmpeg_one_file_with_both_is_preferred_to_two_that_nothing_can_merge() -> None:
    made = recipe(DownloadOptions(), has_ffmpeg=False)

    assert made.params == {"format": "best/bestvideo+bestaudio"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name in ("quality", "audio", "container")
        for value in OPTIONS[name].labels  # type: ignore[attr-defined]
    ],
)
def test_every_value_but_the_default_changes_the_recipe(name: str, value: str | None) -> None:
    default = recipe(DownloadOptions(), has_ffmpeg=True)

    made = recipe(DownloadOptions().with_overrides(**{name: value}), has_ffmpeg=True)

    assert (made == default) is (value == OPTIONS[name].default)
