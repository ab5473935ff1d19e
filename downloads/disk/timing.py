"""Reads when the media of a fragment begin and end, and moves fragments of an MP4 in time.

Functions of bytes: a fragment of HLS or DASH is small, and in memory when it is looked at.
"""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

PACKET_BYTES = 188
SYNC = 0x47  # the first byte of every packet
CLOCK = 90_000  # of a transport stream: ticks a second
LONGEST_TICKS = 2**32  # half of the clock's circle (ISO 13818-1, 2.4.3.7)
BEGINS = re.compile(rb"[\x40-\x7f\xc0-\xff]")  # second bytes of packets in which a unit begins
PICTURES_OR_SOUND = re.compile(rb"\x00\x00\x01[\xc0-\xef\xfd]..[\x80-\xbf][\x80-\xff].", re.DOTALL)
KIND = re.compile(rb"[A-Za-z0-9 ]{4}")
ENTRY_BYTES = (78, 28)  # before the boxes of an entry for pictures, for sound (8.5.2)
CONFIGURATIONS = frozenset({b"avcC", b"hvcC", b"av1C", b"vpcC", b"dOps", b"dac3", b"dec3", b"dfLa"})
# Descriptors in esds, one within the other, and the bytes before the next (ISO 14496-1, 7.2.6).
DESCRIPTORS = {3: 3, 4: 13, 5: 0}
# Flags of tfhd and trun (ISO 14496-12, 8.8.7 and 8.8.8): which of their fields are there.
BASE_OFFSET, DESCRIPTION, DEFAULT_DURATION = 0x1, 0x2, 0x8
DATA_OFFSET, FIRST_FLAGS, DURATIONS = 0x1, 0x4, 0x100
SAMPLE_FIELDS = (DURATIONS, 0x200, 0x400, 0x800)


class Malformed(Exception):
    """A fragment ends in the middle of something."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """The time of a fragment, in seconds of its own clock."""

    start: float
    end: float
    # Of each stream of packets: the counters of its first and its last one (ISO 13818-1, 2.4.3.3).
    counters: dict[int, tuple[int, int]] = field(default_factory=dict)

    def is_continued_by(self, other: Self) -> bool:
        """Whether no packet is missing between the two, as far as the counters tell (modulo 16)."""
        both = self.counters.keys() & other.counters.keys()
        return all((self.counters[pid][1] + 1) % 16 == other.counters[pid][0] for pid in both)


@dataclass(frozen=True, kw_only=True)
class Track:
    """What the beginning of an MP4 in fragments says of one stream."""

    timescale: int  # ticks a second
    sample_ticks: int  # of samples that do not say their own duration
    form: bytes  # the codec and its configuration: streams of one form play as one


@dataclass(frozen=True, kw_only=True)
class Box:
    """A box of an MP4 (ISO 14496-12, 4.2) by the places where what is in it begins and ends."""

    kind: bytes
    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class Time:
    """A time within a fragment."""

    place: int  # where it stands, in so many bytes
    width: int
    ticks: int
    timescale: int


@dataclass(frozen=True, kw_only=True)
class Run(Time):
    """The samples of one stream in one part of a fragment, and the time of the first."""

    length: int  # of all of them, in ticks


def boxes(content: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yield the boxes between two places, until something else comes.

    Raises Malformed for one that is longer than that.
    """
    end = len(content) if end is None else end
    while start + 8 <= end:
        size, head = _number(content, start, 4), 8
        if size == 1:
            size, head = _number(content, start + 8, 8), 16
        size, kind = size or end - start, content[start + 4 : start + 8]
        if size < head or not KIND.fullmatch(kind):
            return
        if start + size > end:
            raise Malformed(f"{end - start} bytes came of a box of {size}")
        yield Box(kind=kind, start=start + head, end=start + size)
        start += size


def _inside(content: bytes, box: Box, *path: bytes) -> Iterator[Box]:
    """Yield the boxes at the end of a path of kinds that begins within a box."""
    for child in boxes(content, box.start, box.end):
        if child.kind == path[0]:
            yield from _inside(content, child, *path[1:]) if path[1:] else (child,)


def _number(content: bytes, place: int, width: int = 4) -> int:
    return int.from_bytes(content[place : place + width])


