"""Reads what yt-dlp's `.info.json` says of a video that another tool fetched.

The file may be anybody's: its size is bounded, and each value that is not of its type counts as
absent. It is judged by the same functions as what a site says.
"""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from downloads.disk.library import RefusedFile, open_finished
from downloads.disk.names import readable
from downloads.disk.streams import Streams
from downloads.fetch.media import came, chapters_of, media_of, title_of
from downloads.rules.about import About, about_of
from downloads.rules.links import InvalidLink, clean_url
from downloads.rules.media_id import OF_ANY_SITE, media_id_of

MAX_INFO_BYTES = 8 * 2**20  # with the addresses of all formats and captions it has 1 MB
MAX_NUMBER = 2**53
MAX_TITLE_LENGTH = 500
TEXTS = (
    *("id", "title", "extractor", "extractor_key", "webpage_url", "original_url"),
    *("uploader", "channel", "upload_date", "description", "language"),
    *("format_id", "vcodec", "acodec"),
)
NUMBERS = ("duration", "timestamp", "width", "height")
LISTS = ("tags", "chapters")
FLAGS = ("is_live", "was_live")
TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(TEXTS, str),
    **dict.fromkeys(NUMBERS, (int, float)),
    **dict.fromkeys(LISTS, list),
    **dict.fromkeys(FLAGS, bool),
}
Info = dict[str, Any]


class NotInfo(ValueError):
    """The file does not say anything of a video."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What is known of a video; each is empty when nothing says it."""

    title: str = ""
    url: str = ""
    extractor: str = ""
    media_id: str = ""
    media: dict[str, Any] = field(default_factory=dict)
    about: About = field(default_factory=dict)


def read(path: Path) -> Info:
    """Read the file. Raises NotInfo when it is too large, no JSON, or not of one video."""
    try:
        with open_finished(path) as file:
            content = file.read(MAX_INFO_BYTES + 1)
        if len(content) > MAX_INFO_BYTES:
            raise NotInfo("it is too large")
        said = json.loads(
            content, parse_int=_number, parse_float=_number, parse_constant=lambda _: None
        )
    except (OSError, RefusedFile, ValueError, RecursionError) as error:
        raise NotInfo(str(error)) from None
    if not isinstance(said, dict) or said.get("_type") not in (None, "video"):
        raise NotInfo("it is not of one video")
    return {key: said[key] for key, types in TYPES.items() if isinstance(said.get(key), types)}


def _number(text: str) -> int | float | None:
    """Return a number; None for one that no column takes."""
    if len(text) > 40:
        return None
    number = float(text) if set(text) & set(".eE") else int(text)
    return number if math.isfinite(number) and abs(number) < MAX_NUMBER else None


def told_by(info: Mapping[str, Any], *, streams: Streams | None, path: Path) -> Told:
    """Return what an info, `{}` when there is none, and the bytes of the film tell."""
    url = _url_of(info)
    extractor = info.get("extractor_key") or info.get("extractor") or ""
    is_told = url or extractor.lower() not in OF_ANY_SITE
    known = media_id_of(extractor, info.get("id", ""), link=url) if is_told else ("", "")
    info = {**info, "chapters": chapters_of(info)}
    return Told(
        title=readable(title_of(info)[: 4 * MAX_TITLE_LENGTH])[:MAX_TITLE_LENGTH],
        url=url,
        extractor=known[0],
        media_id=known[1],
        media={**media_of(info), **came(streams, info, path)},
        about=about_of(info),
    )


def _url_of(info: Mapping[str, Any]) -> str:
    """Return the address of the video's page, or of what was asked for; "": neither is a link."""
    for name in ("webpage_url", "original_url"):
        with suppress(InvalidLink):
            return clean_url(info.get(name, ""))
    return ""
