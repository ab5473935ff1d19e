"""Reads HLS media playlists (RFC 8216) into the segments that a recorder has to fetch.

Pure: a function of a text and its address.
"""

import re
from dataclasses import dataclass, field
from urllib.parse import urljoin

ATTRIBUTE = re.compile(r'([A-Z0-9-]+)=("[^"]*"|[^",]*)')
MAX_SECONDS = 24 * 3600.0  # of one segment: more is nonsense


class BadPlaylist(ValueError):
    """The text is not a media playlist. The message says why."""


class ProtectedByDRM(ValueError):
    """The segments are encrypted with a method that only a licensed player knows."""


@dataclass(frozen=True, kw_only=True)
class Key:
    url: str
    iv: bytes | None  # None: the sequence number of the segment


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Bytes at an address: a segment, or the initialization (EXT-X-MAP) of segments."""

    url: str
    start: int = 0
    length: int | None = None  # None: all of the file
    key: Key | None = None  # None: not encrypted


@dataclass(frozen=True, kw_only=True)
class Segment:
    sequence: int
    discontinuity: int  # segments of one number have one timeline
    seconds: float  # as announced
    media: Resource
    initialization: Resource | None  # None: each segment stands for itself (MPEG-TS, AAC, MP3)
    is_missing: bool = False  # EXT-X-GAP: the site does not have it


@dataclass(frozen=True, kw_only=True)
class Playlist:
    target_seconds: float
    is_ended: bool  # EXT-X-ENDLIST: no segment will be added
    segments: tuple[Segment, ...]


def is_unfinished(text: str) -> bool:
    """Whether a text is a media playlist to which the site may still add segments."""
    return (
        text.lstrip("\ufeff").startswith("#EXTM3U")
        and "#EXT-X-TARGETDURATION" in text
        and "#EXT-X-ENDLIST" not in text
    )


def read(text: str, url: str) -> Playlist:
    """Read a media playlist that came from `url`. Raises BadPlaylist and ProtectedByDRM."""
    if not text.lstrip("\ufeff").startswith("#EXTM3U"):
        raise BadPlaylist("it does not begin with #EXTM3U")
    reader = _Reader(url)
    try:
        for line in map(str.strip, text.splitlines()):
            reader.take(line)
    except (ValueError, KeyError, OverflowError) as error:
        if isinstance(error, ProtectedByDRM):
            raise
        raise BadPlaylist(f"{type(error).__name__}: {error}") from error
    return Playlist(
        target_seconds=reader.target_seconds,
        is_ended=reader.is_ended,
        segments=tuple(reader.segments),
    )


@dataclass(kw_only=False)
class _Reader:
    """What the lines so far said of those that follow."""

    url: str
    target_seconds: float = 10.0
    is_ended: bool = False
    segments: list[Segment] = field(default_factory=list)
    sequence: int = 0
    discontinuity: int = 0
    seconds: float = 0.0
    key: Key | None = None
    initialization: Resource | None = None
    piece: tuple[int, int | None] = (0, None)  # start and length of the next segment in its file
    end_of_piece: int = 0  # where a range without a start begins
    is_missing: bool = False

    def take(self, line: str) -> None:
        name, _, value = line.partition(":")
        match name:
            case "#EXT-X-TARGETDURATION":
                self.target_seconds = _seconds(value)
            case "#EXT-X-MEDIA-SEQUENCE":
                self.sequence = int(value)
            case "#EXT-X-DISCONTINUITY-SEQUENCE":
                self.discontinuity = int(value)
            case "#EXT-X-DISCONTINUITY":
                self.discontinuity += 1
            case "#EXTINF":
                self.seconds = _seconds(value.partition(",")[0])
            case "#EXT-X-BYTERANGE":
                self.piece = _piece(value, following=self.end_of_piece)
            case "#EXT-X-KEY":
                self.key = self._key(_attributes(value))
            case "#EXT-X-MAP":
                self.initialization = self._map(_attributes(value))
            case "#EXT-X-GAP":
                self.is_missing = True
            case "#EXT-X-ENDLIST":
                self.is_ended = True
        if line and not line.startswith("#"):
            self._add(line)

    def _add(self, line: str) -> None:
        start, length = self.piece
        media = Resource(url=urljoin(self.url, line), start=start, length=length, key=self.key)
        self.segments.append(
            Segment(
                sequence=self.sequence,
                discontinuity=self.discontinuity,
                seconds=self.seconds,
                media=media,
                initialization=self.initialization,
                is_missing=self.is_missing,
            )
        )
        self.sequence += 1
        self.end_of_piece = start + (length or 0)
        self.piece, self.is_missing = (0, None), False

    def _key(self, attributes: dict[str, str]) -> Key | None:
        method = attributes["METHOD"]
        if method == "NONE":
            return None
        if method != "AES-128" or attributes.get("KEYFORMAT", "identity") != "identity":
            raise ProtectedByDRM(f"The stream is protected by DRM ({method})")
        iv = attributes.get("IV")
        return Key(
            url=urljoin(self.url, attributes["URI"]),
            iv=int(iv, 16).to_bytes(16) if iv else None,
        )

    def _map(self, attributes: dict[str, str]) -> Resource:
        piece = attributes.get("BYTERANGE")
        start, length = _piece(piece, following=0) if piece else (0, None)
        # Without an IV of its own it is not encrypted (RFC 8216, 4.3.2.5).
        key = self.key if self.key and self.key.iv else None
        return Resource(
            url=urljoin(self.url, attributes["URI"]), start=start, length=length, key=key
        )


def _attributes(text: str) -> dict[str, str]:
    return {name: value.strip('"') for name, value in ATTRIBUTE.findall(text)}


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= MAX_SECONDS:
        raise ValueError(f"{text} s")
    return seconds


def _piece(text: str, *, following: int) -> tuple[int, int]:
    """Read `length[@start]` into start and length; without a start it follows the last one."""
    length, _, start = text.partition("@")
    piece = (int(start) if start else following, int(length))
    if min(piece) < 0:
        raise ValueError(text)
    return piece
