"""Joins the periods of a DASH manifest (ISO 23009-1, 5.3.2): each is a part of one video.

yt-dlp joins only representations that are alike in all attributes, the bandwidth among them; else
each period becomes a video of its own quality, and the best one is taken for the whole.
"""

from collections.abc import Callable, Iterable
from typing import Any
from xml.etree.ElementTree import Element

from yt_dlp.utils import parse_duration, urljoin

from downloads.fetch.verify import Incomplete

Format = dict[str, Any]
Merge = Callable[..., tuple[list[Format], dict[str, Any]]]


def joining(merge: Merge) -> Merge:
    """Wrap yt-dlp's joining of periods: every format goes on to the end of the last one.

    It raises Incomplete when pictures or sound are in some periods only.
    """

    def whole(self: Any, periods: Iterable[Format]) -> tuple[list[Format], dict[str, Any]]:
        parts = list(periods)
        if len(parts) < 2:
            return merge(self, parts)
        first, *others = parts
        joined = [_joined(each, others) for each in first["formats"]]
        formats = [each for each in joined if each]
        if _media(formats) != _media(each for part in parts for each in part["formats"]):
            raise Incomplete("Some periods of the stream have what others have not")
        return merge(self, [{**first, "formats": formats}])

    return whole


def _media(formats: Iterable[Format]) -> set[tuple[bool, bool]]:
    """Return whether there are pictures, sound, or both; thumbnails are neither."""
    return {_kind(each)[:2] for each in formats} - {(False, False)}


def _joined(chosen: Format, periods: list[Format]) -> Format | None:
    """Return a format with its fragments in all periods; None if one has no counterpart."""
    parts = [chosen]
    for period in periods:
        alike = [each for each in period["formats"] if _kind(each) == _kind(chosen)]
        parts.append(min(alike, key=lambda each: _difference(each, chosen), default={}))
    if not all(part.get("fragments") for part in parts):
        return None
    return {**chosen, "fragments": [each for part in parts for each in _fragments(part)]}


def _kind(each: Format) -> tuple[bool, bool, Any]:
    """Return whether a format has pictures, whether it has sound, and its container."""
    return each.get("vcodec") != "none", each.get("acodec") != "none", each.get("ext")


def _difference(one: Format, other: Format) -> tuple[float, ...]:
    """Tell how unlike two formats of one kind are, by what matters most first."""
    return (
        one.get("language") != other.get("language"),
        one.get("vcodec") != other.get("vcodec") or one.get("acodec") != other.get("acodec"),
        abs((one.get("height") or 0) - (other.get("height") or 0)),
        abs((one.get("tbr") or 0) - (other.get("tbr") or 0)),
    )


def _fragments(part: Format) -> list[dict[str, Any]]:
    """List the fragments of a period with whole addresses: each may have a base of its own."""
    base = part.get("fragment_base_url")
    found = [
        {**each, "url": each.get("url") or urljoin(base, each["path"])}
        for each in part["fragments"]
    ]
    found[0]["begins_anew"] = True
    return found


def with_durations(parse: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap yt-dlp's reading of periods: one without a duration ends where the next one begins.

    yt-dlp has it last as long as all of them, and asks for segments that do not exist.
    """

    def parsed(self: Any, manifest: Element, *args: Any, **values: Any) -> Any:
        periods = [each for each in manifest if each.tag.rpartition("}")[2] == "Period"]
        ends = [*(_seconds(each, "start") for each in periods[1:])]
        ends.append(_seconds(manifest, "mediaPresentationDuration"))
        start = 0.0
        for period, end in zip(periods, ends, strict=False):
            start = _seconds(period, "start") or start
            duration = _seconds(period, "duration") or (end or 0.0) - start
            if duration > 0:
                period.set("duration", f"PT{duration}S")
            start += duration
        return parse(self, manifest, *args, **values)

    return parsed


def _seconds(element: Element, name: str) -> float | None:
    seconds: float | None = parse_duration(element.get(name))
    return seconds
