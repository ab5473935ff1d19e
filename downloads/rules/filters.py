"""Filters of a subscription: which entries of a list become downloads. Pure.

What a list does not say of an entry is no reason to leave it: its length or date may be unknown.
"""

import time
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum
from typing import Protocol, Self
from urllib.parse import urlsplit

import regex

from downloads.rules.words import say

MAX_TEXT_LENGTH = 300
MAX_WORDS = 30
MAX_SECONDS = 7 * 24 * 3600
# A regular expression may take long by nature. All titles of a list share the longer time.
TITLE_SECONDS = 0.1
LIST_SECONDS = 2.0


class InvalidFilter(ValueError):
    """A filter that cannot be. The message is a sentence for a person; `field` was refused."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class TooSlow(Exception):
    """A regular expression takes too long for the titles of the list."""


class Listed(Protocol):
    """What the filters look at."""

    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def duration_seconds(self) -> float | None: ...
    @property
    def uploaded_at(self) -> datetime | None: ...
    @property
    def is_live(self) -> bool: ...


class Verdict(Enum):
    TAKE = "take"
    LEAVE = "leave"
    LATER = "later"  # it runs or is announced: judge it again when it is a video


class Pattern:
    """Words with commas between them, of which a title must have one; or /a regular expression/.

    Without regard to case. "": no title has it. Raises ValueError with a sentence.
    """

    def __init__(self, text: str) -> None:
        self._expression: regex.Pattern[str] | None = None
        self._words: tuple[str, ...] = ()
        self._seconds = 0.0
        if len(text) > MAX_TEXT_LENGTH:
            raise ValueError(say("At most {most} characters.", most=MAX_TEXT_LENGTH))
        if "\0" in text:
            raise ValueError(say("There is a control character in it."))
        if len(text) > 2 and text.startswith("/") and text.endswith("/"):
            try:
                self._expression = regex.compile(text[1:-1], regex.IGNORECASE)
            except (regex.error, OverflowError, RecursionError) as error:
                sentence = say("This is not a regular expression: {fault}.", fault=error)
                raise ValueError(sentence) from None
        else:
            words = (" ".join(word.split()).casefold() for word in text.split(","))
            self._words = tuple(filter(None, words))
            if len(self._words) > MAX_WORDS:
                raise ValueError(say("At most {most} words.", most=MAX_WORDS))

    def __bool__(self) -> bool:
        return bool(self._words or self._expression)

    def is_in(self, title: str) -> bool:
        """Whether a title has it. Raises TooSlow."""
        if self._expression is None:
            folded = " ".join(title.split()).casefold()
            return any(word in folded for word in self._words)
        began = time.perf_counter()
        try:
            return self._expression.search(title, timeout=TITLE_SECONDS) is not None
        except TimeoutError:
            raise TooSlow from None
        finally:
            self._seconds += time.perf_counter() - began
            if self._seconds > LIST_SECONDS:
                raise TooSlow


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which entries become downloads. Raises InvalidFilter."""

    include: str = ""  # see Pattern; "": every title
    exclude: str = ""  # see Pattern; "": no title
    min_seconds: int | None = None
    max_seconds: int | None = None
    since: date | None = None  # in UTC
    shorts: bool = True
    live: bool = False  # what runs or is announced; else it is taken when it is a video
    _include: Pattern = field(init=False, repr=False, compare=False)
    _exclude: Pattern = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("include", "exclude"):
            try:
                object.__setattr__(self, f"_{name}", Pattern(getattr(self, name)))
            except ValueError as fault:
                raise InvalidFilter(name, str(fault)) from None
        for name in ("min_seconds", "max_seconds"):
            seconds = getattr(self, name)
            if seconds is not None and not 0 <= seconds <= MAX_SECONDS:
                sentence = say("A length is from 0 to {most:,} seconds.", most=MAX_SECONDS)
                raise InvalidFilter(name, sentence)
        if self.max_seconds is not None and (self.min_seconds or 0) > self.max_seconds:
            sentence = say("The longest is shorter than the shortest.")
            raise InvalidFilter("max_seconds", sentence)

    @classmethod
    def of(cls, row: object) -> Self:
        """Take the filters of what has an attribute for each."""
        names = ("include", "exclude", "min_seconds", "max_seconds", "since", "shorts", "live")
        return cls(**{name: getattr(row, name) for name in names})

    def judge(self, entry: Listed) -> Verdict:
        """Say what becomes of an entry. Raises TooSlow."""
        if not self._lets_through(entry):
            return Verdict.LEAVE
        return Verdict.LATER if entry.is_live and not self.live else Verdict.TAKE

    def wants_list(self, url: str) -> bool:
        """Whether a list within a list is read: the tab of a channel, by its address."""
        tab = urlsplit(url).path.rstrip("/").rpartition("/")[2]
        return {"shorts": self.shorts, "streams": self.live, "live": self.live}.get(tab, True)

    def _lets_through(self, entry: Listed) -> bool:
        seconds, at = entry.duration_seconds, entry.uploaded_at
        if not self.shorts and "/shorts/" in urlsplit(entry.url).path:
            return False
        if seconds is not None and not entry.is_live:
            is_short = self.min_seconds is not None and seconds < self.min_seconds
            if is_short or (self.max_seconds is not None and seconds > self.max_seconds):
                return False
        if at is not None and self.since is not None and at.date() < self.since:
            return False
        if self._include and not self._include.is_in(entry.title):
            return False
        return not (self._exclude and self._exclude.is_in(entry.title))
