"""Makes names for the library from titles and media types: safe on every system, bounded.

Values only; nothing here touches a disk.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

import regex

from downloads.rules import path_template

MAX_NAME_BYTES = 200
MAX_SITE_BYTES = 50  # and of an uploader
MAX_FOLDER_BYTES = 50
MAX_PATH_BYTES = 250  # of folders and entry; a row holds 255 characters
NOT_IN_NAMES = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
PICTURE = r"[\p{Extended_Pictographic}--\p{C}]"
# Control, format, private and unassigned characters, letters that are drawn as nothing, and the
# joiners (U+200D) that do not make one picture of two.
INVISIBLE = regex.compile(
    rf"""(?V1x)
    [[\p{{C}}--\t\n\r\u200d]\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0]
    | \u200d (?!{PICTURE})
    | \u200d (?<!{PICTURE} \p{{GCB=Extend}}* \u200d)"""
)
MAX_MARKS = 4  # on one letter; Tibetan and Hebrew need as many
FLOOD = regex.compile(rf"(\p{{M}}{{{MAX_MARKS}}})\p{{M}}+")
# Windows takes these for devices, whatever follows after a dot.
PORTS = (f"{port}{number}" for port in ("COM", "LPT") for number in "0123456789\u00b9\u00b2\u00b3")
DEVICES = frozenset(["CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", *PORTS])

# If several suffixes share a media type, the first is used when the file's own does not match.
MEDIA_TYPES: dict[str, str] = {
    ".3gp": "video/3gpp",
    ".aac": "audio/aac",
    ".ac3": "audio/ac3",
    ".aiff": "audio/aiff",
    ".aif": "audio/aiff",
    ".avi": "video/x-msvideo",
    ".caf": "audio/x-caf",
    ".flac": "audio/flac",
    ".flv": "video/x-flv",
    ".m4a": "audio/mp4",
    ".mka": "audio/x-matroska",
    ".mkv": "video/x-matroska",
    ".mov": "video/quicktime",
    ".mp3": "audio/mpeg",
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mpg": "video/mpeg",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".ogv": "video/ogg",
    ".opus": "audio/ogg",
    ".ts": "video/mp2t",
    ".wav": "audio/wav",
    ".weba": "audio/webm",
    ".webm": "video/webm",
    ".wma": "audio/x-ms-wma",
    ".wmv": "video/x-ms-wmv",
}

# Of files beside a video: as the child names them, and how the library's name ends.
BESIDE = {
    "thumbnail.jpg": ("image/jpeg", ".jpg"),
    "poster.jpg": ("image/jpeg", "-poster.jpg"),
    "movie.nfo": ("text/xml", ".nfo"),
    "info.json": ("application/json", ".info.json"),
}
SUBTITLES_TYPE = "text/vtt"
LANGUAGE = regex.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]{0,30}[A-Za-z0-9])?")


class NotMedia(ValueError):
    """The file is of no media type on the list."""


def suffix_of(name: str, *, media_type: str) -> str:
    """Return the suffix to publish with: the file's own if its type has it, else the type's first.

    Raises NotMedia for a type that is not on the list.
    """
    suffixes = [suffix for suffix, listed in MEDIA_TYPES.items() if listed == media_type]
    if not suffixes:
        raise NotMedia(f"{media_type!r} is not a media type that vnsite publishes")
    own = PurePath(name).suffix.lower()
    return own if own in suffixes else suffixes[0]


def suffix_beside(name: str, *, media_type: str, language: str) -> str:
    """Return how the library's name of a file beside a video ends: `.en.vtt`, `.jpg`, `.nfo`.

    Raises NotMedia for a file that is none of these.
    """
    if media_type == SUBTITLES_TYPE and LANGUAGE.fullmatch(language):
        return f".{language}.vtt"
    of_name, suffix = BESIDE.get(name, ("", ""))
    if not suffix or of_name != media_type:
        raise NotMedia(f"{name!r} is not a file that vnsite publishes beside a video")
    return suffix


def name_before(published: str, *, media_type: str, number: int) -> str:
    """Return the name from which `suffix_beside` makes the ending of a published name.

    "" when there is none: somebody else made that file. `number` tells several subtitles apart.
    """
    if media_type == SUBTITLES_TYPE:
        return f"subtitles-{number}.vtt"
    ends = {
        suffix: name
        for name, (of_name, suffix) in BESIDE.items()
        if of_name == media_type and published.endswith(suffix)
    }
    return ends[max(ends, key=len)] if ends else ""


def safe_name(text: str, *, fallback: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """Make a file name of `text`, of at most `max_bytes` of UTF-8.

    NFC; no control, format (bidi, zero-width but for the joiners of emoji), surrogate or private
    characters, no separators and nothing that another system's file names cannot have; no leading
    dash or dot; cut at a grapheme. `fallback` when nothing is left.
    """
    name = readable(text).translate(NOT_IN_NAMES).lstrip("-. ").rstrip(". ")
    if name.partition(".")[0].rstrip().upper() in DEVICES:
        name = f"_{name}"
    return cut(name, max_bytes).rstrip(". ") or fallback


def readable(text: str) -> str:
    """Bring a site's text onto one line, without invisible characters or changes of direction.

    A letter keeps at most MAX_MARKS marks: more would be drawn over the lines around it.
    """
    # After the removal: an invisible character may stand between a letter and its accent.
    composed = unicodedata.normalize("NFC", INVISIBLE.sub("", text))
    return " ".join(FLOOD.sub(r"\1", composed).split())


def cut(text: str, max_bytes: int) -> str:
    """Return the longest beginning of `text` of at most `max_bytes`, cut between graphemes."""
    if len(text.encode()) <= max_bytes:
        return text
    size = 0
    for grapheme in regex.finditer(r"\X", text):
        size += len(grapheme[0].encode())
        if size > max_bytes:
            return text[: grapheme.start()]
    return text


def entry_name(
    title: str,
    correlation_id: str,
    *,
    site: str = "",
    uploader: str = "",
    date: str = "",
    year: str = "",
    template: str = path_template.DEFAULT,
    copy: int = 1,
    max_bytes: int = MAX_NAME_BYTES,
) -> str:
    """Return the path of an entry by a template, with ` (2)` and so on for further copies.

    The title is cut when a name, of which `max_bytes` is the limit, would be too long. Without an
    uploader the site stands in its place. Raises InvalidTemplate.
    """
    safe_site = safe_name(site, fallback="site", max_bytes=MAX_SITE_BYTES)
    known = {
        "id": correlation_id,
        "site": safe_site,
        "uploader": safe_name(uploader, fallback=safe_site, max_bytes=MAX_SITE_BYTES),
        "date": date,
        "year": year,
    }
    folders, last = path_template.split(template)
    filled = [folder.format(title=title, **known) for folder in folders]
    path = "".join(
        safe_name(folder, fallback="_", max_bytes=MAX_FOLDER_BYTES) + "/" for folder in filled
    )
    max_bytes = min(max_bytes, MAX_PATH_BYTES - len(path.encode()))
    parts = path_template.parts_of(last)
    copied = f" ({copy})" if copy > 1 else ""
    beside = "".join(literal + known.get(field, "") for literal, field in parts) + copied
    head = safe_name(title, fallback="video", max_bytes=max_bytes - len(beside.encode()))
    known["title"] = head
    return path + "".join(literal + known.get(field, "") for literal, field in parts) + copied


def file_names(
    title: str, suffixes: Sequence[str], *, max_bytes: int = MAX_NAME_BYTES
) -> list[str]:
    """Return the file names of an entry: `<title><suffix>`, numbered where that is not unique.

    Players find the subtitles of a video by its name: the title is cut alike in all of them.
    """
    tails: list[str] = []
    seen: Counter[str] = Counter()
    for suffix in suffixes:
        seen[suffix.casefold()] += 1
        number = seen[suffix.casefold()]
        tails.append(f" ({number}){suffix}" if number > 1 else suffix)
    longest = max((len(tail.encode()) for tail in tails), default=0)
    head = safe_name(title, fallback="video", max_bytes=max_bytes - longest)
    return [head + tail for tail in tails]
