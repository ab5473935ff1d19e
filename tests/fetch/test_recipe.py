"""What options mean to yt-dlp, to ffmpeg and to the fetching of sidecars: a table."""

from dataclasses import asdict
from typing import Any

import pytest

from downloads.fetch.recipe import Recipe, recipe
from downloads.rules.options import OPTIONS, DownloadOptions

VIDEO, SOUND = "bestvideo*+bestaudio/best", "bestaudio/best"
COMPATIBLE_FIRST = ["vcodec:h264", "lang", "ext:mp4:m4a"]
COMPATIBLE = ["quality", "res", "fps", "hdr:12", "acodec:aac"]
FITTING = ["lang", "quality", "res", "fps"]
DEFAULT = recipe(DownloadOptions(), has_ffmpeg=True)
# One for each option of `fetch`; `playlist` and `start_at` are not told to the child's parts.
NOT_OF_THE_RECIPE = {"playlist", "start_at"}


def changed(made: Recipe) -> dict[str, Any]:
    """What differs from the recipe of the defaults, by the path of each value."""
    ours, default = flat(asdict(made)), flat(asdict(DEFAULT))
    return {name: ours.get(name) for name in ours | default if ours.get(name) != default.get(name)}


def flat(values: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        inner = flat(value) if isinstance(value, dict) else None
        found |= {name: value} if inner is None else {f"{name}.{k}": v for k, v in inner.items()}
    return found


def test_the_defaults_fetch_the_best_with_its_picture() -> None:
    assert DEFAULT.params == {"format": VIDEO}
    assert DEFAULT.beside.thumbnail
    assert (DEFAULT.pack.audio, DEFAULT.pack.container, DEFAULT.pack.embed) == (None, "auto", ())


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ({"quality": "2160p"}, {"params.format_sort": ["res:2160"]}),
        ({"quality": "360p"}, {"params.format_sort": ["res:360"]}),
        ({"audio": "best"}, {"params.format": SOUND, "pack.audio": "best"}),
        (
            {"audio": "m4a"},
            {
                "params.format": f"bestaudio[acodec^=mp4a]/bestaudio[ext=m4a]/{SOUND}",
                "pack.audio": "m4a",
            },
        ),
        (
            {"audio": "mp3", "quality": "720p"},
            {
                "params.format": f"bestaudio[acodec^=mp3]/bestaudio[ext=mp3]/{SOUND}",
                "params.format_sort": ["res:720"],
                "pack.audio": "mp3",
            },
        ),
        (
            {"audio": "opus", "container": "mkv"},
            {"params.format": f"bestaudio[acodec^=opus]/{SOUND}", "pack.audio": "opus"},
        ),
        (
            {"audio": "flac"},
            {"params.format": f"bestaudio[acodec^=flac]/{SOUND}", "pack.audio": "flac"},
        ),
        (
            {"container": "mp4"},
            {
                "params.merge_output_format": "mp4",
                "params.format_sort": [*FITTING, "ext:mp4:m4a"],
                "pack.container": "mp4",
            },
        ),
        (
            {"container": "webm", "quality": "480p"},
            {
                "params.merge_output_format": "webm",
                "params.format_sort": ["res:480", *FITTING, "ext:webm:webm"],
                "pack.container": "webm",
            },
        ),
        ({"container": "mkv"}, {"params.merge_output_format": "mkv", "pack.container": "mkv"}),
        (
            {"compatible": True, "quality": "1080p"},
            {
                "params.format_sort": [
                    "vcodec:h264",
                    "lang",
                    "ext:mp4:m4a",
                    "res:1080",
                    *COMPATIBLE,
                ],
                "compatible": True,
            },
        ),
        (
            {"subtitles": ["en", "es-419"], "automatic_captions": True},
            {"beside.subtitles": ("en", "es-419"), "beside.automatic_captions": True},
        ),
        ({"thumbnail": False}, {"beside.thumbnail": False}),
        (
            {"embed": ["thumbnail", "chapters"]},
            {"pack.embed": ("thumbnail", "chapters"), "beside.picture_is_inside": True},
        ),
        ({"sponsorblock": "mark"}, {"sponsorblock": "mark"}),
        ({"clip": "90-1:40.5"}, {"pack.clip": (90.0, 100.5)}),
        ({"clip": "90-"}, {"pack.clip": (90.0, None)}),
        ({"live": "refuse"}, {"live": "refuse"}),
        ({"check": True}, {"params.simulate": True, "only_checks": True}),
        ({"rate_limit": 2**20}, {"params.ratelimit": 2**20}),
        ({"extras": ["nfo", "info"]}, {"beside.extras": ("nfo", "info")}),
    ],
)
def test_what_options_mean(chosen: dict[str, Any], meant: dict[str, Any]) -> None:
    made = recipe(DownloadOptions.from_mapping(chosen), has_ffmpeg=True)

    assert changed(made) == meant


def test_every_option_is_in_the_table() -> None:
    (table,) = (
        mark
        for mark in test_what_options_mean.pytestmark
        if mark.name == "parametrize"  # type: ignore[attr-defined]
    )
    shown = {name for chosen, _ in table.args[1] for name in chosen}

    assert shown == OPTIONS.keys() - NOT_OF_THE_RECIPE


def test_without_ffmpeg_one_file_with_both_is_preferred_to_two_that_nothing_can_merge() -> None:
    made = recipe(DownloadOptions(), has_ffmpeg=False)

    assert made.params == {"format": "best/bestvideo+bestaudio"}


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, True),
        ({"thumbnail": False}, False),
        ({"thumbnail": False, "embed": ["thumbnail"]}, True),
        ({"thumbnail": False, "extras": ["poster"]}, True),
    ],
)
def test_the_picture_is_fetched_for_whatever_needs_it(chosen: dict[str, Any], wanted: bool) -> None:
    made = recipe(DownloadOptions.from_mapping(chosen), has_ffmpeg=True)

    assert made.beside.wants_picture is wanted
