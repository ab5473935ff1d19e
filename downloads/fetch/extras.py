"""Writes what media servers and scripts read beside a video: `.nfo`, poster and `.info.json`."""

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from downloads.disk.names import BESIDE
from downloads.fetch.protocol import ManifestFile
from downloads.fetch.verify import manifest_of
from downloads.rules.redaction import redact
from downloads.rules.states import Role

NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
MAX_TEXT_LENGTH = 100_000
# What yt-dlp knows of a video and may be told: no address of a file, which may carry a pass, no
# header, cookie or path.
KEYS = frozenset({
    "id", "title", "fulltitle", "alt_title", "display_id", "description", "uploader",
    "uploader_id", "uploader_url", "channel", "channel_id", "channel_url",
    "channel_follower_count", "creators", "timestamp", "upload_date", "release_timestamp",
    "release_date", "release_year", "modified_timestamp", "modified_date", "duration",
    "view_count", "like_count", "dislike_count", "comment_count", "average_rating", "age_limit",
    "categories", "tags", "chapters", "webpage_url", "extractor", "extractor_key", "availability",
    "live_status", "is_live", "was_live", "media_type", "language", "location", "series",
    "series_id", "season", "season_number", "season_id", "episode", "episode_number",
    "episode_id", "track", "track_number", "artists", "genres", "album", "album_artists",
    "composers", "license", "thumbnail", "playlist", "playlist_id", "playlist_title",
    "playlist_index", "formats", "format_id", "format", "ext", "width", "height", "resolution",
    "fps", "dynamic_range", "vcodec", "acodec", "asr", "audio_channels", "tbr", "vbr", "abr",
    "filesize", "filesize_approx", "start_time", "end_time",
})  # fmt: skip


def write_extras(
    extras: Collection[str], info: Any, directory: Path, picture: Path | None
) -> list[ManifestFile]:
    """Write the chosen extras into the directory, and describe them.

    Without a picture there is no poster.
    """
    contents = {
        "movie.nfo": nfo_of(info) if "nfo" in extras else None,
        "poster.jpg": picture.read_bytes() if "poster" in extras and picture else None,
        "info.json": info_json_of(info) if "info" in extras else None,
    }
    written = []
    for name, content in contents.items():
        if content is not None:
            (directory / name).write_bytes(content)
            media_type, _ = BESIDE[name]
            role = Role.THUMBNAIL if media_type == "image/jpeg" else Role.INFO
            written.append(manifest_of(directory / name, media_type=media_type, role=role))
    return written


def nfo_of(info: Mapping[str, Any]) -> bytes:
    """Describe a video as Kodi and Jellyfin read it: an episode if it is one of a series."""
    is_episode = bool(info.get("series")) and info.get("episode_number") is not None
    root = ElementTree.Element("episodedetails" if is_episode else "movie")
    published = _day(info)
    duration = info.get("duration")
    values = [
        ("title", info.get("title")),
        ("showtitle", info.get("series") if is_episode else None),
        ("season", info.get("season_number") if is_episode else None),
        ("episode", info.get("episode_number") if is_episode else None),
        ("plot", info.get("description")),
        ("runtime", round(duration / 60) or 1 if isinstance(duration, int | float) else None),
        ("premiered", published),
        ("aired", published if is_episode else None),
        ("year", published[:4] if published else None),
        ("studio", info.get("channel") or info.get("uploader")),
        ("director", info.get("uploader")),
        *(("genre", each) for each in _listed(info.get("categories"))),
        *(("tag", each) for each in _listed(info.get("tags"))),
        ("thumb", _without_query(info.get("thumbnail"))),
    ]
    for name, value in values:
        if value is not None:
            ElementTree.SubElement(root, name).text = _text(value)
    unique = ElementTree.SubElement(root, "uniqueid", type=_text(info.get("extractor_key")))
    unique.set("default", "true")
    unique.text = _text(info.get("id"))
    ElementTree.indent(root)
    content: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return content + b"\n"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _day(info: Mapping[str, Any]) -> str:
    """Return the day of publication, as 2026-01-31; "" when it is not known."""
    found = str(info.get("upload_date") or info.get("release_date") or "")
    is_day = len(found) == 8 and found.isdecimal()
    return f"{found[:4]}-{found[4:6]}-{found[6:]}" if is_day else ""


def _without_query(address: Any) -> str | None:
    """Return an address without what may be a pass in it."""
    return re.split(r"[?#]", str(address))[0] if address else None


def _text(value: Any) -> str:
    return NOT_IN_XML.sub("", redact(str(value or "")[:MAX_TEXT_LENGTH]))


def info_json_of(info: Mapping[str, Any]) -> bytes:
    """Write what the site said of a video, in yt-dlp's words, without what is nobody's business."""
    return json.dumps(_told(info), ensure_ascii=False, indent=1).encode(errors="replace")


def _told(value: Any) -> Any:
    """Reduce a value to what may be told: KEYS of mappings, redacted texts, numbers."""
    if isinstance(value, Mapping):
        told = {key: each for key, each in value.items() if key in KEYS and each is not None}
        if "thumbnail" in told:
            told["thumbnail"] = _without_query(told["thumbnail"])
        return {key: _told(each) for key, each in told.items()}
    if isinstance(value, str):
        return redact(value[:MAX_TEXT_LENGTH])
    if isinstance(value, bool | int | float):
        return value
    return [_told(each) for each in value] if isinstance(value, list | tuple) else None
