"""Finds the links in a text as people have them: a shared message, Markdown, HTML, a list.

Pure, and in linear time. `downloads.rules.links` decides whether what is found is a link that can
be downloaded; here only its ends are found. Whatever looks meant as a link is found, so that a
wrong one gets a sentence; the rest of the text is left over.
"""

# ruff: noqa: RUF001 - the signs that look like others are the matter here

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# Hints for line breaks and directions, which come along when a link is copied from a page.
_UNSEEN = "\u00ad\u200b\u200e\u200f\u2060\ufeff"
_UNSEEN_BEFORE_A_LINK = re.compile(rf"[{_UNSEEN}]+(?=https?://)", re.IGNORECASE)
_DROP_UNSEEN = dict.fromkeys(map(ord, _UNSEEN))

_LABEL = r"[^\W_](?:[\w-]{0,61}\w)?"
_HOST = (
    rf"(?:www\.(?=\w)|(?:(?:{_LABEL}\.){{1,9}}[^\W\d_]{{2,63}}|(?:\d{{1,3}}\.){{3}}\d{{1,3}}|localhost)"
    r"(?::\d{1,5})?(?=/\S))"
)
_START = re.compile(
    r"(?P<whole>https?://)"
    # Another scheme, or one that is written wrong. `view-source:https://…` is text and a link.
    r"|(?<![\w.+-])(?P<wrong>(?![\w.+-]{0,31}https?://)[a-z][a-z0-9.+-]{1,31}://"
    r"|(?:blob|data|file|filesystem|javascript|magnet|\w{2,16}search\w{0,5}|https?):(?=[^\s:]))"
    rf"|(?<![\w@.:/=&?%#+~-])(?P<bare>(?://)?{_HOST})",
    re.IGNORECASE,
)
_END = re.compile(
    r"""[\s<>"`“”„‟«»‹›「」『』【】《》]|,(?=https?://)|\[/|&(?:quot|lt|gt|\#34|\#39);""",
    re.IGNORECASE,
)
_END_OF_PATH = re.compile("[，。、；！？（）،؛؟]")  # no space follows these; a host may have 。
_PAIRS = {"(": ")", "[": "]", "{": "}", "'": "'", "‘": "’", "*": "*", "＜": "＞", "|": "|"}
_BRACKETS = {")": "(", "]": "[", "}": "{"}
_AFTER_A_LINK = frozenset(".,;:!?'’*…\ufe0f")
_DECORATIONS = frozenset({"Cf", "So", "Sk"})  # Unicode categories: invisible signs and emoji
_SEPARATORS = ",;"  # of the columns of a table
# `<link|text>` of Slack, `[[link|text]]` of a wiki.
_OPEN_BEFORE_A_BAR = ("<", "[[")
_AMPERSAND = re.compile("&(?:amp|#38|#x26);", re.IGNORECASE)
# Names of languages, which look like links.
_DECLARATION = re.compile(
    r"""<!doctype[^>]*>|\sxmlns(?::\w+)?\s*=\s*(?:"[^"]*"|'[^']*')""", re.IGNORECASE
)
_MARKUP = re.compile(r"""</[a-z][\w:-]*\s*>|<[a-z][^<>]*=\s*["']""", re.IGNORECASE)
_PART_OF_A_TAG = re.compile(r"^[^<>]*>|<[a-z/!?][^<>]*>|<[a-z/!?][^<>]*$", re.IGNORECASE)
_AROUND_WORDS = " \t<>()[]{}\"'`“”„«»‹›|*-–—•,;"


@dataclass(frozen=True, kw_only=True)
class FoundLink:
    """A part of a text that looks meant as a link."""

    typed: str  # as it stands there, without the signs around it
    url: str  # with a scheme
    line: int  # from 1


@dataclass(frozen=True, kw_only=True)
class Findings:
    """Each link once, in order, and the words between them that are not links."""

    links: tuple[FoundLink, ...]
    left_over: tuple[str, ...]


def find_links(text: str) -> Findings:
    """Find the links in a text, and the words that are left over.

    Signs around a link are not part of it: quotes, brackets that it does not open, `<…>`,
    Markdown, HTML, separators of a table, punctuation and emoji after it, invisible characters.
    One without a scheme is found when it has a path or begins with `www.`: it gets `https://`, or
    `http://` when it names another port.
    """
    text = _prepared(text)
    between = _PART_OF_A_TAG if _MARKUP.search(text) else None
    links: dict[str, FoundLink] = {}
    left_over: list[str] = []
    line, position = 1, 0
    for start, end, url in _spans(text):
        left_over += _words(text[position:start], without=between)
        line += text.count("\n", position, start)
        links.setdefault(url, FoundLink(typed=text[start:end], url=url, line=line))
        position = end
    left_over += _words(text[position:], without=between)
    return Findings(links=tuple(links.values()), left_over=tuple(left_over))


