"""The words of WebVTT subtitles, as a search finds and quotes them. Values only."""

import html
import re
from collections import deque
from collections.abc import Iterable

TAG = re.compile(r"<[^<>]*>")
ENDS = re.compile(r"\r\n|\r|\n")  # of WebVTT's lines, and no others
ROLLING = 3  # lines that captions which roll up show again
AROUND = 60  # characters that are quoted on each side of a word


def words_of(webvtt: str, *, most: int) -> str:
    """Return what is said, at most `most` characters, on one line; "" when there are no cues.

    Without times, tags, notes and names of cues. A line that rolls up is there once.
    """
    lines: list[str] = []
    length, recent, is_cue = 0, deque[str](maxlen=ROLLING), False
    for line in ENDS.split(webvtt):
        if "-->" in line or not line.strip():
            is_cue = "-->" in line
            continue
        said = " ".join(html.unescape(TAG.sub("", line)).split()) if is_cue else ""
        if not said or said in recent:
            continue
        recent.append(said)
        lines.append(said)
        length += len(said) + 1
        if length > most:
            break
    return " ".join(lines)[:most]


def quote(words: Iterable[str], *, beside: str, said: str) -> str:
    """Return what is said around the first of these words that `beside` does not have.

    "" when there is no such word. Case does not matter.
    """
    for word in words:
        pattern = re.compile(re.escape(word), re.IGNORECASE)
        if not pattern.search(beside) and (found := pattern.search(said)):
            return _around(said, *found.span())
    return ""


def _around(said: str, start: int, end: int) -> str:
    """Cut between words where there are any, and mark what was cut off."""
    first, last = max(0, start - AROUND), min(len(said), end + AROUND)
    before, after = said[first:start], said[end:last]
    if first:
        before = f"… {before.partition(' ')[2] or before}"
    if last < len(said):
        after = f"{after.rpartition(' ')[0] or after} …"
    return f"{before}{said[start:end]}{after}"
