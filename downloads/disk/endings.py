"""Recognises a file that ends in the middle of a packet, a page, a frame or a cluster.

For containers that do not say how long they are. Functions of the bytes of an open file.
"""

from collections.abc import Callable
from typing import IO

from downloads.disk.containers import (
    AAC,
    BOX_TYPES,
    MATROSKA,
    MP3,
    MP4,
    OGG,
    SEGMENT,
    TRANSPORT_STREAM,
    TS_PACKET_BYTES,
    Container,
    after_tag,
    boxes_of,
    element_size,
    read_at,
)

LARGEST_PAGE_BYTES = 27 + 255 + 255 * 255  # of Ogg (RFC 3533, 6)
ADTS_HEAD_BYTES = 7
MAX_STEPS = 2_000_000  # from frame to frame, or cluster to cluster: ten hours of sound


def ends_in_the_middle(file: IO[bytes], container: Container, *, size: int) -> bool:
    """Whether the last thing in a file of `size` bytes is cut; False for what is not known."""
    check: Callable[[IO[bytes], int], bool] | None = {
        MP4.demuxer: _in_a_fragment,
        TRANSPORT_STREAM.demuxer: _in_a_packet,
        AAC.demuxer: _in_a_frame,
        MP3.demuxer: _before_its_length,
        OGG.demuxer: _in_a_page,
        MATROSKA.demuxer: _in_a_cluster,
    }.get(container.demuxer)
    return check is not None and check(file, size)


def _in_a_fragment(file: IO[bytes], size: int) -> bool:
    """Whether the last box of an MP4 in fragments is longer than the rest of the file.

    An index for the whole is for ffmpeg to compare; of a fragment that is cut it says nothing.
    """
    kinds: set[bytes] = set()
    for kind, end in boxes_of(file, size):
        if end > size:
            return kind in BOX_TYPES and bool(kinds & {b"moof", b"sidx"})
        kinds.add(kind)
    return False


def _in_a_packet(file: IO[bytes], size: int) -> bool:
    left = size % TS_PACKET_BYTES
    return left > 0 and read_at(file, size - left, 1) == b"\x47"


def _in_a_frame(file: IO[bytes], size: int) -> bool:
    """Follow the frames of AAC, each of which says its length (ISO 13818-7, 6.2)."""
    place = after_tag(file)
    for _ in range(MAX_STEPS):
        if place >= size:
            break
        head = read_at(file, place, ADTS_HEAD_BYTES)
        if head[:1] != b"\xff":
            return False
        length = int.from_bytes(head[3:6]) >> 5 & 0x1FFF
        if len(head) == ADTS_HEAD_BYTES and length < ADTS_HEAD_BYTES:
            return False
        place += max(length, ADTS_HEAD_BYTES)
    return place > size


def _before_its_length(file: IO[bytes], size: int) -> bool:
    """Compare an MP3 with the number of bytes in its first frame (Xing, Info), if it is there."""
    start = after_tag(file)
    head = read_at(file, start, 256)
    place = max(head.find(b"Xing"), head.find(b"Info"))
    flags = int.from_bytes(head[place + 4 : place + 8])
    if place < 0 or not flags & 2:
        return False
    count = 12 if flags & 1 else 8
    return start + int.from_bytes(head[place + count : place + count + 4]) > size


def _in_a_page(file: IO[bytes], size: int) -> bool:
    first = max(0, size - LARGEST_PAGE_BYTES)
    tail = read_at(file, first, size - first)
    page = tail[max(0, tail.rfind(b"OggS")) :]
    count = page[26] if len(page) > 26 else 255
    return len(page) < 27 + count or len(page) < 27 + count + sum(page[27 : 27 + count])


def _in_a_cluster(file: IO[bytes], size: int) -> bool:
    """Follow the elements of a segment of unknown size, or of a fragment: clusters and the like."""
    place = 0
    for _ in range(MAX_STEPS):
        if place >= size:
            break
        head = read_at(file, place, 16)
        width = 9 - head[0].bit_length()  # of the element's name
        length, size_width, is_known = element_size(head[width:])
        if head[:4] == SEGMENT:
            length = 0
        elif not is_known or not head[0] or not size_width:
            return False
        place += width + size_width + length
    return place > size
