"""Makes pictures of what a site offers: the JPEG that is kept of a video, and one for its row."""

import struct
from dataclasses import dataclass
from pathlib import Path

from downloads.fetch.verify import LOOK_TIMEOUT_SECONDS, run_ffmpeg

JPEG = b"\xff\xd8\xff"
PNG = b"\x89PNG\r\n\x1a\n"
BEGINNINGS = (JPEG, PNG, b"GIF8", b"BM")
MAX_PIXELS = 2**26  # a picture of a few bytes may claim to have any number
NAME = "thumbnail.jpg"
SMALL_NAME = "small.jpg"
MAX_SMALL_BYTES = 32 * 1024
MAX_SMALL_SIDE = 1280  # pixels: a list shows fifty, and a browser decodes each
SMALL_SIDE = 320  # of one that is made
SMALL_TIMEOUT_SECONDS = 5
# Of a JPEG's segments, those that begin a frame: all of C0 to CF but tables.
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


class NotPicture(Exception):
    """The site sent something that is not a picture."""


@dataclass(frozen=True, kw_only=True)
class SmallPicture:
    """A picture of at most 32 KiB that every browser shows."""

    media_type: str
    content: bytes


def picture_of(content: bytes, *, directory: Path) -> Path:
    """Write a picture as a JPEG that ffmpeg has read into the directory; returns its path.

    A JPEG stays as it is. With ffmpeg the small one is written beside it. Raises NotPicture for
    what is none or, without ffmpeg, no JPEG.
    """
    if not is_picture(content):
        raise NotPicture("The site sent something that is not a picture")
    source, target = directory / "picture", directory / NAME
    source.write_bytes(content)
    is_jpeg = content.startswith(JPEG)
    whole = [] if is_jpeg else ["-frames:v", "1", "-q:v", "2", "-f", "image2", f"file:{target}"]
    arguments = [*_reading(source), *whole, *_small_in(directory)]
    finished = run_ffmpeg(arguments, LOOK_TIMEOUT_SECONDS)
    if finished.returncode if finished else not is_jpeg:
        raise NotPicture("ffmpeg cannot read the picture")
    if is_jpeg:
        source.replace(target)
    else:
        source.unlink()
    return target


def small_picture(content: bytes, *, directory: Path) -> SmallPicture | None:
    """Return a picture as rows show it: as it came, or scaled by ffmpeg.

    None for what is no picture and, without ffmpeg, for one that is too large or of another type.
    """
    if as_it_is := _as_it_is(content):
        return as_it_is
    if not is_picture(content):
        return None
    source = directory / "preview"
    source.write_bytes(content)
    finished = run_ffmpeg([*_reading(source), *_small_in(directory)], SMALL_TIMEOUT_SECONDS)
    return small_in(directory) if finished and not finished.returncode else None


def small_in(directory: Path) -> SmallPicture | None:
    """Return the small picture that ffmpeg made in a directory; None when it made none."""
    path = directory / SMALL_NAME
    return _as_it_is(path.read_bytes()) if path.is_file() else None


def is_picture(content: bytes) -> bool:
    """Whether it begins as a picture does: ffmpeg might take a playlist, and follow it."""
    is_avif = content[4:12] in (b"ftypavif", b"ftypavis")
    return content.startswith(BEGINNINGS) or _is_webp(content) or is_avif


def _reading(source: Path) -> list[str]:
    limits = ["-xerror", "-max_pixels", str(MAX_PIXELS)]
    return ["-y", "-v", "error", *limits, "-i", f"file:{source}"]


def _small_in(directory: Path) -> list[str]:
    box = f"w=min({SMALL_SIDE}\\,iw):h=min({SMALL_SIDE}\\,ih)"
    scale = f"scale={box}:force_original_aspect_ratio=decrease"
    target = f"file:{directory / SMALL_NAME}"
    return ["-frames:v", "1", "-vf", scale, "-q:v", "5", "-f", "image2", target]


def _as_it_is(content: bytes) -> SmallPicture | None:
    """Return it when it is whole, few bytes and few pixels; else None."""
    if len(content) > MAX_SMALL_BYTES:
        return None
    for media_type, is_whole, size_of in (
        ("image/jpeg", _is_whole_jpeg, _size_of_jpeg),
        ("image/png", _is_whole_png, _size_of_png),
        ("image/webp", _is_whole_webp, _size_of_webp),
    ):
        if is_whole(content):
            size = size_of(content)
            is_small = size is not None and min(size) > 0 and max(size) <= MAX_SMALL_SIDE
            return SmallPicture(media_type=media_type, content=content) if is_small else None
    return None


def _is_whole_jpeg(content: bytes) -> bool:
    return content.startswith(JPEG) and content.endswith(b"\xff\xd9")


def _is_whole_png(content: bytes) -> bool:
    return content.startswith(PNG) and content[-8:-4] == b"IEND"


def _is_webp(content: bytes) -> bool:
    return content[:4] == b"RIFF" and content[8:12] == b"WEBP"


def _is_whole_webp(content: bytes) -> bool:
    return _is_webp(content) and int.from_bytes(content[4:8], "little") + 8 == len(content)


def _size_of_jpeg(content: bytes) -> tuple[int, int] | None:
    """Return width and height of its first frame; None when there is none."""
    at = 2
    while at + 9 <= len(content) and content[at] == 0xFF:
        if content[at + 1] in FRAMES:
            height, width = struct.unpack_from(">HH", content, at + 5)
            return width, height
        at += 2 + int.from_bytes(content[at + 2 : at + 4])
    return None


def _size_of_png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    return width, height


def _size_of_webp(content: bytes) -> tuple[int, int] | None:
    """Return width and height by its first chunk (RFC 9649); None for another."""
    if len(content) < 30:
        return None
    chunk = content[12:16]
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L":
        bits = int.from_bytes(content[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X":
        sides = content[24:27], content[27:30]
        width, height = (int.from_bytes(side, "little") + 1 for side in sides)
        return width, height
    return None
