"""Turns the options of a download into yt-dlp's parameters and post-processors.

A pure function of values, and the only place that knows what an option means to yt-dlp.
"""

from dataclasses import dataclass
from typing import Any

from downloads.rules.options import DownloadOptions


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What yt-dlp is given for one download, in its own words."""

    params: dict[str, Any]
    post_processors: list[dict[str, str]]  # in order; "key" is the class, the rest its arguments


def recipe(options: DownloadOptions, *, has_ffmpeg: bool) -> Recipe:
    """The parameters and post-processors for `options`.

    Without ffmpeg one file that has picture and sound is preferred: nothing could merge two.
    """
    made = Recipe(params={"format": _formats(options, has_ffmpeg=has_ffmpeg)}, post_processors=[])
    if options.quality != "best":
        made.params["format_sort"] = [f"res:{options.quality.removesuffix('p')}"]
    if options.audio:
        made.post_processors.append({"key": "FFmpegExtractAudio", "preferredcodec": options.audio})
    return made


def _formats(options: DownloadOptions, *, has_ffmpeg: bool) -> str:
    if options.audio:
        return "bestaudio/best"
    return "bestvideo*+bestaudio/best" if has_ffmpeg else "best/bestvideo+bestaudio"
