"""The entries of one page of the library: filters, search, order, and pages by key.

Functions of a queryset and of the query in the address; knows no request and no template.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import urlencode

from django.db.models import Q

from downloads.library import search
from downloads.library.models import Card, CardQuerySet, Kind, Watched

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PAGE_SIZE = 50
MAX_TEXT_LENGTH = 500  # of a search, and of a value of a filter
MAX_NUMBER = 2**63 - 1  # what the database takes
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BETWEEN = "~"  # the value of a key and the entry's number


class Sort(StrEnum):
    """The names of `?sort=`."""

    ADDED = "added"
    OLDEST = "oldest"
    DATE = "date"  # of the video, as its site says
    TITLE = "title"
    LENGTH = "length"
    SIZE = "size"


class Look(StrEnum):
    """The names of `?view=`."""

    GRID = "grid"
    LIST = "list"


class Order(NamedTuple):
    """A column, and the entry's number where several have the same value."""

    column: str
    falls: bool


ORDERS = {
    Sort.ADDED: Order("added_at", falls=True),
    Sort.OLDEST: Order("added_at", falls=False),
    Sort.DATE: Order("dated_at", falls=True),
    Sort.TITLE: Order("sort_title", falls=False),
    Sort.LENGTH: Order("duration_seconds", falls=True),
    Sort.SIZE: Order("size_bytes", falls=True),
}
INSTANTS = frozenset({"added_at", "dated_at"})
# The columns of filters; `list` is the correlation id of a list.
COLUMNS = {
    "kind": "kind",
    "site": "site",
    "uploader": "uploader",
    "list": "listed_in__correlation_id",
}
FILTERS = (*COLUMNS, "subscription", "watched", "missing", "pinned")


