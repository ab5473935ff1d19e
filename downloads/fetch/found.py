"""Sums up the formats that yt-dlp found of a video, for a check and for a wish that failed."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from yt_dlp.networking import HEADRequest
from yt_dlp.utils import determine_protocol, float_or_none

from downloads.disk.names import readable
from downloads.fetch.media import MAX_SIDE_PIXELS, PROTOCOLS
from downloads.fetch.preview import Opener
from downloads.rules.found import Found, quality_for

MAX_SIZE_BYTES = 2**50
SILENCE_SECONDS = 10.0
MAX_CONTAINER_LENGTH = 16
Format = Mapping[str, Any]


def found_in(video: Mapping[str, Any]) -> list[Found]:
    """Return the best picture of each quality, the highest first, and the sound.

    `video` is yt-dlp's, with its formats in order, the best last.
    """
    formats = [each for each in video.get("formats") or [video] if _may_be_had(each)]
    pictures = [each for each in formats if each.get("vcodec") != "none"]
    sounds = [each for each in formats if each.get("acodec") != "none"]
    alone = [each for each in sounds if each.get("vcodec") == "none"]
    best: dict[str, Format] = {}
    for each in pictures:
        quality = quality_for(height_of(each))
        if quality not in best or height_of(each) >= height_of(best[quality]):
            best[quality] = each
    seconds = float_or_none(video.get("duration"))
    found = [_picture(each, alone[-1:], seconds) for each in best.values()]
    found.sort(key=lambda each: each.height, reverse=True)
    return found + [_sound(alone[-1:], seconds)] * bool(sounds)


def chosen_of(video: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the formats of a video that its options choose."""
    chosen = {part.get("format_id") for part in video.get("requested_formats") or [video]}
    formats = video.get("formats") or [video]
    return [part for part in formats if part.get("format_id") in chosen]


def measure(formats: Iterable[dict[str, Any]], *, opener: Opener) -> None:
    """Ask for the size of each file whose page did not tell it. What is not answered stays so."""
    for part in formats:
        if part.get("protocol") in ("http", "https") and not _size(part, None):
            headers = part.get("http_headers") or {}
            timeout = {"timeout": SILENCE_SECONDS}
            with suppress(Exception):
                request = HEADRequest(part["url"], headers=headers, extensions=timeout)
                with opener.open_beside(request) as response:
                    part["filesize"] = int(response.headers["Content-Length"])


def size_of(formats: Iterable[Format], *, seconds: float | None) -> int:
    """Return about how many bytes some formats have together; 0 when one of them does not say."""
    sizes = [_size(each, seconds) for each in formats]
    return sum(sizes) if all(sizes) else 0


def height_of(part: Format) -> int:
    """Return the picture's shorter side, as yt-dlp counts; 0: not known."""
    sides = [part.get(name) for name in ("width", "height")]
    known = [side for side in sides if isinstance(side, int) and 0 < side <= MAX_SIDE_PIXELS]
    return min(known, default=0)


def _picture(picture: Format, sound: list[Format], seconds: float | None) -> Found:
    parts = [picture, *(sound if picture.get("acodec") == "none" else [])]
    return Found(
        height=height_of(picture),
        container=_container(picture),
        size_bytes=size_of(parts, seconds=seconds),
    )


def _sound(alone: list[Format], seconds: float | None) -> Found:
    """Describe the sound; without a file of its own it is taken out of the video."""
    container = _container(alone[0]) if alone else ""
    size_bytes = size_of(alone, seconds=seconds) if alone else 0
    return Found(is_audio=True, container=container, size_bytes=size_bytes)


def _may_be_had(part: Format) -> bool:
    is_placed = bool(part.get("protocol") or part.get("url"))  # a video without formats has neither
    return is_placed and not part.get("has_drm") and determine_protocol(dict(part)) in PROTOCOLS


def _container(part: Format) -> str:
    return readable(str(part.get("ext") or "")[:MAX_CONTAINER_LENGTH])


def _size(part: Format, seconds: float | None) -> int:
    stated = float_or_none(part.get("filesize")) or float_or_none(part.get("filesize_approx"))
    rate = float_or_none(part.get("tbr")) or 0  # kbit/s
    size = stated or max(rate, 0) * 1000 / 8 * (seconds or 0)
    return int(size) if 0 < size < MAX_SIZE_BYTES else 0
