"""Turns the options of a download into yt-dlp's parameters and post-processors.

A pure function of values, and the only place that knows what an option means to yt-dlp.
"""

from dataclasses import dataclass
from typing import Any

from yt_dlp.utils import MEDIA_EXTENSIONS

from downloads.rules.options import DownloadOptions

# Text in a video can be rewritten without loss, into the form that the container knows.
SUBTITLE_CODECS = {"mp4": "mov_text", "mkv": "srt", "webm": "webvtt"}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What yt-dlp is given for one download, in its own words."""

    params: dict[str, Any]
    post_processors: list[dict[str, str]]  # in order; "key" is the class, the rest its arguments


def recipe(options: DownloadOptions, *, has_ffmpeg: bool) -> Recipe:
    """Return the parameters and post-processors for `options`.

    Without ffmpeg one file that has picture and sound is preferred: nothing could merge two.
    """
    made = Recipe(params={"format": _formats(options, has_ffmpeg=has_ffmpeg)}, post_processors=[])
    if options.quality != "best":
        made.params["format_sort"] = [f"res:{options.quality.removesuffix('p')}"]
    if options.audio:
        made.post_processors.append({"key": "FFmpegExtractAudio", "preferredcodec": options.audio})
    elif options.container != "auto":
        _repack(made, options.container)
    return made


def _repack(made: Recipe, container: str) -> None:
    """Have two streams merged into the container at once, and one file remuxed; sound stays."""
    made.params["merge_output_format"] = container
    subtitles = ["-c:s", SUBTITLE_CODECS[container]]
    made.params["postprocessor_args"] = {"videoremuxer+ffmpeg_o1": subtitles}
    targets = "/".join([*(f"{sound}>{sound}" for sound in MEDIA_EXTENSIONS.audio), container])
    made.post_processors.append({"key": "FFmpegVideoRemuxer", "preferedformat": targets})


def _formats(options: DownloadOptions, *, has_ffmpeg: bool) -> str:
    if options.audio:
        return "bestaudio/best"
    return "bestvideo*+bestaudio/best" if has_ffmpeg else "best/bestvideo+bestaudio"
