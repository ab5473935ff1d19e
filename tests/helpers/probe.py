"""What ffprobe finds in a file."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Found:
    """The streams, chapters and tags of a media file."""

    kind: str  # ffprobe's name of the container
    video: str = ""  # the codec of the moving pictures
    height: int = 0
    audio: str = ""
    subtitles: list[tuple[str, str]] = field(default_factory=list)  # codec and language
    has_picture: bool = False
    chapters: dict[str, tuple[int, int]] = field(default_factory=dict)  # in seconds, rounded
    tags: dict[str, str] = field(default_factory=dict)
    seconds: float


def probe(path: Path) -> Found:
    """Ask ffprobe; AssertionError for what it cannot read."""
    command = ["ffprobe", "-v", "error", "-show_streams", "-show_format", "-show_chapters"]
    asked = subprocess.run([*command, "-of", "json", path], capture_output=True, text=True)
    assert asked.returncode == 0, asked.stderr
    found = json.loads(asked.stdout)
    streams = found["streams"]
    pictures = [each for each in streams if _is_picture(each)]
    films = [each for each in streams if each["codec_type"] == "video" and each not in pictures]
    sounds = [each for each in streams if each["codec_type"] == "audio"]
    return Found(
        kind=found["format"]["format_name"],
        video=films[0]["codec_name"] if films else "",
        height=films[0]["height"] if films else 0,
        audio=sounds[0]["codec_name"] if sounds else "",
        subtitles=[
            (each["codec_name"], each.get("tags", {}).get("language", ""))
            for each in streams
            if each["codec_type"] == "subtitle"
        ],
        has_picture=bool(pictures),
        chapters={
            each["tags"]["title"]: (
                round(float(each["start_time"])),
                round(float(each["end_time"])),
            )
            for each in found["chapters"]
        },
        tags={
            name.lower(): value
            for holder in (found["format"], *sounds[:1])
            for name, value in holder.get("tags", {}).items()
        },
        seconds=float(found["format"]["duration"]),
    )


def _is_picture(stream: dict[str, Any]) -> bool:
    is_attached = stream.get("disposition", {}).get("attached_pic") == 1
    return is_attached or stream.get("tags", {}).get("mimetype") == "image/jpeg"
