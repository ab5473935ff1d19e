"""Reads the text of a file that holds links: a list, a table, a page, a shortcut. Pure."""

import codecs
import plistlib
from xml.parsers.expat import ExpatError

MAX_FILE_BYTES = 2**20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BEGINNING = 1000  # bytes, in which an XML file says what it is


class NotAText(ValueError):
    """The bytes are not a text, or not a shortcut with a link."""


def text_of(content: bytes) -> str:
    """Return the text of a file: UTF-8, UTF-16 with or without its mark, else Latin-1.

    Of a `.webloc` of macOS it is the link. Raises NotAText.
    """
    if content.startswith(b"bplist00") or b"<plist" in content[:_BEGINNING]:
        return _link_of_webloc(content)
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            return content.decode(encoding, errors="replace")
    for encoding in ("utf-8", _utf_16_of(content), "latin-1"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise NotAText


def _utf_16_of(content: bytes) -> str:
    """Return which half of most characters is NUL, in a text without a mark."""
    return "utf-16-be" if content[:1] == b"\0" else "utf-16-le"


def _link_of_webloc(content: bytes) -> str:
    try:
        return str(plistlib.loads(content)["URL"])
    except (
        plistlib.InvalidFileException,
        ExpatError,
        LookupError,
        TypeError,
        ValueError,
        OverflowError,
    ):
        raise NotAText from None
