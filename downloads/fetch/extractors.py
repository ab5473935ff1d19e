"""Finds the extractor of a URL without trying all of yt-dlp's patterns.

yt-dlp tries some 1,900 patterns one after the other. In a forked child the matching itself is the
smaller cost: each pattern and class that is touched is a memory page that the kernel must copy. So
each pattern is reduced, once, to literal texts of which every match contains one; only extractors
whose text is in the URL are asked. Their own `suitable` still decides.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # private, but where patterns are taken apart
from typing import Any

from yt_dlp.extractor import lazy_extractors
from yt_dlp.extractor.lazy_extractors import LazyLoadExtractor

ANYTHING = frozenset({""})
Parsed = Iterable[tuple[Any, Any]]
# Zero-width: their neighbours are adjacent in a match.
WITHOUT_WIDTH = frozenset({_constants.ASSERT, _constants.ASSERT_NOT, _constants.AT})


class Matcher:
    """Finds the extractors of one YoutubeDL by the texts that they need."""

    def __init__(self, extractors: dict[str, Any], *, needs: Mapping[str, Iterable[str]]) -> None:
        """`needs`: of extractors by their keys, as far as they are known (`known_needs`)."""
        self._extractors = extractors
        self._keys = list(extractors)
        self.needs: dict[str, list[str]] = {}  # of yt-dlp's own extractors
        self._places: dict[str, list[int]] = {}  # positions of the extractors that need a text
        for place, (key, extractor) in enumerate(extractors.items()):
            is_own = _is_own(extractor)
            needles = sorted((needs.get(key) if is_own else None) or needs_of(extractor))
            if is_own:
                self.needs[key] = needles
            for needle in needles:
                self._places.setdefault(needle, []).append(place)
        self._lengths = {len(needle) for needle in self._places}

    def prepare(self, url: str) -> None:
        """Compile the patterns that `find` will try for a URL, which is left to the child.

        Matching a hostile URL may take for ever; compiling a pattern of yt-dlp does not.
        """
        for place in self._places_for(url.casefold()):
            extractor = self._extractors[self._keys[place]]
            if _is_own(extractor) and "_VALID_URL_RE" not in vars(extractor):
                extractor._VALID_URL_RE = tuple(map(re.compile, _patterns_of(extractor)))

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


def known_needs(path: Path) -> dict[str, list[str]]:
    """Return what `keep_needs` has written of this very yt-dlp by this very code, or nothing."""
    with suppress(OSError, ValueError):
        kept = json.loads(path.read_bytes())
        if isinstance(kept, dict) and kept.get("of") == _fingerprint():
            needs: dict[str, list[str]] = kept["needs"]
            return needs
    return {}


def keep_needs(path: Path, needs: Mapping[str, Iterable[str]]) -> None:
    """Write what extractors need into a file: to find it out takes a third of a start.

    A file that cannot be written, or is torn by a power cut, only costs that time again.
    """
    draft = path.with_suffix(".new")
    with suppress(OSError):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.write_text(json.dumps({"of": _fingerprint(), "needs": needs}))
        draft.replace(path)


def _fingerprint() -> str:
    """Return what changes with yt-dlp's patterns, and with how they are reduced."""
    digest = sha256()
    for path in (lazy_extractors.__file__, __file__):
        digest.update(sha256(Path(path).read_bytes()).digest())
    return digest.hexdigest()


def _is_own(extractor: Any) -> bool:
    """Say whether it is one of yt-dlp, and not one of a plugin, perhaps of the same name."""
    return bool(extractor.__module__ == LazyLoadExtractor.__module__)


def _patterns_of(extractor: Any) -> Iterable[str]:
    patterns = extractor._VALID_URL or ()
    return (patterns,) if isinstance(patterns, str) else patterns


def needs_of(extractor: Any) -> frozenset[str]:
    """Return texts of which every suitable URL contains at least one; "" is in every URL.

    An extractor with a `suitable` of its own is always asked.
    """
    if extractor.suitable.__func__ is not LazyLoadExtractor.suitable.__func__:
        return ANYTHING
    needs = (needles_of(_parser.parse(pattern)) for pattern in _patterns_of(extractor))
    return frozenset().union(*needs)


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
