"""How states, sizes, durations and instants are written on a page.

`size`, `duration` and `since` have twins in static/downloads/format.js, which patches the same
places: tests/web/test_format.py keeps them equal.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language, gettext_lazy

from downloads.rules.states import State

UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
UNKNOWN = "—"
GROUPED_FROM = {"es": 10_000}  # as Intl of browsers does
NOW = gettext_lazy("just now")
AGES = {
    "d": gettext_lazy("%(n)s d ago"),
    "h": gettext_lazy("%(n)s h ago"),
    "min": gettext_lazy("%(n)s min ago"),
    "s": gettext_lazy("%(n)s s ago"),
}
COMING = {
    "d": gettext_lazy("in %(n)s d"),
    "h": gettext_lazy("in %(n)s h"),
    "min": gettext_lazy("in %(n)s min"),
    "s": gettext_lazy("in %(n)s s"),
}


class Look(NamedTuple):
    """How a state appears everywhere. Its colour is the class `state-<state>`."""

    label: str | Promise
    icon: str


LOOKS: dict[State, Look] = {
    State.CREATED: Look(label=gettext_lazy("Waiting"), icon="circle-dashed"),
    State.INITIALIZING: Look(label=gettext_lazy("Preparing"), icon="folder-plus"),
    State.READY: Look(label=gettext_lazy("Ready"), icon="clock"),
    State.DOWNLOADING: Look(label=gettext_lazy("Downloading"), icon="arrow-down-to-line"),
    State.COMPLETED: Look(label=gettext_lazy("Completed"), icon="circle-check"),
    State.FAILED: Look(label=gettext_lazy("Failed"), icon="circle-x"),
    State.CANCELLED: Look(label=gettext_lazy("Cancelled"), icon="ban"),
    State.CLEANED: Look(label=gettext_lazy("Cleaned"), icon="sparkles"),
}


def size(count: float | None) -> str:
    """Write bytes with a binary prefix: three digits at most before the unit changes."""
    if count is None:
        return UNKNOWN
    if count < 1000:
        return f"{int(count)} B"
    value, units = count / 1024, iter(UNITS)
    unit = next(units)
    while value >= 999.5 and unit != UNITS[-1]:
        value, unit = value / 1024, next(units)
    return f"{_tenths(value)} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def duration(seconds: float) -> str:
    """Write a length of time in its two biggest units; under a minute in seconds."""
    if seconds < 0.95:
        return f"{_tenths(max(seconds, 0))} s"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


def _tenths(number: float) -> str:
    """Write a number with one decimal, and the separator of the reader's language."""
    return number_format(f"{number:.1f}")


def in_groups(number: int) -> str:
    """Write a whole number in groups of three digits; in Spanish only from five digits on."""
    return number_format(number, force_grouping=abs(number) >= GROUPED_FROM.get(language(), 0))


def language() -> str:
    """Return the language that is spoken now: "en" or "es"."""
    return (get_language() or settings.LANGUAGE_CODE).partition("-")[0]


def length(seconds: float) -> str:
    """Write how long a video is, as players do: 3:07, 1:02:03."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def since(seconds: float) -> str:
    """Write an age in one unit; a negative one is still to come."""
    age = abs(seconds)
    if age < 5:
        return str(NOW)
    lengths = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
    length, unit = next(each for each in lengths if age >= each[0])
    sentences = AGES if seconds > 0 else COMING
    return sentences[unit] % {"n": int(age // length)}


def instant(
    at: datetime, *, relative: bool = False, clock: bool = False, due: bool = False
) -> SafeString:
    """Make a <time>: relative to now, or the date and time in UTC until patch.js makes it local.

    `clock`: hours and minutes alone, of an instant near to now. `due`: when it comes, live.js asks
    for the part again that it stands in.
    """
    full = date_format(at, "DATETIME_FORMAT")
    kind, words = "local", full
    if relative:
        kind, words = "ago", since((timezone.now() - at).total_seconds())
    elif clock:  # rounded up: what is said to end then has ended
        kind, words = "clock", f"{at + timedelta(seconds=59):%H:%M} UTC"
    return format_html(
        '<time datetime="{}" title="{}" data-{}{}>{}</time>',
        at.isoformat(),
        full,
        kind,
        " data-due" if due else "",
        words,
    )


def ordinal(number: int) -> str:
    """Write a place: "12th", in Spanish "12.ª" (of a download, which is feminine there)."""
    if language() == "es":
        return f"{in_groups(number)}.ª"
    suffix = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{in_groups(number)}{'th' if number % 100 in (11, 12, 13) else suffix}"