def _is_wide(content: bytes, box: Box) -> bool:
    """Whether the times in a box have 8 bytes instead of 4: it is of version 1."""
    return _number(content, box.start, 1) == 1


def without_beginning(content: bytes) -> tuple[dict[int, Track], bytes]:
    """Part the beginning of an MP4 from the fragment that may follow it in the same bytes.

    Returns the tracks by their numbers, none if there is no beginning. Raises Malformed.
    """
    for box in boxes(content):
        if box.kind == b"moov":
            return _tracks(content, box), content[box.end :]
        if box.kind == b"moof":
            break
    return {}, content


def stands_alone(content: bytes) -> bool:
    """Whether a fragment is an MP4 of its own, with an index of all of it. Raises Malformed."""
    kinds = {box.kind for box in boxes(content)}
    return {b"moov", b"mdat"} <= kinds and b"moof" not in kinds


def _tracks(content: bytes, moov: Box) -> dict[int, Track]:
    defaults = {
        _number(content, trex.start + 4): _number(content, trex.start + 12)
        for trex in _inside(content, moov, b"mvex", b"trex")
    }
    found = {}
    for trak in _inside(content, moov, b"trak"):
        header = next(_inside(content, trak, b"tkhd"), None)
        media = next(_inside(content, trak, b"mdia", b"mdhd"), None)
        table = next(_inside(content, trak, b"mdia", b"minf", b"stbl", b"stsd"), None)
        if header is None or media is None or table is None:
            continue
        number = _number(content, header.start + (20 if _is_wide(content, header) else 12))
        found[number] = Track(
            timescale=_number(content, media.start + (20 if _is_wide(content, media) else 12)),
            sample_ticks=defaults.get(number, 0),
            form=_form(content, table),
        )
    return found


def _form(content: bytes, table: Box) -> bytes:
    """Return what a decoder has to know; bit rates and the like do not belong to it."""
    entry = next(boxes(content, table.start + 8, table.end), None)
    if entry is None:
        return b""
    for head in ENTRY_BYTES:
        parts = list(boxes(content, entry.start + head, entry.end))
        found = [content[part.start : part.end] for part in parts if part.kind in CONFIGURATIONS]
        found += [_decoder(content, part) for part in parts if part.kind == b"esds"]
        if found:
            return entry.kind + b"".join(found)
    return content[table.start : table.end]


def _decoder(content: bytes, esds: Box) -> bytes:
    """Return what the decoder of MPEG-4 sound has to know; all of the box if it is not found."""
    place, length = esds.start + 4, 0
    for tag, head in DESCRIPTORS.items():
        if _number(content, place, 1) != tag:
            return content[esds.start : esds.end]
        length, place = 0x80, place + 1
        while length & 0x80 and place < esds.end:  # only the last byte has no high bit
            length, place = _number(content, place, 1), place + 1
        place += head
    return content[place : place + length]


def runs_of(content: bytes, tracks: dict[int, Track]) -> list[Run]:
    """List the runs of a fragment of an MP4. Raises Malformed."""
    found = []
    for moof in boxes(content):
        for traf in _inside(content, moof, b"traf") if moof.kind == b"moof" else ():
            run = _run(content, traf, tracks)
            if run is not None:
                found.append(run)
    return found


def _run(content: bytes, traf: Box, tracks: dict[int, Track]) -> Run | None:
    parts = list(boxes(content, traf.start, traf.end))
    header = next((part for part in parts if part.kind == b"tfhd"), None)
    time = next((part for part in parts if part.kind == b"tfdt"), None)
    track = tracks.get(_number(content, header.start + 4)) if header else None
    if header is None or time is None or track is None or not track.timescale:
        return None
    flags = _number(content, header.start)
    place = header.start + 8 + bool(flags & BASE_OFFSET) * 8 + bool(flags & DESCRIPTION) * 4
    ticks = _number(content, place) if flags & DEFAULT_DURATION else track.sample_ticks
    width = 8 if _is_wide(content, time) else 4
    return Run(
        place=time.start + 4,
        width=width,
        ticks=_number(content, time.start + 4, width),
        length=sum(_samples(content, part, ticks) for part in parts if part.kind == b"trun"),
        timescale=track.timescale,
    )


