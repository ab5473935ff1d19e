"""Gives yt-dlp the playlist of a stream in words that it cannot misunderstand.

RFC 8216 lets a playlist leave things out that yt-dlp then guesses, sometimes wrongly. What is
written into the playlist here means the same to every other player.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from yt_dlp.utils import int_or_none, parse_m3u8_attributes

DURATION = re.compile(r"#EXTINF:\s*(\d+(?:\.\d+)?)")
LEAST_SECONDS = 0.001
ENCRYPTIONS = frozenset({"NONE", "AES-128"})  # of whole segments (RFC 8216, 4.3.2.4)
KEY, SEQUENCE = "#EXT-X-KEY:", "#EXT-X-MEDIA-SEQUENCE:"


class UnknownEncryption(Exception):
    """The segments are encrypted with a method that is not supported."""


def clarifying(real_download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap yt-dlp's downloader of HLS: it is given the playlist that `clarified` makes.

    Raises UnknownEncryption, where yt-dlp would have ffmpeg fetch the stream by itself.
    """

    def clarified_download(self: Any, filename: str, info: dict[str, Any]) -> bool:
        playlist = info.get("hls_media_playlist_data")
        if not playlist:
            response = self.ydl.urlopen(self._prepare_url(info, info["url"]))
            playlist = response.read().decode("utf-8", "ignore")
            info = {**info, "url": response.url}
        _refuse_encryption(playlist)
        info = {**info, "hls_media_playlist_data": clarified(playlist)}
        return real_download(self, filename, info)

    return clarified_download


def _refuse_encryption(playlist: str) -> None:
    for line in playlist.splitlines():
        if line.startswith(KEY):
            method = parse_m3u8_attributes(line.removeprefix(KEY)).get("METHOD")
            if method not in ENCRYPTIONS:
                raise UnknownEncryption(f"The stream is encrypted with {method}")


def ends(_extractor: Any, playlist: str, _video_id: str) -> float | None:
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


def clarified(playlist: str) -> str:
    """Write its initialization vector beside every segment of a media playlist.

    Without one it is the segment's sequence number (RFC 8216, 5.2). yt-dlp counts EXT-X-MAP as a
    segment, but not an advertisement that it leaves out: each shifts the numbers of the segments
    after it, and 16 bytes of each are wrong.
    """
    return "\n".join(_with_vectors(playlist.splitlines())) + "\n"


def _with_vectors(lines: list[str]) -> Iterator[str]:
    key, sequence = "", 0  # the key that applies, when it has no vector
    for line in map(str.strip, lines):
        if line.startswith(SEQUENCE):
            sequence = int_or_none(line.removeprefix(SEQUENCE), default=0)
        elif line.startswith(KEY):
            attributes = parse_m3u8_attributes(line.removeprefix(KEY))
            is_plain = attributes.get("METHOD") == "AES-128" and "IV" not in attributes
            key = line if is_plain else ""
        elif line and not line.startswith("#"):
            if key:
                yield f"{key},IV=0x{sequence:032x}"
            sequence += 1
        yield line