def _prepared(text: str) -> str:
    """Return a text of as many lines without what hides links or looks like one."""
    text = _UNSEEN_BEFORE_A_LINK.sub(" ", text).translate(_DROP_UNSEEN)
    if r":\/\/" in text:  # JSON
        text = text.replace(r"\/", "/")
    return _DECLARATION.sub(lambda found: "\n" * found[0].count("\n") or " ", text)


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield where each link begins and ends, and the link with its scheme."""
    separator = _separator(text)
    position = 0
    while match := _START.search(text, position):
        start = match.start()
        if match["wrong"] and text[max(start - 2, 0) : start] in ('="', "='"):
            position = match.end()  # an icon or a script in HTML
            continue
        end = _end_of(text, match, separator=separator, after=position)
        position = end
        typed = text[start:end]
        url = _AMPERSAND.sub("&", typed)
        yield start, end, _with_scheme(url) if match["bare"] else url


def _separator(text: str) -> str:
    """Return what separates the columns of a table whose first line are their names; else ""."""
    heading, *rows = [line for line in text.splitlines() if line.strip()] or [""]
    if not rows or _START.search(heading):
        return ""
    for sign in _SEPARATORS:
        count = heading.count(sign)
        if count and all(_outside_of_quotes(row).count(sign) >= count for row in rows):
            return sign
    return ""


def _outside_of_quotes(row: str) -> str:
    return "".join(row.split('"')[::2])


def _with_scheme(typed: str) -> str:
    rest = typed.removeprefix("//")
    port = re.match(r"[^/:]+:(\d+)", rest)
    return f"http://{rest}" if port and port[1] != "443" else f"https://{rest}"


def _end_of(text: str, start: re.Match[str], *, separator: str, after: int) -> int:
    """Return where a link ends. `after` is where the one before it ended."""
    found = _END.search(text, start.end())
    end = found.start() if found else len(text)
    path = text.find("/", start.end(), end)
    if path >= 0 and (sign := _END_OF_PATH.search(text, path, end)):
        end = sign.start()
    opened = text[max(start.start() - 1, 0) : start.start()]
    if opened in _PAIRS:
        end = _closing(text, opened, start.end(), end)
    if text.endswith(_OPEN_BEFORE_A_BAR, after, start.start()):
        end = _before(text, "|", start.end(), end)
    # A column before it is not a link: in a list of links a comma may belong to one.
    is_column = opened in _SEPARATORS and text[after : start.start()].strip(" \t,;")
    if separator or (opened and is_column):
        end = _before(text, separator or opened, start.end(), end)
    end = _before_unopened(text, start.end(), end)
    return _without_signs(text, start.end(), end)


def _before(text: str, sign: str, start: int, end: int) -> int:
    found = text.find(sign, start, end)
    return found if found >= 0 else end


def _before_unopened(text: str, start: int, end: int) -> int:
    """Return where a `]` stands that closes what the link did not open; else `end`."""
    depth = 0
    for sign in re.compile(r"[\[\]]").finditer(text, start, end):
        depth += 1 if sign[0] == "[" else -1
        if depth < 0:
            return sign.start()
    return end


def _closing(text: str, opened: str, start: int, end: int) -> int:
    """Return where the pair closes that was opened directly before the link; else `end`."""
    closes, depth = _PAIRS[opened], 1
    for position in range(start, end):
        if text[position] == closes:
            depth -= 1
        elif text[position] == opened:
            depth += 1
        if not depth:
            return position
    return end


def _without_signs(text: str, start: int, end: int) -> int:
    """Return the end of a link without the punctuation after it, brackets of its own kept."""
    balance = dict.fromkeys(_BRACKETS, 0)
    for character in text[start:end]:
        if character in _BRACKETS:
            balance[character] += 1
        for close, opening in _BRACKETS.items():
            balance[close] -= character == opening
    while end > start:
        last = text[end - 1]
        if last in _BRACKETS and balance[last] > 0:
            balance[last] -= 1
        elif last not in _AFTER_A_LINK and unicodedata.category(last) not in _DECORATIONS:
            break
        end -= 1
    return end


def _words(text: str, *, without: re.Pattern[str] | None) -> Iterator[str]:
    """Yield the lines of a text between links that hold a word."""
    for line in (without.sub("\n", text) if without else text).splitlines():
        words = line.strip(_AROUND_WORDS)
        if any(character.isalpha() for character in words):
            yield words
