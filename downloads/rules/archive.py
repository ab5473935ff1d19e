"""The archive as a text: a line for each video, as yt-dlp's `--download-archive` writes it.

Pure. Source: `make_archive_id` and `preload_download_archive` in yt_dlp/YoutubeDL.py.
"""

from collections.abc import Iterable
from typing import NamedTuple

from downloads.rules.words import say

MAX_LINES = 1_000_000  # of one import: about 100 MB in memory
MAX_EXTRACTOR_LENGTH = 100
MAX_MEDIA_ID_LENGTH = 300
MAX_NAMED_FAULTS = 20


class MediaId(NamedTuple):
    """What makes two links the same video."""

    extractor: str  # yt-dlp's key, in lower case
    media_id: str

    @property
    def line(self) -> str:
        return f"{self.extractor} {self.media_id}\n"


class InvalidArchive(ValueError):
    """Some lines of an archive are wrong; `faults` has a sentence for each of the first ones."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults


class _WrongLine(ValueError):
    pass


def media_ids_in(lines: Iterable[bytes]) -> list[MediaId]:
    """Read the videos of an archive, each once, in order. Empty lines count as absent.

    Raises InvalidArchive when a line is wrong, or when there are more than MAX_LINES.
    """
    found: dict[MediaId, None] = {}
    faults: list[str] = []
    count = 0
    for number, line in enumerate(lines, start=1):
        if number > MAX_LINES:
            raise InvalidArchive(
                [say("There are more than {most:,} lines. Import it in parts.", most=MAX_LINES)]
            )
        try:
            if media := _media_id_in(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line):
                found[media] = None
        except _WrongLine as fault:
            count += 1
            if count <= MAX_NAMED_FAULTS:
                faults.append(say("Line {number:,}: {fault}.", number=number, fault=fault))
    if more := count - len(faults):
        faults.append(say("And {number:,} more.", number=more))
    if faults:
        raise InvalidArchive(faults)
    return list(found)


def _media_id_in(line: bytes) -> MediaId | None:
    """Read one line; None when it is empty."""
    try:
        text = line.decode().strip()
    except UnicodeDecodeError:
        raise _WrongLine(say("it is not UTF-8")) from None
    if not text:
        return None
    extractor, _, media_id = text.partition(" ")
    if not media_id:
        raise _WrongLine(say("a site and an id are expected, with a space between them"))
    if not text.isprintable():
        raise _WrongLine(say("there is a control character in it"))
    if len(extractor) > MAX_EXTRACTOR_LENGTH or len(media_id) > MAX_MEDIA_ID_LENGTH:
        raise _WrongLine(
            say(
                "a site has at most {extractor} characters, and an id {media_id}",
                extractor=MAX_EXTRACTOR_LENGTH,
                media_id=MAX_MEDIA_ID_LENGTH,
            )
        )
    return MediaId(extractor.lower(), media_id)
