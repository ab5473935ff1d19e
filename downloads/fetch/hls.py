"""Gives yt-dlp the playlist of a stream in words that it cannot misunderstand.

RFC 8216 lets a playlist leave things out that yt-dlp then guesses, sometimes wrongly. What is
written into the playlist here means the same to every other player.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from yt_dlp.utils import parse_m3u8_attributes

from downloads.fetch.timeline import Announced
from downloads.fetch.verify import Incomplete

DURATION = re.compile(r"#EXTINF:\s*(\d+(?:\.\d+)?)")
# Of Anvato and Uplynk, as in yt-dlp's HlsFD.
ADVERTISEMENT = re.compile(
    r"#ANVATO-SEGMENT-INFO.*type=(?:(?P<advertisement>ad)|master)|#UPLYNK-SEGMENT.*,(?:(?P<ad>ad)|segment)$"
)
LEAST_SECONDS = 0.001
ENCRYPTIONS = frozenset({"NONE", "AES-128"})  # of whole segments (RFC 8216, 4.3.2.4)
KEY, MAP, RANGE = "#EXT-X-KEY:", "#EXT-X-MAP:", "#EXT-X-BYTERANGE:"
SEQUENCE = "#EXT-X-MEDIA-SEQUENCE:"


class UnknownEncryption(Exception):
    """The segments are encrypted with a method that is not supported."""


def clarifying(real_download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap yt-dlp's downloader of HLS: it is given a `Playlist`.

    It raises Incomplete for one that cannot be read, and UnknownEncryption where yt-dlp would have
    ffmpeg fetch the stream by itself.
    """

    def clarified_download(self: Any, filename: str, info: dict[str, Any]) -> bool:
        playlist = info.get("hls_media_playlist_data")
        if not playlist:
            response = self.ydl.urlopen(self._prepare_url(info, info["url"]))
            playlist = response.read().decode("utf-8", "ignore")
            info = {**info, "url": response.url}
        _refuse_encryption(playlist)
        try:
            clear = Playlist(playlist)
        except ValueError as error:  # a number that is none
            raise Incomplete(f"The playlist cannot be read: {error}") from error
        self.announced = clear.announced
        info = {**info, "hls_media_playlist_data": clear.text}
        return real_download(self, filename, info)

    return clarified_download


def _refuse_encryption(playlist: str) -> None:
    for line in playlist.splitlines():
        if line.startswith(KEY):
            method = parse_m3u8_attributes(line.removeprefix(KEY)).get("METHOD")
            if method not in ENCRYPTIONS:
                raise UnknownEncryption(f"The stream is encrypted with {method}")


def vod_seconds(_extractor: Any, playlist: str, _video_id: str) -> float | None:
    """Stand for yt-dlp's `_parse_m3u8_vod_duration`: seconds; None for one that goes on.

    For yt-dlp a stream that lasts less than a second, or that does not say how long, is live.
    """
    if "#EXT-X-ENDLIST" not in playlist:
        return None
    return sum(map(_seconds, playlist.splitlines())) or LEAST_SECONDS


def _seconds(line: str) -> float:
    """Return the duration that a line announces; 0 for none."""
    announced = DURATION.match(line)
    return float(announced[1]) if announced else 0.0


class Playlist:
    """A media playlist that says explicitly what yt-dlp would guess.

    - A segment without an initialization vector has its sequence number for one (RFC 8216, 5.2).
      yt-dlp counts EXT-X-MAP as a segment, but not an advertisement that it leaves out: each shifts
      the numbers of the segments after it, and 16 bytes of each are wrong.
    - yt-dlp gives up at an EXT-X-MAP after the first segment. The same one is left out here;
      another one becomes a segment, and what is made of it is decided by what it holds.
    """

    def __init__(self, text: str) -> None:
        self.announced: list[Announced] = []  # of every fragment, as yt-dlp counts them
        self._key = ""  # the one that applies, when it has no vector
        self._map = ""  # the one that applies
        self._sequence = 0
        self._range_end = 0
        self._seconds = 0.0
        self._begins_anew = False
        self._is_advertisement = False
        self.text = "\n".join(clear for line in text.splitlines() for clear in self._clear(line))

    def _clear(self, line: str) -> Iterator[str]:
        """Yield what stands for a line."""
        line = line.strip()
        if line.startswith(SEQUENCE):
            self._sequence = int(line.removeprefix(SEQUENCE))
        elif line.startswith(KEY):
            attributes = parse_m3u8_attributes(line.removeprefix(KEY))
            is_plain = attributes.get("METHOD") == "AES-128" and "IV" not in attributes
            self._key = line if is_plain else ""
        elif line.startswith(RANGE):
            line = self._with_offset(line.removeprefix(RANGE))
        elif line == "#EXT-X-DISCONTINUITY":
            self._begins_anew = True
        elif mark := ADVERTISEMENT.match(line):
            self._is_advertisement = bool(mark["ad"] or mark["advertisement"])
        self._seconds = _seconds(line) or self._seconds
        if line.startswith(MAP):
            yield from self._beginning(line)
        elif not line or line.startswith("#"):
            yield line
        else:
            yield from self._segment(line)

    def _with_offset(self, wanted: str) -> str:
        """Write where a range begins: without that it follows the one before."""
        length, _, offset = wanted.partition("@")
        start = int(offset) if offset else self._range_end
        self._range_end = start + int(length)
        return f"{RANGE}{length}@{start}"

    def _beginning(self, line: str) -> Iterator[str]:
        if line != self._map:
            self.announced.append(Announced())
            yield from _as_segment(line) if self._map else (line,)
        self._map = line

    def _segment(self, line: str) -> Iterator[str]:
        if not self._is_advertisement:
            self.announced.append(Announced(seconds=self._seconds, begins_anew=self._begins_anew))
            self._seconds, self._begins_anew = 0.0, False
            if self._key:
                yield f"{self._key},IV=0x{self._sequence:032x}"
            yield line
        self._sequence += 1


def _as_segment(line: str) -> Iterator[str]:
    attributes = parse_m3u8_attributes(line.removeprefix(MAP))
    if "BYTERANGE" in attributes:
        length, _, offset = attributes["BYTERANGE"].partition("@")
        yield f"{RANGE}{length}@{offset or 0}"
    yield attributes.get("URI", "")
