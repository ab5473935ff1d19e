"""One thing that was checked, in a sentence with a remedy."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is, from good to bad; a failure means that downloads cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str  # what was checked, in a word or two
    level: Level
    sentence: str  # how it is
    fix: str = ""  # what to do about it; "" when it is fine


def ok(name: str, sentence: str) -> Check:
    return Check(name=name, level=Level.OK, sentence=sentence)


def warning(name: str, sentence: str, fix: str) -> Check:
    return Check(name=name, level=Level.WARNING, sentence=sentence, fix=fix)


def failure(name: str, sentence: str, fix: str) -> Check:
    return Check(name=name, level=Level.FAILURE, sentence=sentence, fix=fix)


def worst(checks: Iterable[Check]) -> Level:
    return max((check.level for check in checks), key=list(Level).index, default=Level.OK)
