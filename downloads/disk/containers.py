"""Recognises a media file's container by its content, and whether the container is complete.

Functions of the bytes of an open file. A site can give anything any name and any media type; only
containers recognised here are published, under their true type.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO

HEAD_BYTES = 4096
# No player searches more boxes than this for the index.
MAX_BOXES = 100_000
TS_PACKET_BYTES = 188


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container format, recognised by its first bytes."""

    demuxer: str  # ffmpeg's name for it
    # Allowed suffixes; the first is used when the file's own suffix does not match.
    suffixes: tuple[str, ...]


MP4 = Container(
    demuxer="mov,mp4,m4a,3gp,3g2,mj2", suffixes=(".mp4", ".m4a", ".m4v", ".mov", ".3gp")
)
MATROSKA = Container(demuxer="matroska,webm", suffixes=(".mkv", ".mka"))
WEBM = Container(demuxer="matroska,webm", suffixes=(".webm", ".weba", ".mkv", ".mka"))
OGG = Container(demuxer="ogg", suffixes=(".ogg", ".oga", ".ogv", ".opus"))
FLAC = Container(demuxer="flac", suffixes=(".flac",))
WAVE = Container(demuxer="wav", suffixes=(".wav",))
AVI = Container(demuxer="avi", suffixes=(".avi",))
FLASH = Container(demuxer="flv", suffixes=(".flv",))
MP3 = Container(demuxer="mp3", suffixes=(".mp3",))
AAC = Container(demuxer="aac", suffixes=(".aac",))
AC3 = Container(demuxer="ac3", suffixes=(".ac3",))
AIFF = Container(demuxer="aiff", suffixes=(".aiff", ".aif"))
CORE_AUDIO = Container(demuxer="caf", suffixes=(".caf",))
WINDOWS_MEDIA = Container(demuxer="asf", suffixes=(".wmv", ".wma"))
TRANSPORT_STREAM = Container(demuxer="mpegts", suffixes=(".ts",))
PROGRAM_STREAM = Container(demuxer="mpeg", suffixes=(".mpg",))
CONTAINERS = (
    MP4,
    MATROSKA,
    WEBM,
    OGG,
    FLAC,
    WAVE,
    AVI,
    FLASH,
    MP3,
    AAC,
    AC3,
    AIFF,
    CORE_AUDIO,
    WINDOWS_MEDIA,
    TRANSPORT_STREAM,
    PROGRAM_STREAM,
)

BOX_TYPES = frozenset(b"ftyp styp moov moof mdat sidx emsg prft free skip wide pnot uuid".split())
PICTURE_BRANDS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1", b"crx "})
MAX_INDEX_BYTES = 2**26
DOCUMENT_TYPE = re.compile(rb"\x42\x82[\x81-\x88](webm|matroska)")
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
UNKNOWN_SIZE = 2**32 - 1  # RIFF sizes of a writer that could not seek back

BEGINNINGS: tuple[tuple[bytes, Container], ...] = (
    (b"OggS", OGG),
    (b"fLaC", FLAC),
    (b"FLV\x01", FLASH),
    (b"\x0b\x77", AC3),
    (b"caff\x00\x01", CORE_AUDIO),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WINDOWS_MEDIA),
    (b"\x00\x00\x01\xba", PROGRAM_STREAM),
    (b"\x00\x00\x01\xb3", PROGRAM_STREAM),
)


def container_of(file: IO[bytes]) -> Container | None:
    """Return the container of a file by its first bytes, or None for an unknown one.

    A leading ID3 tag is skipped: several audio formats carry one.
    """
    start = after_tag(file)
    container = _told_by(read_at(file, start, HEAD_BYTES))
    return container or (MP3 if start else None)


def after_tag(file: IO[bytes]) -> int:
    """Return where the file goes on after its leading ID3 tag; 0 without one."""
    head = read_at(file, 0, 10)
    return 10 + _synchsafe(head[6:10]) if head[:3] == b"ID3" and len(head) == 10 else 0


