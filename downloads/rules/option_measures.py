"""The kinds of options that measure something: a part of a video, a rate, an instant. Pure."""

import re
import reprlib
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar

from downloads.rules.option_kinds import NOTHING, Option, Schema, or_null
from downloads.rules.words import say

_TIME = (
    r"(?:(?:[0-9]{1,3}:[0-5])?[0-9]:[0-5][0-9]|[0-9]{1,3}:[0-5][0-9]|[0-9]{1,7})(?:\.[0-9]{1,3})?"
)
_SPAN = re.compile(f"({_TIME})-({_TIME})?")
_RATE = re.compile(r"([0-9]{1,13}(?:\.[0-9]{1,3})?) ?([KMGkmg]?)(?:i?[Bb])?")
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


@dataclass(frozen=True, kw_only=True)
class Span(Option):
    """A part of a video, stored as `START-END` in seconds, `START-` to its end; None: all of it."""

    example: ClassVar[str] = "1:30-4:00"

    @property
    def default(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        examples = ["90-240", "1:30-4:00", "1:02:03.5-"]
        return or_null({"type": "string", "pattern": f"^{_SPAN.pattern}$", "examples": examples})

    @property
    def metavar(self) -> str:
        return "START-END"

    def checked(self, value: object) -> str | None:
        if value is None or value == NOTHING:
            return None
        found = _SPAN.fullmatch(value) if isinstance(value, str) and len(value) < 60 else None
        if not found:
            was = reprlib.repr(value)
            raise ValueError(say("{was} is not START-END, as 90-240, 1:30-4:00 or 90-.", was=was))
        start, end = _seconds(found[1]), _seconds(found[2]) if found[2] else None
        if end is not None and end <= start:
            raise ValueError(say("{was} ends before it starts.", was=reprlib.repr(value)))
        if end is None and not start:
            return None
        return f"{_plain(start)}-{'' if end is None else _plain(end)}"

    def as_text(self, value: str | None) -> str:
        if value is None:
            return NOTHING
        return "-".join(_clock(Decimal(each)) if each else "" for each in value.split("-"))

    def in_words(self, value: str | None) -> str:
        if value is None:
            return ""
        start, _, end = self.as_text(value).partition("-")
        if end:
            return say("Only {start} to {end}", start=start, end=end)
        return say("Only from {start} on", start=start)


def span_seconds(value: str) -> tuple[float, float | None]:
    """Return start and end of a stored span in seconds; the end None: to the end of the video."""
    start, _, end = value.partition("-")
    return float(start), float(end) if end else None


def _seconds(text: str) -> Decimal:
    seconds = Decimal(0)
    for part in text.split(":"):
        seconds = 60 * seconds + Decimal(part)
    return seconds


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _clock(seconds: Decimal) -> str:
    whole_minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(whole_minutes), 60)
    whole, dot, fraction = _plain(rest).partition(".")
    shown = f"{hours}:{minutes:02}" if hours else f"{minutes}"
    return f"{shown}:{whole.zfill(2)}{dot}{fraction}"


@dataclass(frozen=True, kw_only=True)
class Rate(Option):
    """Bytes per second, at least `least`; None: as fast as it comes."""

    least: int
    most: int
    example: ClassVar[str] = "2M"

    @property
    def default(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        number = {"type": "integer", "minimum": self.least, "maximum": self.most}
        text = {"type": "string", "pattern": f"^{_RATE.pattern}$", "examples": ["2M", "500K"]}
        return {"anyOf": [number, text, {"type": "null"}]}

    @property
    def metavar(self) -> str:
        return "BYTES"

    def checked(self, value: object) -> int | None:
        if value is None or value == NOTHING:
            return None
        rate = _bytes(value)
        if rate is None:
            was = reprlib.repr(value)
            raise ValueError(
                say("{was} is not a number of bytes a second, as 500K, 2M or 2097152.", was=was)
            )
        if not self.least <= rate <= self.most:
            raise ValueError(
                say(
                    "{was} is not from {least} to {most} bytes a second.",
                    was=reprlib.repr(value),
                    least=rate_text(self.least),
                    most=rate_text(self.most),
                )
            )
        return rate

    def as_text(self, value: int | None) -> str:
        return NOTHING if value is None else rate_text(value)

    def in_words(self, value: int | None) -> str:
        if value is None:
            return ""
        text = rate_text(value)
        shown = f"{text[:-1]} {text[-1]}iB/s" if text[-1] in _UNITS else f"{text} B/s"
        return say("At most {rate}", rate=shown)


def _bytes(value: object) -> int | None:
    """Return the number of bytes, None for what is not one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    return int(Decimal(found[1]) * _UNITS[found[2].upper()]) if found else None


def rate_text(rate: int) -> str:
    """Write bytes a second in the largest unit that needs no fraction: 2M, 1536K, 1500."""
    units = [unit for unit, size in _UNITS.items() if rate % size == 0]
    return f"{rate // _UNITS[units[-1]]}{units[-1]}"


@dataclass(frozen=True, kw_only=True)
class Instant(Option):
    """An instant, stored in UTC as `2026-11-29T03:00:00Z`; None: at once."""

    @property
    def default(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        return or_null({"type": "string", "format": "date-time"})

    @property
    def metavar(self) -> str:
        return "YYYY-MM-DDTHH:MMZ"

    def checked(self, value: object) -> str | None:
        if value is None or value == NOTHING:
            return None
        try:
            instant = datetime.fromisoformat(value) if isinstance(value, str) else None
            at = instant.astimezone(UTC) if instant and instant.tzinfo else None
        except (ValueError, OverflowError):
            at = None
        if at is None:
            was = reprlib.repr(value)
            raise ValueError(
                say("{was} is not an instant with its zone, as 2026-11-29T03:00+01:00.", was=was)
            )
        return f"{at.replace(tzinfo=None, microsecond=0).isoformat()}Z"

    def as_text(self, value: str | None) -> str:
        return NOTHING if value is None else value

    def in_words(self, value: str | None) -> str:
        if value is None:
            return ""
        return say("Not before {instant} UTC", instant=value[:16].replace("T", " "))
