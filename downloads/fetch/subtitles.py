"""Chooses the subtitles of a video, and makes WebVTT of what a site sends for them."""

import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yt_dlp.utils import dfxp2srt
from yt_dlp.webvtt import CueBlock, ParseError, parse_fragment

from downloads.disk.names import LANGUAGE
from downloads.fetch.recipe import Clip
from downloads.fetch.verify import LOOK_TIMEOUT_SECONDS, is_text, run_ffmpeg

ALL = "all"
TICKS = 90_000  # a second, in yt-dlp's WebVTT
MAX_SUBTITLES = 100
# The best first: ffmpeg reads all but the last two, of which yt-dlp makes SubRip.
SUFFIXES = ("vtt", "srt", "ass", "ssa", "ttml", "dfxp")
OF_XML = frozenset({"ttml", "dfxp"})
NO_SUBTITLES = frozenset({"live_chat", "danmaku", "rechat"})  # of yt-dlp's: not for a player
NOT_OF_LANGUAGES = re.compile(r"[^A-Za-z0-9_-]+")
UNKNOWN_LANGUAGE = "und"  # ISO 639-2


class NotSubtitles(Exception):
    """The site sent something else, or subtitles without a line."""


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What was found of the wish."""

    sources: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # the best first
    missing: list[str] = field(default_factory=list)  # languages that the video does not have
    offered: list[str] = field(default_factory=list)  # languages that it has
    left_out: int = 0  # over the limit


def choose(
    info: Mapping[str, Any], languages: Iterable[str], *, automatic_captions: bool
) -> Chosen:
    """Find the wished languages among the subtitles that yt-dlp found.

    A language stands for its regions, too, when the video does not have itself: `en` for `en-GB`.
    """
    has = _by_language(info.get("subtitles"))
    if automatic_captions:
        has = {**_by_language(info.get("automatic_captions")), **has}
    wanted: list[str] = []
    missing: list[str] = []
    for language in languages:
        found = sorted(has) if language == ALL else _match(language, has)
        wanted += [each for each in found if each not in wanted]
        missing += [] if found or language == ALL else [language]
    return Chosen(
        sources={each: has[each] for each in wanted[:MAX_SUBTITLES]},
        missing=missing,
        offered=sorted(has),
        left_out=max(0, len(wanted) - MAX_SUBTITLES),
    )


def _by_language(found: Any) -> dict[str, list[Mapping[str, Any]]]:
    """Return the readable subtitles of each language, whose name may stand in a file's name."""
    by_language: dict[str, list[Mapping[str, Any]]] = {}
    for name, sources in (found or {}).items():
        readable = [each for each in sources if suffix_of(each) in SUFFIXES]
        readable.sort(key=lambda each: SUFFIXES.index(suffix_of(each)))
        if readable and name not in NO_SUBTITLES:
            by_language.setdefault(language_of(name), readable)
    return by_language


def suffix_of(source: Mapping[str, Any]) -> str:
    """Return the format of a source; fragments of HLS are WebVTT whatever they are called."""
    is_hls = str(source.get("protocol")).startswith("m3u8")
    return "vtt" if is_hls else str(source.get("ext") or "").lower()


def language_of(name: object) -> str:
    """Return a site's name for a language as file names may have it."""
    language = NOT_OF_LANGUAGES.sub("-", str(name))[:32].strip("-_")
    return language if LANGUAGE.fullmatch(language) else UNKNOWN_LANGUAGE


def _match(language: str, has: Mapping[str, Any]) -> list[str]:
    wanted = language.lower()
    same = [each for each in has if each.lower() == wanted]
    regions = [each for each in has if each.lower().startswith(f"{wanted}-")]
    return (same or sorted(regions))[:1]


def to_webvtt(path: Path, *, suffix: str, clip: Clip | None) -> Path:
    """Make a WebVTT file of fetched subtitles, with the lines of the clip; returns its path.

    Raises NotSubtitles for what has no line, or cannot be read (without ffmpeg only WebVTT can).
    """
    if is_page(path):
        raise NotSubtitles("The site sent a page")
    source = _as_srt(path) if suffix in OF_XML else path
    target = path.with_suffix(".vtt")
    if source != target or not _has_cues(target):
        _convert(source, target)
    if clip:
        _cut(target, clip)
    if not _has_cues(target):
        raise NotSubtitles("There is no line in it")
    return target


def is_page(path: Path) -> bool:
    """Whether a file begins as a page of HTML does, which ffmpeg might read as something."""
    with path.open("rb") as file:
        head = file.read(512).lstrip().lower()
    return head.startswith((b"<!doctype html", b"<html")) or not is_text(head)


def _as_srt(path: Path) -> Path:
    target = path.with_suffix(".srt")
    try:
        target.write_text(dfxp2srt(path.read_bytes()), encoding="utf-8")
    except (ValueError, SyntaxError, KeyError, AttributeError) as error:  # whatever the XML holds
        raise NotSubtitles("It is not readable") from error
    return target


def _convert(source: Path, target: Path) -> None:
    made = target.with_name(f"made-{target.name}")
    command = ["-y", "-v", "error", "-i", f"file:{source}", "-map", "0:s:0", "-f", "webvtt"]
    finished = run_ffmpeg([*command, f"file:{made}"], LOOK_TIMEOUT_SECONDS)
    if finished is None or finished.returncode or not made.exists():
        raise NotSubtitles("It is not readable")
    made.replace(target)


def _cut(path: Path, clip: Clip) -> None:
    """Leave the lines of a part, in its time. ffmpeg leaves the lines before it as well."""
    first = round(clip[0] * TICKS)
    last = None if clip[1] is None else round(clip[1] * TICKS)
    text = io.StringIO()
    for block in parse_fragment(path.read_bytes()):
        if isinstance(block, CueBlock):
            if block.end <= first or (last is not None and block.start >= last):
                continue
            block.start = max(block.start, first) - first
            block.end = (block.end if last is None else min(block.end, last)) - first
        block.write_into(text)
    path.write_text(text.getvalue(), encoding="utf-8")


def _has_cues(path: Path) -> bool:
    try:
        return any(isinstance(block, CueBlock) for block in parse_fragment(path.read_bytes()))
    except (ParseError, ValueError, OSError):
        return False
