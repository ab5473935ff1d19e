"""What a site says about a video beyond its title: description, tags, chapters, language.

Values only. A page may say anything: what makes no sense is left out, what is too long is cut.
"""

from collections.abc import Mapping
from typing import Any

from downloads.disk.names import readable

MAX_DESCRIPTION_LENGTH = 4000
MAX_TAGS = 30
MAX_TAG_LENGTH = 60
MAX_CHAPTERS = 200
MAX_CHAPTER_LENGTH = 100
MAX_LANGUAGE_LENGTH = 32
MAX_SECONDS = 10**7
# Each is cut before it is made readable, which takes its time for each character.
ROOM = 4

About = dict[str, Any]


def about_of(said: Mapping[str, Any]) -> About:
    """Return what is known, by yt-dlp's names, without what is empty.

    `chapters` are of `start_time` (in seconds) and `title`, in their order. What this returned
    before is returned as it is.
    """
    known = {
        "description": _lines(said.get("description")),
        "tags": _tags(said.get("tags")),
        "chapters": _chapters(said.get("chapters")),
        "language": _text(said.get("language"), MAX_LANGUAGE_LENGTH),
    }
    return {name: value for name, value in known.items() if value}


def _lines(value: object) -> str:
    text = value[: ROOM * MAX_DESCRIPTION_LENGTH] if isinstance(value, str) else ""
    lines = "\n".join(readable(line) for line in text.splitlines())
    return lines.strip()[:MAX_DESCRIPTION_LENGTH].rstrip()


def _tags(value: object) -> list[str]:
    found = [_text(each, MAX_TAG_LENGTH) for each in _first(value, ROOM * MAX_TAGS)]
    return list(dict.fromkeys(filter(None, found)))[:MAX_TAGS]


def _chapters(value: object) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for chapter in _first(value, MAX_CHAPTERS):
        start = chapter.get("start_time") if isinstance(chapter, Mapping) else None
        is_next = isinstance(start, int | float) and 0 <= start < MAX_SECONDS
        if is_next and (not told or start > told[-1]["start_time"]):
            title = _text(chapter.get("title"), MAX_CHAPTER_LENGTH)
            told.append({"start_time": start, "title": title})
    return told


def _first(value: object, most: int) -> list[Any]:
    return value[:most] if isinstance(value, list) else []


def _text(value: object, most: int) -> str:
    return readable(value[: ROOM * most])[:most].rstrip() if isinstance(value, str) else ""