def _told_by(head: bytes) -> Container | None:
    for beginning, container in BEGINNINGS:
        if head.startswith(beginning):
            return container
    if head[4:8] in BOX_TYPES:
        return None if head[8:12] in PICTURE_BRANDS else MP4
    if head.startswith(EBML):
        document = DOCUMENT_TYPE.search(head[:128])
        return {b"webm": WEBM, b"matroska": MATROSKA}[document[1]] if document else None
    if head.startswith(b"RIFF"):
        return {b"WAVE": WAVE, b"AVI ": AVI}.get(head[8:12])
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if len(head) > TS_PACKET_BYTES and {head[0], head[TS_PACKET_BYTES]} == {0x47}:
        return TRANSPORT_STREAM
    return _frames_of_sound(head)


def _frames_of_sound(head: bytes) -> Container | None:
    """Recognise MP3 and AAC: bare frames that begin with eleven or twelve set bits."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0:
        return AAC
    is_mp3 = head[1] & 0xE6 in (0xE2, 0xE4) and head[2] >> 4 not in (0, 15) and head[2] & 12 != 12
    return MP3 if is_mp3 else None


def looks_whole(file: IO[bytes], container: Container, *, size: int) -> bool | None:
    """Whether a file of `size` bytes is as long as its container says.

    Catches a site that announces the length of half a file. False when something is missing or
    not understood; None when the container does not say where it ends.
    """
    check: Callable[[IO[bytes], int], bool | None] | None = {
        MP4.demuxer: _boxes_are_whole,
        MATROSKA.demuxer: _segment_is_whole,
        WAVE.demuxer: _riff_is_whole,
        AVI.demuxer: _riff_is_whole,
        AIFF.demuxer: _form_is_whole,
    }.get(container.demuxer)
    return check(file, size) if check else None


def _boxes_are_whole(file: IO[bytes], size: int) -> bool | None:
    """Whether MP4 boxes reach to the end of the file, the index among them (ISO 14496-12, 4.2).

    None when each fragment has an index of its own: nothing says how many there are.
    """
    kinds = set()
    for kind, end in boxes_of(file, size):
        if end > size:
            return False
        kinds.add(kind)
    return None if b"moof" in kinds else b"moov" in kinds


def boxes_of(file: IO[bytes], size: int) -> Iterator[tuple[bytes, int]]:
    """Yield type and end of each top-level box; an end past `size` for bytes that are not a box."""
    start = 0
    for _ in range(MAX_BOXES):
        if start >= size:
            return
        head = read_at(file, start, 16)
        length, kind = int.from_bytes(head[:4]), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16])
        elif length == 0:
            length = size - start
        end = start + length if len(head) >= 8 and length >= 8 else size + 1
        yield kind, end
        start = end


def _segment_is_whole(file: IO[bytes], size: int) -> bool | None:
    """Whether the header is followed by one segment that fills the rest, Void aside (RFC 8794).

    None for a segment of unknown size."""
    start = 0
    for _ in range(4):
        head = read_at(file, start, 16)
        identifier, after = head[:4], start + 4
        if identifier[:1] == b"\xec":  # void
            identifier, after = head[:1], start + 1
        length, width, is_known = element_size(head[after - start :])
        if identifier == SEGMENT:
            return after + width + length <= size if is_known else None
        if identifier not in (EBML, b"\xec"):
            return False
        start = after + width + length
    return False


def element_size(data: bytes) -> tuple[int, int, bool]:
    """Read a variable-size integer: value, width, and whether it is known (not all ones)."""
    if not data or not data[0]:
        return 0, 0, True
    width = 9 - data[0].bit_length()
    mask = 2 ** (7 * width) - 1
    value = int.from_bytes(data[:width]) & mask
    return value, width, value != mask


def _riff_is_whole(file: IO[bytes], size: int) -> bool | None:
    length = int.from_bytes(read_at(file, 4, 4), "little")
    return None if length in (0, UNKNOWN_SIZE) else length + 8 <= size


def _form_is_whole(file: IO[bytes], size: int) -> bool:
    """Whether the one chunk of an AIFF reaches to the end of the file at most."""
    return int.from_bytes(read_at(file, 4, 4)) + 8 <= size


def _synchsafe(data: bytes) -> int:
    """Decode a synchsafe integer: seven bits a byte (ID3v2, 6.2)."""
    value = 0
    for byte in data:
        value = value << 7 | byte & 0x7F
    return value


def read_at(file: IO[bytes], start: int, count: int) -> bytes:
    file.seek(start)
    return file.read(count)