def _samples(content: bytes, trun: Box, ticks: int) -> int:
    """Add up the durations of the samples of a run, in ticks."""
    flags, count = _number(content, trun.start), _number(content, trun.start + 4)
    if not flags & DURATIONS:
        return ticks * count
    place = trun.start + 8 + bool(flags & DATA_OFFSET) * 4 + bool(flags & FIRST_FLAGS) * 4
    fields = sum(bool(flags & each) for each in SAMPLE_FIELDS)
    if place + 4 * fields * count > trun.end:
        raise Malformed(f"a table of {count} samples is too short")
    return sum(struct.unpack_from(f">{fields * count}I", content, place)[::fields])


def span_of(runs: list[Run]) -> Span | None:
    """Return the time from the first run to the end of the last; None without any."""
    if not runs:
        return None
    return Span(
        start=min(run.ticks / run.timescale for run in runs),
        end=max((run.ticks + run.length) / run.timescale for run in runs),
    )


def moved(content: bytes, runs: list[Run], seconds: float) -> bytes:
    """Return a fragment of an MP4 whose runs, and its index of them, are so much later.

    Earlier if negative. Raises Malformed for a time that does not fit into its field.
    """
    changed = bytearray(content)
    for time in (*runs, *_indexes(content)):
        ticks = max(0, time.ticks + round(seconds * time.timescale))
        if ticks >= 1 << 8 * time.width:
            raise Malformed("a time does not fit into its field")
        changed[time.place : time.place + time.width] = ticks.to_bytes(time.width)
    return bytes(changed)


def _indexes(content: bytes) -> Iterator[Time]:
    """Yield the times of the indexes of a fragment (ISO 14496-12, 8.16.3)."""
    for box in boxes(content):
        if box.kind == b"sidx":
            width = 8 if _is_wide(content, box) else 4
            yield Time(
                place=box.start + 12,
                width=width,
                ticks=_number(content, box.start + 12, width),
                timescale=_number(content, box.start + 8),
            )


def span_of_packets(content: bytes) -> Span | None:
    """Return the time of a fragment that is a transport stream; None when it is not known.

    Raises Malformed for one that ends in the middle of a packet, or in which something else is
    where packets begin. Sparse streams (subtitles, data) do not count.
    """
    left = len(content) % PACKET_BYTES
    if left and content[-left] == content[0]:
        raise Malformed(f"{left} bytes came of a packet of {PACKET_BYTES}")
    others = len(content) // PACKET_BYTES - content[: len(content) - left : PACKET_BYTES].count(
        SYNC
    )
    if others:
        raise Malformed(f"{others} of its packets are none")
    times: dict[int, list[int]] = {}
    for match in BEGINS.finditer(content[1::PACKET_BYTES]):
        start = match.start() * PACKET_BYTES
        kind = _number(content, start + 3, 1)
        unit = start + 4 + (1 + _number(content, start + 4, 1) if kind & 0x20 else 0)
        if kind & 0x10 and PICTURES_OR_SOUND.match(content, unit, unit + 9):
            times.setdefault(_number(content, start + 1, 2) & 0x1FFF, []).append(
                _timestamp(content, unit + 9)
            )
    ends = [_end(stamps) for stamps in times.values() if len(stamps) > 1]
    if not ends or max(ends) - min(map(min, times.values())) > LONGEST_TICKS:
        return None
    return Span(
        start=min(map(min, times.values())) / CLOCK,
        end=max(ends) / CLOCK,
        counters={pid: _counters(content, pid) for pid in times},
    )


def _counters(content: bytes, pid: int) -> tuple[int, int]:
    """Return the counters of the first and the last packet of a stream."""
    places = range(0, len(content) - PACKET_BYTES + 1, PACKET_BYTES)
    first, last = (
        next(place for place in order if _number(content, place + 1, 2) & 0x1FFF == pid)
        for order in (places, reversed(places))
    )
    return content[first + 3] & 0xF, content[last + 3] & 0xF


def _timestamp(content: bytes, place: int) -> int:
    """Read a time of 33 bits that is spread over 5 bytes (ISO 13818-1, 2.4.3.6)."""
    value = _number(content, place, 5)
    return value >> 3 & 0x7 << 30 | value >> 2 & 0x7FFF << 15 | value >> 1 & 0x7FFF


def _end(stamps: list[int]) -> float:
    """Return the end of the last unit, which lasts as long as one does on average."""
    first, last = min(stamps), max(stamps)
    return last + (last - first) / (len(stamps) - 1)
