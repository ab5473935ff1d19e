"""Tells which variants of an HLS master playlist have their sound elsewhere.

yt-dlp takes a variant for complete when it names no AUDIO group, or has no CODECS. Then its sound,
in a rendition of its own (EXT-X-MEDIA), is not fetched.
"""

from collections.abc import Callable, Iterator
from typing import Any

from yt_dlp.utils import parse_m3u8_attributes, urljoin

MEDIA, VARIANT = "#EXT-X-MEDIA:", "#EXT-X-STREAM-INF:"
Attributes = dict[str, str]
Parse = Callable[..., tuple[list[dict[str, Any]], dict[str, Any]]]


def with_sound(parse: Parse) -> Parse:
    """Wrap yt-dlp's parser of masters: variants without sound of their own are known as such.

    Their sound is then fetched with them, from the rendition that yt-dlp prefers.
    """

    def parsed(
        self: Any, playlist: str, url: str | None = None, *args: Any, **values: Any
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        formats, subtitles = parse(self, playlist, url, *args, **values)
        silent = {urljoin(url, variant) for variant in silent_variants(playlist)}
        for each in formats:
            if each["url"] in silent and each.get("vcodec") != "none":
                each["acodec"] = "none"
        return formats, subtitles

    return parsed


def silent_variants(playlist: str) -> Iterator[str]:
    """Yield the addresses of variants whose sound is in a rendition of its own, as written.

    That is so when the main rendition of its AUDIO group has an address (RFC 8216, 4.3.4.2.1).
    Where no variant names a group, a group that is there must be that of all.
    """
    lines = [line.strip() for line in playlist.splitlines()]
    media = [parse_m3u8_attributes(line) for line in lines if line.startswith(MEDIA)]
    sounds = [each for each in media if each.get("TYPE") == "AUDIO"]
    variants = list(_variants(lines))
    names_groups = any("AUDIO" in attributes for attributes, _ in variants)
    for attributes, address in variants:
        if "AUDIO" in attributes or not names_groups:
            group = [
                each
                for each in sounds
                if not names_groups or each.get("GROUP-ID") == attributes["AUDIO"]
            ]
            if "URI" in _main(group):
                yield address


def _variants(lines: list[str]) -> Iterator[tuple[Attributes, str]]:
    attributes: Attributes | None = None
    for line in lines:
        if line.startswith(VARIANT):
            attributes = parse_m3u8_attributes(line)
        elif attributes is not None and line and not line.startswith("#"):
            yield attributes, line
            attributes = None


def _main(group: list[Attributes]) -> Attributes:
    """Return the rendition that is played unless somebody chooses another one."""
    defaults = [each for each in group if each.get("DEFAULT") == "YES"]
    chosen = [each for each in group if each.get("AUTOSELECT") != "NO"]
    return next(iter(defaults or chosen), {})
