"""Names in the library, made of titles and media types: safe everywhere, readable, not too long.

Values only; nothing here touches a disk.
"""

import unicodedata
from collections.abc import Sequence
from pathlib import PurePath

MAX_NAME_BYTES = 200
NOT_IN_NAMES = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
# Letters that are drawn as nothing; what is of no category of letters goes by its category.
INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0")
MAX_MARKS = 4  # on one letter; Tibetan and Hebrew need as many
SKIN_COLOURS = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
FLAG_LETTERS = "".join(map(chr, range(0x1F1E6, 0x1F200)))
# What Windows takes for a device, whatever follows after a dot.
DEVICES = frozenset(
    ["CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))]
)

# If several suffixes share a media type, the first is used when the file's own does not match.
MEDIA_TYPES: dict[str, str] = {
    ".3gp": "video/3gpp",
    ".aac": "audio/aac",
    ".avi": "video/x-msvideo",
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
}


class NotMedia(ValueError):
    """The file is of no media type on the list."""


def suffix_of(name: str, *, media_type: str) -> str:
    """The suffix that a file of a media type is published with: its own, if it is one of the type.

    Raises NotMedia for a type that is not on the list, whoever said that it is one.
    """
    suffixes = [suffix for suffix, listed in MEDIA_TYPES.items() if listed == media_type]
    if not suffixes:
        raise NotMedia(f"{media_type!r} is not a media type that vnsite publishes")
    own = PurePath(name).suffix.lower()
    return own if own in suffixes else suffixes[0]


def safe_name(text: str, *, fallback: str, max_bytes: int = MAX_NAME_BYTES) -> str:
    """A file name that says what `text` says and nothing else, at most `max_bytes` of UTF-8.

    NFC; no control, format (bidi, zero-width), surrogate or private characters, no separators and
    nothing that another system's file names cannot have; no leading dash or dot; cut at a
    character. `fallback` when nothing is left.
    """
    name = readable(text).translate(NOT_IN_NAMES).lstrip("-. ").rstrip(". ")
    if name.partition(".")[0].rstrip().upper() in DEVICES:
        name = f"_{name}"
    return cut(name, max_bytes).rstrip(". ") or fallback


def readable(text: str) -> str:
    """A text of the site on one line, without what is invisible or turns the writing around."""
    kept = "".join(map(_readable_character, text))
    # After the removal: what stood between a letter and its accent may have been invisible.
    return " ".join(_without_floods(unicodedata.normalize("NFC", kept)).split())


def _readable_character(character: str) -> str:
    category = unicodedata.category(character)
    if category in ("Zs", "Zl", "Zp") or character in "\t\n\r":
        return " "
    return "" if category.startswith("C") or character in INVISIBLE else character


def _without_floods(text: str) -> str:
    """Without the marks above and below that no writing needs so many of on one letter: they would
    be drawn over the lines around them."""
    kept, marks = [], 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks <= MAX_MARKS:
            kept.append(character)
    return "".join(kept)


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


def cut(text: str, max_bytes: int) -> str:
    """The longest beginning of `text` that takes at most `max_bytes`, cut between characters.

    A character with the marks and the colour of skin that follow it is one, and so is a flag.
    """
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    end = len(encoded[:max_bytes].decode(errors="ignore"))
    while end and _is_inside_character(text, end):
        end -= 1
    return text[:end]


def _is_inside_character(text: str, place: int) -> bool:
    """Whether what a person takes for one character goes on at this place."""
    following = text[place]
    if following in FLAG_LETTERS:  # two make a flag
        before = text[:place]
        return (len(before) - len(before.rstrip(FLAG_LETTERS))) % 2 == 1
    return _is_mark(following) or following in SKIN_COLOURS


def entry_name(title: str, correlation_id: str, *, copy: int = 1) -> str:
    """`<title> [<correlation id>]`; from the second copy on `<title> [<correlation id>] (2)`."""
    tail = f" [{correlation_id}]" + (f" ({copy})" if copy > 1 else "")
    head = safe_name(title, fallback="video", max_bytes=MAX_NAME_BYTES - len(tail))
    return head + tail


def file_names(title: str, suffixes: Sequence[str]) -> list[str]:
    """The names of files in an entry: `<title><suffix>`, numbered where that is not unique."""
    chosen: list[str] = []
    for suffix in suffixes:
        for number in range(1, len(suffixes) + 1):
            tail = (f" ({number})" if number > 1 else "") + suffix
            head = safe_name(title, fallback="video", max_bytes=MAX_NAME_BYTES - len(tail))
            if head + tail not in chosen:
                chosen.append(head + tail)
                break
    return chosen
