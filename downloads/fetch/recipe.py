"""Turns the options of a download into what yt-dlp, ffmpeg and the fetching of sidecars are told.

A pure function of values, and the only place that knows what an option means to them.
"""

from dataclasses import dataclass
from typing import Any

from downloads.rules.options import DownloadOptions

# Sound that need not be encoded again is preferred; an encoder is used where there is none.
SOUNDS = {
    "best": "bestaudio/best",
    "m4a": "bestaudio[acodec^=mp4a]/bestaudio[ext=m4a]/bestaudio/best",
    "mp3": "bestaudio[acodec^=mp3]/bestaudio[ext=mp3]/bestaudio/best",
    "opus": "bestaudio[acodec^=opus]/bestaudio/best",
    "flac": "bestaudio[acodec^=flac]/bestaudio/best",
}
# As `--preset-alias mp4` of yt-dlp's command. Many pages do not tell the codecs of their files.
COMPATIBLE_FIRST = ("vcodec:h264", "lang", "ext:mp4:m4a")
COMPATIBLE_LAST = ("quality", "res", "fps", "hdr:12", "acodec:aac")
# Of pictures of the same size, those that fit without trouble.
FITTING = {"mp4": "ext:mp4:m4a", "webm": "ext:webm:webm"}


Clip = tuple[float, float | None]  # start and end in seconds; None: to the end


@dataclass(frozen=True, kw_only=True)
class Pack:
    """What ffmpeg makes of what came."""

    audio: str | None = None  # None: picture and sound
    container: str = "auto"
    clip: Clip | None = None  # None: all of it
    embed: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What is fetched beside the video, and what of it is published."""

    subtitles: tuple[str, ...] = ()  # languages; "all"
    automatic_captions: bool = False
    thumbnail: bool = False
    extras: tuple[str, ...] = ()
    picture_is_inside: bool = False

    @property
    def wants_picture(self) -> bool:
        return self.thumbnail or self.picture_is_inside or "poster" in self.extras


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What the parts of one download are told; `params` are yt-dlp's."""

    params: dict[str, Any]
    pack: Pack
    beside: Beside
    sponsorblock: str
    live: str
    compatible: bool
    only_checks: bool  # nothing is fetched


def recipe(options: DownloadOptions, *, has_ffmpeg: bool) -> Recipe:
    """Return what `options` mean.

    Without ffmpeg one file that has picture and sound is preferred: nothing could merge two.
    """
    params: dict[str, Any] = {"format": _formats(options, has_ffmpeg=has_ffmpeg)}
    if order := _order(options):
        params["format_sort"] = order
    if options.container != "auto" and not options.audio:
        params["merge_output_format"] = options.container
    if options.check:
        params["simulate"] = True
    if options.rate_limit:
        params["ratelimit"] = options.rate_limit
    return Recipe(
        params=params,
        pack=Pack(
            audio=options.audio,
            container="auto" if options.audio else options.container,
            clip=options.clip_seconds,
            embed=options.embed,
        ),
        beside=Beside(
            subtitles=options.subtitles,
            automatic_captions=options.automatic_captions,
            thumbnail=options.thumbnail,
            extras=options.extras,
            picture_is_inside="thumbnail" in options.embed,
        ),
        sponsorblock=options.sponsorblock,
        live=options.live,
        compatible=options.compatible,
        only_checks=options.check,
    )


def _formats(options: DownloadOptions, *, has_ffmpeg: bool) -> str:
    if options.audio:
        return SOUNDS[options.audio]
    return "bestvideo*+bestaudio/best" if has_ffmpeg else "best/bestvideo+bestaudio"


def _order(options: DownloadOptions) -> list[str]:
    """Return by what formats are preferred, before what yt-dlp prefers by itself; [] for that."""
    res = [] if options.quality == "best" else [f"res:{options.quality.removesuffix('p')}"]
    if options.compatible:
        return [*COMPATIBLE_FIRST, *res, *COMPATIBLE_LAST]
    if options.container in FITTING and not options.audio:
        return [*res, "lang", "quality", "res", "fps", FITTING[options.container]]
    return res
