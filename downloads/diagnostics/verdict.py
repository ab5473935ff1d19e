"""One thing that was checked, in a sentence with a remedy.

Checks are kept for a while, and read in several languages: `phrase` is said when it is shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from django.utils.formats import number_format
from django.utils.functional import Promise, lazy

from downloads.rules.words import say, say_number

phrase = lazy(say, str)
phrase_number = lazy(say_number, str)
Words = str | Promise


def _listed(parts: Iterable[Words]) -> str:
    return ", ".join(map(str, parts))


def _tenths(number: float) -> str:
    return number_format(number, 1)


listed = lazy(_listed, str)
tenths = lazy(_tenths, str)


class Level(StrEnum):
    """How bad it is, from good to bad; a failure means that downloads cannot work."""

    OK = "ok"
    NOTE = "note"  # nothing is wrong, and somebody may want to know
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str  # what was checked, in a word or two of English
    level: Level
    sentence: Words  # how it is
    fix: Words = ""  # what to do about it; "" when it is fine


def ok(name: str, sentence: Words) -> Check:
    return Check(name=name, level=Level.OK, sentence=sentence)


def note(name: str, sentence: Words, fix: Words = "") -> Check:
    return Check(name=name, level=Level.NOTE, sentence=sentence, fix=fix)


def warning(name: str, sentence: Words, fix: Words) -> Check:
    return Check(name=name, level=Level.WARNING, sentence=sentence, fix=fix)


def failure(name: str, sentence: Words, fix: Words) -> Check:
    return Check(name=name, level=Level.FAILURE, sentence=sentence, fix=fix)


def worst(checks: Iterable[Check]) -> Level:
    return max((check.level for check in checks), key=list(Level).index, default=Level.OK)
