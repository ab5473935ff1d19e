"""Finds the extractor of a URL without trying all of yt-dlp's patterns.

yt-dlp tries some 1,900 patterns one after the other. In a forked child the trying itself is the
smaller cost: each pattern and class that it touches is a page of memory that the kernel must copy.
So each pattern is reduced, once, to a text that every match must contain; only the extractors
whose text is in the URL are asked. Which one wins is still decided by their own `suitable`.
"""

from collections.abc import Iterable, Iterator
from re import _constants, _parser  # type: ignore[attr-defined]  # private, but where patterns are taken apart
from typing import Any

from yt_dlp.extractor.lazy_extractors import LazyLoadExtractor

ANYTHING = frozenset({""})
Parsed = Iterable[tuple[Any, Any]]
# Zero-width: what is before and what is after them stands side by side in a match.
WITHOUT_WIDTH = frozenset({_constants.ASSERT, _constants.ASSERT_NOT, _constants.AT})


class Matcher:
    """The extractors of one YoutubeDL, found by the texts that they need."""

    def __init__(self, extractors: dict[str, Any]) -> None:
        self._extractors = extractors
        self._keys = list(extractors)
        self._places: dict[str, list[int]] = {}  # of the extractors that need a text
        for place, extractor in enumerate(extractors.values()):
            for needle in needs_of(extractor):
                self._places.setdefault(needle, []).append(place)
        self._lengths = {len(needle) for needle in self._places}

    def find(self, url: str) -> str | None:
        """The key of the first suitable extractor; None when there is none."""
        for place in sorted(self._places_for(url.casefold())):
            key = self._keys[place]
            if self._extractors[key].suitable(url):
                return key
        return None

    def _places_for(self, text: str) -> set[int]:
        """The extractors that need one of the pieces of a text.

        Looks up each piece instead of searching each needle: a needle that is only looked at in
        vain is not touched.
        """
        return {
            place
            for length in self._lengths
            for start in range(len(text) - length + 1)
            for place in self._places.get(text[start : start + length], ())
        }


def needs_of(extractor: Any) -> frozenset[str]:
    """Texts of which one is in every URL that suits the extractor; "" is in every URL.

    One that decides by a `suitable` of its own is always asked.
    """
    if extractor.suitable.__func__ is not LazyLoadExtractor.suitable.__func__:
        return ANYTHING
    patterns = extractor._VALID_URL or ()
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return frozenset().union(*map(needles_of, patterns))


def needles_of(pattern: str) -> frozenset[str]:
    """Texts, case folded, of which at least one is in every match of a pattern."""
    return frozenset(needle.casefold() for needle in _strictest(_parser.parse(pattern)))


def _strictest(parsed: Parsed) -> frozenset[str]:
    """Of all that a pattern requires, what the fewest URLs have: the longest, as a rule."""
    return max(_required(parsed), key=lambda needles: min(map(len, needles)))


def _required(parsed: Parsed) -> Iterator[frozenset[str]]:
    """What stands in every match: runs of characters, and one of the alternatives of a branch."""
    run = ""
    for part in _flat(parsed):
        if isinstance(part, str):
            run += part
            continue
        yield frozenset({run})
        run = ""
        if part:
            yield frozenset().union(*map(_strictest, part))
    yield frozenset({run})


def _flat(parsed: Parsed) -> Iterator[str | list[Parsed]]:
    """The literal characters; for what is none a list: the alternatives that may stand there, or
    an empty one when that may be anything."""
    for operation, argument in parsed:
        if operation is _constants.LITERAL:
            yield chr(argument)
        elif operation is _constants.SUBPATTERN:
            yield from _flat(argument[3])
        elif operation is _constants.BRANCH:
            yield list(argument[1])
        elif operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT) and argument[0] > 0:
            yield [argument[2]]
        elif operation not in WITHOUT_WIDTH:
            yield []
