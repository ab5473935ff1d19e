"""Tells the picture and the sound of a media file by its bytes: codecs and size of the picture.

Reads headers of MP4 and Matroska, without a process; other containers tell at most their sound.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from downloads.disk.containers import (
    AAC,
    AC3,
    FLAC,
    HEAD_BYTES,
    MATROSKA,
    MAX_INDEX_BYTES,
    MP3,
    MP4,
    OGG,
    boxes_of,
    container_of,
    read_at,
)

HEAD_OF_MATROSKA_BYTES = 2**18
# ISO 14496-12: the handler of a track (8.4.3), and the first of its sample entries (8.5.2). A
# picture's width and height are 24 bytes after the entry's type (12.1.3).
TRACK = re.compile(rb"hdlr.{8}(vide|soun).*?stsd.{12}(.{4}).{24}(.{4})", re.DOTALL)
ENTRY_BYTES = 12 + 4 + 24 + 4  # of TRACK after `stsd`
# RFC 9559, 5.1.4: CodecID; PixelWidth and PixelHeight, one after the other.
CODEC = re.compile(rb"\x86([\x81-\xbf])([VA]_[A-Z0-9/_.]+)")
PIXELS = re.compile(rb"\xb0(\x81.|\x82..)\xba(\x81.|\x82..)", re.DOTALL)
NAMES = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "vp08": "vp8",
    "vp09": "vp9",
    "av01": "av1",
    "mp4v": "mpeg4",
    "mp4a": "aac",
    "ac-3": "ac3",
    "ec-3": "eac3",
    "V_MPEG4/ISO/AVC": "h264",
    "V_MPEGH/ISO/HEVC": "hevc",
    "A_MPEG/L3": "mp3",
}
OF_SOUND = {MP3: "mp3", AAC: "aac", AC3: "ac3", FLAC: "flac"}


@dataclass(frozen=True, kw_only=True)
class Streams:
    """The first picture and the first sound of a file. Codecs as ffmpeg calls them."""

    video_codec: str = ""  # "": it has no picture
    audio_codec: str = ""
    width: int | None = None  # in pixels
    height: int | None = None


def streams_of(file: IO[bytes], *, size: int) -> Streams | None:
    """Return the streams of a media file of `size` bytes; None when its bytes do not tell them."""
    container = container_of(file)
    if container is MP4:
        return _chosen(_tracks_of_mp4(file, size))
    if container is not None and container.demuxer == MATROSKA.demuxer:
        return _chosen(_tracks_of_matroska(read_at(file, 0, HEAD_OF_MATROSKA_BYTES)))
    if container is OGG:
        head = read_at(file, 0, HEAD_BYTES)
        codec = "opus" if b"OpusHead" in head else "vorbis" if b"\x01vorbis" in head else ""
        return Streams(audio_codec=codec) if codec and b"theora" not in head else None
    return Streams(audio_codec=OF_SOUND[container]) if container in OF_SOUND else None


def _chosen(tracks: Iterator[Streams]) -> Streams | None:
    found = list(tracks)
    if not found:
        return None
    picture = next((each for each in found if each.video_codec), Streams())
    sound = next((each for each in found if each.audio_codec), Streams())
    return Streams(
        video_codec=picture.video_codec,
        audio_codec=sound.audio_codec,
        width=picture.width,
        height=picture.height,
    )


def _tracks_of_mp4(file: IO[bytes], size: int) -> Iterator[Streams]:
    start = 0
    for kind, end in boxes_of(file, size):
        if kind == b"moov" and end - start <= MAX_INDEX_BYTES:
            index = read_at(file, start, end - start)
            # After the last entry a search would reach the end again and again.
            last = index.rfind(b"stsd", 0, max(0, len(index) - ENTRY_BYTES))
            for track in TRACK.finditer(index[: last + 4 + ENTRY_BYTES] if last >= 0 else b""):
                codec = _name_of(track[2])
                if track[1] == b"soun":
                    yield Streams(audio_codec=codec)
                    continue
                width, height = int.from_bytes(track[3][:2]), int.from_bytes(track[3][2:])
                yield Streams(video_codec=codec, width=width or None, height=height or None)
        start = end


def _tracks_of_matroska(head: bytes) -> Iterator[Streams]:
    found = list(CODEC.finditer(head))
    ends = [*(each.start() for each in found[1:]), len(head)]
    for codec, end in zip(found, ends, strict=False):
        name = _name_of(codec[2][: codec[1][0] & 0x7F])
        if codec[2].startswith(b"A_"):
            yield Streams(audio_codec=name)
            continue
        pixels = PIXELS.search(head, codec.end(), end)
        sizes = [int.from_bytes(each[1:]) for each in pixels.groups()] if pixels else [None, None]
        yield Streams(video_codec=name, width=sizes[0], height=sizes[1])


def _name_of(code: bytes) -> str:
    """Return ffmpeg's name of a codec: `A_AAC/MPEG4/LC` and `mp4a` are both aac."""
    text = code.decode("ascii", "replace").strip()
    return NAMES.get(text) or text.removeprefix("V_").removeprefix("A_").partition("/")[0].lower()
