"""The kinds of options: for each, which values it takes and how these are written.

A kind reads JSON, form and command-line values alike and knows one stored form for each wish, so
that equal wishes are equal. What an option is called and means stands in `options`; the kinds that
measure something stand in `option_measures`. Pure.
"""

import re
import reprlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from downloads.rules.words import grouped, marked, say

Schema = dict[str, Any]  # JSON Schema, as OpenAPI has it

NOTHING = "none"  # in a form or a flag: null, or an empty list
LANGUAGE = re.compile("[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
MAX_LANGUAGE_LENGTH = 35  # as RFC 5646 recommends


class Group(StrEnum):
    """What options are about: the headings above them in a form."""

    FILE = marked("Picture and sound")
    BESIDE = marked("Beside the file")
    INSIDE = marked("In the file")
    WHICH = marked("Which part, and when")


@dataclass(frozen=True, kw_only=True)
class Option(ABC):
    """One option: its words, its default, and the values that it can have."""

    label: str
    description: str  # one or two sentences: in the form, in `--help` and in the API's schema
    group: Group
    of_one_link: bool = False  # means nothing for another link: no preset has it, no page keeps it
    example: ClassVar[str] = ""  # of a value that is typed

    @property
    @abstractmethod
    def default(self) -> Any: ...

    @property
    @abstractmethod
    def schema(self) -> Schema: ...

    @property
    @abstractmethod
    def metavar(self) -> str:
        """The value in `--help`."""

    @abstractmethod
    def checked(self, value: object) -> Any:
        """Return the stored form of a value. Raises ValueError with a sentence for any other."""

    @abstractmethod
    def as_text(self, value: Any) -> str:
        """Write a stored value as a form or a flag takes it."""

    def in_words(self, value: Any) -> str:
        """Describe a stored value; "" for the default where nobody asks for it."""
        return "" if value == self.default else _named(self.label, self.as_text(value))

    def in_short(self, value: Any) -> str:
        """Describe a value that differs from the default, for a row."""
        return self.in_words(value)


@dataclass(frozen=True, kw_only=True)
class Choice(Option):
    """One of a closed set of values, of which the first is the default."""

    labels: Mapping[str | None, str]  # value to its words; None is null in JSON
    stands_alone: bool = False  # its words need no label; the default is said as well
    in_rows: Mapping[str | None, str] = field(default_factory=dict)  # values that a row cannot name

    @property
    def default(self) -> str | None:
        return next(iter(self.labels))

    @property
    def words(self) -> tuple[str, ...]:
        """The values that can be named: all but None."""
        return tuple(value for value in self.labels if value is not None)

    @property
    def schema(self) -> Schema:
        named = {"type": "string", "enum": list(self.words)}
        return or_null(named) if None in self.labels else named

    @property
    def metavar(self) -> str:
        return f"{{{','.join(map(self.as_text, self.labels))}}}"

    def checked(self, value: object) -> str | None:
        for allowed in self.labels:
            if value == allowed or (value == NOTHING and allowed is None):
                return allowed
        raise ValueError(_not_one_of(value, self.words))

    def as_text(self, value: str | None) -> str:
        return NOTHING if value is None else value

    def in_words(self, value: str | None) -> str:
        if self.stands_alone:
            return say(self.labels[value])
        return "" if value == self.default else _named(self.label, _lower(say(self.labels[value])))

    def in_short(self, value: str | None) -> str:
        if not self.stands_alone:
            return self.in_words(value)
        return say(self.in_rows.get(value, self.as_text(value)))


@dataclass(frozen=True, kw_only=True)
class CountedChoice(Choice):
    """A choice with one more value, `first:N`, of which N is a number from 1 to `most`."""

    most: int
    counted_label: str  # with a {number}

    @property
    def schema(self) -> Schema:
        first = {"type": "string", "pattern": "^first:[1-9][0-9]*$", "examples": ["first:10"]}
        return {"anyOf": [super().schema, first]}

    @property
    def metavar(self) -> str:
        return f"{{{','.join(self.words)},first:N}}"

    def checked(self, value: object) -> str | None:
        if not isinstance(value, str) or not value.startswith("first:"):
            for allowed in self.labels:
                if value == allowed:
                    return allowed
            raise ValueError(_not_one_of(value, (*self.words, "first:N")))
        number = value.removeprefix("first:")
        if not re.fullmatch("[0-9]{1,9}", number) or not 1 <= int(number) <= self.most:
            raise ValueError(
                say(
                    "{was} needs a number from 1 to {most:,}.",
                    was=reprlib.repr(value),
                    most=self.most,
                )
            )
        return f"first:{int(number)}"

    def in_words(self, value: str | None) -> str:
        count = counted(value)
        return super().in_words(value) if count is None else self.counted_words(grouped(count))

    def counted_words(self, number: str) -> str:
        """Describe the first `number` of them."""
        return say(self.counted_label, number=number)


def counted(value: str | None) -> int | None:
    """Return the N of a stored `first:N`, None for any other value."""
    is_counted = value is not None and value.startswith("first:")
    return int(value.removeprefix("first:")) if value and is_counted else None


@dataclass(frozen=True, kw_only=True)
class Flag(Option):
    """Yes or no."""

    is_on: bool = False  # by default
    words: str  # of the value that is not the default

    @property
    def default(self) -> bool:
        return self.is_on

    @property
    def schema(self) -> Schema:
        return {"type": "boolean"}

    @property
    def metavar(self) -> str:
        return "{true,false}"

    def checked(self, value: object) -> bool:
        if isinstance(value, bool):
            return value
        if value in ("true", "false"):
            return value == "true"
        raise ValueError(_not_one_of(value, ("true", "false")))

    def as_text(self, value: bool) -> str:
        return str(value).lower()

    def in_words(self, value: bool) -> str:
        return "" if value == self.default else say(self.words)


@dataclass(frozen=True, kw_only=True)
class Subset(Option):
    """Any of a closed set of values, in its order; none of them by default."""

    labels: Mapping[str, str]  # value to its words

    @property
    def default(self) -> tuple[str, ...]:
        return ()

    @property
    def schema(self) -> Schema:
        items = {"type": "string", "enum": list(self.labels)}
        return {"type": "array", "items": items, "uniqueItems": True}

    @property
    def metavar(self) -> str:
        return f"{{{','.join(self.labels)}}}[,...]"

    def checked(self, value: object) -> tuple[str, ...]:
        given = _listed(value)
        for each in given:
            if each not in self.labels:
                raise ValueError(_not_one_of(each, self.labels))
        return tuple(each for each in self.labels if each in given)

    def as_text(self, value: tuple[str, ...]) -> str:
        return ",".join(value) or NOTHING

    def in_words(self, value: tuple[str, ...]) -> str:
        named = ", ".join(_lower(say(self.labels[each])) for each in value)
        return _named(self.label, named) if value else ""


@dataclass(frozen=True, kw_only=True)
class Languages(Option):
    """Languages in the form of BCP 47, in the order of preference, or "all"; none by default."""

    most: int
    example: ClassVar[str] = "en, es-419"

    @property
    def default(self) -> tuple[str, ...]:
        return ()

    @property
    def schema(self) -> Schema:
        items = {
            "type": "string",
            "pattern": f"^{LANGUAGE.pattern}$",
            "maxLength": MAX_LANGUAGE_LENGTH,
        }
        examples = [["en", "es-419"], ["all"]]
        return {"type": "array", "items": items, "maxItems": self.most, "examples": examples}

    @property
    def metavar(self) -> str:
        return "LANGUAGE[,...]"

    def checked(self, value: object) -> tuple[str, ...]:
        given = tuple(dict.fromkeys(_listed(value)))
        for each in given:
            if len(each) > MAX_LANGUAGE_LENGTH or not LANGUAGE.fullmatch(each):
                was = reprlib.repr(each)
                raise ValueError(say("{was} is not a language as en, es-419 or all.", was=was))
        if len(given) > self.most:
            raise ValueError(say("At most {most} languages can be chosen, or all.", most=self.most))
        return ("all",) if "all" in given else given

    def as_text(self, value: tuple[str, ...]) -> str:
        return ", ".join(value) or NOTHING

    def in_words(self, value: tuple[str, ...]) -> str:
        return (
            _named(self.label, say("all languages")) if "all" in value else super().in_words(value)
        )


def _listed(value: object) -> tuple[str, ...]:
    """Read a list of strings, or one string that has them separated by commas or spaces."""
    if isinstance(value, str):
        return tuple(re.findall(r"[^,\s]+", "" if value == NOTHING else value))
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise ValueError(say("{was} is not a list of words.", was=reprlib.repr(value)))


def or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _named(label: str, value: str) -> str:
    return say("{label}: {value}", label=say(label), value=value)


def _not_one_of(value: object, allowed: Iterable[str | None]) -> str:
    named = ", ".join(each for each in allowed if each is not None)
    return say("{was} is not one of {allowed}.", was=reprlib.repr(value), allowed=named)


def _lower(words: str) -> str:
    """Begin with a small letter, but not when it is an abbreviation."""
    return words if words[1:2].isupper() else words[:1].lower() + words[1:]
