"""Finds the extractor of a URL without trying all of yt-dlp's patterns.

yt-dlp tries some 1,900 patterns one after the other. In a forked child the matching itself is the
smaller cost: each pattern and class that is touched is a memory page that the kernel must copy. So
each pattern is reduced, once, to literal texts of which every match contains one; only extractors
whose text is in the URL are asked. Their own `suitable` still decides.
"""

import ast
import inspect
import linecache
import re
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from re import _constants, _parser  # type: ignore[attr-defined]  # private, but where patterns are taken apart
from typing import Any

from yt_dlp.extractor import lazy_extractors
from yt_dlp.extractor.lazy_extractors import LazyLoadExtractor

from downloads.disk import kept

ANYTHING = frozenset({""})
NEARLY_EVERY_LINK = "https://www."
GRAM = 4  # characters of a needle by which it is looked up
Parsed = Iterable[tuple[Any, Any]]
# Of extractors by their keys: each needle after the part of it by which it is looked up.
Needs = Mapping[str, Sequence[Sequence[str]]]
# Zero-width: their neighbours are adjacent in a match.
WITHOUT_WIDTH = frozenset({_constants.ASSERT, _constants.ASSERT_NOT, _constants.AT})
# Calls in a `suitable` that ask the pattern of its own class.
OF_THE_PATTERN = frozenset({"super().suitable", "cls._match_valid_url"})


class Matcher:
    """Finds the extractors of one YoutubeDL by the texts that they need."""

    def __init__(self, extractors: dict[str, Any], *, needs: Needs) -> None:
        """`needs`: of extractors by their keys, as far as they are known (`known_needs`)."""
        self._extractors = extractors
        self._keys = list(extractors)
        own = {key for key, extractor in extractors.items() if _is_own(extractor)}
        known = {key: needs[key] for key in own & needs.keys()}
        known |= _find_out({key: extractors[key] for key in extractors if key not in known})
        self.needs = {key: known[key] for key in sorted(own)}  # of yt-dlp's own extractors
        # By the part of each needle: where it is in the needle, the needle, and the position of an
        # extractor that needs it.
        self._places: dict[str, list[tuple[int, str, int]]] = {}
        for place, key in enumerate(self._keys):
            for gram, needle in known[key]:
                entry = (needle.index(gram), needle, place)
                self._places.setdefault(gram, []).append(entry)
        self._lengths = {len(gram) for gram in self._places}

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

        Looks up parts of the text instead of searching for each needle, so that needles that do
        not match are not touched.
        """
        return {
            place
            for length in self._lengths
            for start in range(len(text) - length + 1)
            for offset, needle, place in self._places.get(text[start : start + length], ())
            if start >= offset and text.startswith(needle, start - offset)
        }


def _find_out(extractors: Mapping[str, Any]) -> dict[str, list[list[str]]]:
    """Take patterns apart. Each needle is looked up by that part which the fewest of them have."""
    found = {key: sorted(needs_of(extractor)) for key, extractor in extractors.items()}
    linecache.clearcache()  # the source of all lazy extractors
    grams = Counter(
        gram for needles in found.values() for needle in needles for gram in _grams(needle)
    )
    return {
        key: [[min(_grams(needle), key=grams.__getitem__), needle] for needle in needles]
        for key, needles in found.items()
    }


def _grams(needle: str) -> list[str]:
    """Return the parts of a needle by one of which it is looked up; a short one is its only."""
    return [needle[start : start + GRAM] for start in range(max(len(needle) - GRAM, 0) + 1)]


def known_needs(path: Path) -> Needs:
    """Return what `keep_needs` has written of this very yt-dlp by this very code, or nothing."""
    known = kept.read(path)
    needs: Needs = known.get("needs", {})
    return needs if known.get("of") == _fingerprint() else {}


def keep_needs(path: Path, needs: Needs) -> None:
    """Write what extractors need into a file: to find it out takes a third of a start."""
    kept.keep(path, {"of": _fingerprint(), "needs": needs})


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

    An extractor whose own `suitable` may take what its pattern does not match is always asked.
    """
    if not all(map(_only_narrows, _judges_of(extractor))):
        return ANYTHING
    needs = (needles_of(_parser.parse(pattern)) for pattern in _patterns_of(extractor))
    return frozenset().union(*needs)


def _judges_of(extractor: Any) -> Iterator[Any]:
    """Yield the functions `suitable` of a class, or of that of an instance, which yt-dlp keeps in
    the same place, and of those that it inherits from."""
    for each in (extractor if isinstance(extractor, type) else type(extractor)).__mro__:
        if each is not LazyLoadExtractor and "suitable" in vars(each):
            yield vars(each)["suitable"].__func__


def _only_narrows(suitable: Any) -> bool:
    """Say whether a `suitable` refuses whatever the pattern does not match, judged by its source.

    Most are the inherited one, but for what another extractor takes.
    """
    try:
        source = ast.parse(textwrap.dedent(inspect.getsource(suitable)))
    except OSError:
        return False
    ends = [node for node in ast.walk(source) if isinstance(node, ast.Return)]
    return bool(ends) and all(_needs_a_match(end.value) for end in ends)


def _needs_a_match(value: ast.expr | None) -> bool:
    """Say whether an expression is true only if the pattern matches."""
    match value:
        case ast.Constant(value=False):
            return True
        case ast.IfExp(body=body, orelse=other):
            return _needs_a_match(body) and _needs_a_match(other)
        case ast.BoolOp(op=ast.And(), values=values):
            return any(map(_needs_a_match, values))
        case ast.Call(func=function):
            return ast.unparse(function) in OF_THE_PATTERN
    return False


def needles_of(parsed: Parsed) -> frozenset[str]:
    """Return case-folded texts of which every match of a pattern contains at least one."""
    return frozenset(needle.casefold() for needle in _strictest(parsed))


def _strictest(parsed: Parsed) -> frozenset[str]:
    """Pick the requirement that the fewest URLs meet: usually the longest."""
    return max(_required(parsed), key=lambda needles: min(map(_worth, needles)))


def _worth(needle: str) -> int:
    return 0 if needle in NEARLY_EVERY_LINK else len(needle)


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
