"""Finds the extractor of a URL without trying all of yt-dlp's patterns.

yt-dlp tries some 1,900 patterns one after the other. In a forked child the matching itself is the
smaller cost: each pattern and class that is touched is a memory page that the kernel must copy. So
each pattern is reduced, once, to literal texts of which every match contains one; only extractors
whose text is in the URL are asked. Their own `suitable` still decides.
"""

from collections.abc import Iterable, Iterator
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # private, but where patterns are taken apart
from typing import Any

from yt_dlp.extractor.lazy_extractors import LazyLoadExtractor

ANYTHING = frozenset({""})
Parsed = Iterable[tuple[Any, Any]]
# Zero-width: their neighbours are adjacent in a match.
WITHOUT_WIDTH = frozenset({_constants.ASSERT, _constants.ASSERT_NOT, _constants.AT})


class Matcher:
    """Finds the extractors of one YoutubeDL by the texts that they need."""

    def __init__(self, extractors: dict[str, Any]) -> None:
        self._extractors = extractors
        self._keys = list(extractors)
        self._places: dict[str, list[int]] = {}  # positions of the extractors that need a text
        for place, extractor in enumerate(extractors.values()):
            for needle in needs_of(extractor):
                self._places.setdefault(needle, []).append(place)
        self._lengths = {len(needle) for needle in self._places}

    def find(self, url: str) -> str | None:
        """Return the key of the first suitable extractor, or None."""
        for place in sorted(self._places_for(url.casefold())):
            key = self._keys[place]
            if self._extractors[key].suitable(url):
                return key
        return None

    def _places_for(self, text: str) -> set[int]:
        """Return the positions of extractors that need a substring of `text`.

        Looks up each substring instead of searching for each needle, so that needles that do not
        match are not touched.
        """
        return {
            place
            for length in self._lengths
            for start in range(len(text) - length + 1)
            for place in self._places.get(text[start : start + length], ())
        }


def needs_of(extractor: Any) -> frozenset[str]:
    """Return texts of which every suitable URL contains at least one; "" is in every URL.

    An extractor with a `suitable` of its own is always asked. The patterns of the others are left
    compiled where yt-dlp looks for them: it would parse each once more.
    """
    if extractor.suitable.__func__ is not LazyLoadExtractor.suitable.__func__:
        return ANYTHING
    patterns = extractor._VALID_URL or ()
    patterns = [patterns] if isinstance(patterns, str) else patterns
    parsed = [_parser.parse(pattern) for pattern in patterns]
    extractor._VALID_URL_RE = tuple(map(_compiler.compile, parsed))
    return frozenset().union(*map(needles_of, parsed))


def needles_of(parsed: Parsed) -> frozenset[str]:
    """Return case-folded texts of which every match of a pattern contains at least one."""
    return frozenset(needle.casefold() for needle in _strictest(parsed))


def _strictest(parsed: Parsed) -> frozenset[str]:
    """Pick the requirement that the fewest URLs meet: usually the longest."""
    return max(_required(parsed), key=lambda needles: min(map(len, needles)))


def _required(parsed: Parsed) -> Iterator[frozenset[str]]:
    """Yield what every match contains: runs of characters, and one alternative of each branch."""
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
    """Yield literal characters; for anything else a list of its alternatives, empty when anything
    may stand there."""
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
