"""What a site says of a video, and what came of it, as rows and pages tell them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from yt_dlp.utils import float_or_none, unified_timestamp

from downloads.disk.names import readable
from downloads.disk.streams import Streams

MAX_NAME_LENGTH = 300
MAX_SIDE_PIXELS = 2**15
COMPATIBLE_SOUND = frozenset({"", "aac", "mp3"})
# By which a video may come.
PROTOCOLS = frozenset({"http", "https", "m3u8", "m3u8_native", "http_dash_segments"})
MAX_SECONDS = 10**7  # of a video
Value = str | int | bool


def title_of(info: dict[str, Any]) -> str:
    """The title of a video, without the number that yt-dlp gives even to the only one of a page."""
    title = str(info.get("title") or "")
    is_embedded = info.get("extractor_key") in ("Generic", "HTML5MediaEmbed")
    is_numbered = is_embedded and str(info.get("id")).endswith("-1")
    return title.removesuffix(" (1)") if is_numbered else title


def chapters_of(info: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the chapters that follow one another in time. A page may put anything there."""
    found = info.get("chapters")
    told: list[dict[str, Any]] = []
    chapters = found if isinstance(found, list) else []
    for chapter in (each for each in chapters if isinstance(each, Mapping)):
        times = {name: float_or_none(chapter.get(name)) for name in ("start_time", "end_time")}
        start, end = times.values()
        earliest = told[-1]["end_time"] if told else 0
        if start is not None and end is not None and earliest <= start < end < MAX_SECONDS:
            told.append({**chapter, **times})
    return told


def media_of(info: Mapping[str, Any]) -> dict[str, Value]:
    """Return what is known of a video when its page is read. Texts are readable and bounded."""
    return {name: value for name, value in _media(info) if value is not None}


def _media(info: Mapping[str, Any]) -> list[tuple[str, Value | None]]:
    duration = info.get("duration")
    return [
        ("uploader", _text(info.get("uploader")) or None),
        ("channel", _text(info.get("channel")) or None),
        ("duration", round(duration) if isinstance(duration, int | float) else None),
        ("uploaded_at", _uploaded_at(info)),
        ("width", _pixels(info.get("width"))),
        ("height", _pixels(info.get("height"))),
        ("format_id", _text(info.get("format_id")) or None),
        ("live", bool(info.get("is_live") or info.get("was_live"))),
    ]


def _uploaded_at(info: Mapping[str, Any]) -> str | None:
    """Return the instant, in ISO 8601; of a site that tells only the day, its beginning in UTC."""
    seconds = info.get("timestamp")
    if not isinstance(seconds, int | float):
        day = _text(info.get("upload_date"))
        seconds = unified_timestamp(day) if day else None  # tries fifty ways to write it
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds is not None else None
    except (ValueError, OverflowError, OSError):
        return None


def is_compatible(streams: Streams | None) -> bool:
    """Whether old players can be expected to play it; True when it is not known."""
    if streams is None:
        return True
    return streams.video_codec in ("", "h264") and streams.audio_codec in COMPATIBLE_SOUND


def came(streams: Streams | None, info: Mapping[str, Any], path: Path) -> dict[str, str | int]:
    """Return what is in the published file: by its bytes, or else as the site says.

    Of a file without a picture the size is 0."""
    found = streams or Streams(
        video_codec=_codec(info.get("vcodec")),
        audio_codec=_codec(info.get("acodec")),
        width=_pixels(info.get("width")),
        height=_pixels(info.get("height")),
    )
    values = {
        "width": found.width if found.video_codec else 0,
        "height": found.height if found.video_codec else 0,
        "video_codec": found.video_codec,
        "audio_codec": found.audio_codec,
        "container": path.suffix.removeprefix("."),
    }
    return {name: value for name, value in values.items() if value is not None}


def _codec(said: Any) -> str:
    name = str(said or "none").partition(".")[0]
    return "" if name == "none" else _text(name)[:16]


def _pixels(number: Any) -> int | None:
    is_right = isinstance(number, int) and 0 < number <= MAX_SIDE_PIXELS
    return number if is_right else None


def _text(value: Any) -> str:
    return readable(str(value or "")[:MAX_NAME_LENGTH])