@dataclass(frozen=True, kw_only=True)
class LibraryQuery:
    """The query in the address of the library. Of a filter "" lets everything through."""

    text: str = ""
    kind: str = ""
    site: str = ""
    uploader: str = ""
    list: str = ""
    subscription: str = ""  # the number of one
    watched: str = ""  # one of Watched: how far the reader is
    missing: str = ""  # "1": only those of which files were removed outside vnsite
    pinned: str = ""  # "1": only those
    sort: Sort = Sort.ADDED
    look: Look = Look.GRID
    after: str = ""  # show what follows this key of the order; "": from the beginning
    before: str = ""  # show what precedes it; `after` wins
    count: int = PAGE_SIZE

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Read the query of an address. A value that makes no sense counts as absent."""

        def text_of(name: str) -> str:
            # PostgreSQL refuses a NUL in a text.
            return parameters.get(name, "").replace("\0", "").strip()[:MAX_TEXT_LENGTH]

        kind, sort, look = text_of("kind"), text_of("sort"), text_of("view")
        watched, subscription = text_of("watched"), text_of("subscription")
        return cls(
            text=text_of("q"),
            kind=kind if kind in list(Kind) else "",
            site=text_of("site"),
            uploader=text_of("uploader"),
            list=text_of("list"),
            subscription=subscription if _is_number(subscription) else "",
            watched=watched if watched in list(Watched) else "",
            missing="1" if text_of("missing") else "",
            pinned="1" if text_of("pinned") else "",
            sort=Sort(sort) if sort in list(Sort) else Sort.ADDED,
            look=Look(look) if look in list(Look) else Look.GRID,
            after=text_of("after"),
            before=text_of("before"),
        )

    @property
    def filters(self) -> dict[str, str]:
        """The filters that are set, by their names in the address."""
        found = {name: str(getattr(self, name)) for name in FILTERS}
        return {name: value for name, value in found.items() if value}

    @property
    def is_narrowed(self) -> bool:
        return bool(self.text or self.filters)

    @property
    def is_first_page(self) -> bool:
        return not (self.after or self.before)

    @property
    def first_page(self) -> Self:
        return replace(self, after="", before="")

    def without(self, name: str) -> Self:
        """Return the first page without one of the filters."""
        changes: dict[str, Any] = {name: "", "after": "", "before": ""}
        return replace(self, **changes)

    @property
    def address(self) -> str:
        """The query that asks for this, with its "?"; defaults are left out."""
        parameters = {
            "q": self.text,
            **self.filters,
            "sort": "" if self.sort is Sort.ADDED else self.sort,
            "view": "" if self.look is Look.GRID else self.look,
            "after": self.after,
            "before": self.before,
        }
        return f"?{urlencode({name: value for name, value in parameters.items() if value})}"

    def select(self, cards: CardQuerySet, *, reader: "User") -> CardQuerySet:
        """Return the cards that filters and search let through, of all pages."""
        named = {column: str(getattr(self, name)) for name, column in COLUMNS.items()}
        conditions = [Q(**{column: value}) for column, value in named.items() if value]
        if self.subscription:
            conditions.append(search.of_subscription(reader, int(self.subscription)))
        if self.watched:
            conditions.append(search.watched_by(reader, Watched(self.watched)))
        if self.missing:
            conditions.append(Q(missing_at__isnull=False))
        if self.pinned:
            conditions.append(Q(pinned_at__isnull=False))
        return search.search(search.narrow(cards, conditions), self.text)


@dataclass(frozen=True, kw_only=True)
class LibraryPage:
    """At most `count` cards, and the queries of the pages beside them."""

    cards: list[Card]
    previous: LibraryQuery | None
    next: LibraryQuery | None


def page_of(cards: CardQuerySet, query: LibraryQuery, *, reader: "User") -> LibraryPage:
    """Read the page that a query asks for, of the cards that its reader may see."""
    order = ORDERS[query.sort]
    backwards = not query.after and bool(query.before)
    rows = query.select(cards, reader=reader).order_by(*_columns(order, backwards=backwards))
    if edge := _read_key(query.after or query.before, order):
        rows = rows.filter(_behind(order, edge, backwards=backwards))
    # One more than is shown: it tells whether there is a page behind this one.
    found = list(rows[: query.count + 1])
    shown, has_more = found[: query.count], len(found) > query.count
    if backwards:
        shown.reverse()
    if not shown:
        return LibraryPage(cards=[], previous=None, next=None)
    has_previous = has_more if backwards else edge is not None
    first, last = key_of(shown[0], query.sort), key_of(shown[-1], query.sort)
    return LibraryPage(
        cards=shown,
        previous=replace(query, after="", before=first) if has_previous else None,
        next=replace(query, after=last, before="") if backwards or has_more else None,
    )


def key_of(card: Card, sort: Sort) -> str:
    """Return the place of a card in an order, as a text."""
    value = getattr(card, ORDERS[sort].column)
    if isinstance(value, datetime):
        value = (value - EPOCH) // timedelta(microseconds=1)
    return f"{value}{BETWEEN}{card.pk}"


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= MAX_NUMBER


def _columns(order: Order, *, backwards: bool) -> Iterator[str]:
    sign = "-" if order.falls != backwards else ""
    return (f"{sign}{name}" for name in (order.column, "entry_id"))


def _behind(order: Order, edge: tuple[Any, int], *, backwards: bool) -> Q:
    value, number = edge
    how = "lt" if order.falls != backwards else "gt"
    beyond = Q(**{f"{order.column}__{how}": value})
    equal = Q(**{order.column: value, f"entry_id__{how}": number})
    # The column alone bounds the walk of an index.
    return Q(**{f"{order.column}__{how}e": value}) & (beyond | equal)


def _read_key(text: str, order: Order) -> tuple[Any, int] | None:
    """Return the value and the number of a key; None when it is not one of this order."""
    value, _, number = text.rpartition(BETWEEN)
    try:
        pk = int(number)
        if order.column == "sort_title":
            return (value, pk) if abs(pk) <= MAX_NUMBER else None
        if max(abs(pk), abs(int(value))) > MAX_NUMBER:
            return None
        if order.column not in INSTANTS:
            return int(value), pk
        return EPOCH + timedelta(microseconds=int(value)), pk
    except (ValueError, OverflowError):
        return None
