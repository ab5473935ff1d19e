"""The orders of the list of downloads, and keys by which a row has its place in one.

A key is a text of digits: keys of one order compare, as texts, as their rows follow each other. So
a page begins behind the key of the last row of the page before, and rows.js needs no more than a
comparison to know where a row belongs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.db.models import Q

from downloads.models import Download, DownloadQuerySet
from downloads.models.download import QUEUE_ORDER, Likely
from downloads.rules.states import RUNNING, State

DIGITS = 19
MIDDLE = 2**62  # what is added to a value, so that it is positive whether it rises or falls
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sort(StrEnum):
    NOW = "now"  # what runs, what waits in the order of the queue, what ended lately
    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, kw_only=True)
class Group:
    """Downloads that stand together in an order, before those of the next group."""

    condition: Q | Likely
    fields: tuple[str, ...]  # with "-" before those that fall

    def key_of(self, download: Download) -> str:
        return "".join(_digits(getattr(download, name.lstrip("-")), name) for name in self.fields)

    def behind(self, key: str, *, backwards: bool) -> Q:
        """Return the condition for what follows a key within the group, or precedes it."""
        condition, equal = Q(), Q()
        for name, digits in zip(self.fields, _parts(key), strict=True):
            rises = name.startswith("-") == backwards
            column, value = name.lstrip("-"), _value(digits, name)
            condition |= equal & Q(**{f"{column}__{'gt' if rises else 'lt'}": value})
            equal &= Q(**{column: value})
        # The first field alone bounds the walk of an index.
        column, digits = self.fields[0].lstrip("-"), next(_parts(key))
        bound = "gte" if self.fields[0].startswith("-") == backwards else "lte"
        return Q(**{f"{column}__{bound}": _value(digits, self.fields[0])}) & condition

    def ordered(self, downloads: DownloadQuerySet, *, backwards: bool) -> DownloadQuerySet:
        fields = map(_turned, self.fields) if backwards else self.fields
        return downloads.filter(self.condition).order_by(*fields)


ORDERS: dict[Sort, tuple[Group, ...]] = {
    Sort.NOW: (
        Group(condition=Q(state__in=RUNNING), fields=("id",)),
        Group(condition=Likely(Q(state=State.CREATED)), fields=QUEUE_ORDER),
        Group(condition=Q(finished_at__isnull=False), fields=("-finished_at", "-id")),
    ),
    Sort.NEWEST: (Group(condition=Q(), fields=("-id",)),),
    Sort.OLDEST: (Group(condition=Q(), fields=("id",)),),
}


def key_of(download: Download, sort: Sort) -> str:
    """Return the place of a download in an order as it is now."""
    for number, group in enumerate(ORDERS[sort]):
        if sort is not Sort.NOW or _is_in(download, number):
            return f"{number}{group.key_of(download)}"
    raise ValueError(f"no place for a download that is {download.state}")


def is_key(text: str, sort: Sort) -> bool:
    """Whether a text can be a key of this order."""
    groups = ORDERS[sort]
    if not (text.isascii() and text.isdigit() and int(text[0]) < len(groups)):
        return False
    return len(text) == 1 + DIGITS * len(groups[int(text[0])].fields)


def slice_of(
    downloads: DownloadQuerySet, sort: Sort, *, after: str | None, backwards: bool, count: int
) -> list[int]:
    """Read the primary keys of the next `count` downloads behind a key, in the order or against it.

    One query for each group that has to be looked into.
    """
    groups: Sequence[tuple[int, Group]] = list(enumerate(ORDERS[sort]))
    groups = groups[::-1] if backwards else groups
    found: list[int] = []
    for number, group in groups:
        rows = group.ordered(downloads, backwards=backwards)
        if after is not None:
            first = int(after[0])
            if (number > first) if backwards else (number < first):
                continue
            if number == first:
                rows = rows.filter(group.behind(after[1:], backwards=backwards))
        found += rows.values_list("pk", flat=True)[: count - len(found)]
        if len(found) == count:
            break
    return found


def _is_in(download: Download, number: int) -> bool:
    running, waiting = download.is_running, download.state == State.CREATED
    return (running, waiting, not (running or waiting))[number]


def _turned(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _digits(value: int | datetime | None, name: str) -> str:
    if isinstance(value, datetime):
        value = (value - EPOCH) // timedelta(microseconds=1)
    number = value or 0
    return f"{MIDDLE - number if name.startswith('-') else MIDDLE + number:0{DIGITS}d}"


def _value(digits: str, name: str) -> int | datetime:
    number = int(digits) - MIDDLE
    number = -number if name.startswith("-") else number
    if name.lstrip("-") != "finished_at":
        return number
    try:
        return EPOCH + timedelta(microseconds=number)
    except OverflowError:  # a key that somebody made up
        return EPOCH


def _parts(key: str) -> Iterator[str]:
    return (key[start : start + DIGITS] for start in range(0, len(key), DIGITS))
