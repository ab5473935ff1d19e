"""The language of the search for downloads: words, quoted phrases and qualifiers like `host:`.

Values only. `models.search` says which downloads a part lets through, and the pages show the parts.
"""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Self, TypeAlias

from downloads.rules.errors import ErrorClass
from downloads.rules.states import ENDED, RUNNING, WAITING, Outcome, State
from downloads.rules.words import say

# A quotation mark that nothing closes quotes the rest.
PART = re.compile(r'(?:[^\s"]|"[^"]*(?:"|$))+')
QUALIFIED = re.compile(r"(?P<minus>-?)(?P<name>[a-z]+):(?P<value>.*)", re.IGNORECASE | re.DOTALL)
AGE = re.compile(r"(\d{1,4})([hdw])")
YEARS = range(1970, 3000)  # with room on both sides for any time zone
UNITS = {"h": "hours", "d": "days", "w": "weeks"}

# What `state:` takes: a state, an outcome, or one of the dashboard's filters.
STATES: dict[str, frozenset[State] | Outcome] = {
    **{state.value: frozenset({state}) for state in State},
    **{outcome.value: outcome for outcome in Outcome},
    "waiting": frozenset(WAITING),
    "running": frozenset(RUNNING),
    "active": frozenset(RUNNING),
    "kept": frozenset(ENDED),
}


class Is(StrEnum):
    """What `is:` takes."""

    PAUSED = "paused"
    LIST = "list"
    CHECKED = "checked"


Value: TypeAlias = str | date | timedelta | ErrorClass | Is | Outcome | frozenset[State]


class BadValue(ValueError):
    """The value of a qualifier makes no sense; the message is a sentence for whoever typed it."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of a search. A download must match all of them."""

    text: str  # as it was typed
    name: str = ""  # of the qualifier; "": a word or a phrase
    value: Value | None = None  # None: see fault
    is_negated: bool = False
    fault: str = ""  # a sentence: why it counts for nothing

    @classmethod
    def read(cls, text: str) -> Self:
        found = QUALIFIED.fullmatch(text)
        if found is None or (name := found["name"].lower()) not in QUALIFIERS:
            return cls(text=text, value=_unquoted(text))
        is_negated = bool(found["minus"])
        try:
            value = QUALIFIERS[name](_unquoted(found["value"]).strip())
        except BadValue as fault:
            return cls(text=text, name=name, is_negated=is_negated, fault=str(fault))
        return cls(text=text, name=name, value=value, is_negated=is_negated)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search, part by part."""

    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a search. Whatever is no qualifier is text; nothing is refused."""
        parts = (Part.read(found) for found in PART.findall(text))
        return cls(parts=tuple(part for part in parts if part.value != ""))

    @property
    def faults(self) -> list[str]:
        return [part.fault for part in self.parts if part.fault]

    def without(self, index: int) -> str:
        """Return the text of this search without one of its parts."""
        return " ".join(part.text for at, part in enumerate(self.parts) if at != index)


def checked(text: str) -> str:
    """Return the text of a search. Raises BadValue for the first part that makes no sense."""
    for fault in Search.parse(text).faults:
        raise BadValue(fault)
    return text


def _unquoted(text: str) -> str:
    return text.replace('"', "")


def _word(example: str) -> Callable[[str], str]:
    """Return a reader of any word; `example` is a whole part."""

    def read(text: str) -> str:
        if not text:
            raise BadValue(say("A value is missing, as in “{example}”.", example=example))
        return text

    return read


def _host(text: str) -> str:
    return _word("host:example.org")(text).lower().removeprefix("www.")


def _identifier(example: str) -> Callable[[str], str]:
    return lambda text: _word(example)(text).lower()


def _state(text: str) -> frozenset[State] | Outcome:
    try:
        return STATES[text.lower()]
    except KeyError:
        raise _unknown("state", text, ", ".join(STATES)) from None


def _error(text: str) -> ErrorClass:
    try:
        return ErrorClass(text.lower().replace("-", "_"))
    except ValueError:
        raise _unknown("error", text, ", ".join(ErrorClass)) from None


def _is(text: str) -> Is:
    try:
        return Is(text.lower())
    except ValueError:
        raise _unknown("is", text, ", ".join(Is)) from None


def _unknown(name: str, text: str, known: str) -> BadValue:
    return BadValue(
        say(
            "“{name}:” does not know “{text}”. It takes: {known}.",
            name=name,
            text=text,
            known=known,
        )
    )


def _time(text: str) -> date | timedelta:
    """Read a day, or an age like 12h, 7d or 2w."""
    if age := AGE.fullmatch(text.lower()):
        return timedelta(**{UNITS[age[2]]: int(age[1])})
    with suppress(ValueError):
        if (day := date.fromisoformat(text)).year in YEARS:
            return day
    raise BadValue(
        say("“{text}” is neither a day like 2026-11-03 nor an age like 12h, 7d or 2w.", text=text)
    )


QUALIFIERS: dict[str, Callable[[str], Value]] = {
    "host": _host,
    "state": _state,
    "error": _error,
    "id": _identifier("id:0123456789ab"),
    "after": _time,
    "before": _time,
    "owner": _word("owner:anna"),
    "batch": _identifier("batch:0123456789ab"),
    "is": _is,
}
