"""The entries of one page of a listing: search, the order of the site, and pages by position.

Functions of a queryset and of the query in the address; knows no request and no template.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import urlencode

from downloads.models import Entry
from downloads.models.listings import EntryQuerySet
from downloads.web.listing import MAX_TEXT_LENGTH

PAGE_SIZE = 200
MAX_POSITION = 2**63 - 1  # what the database takes for a number


@dataclass(frozen=True, kw_only=True)
class EntriesQuery:
    """The query in the address of a listing's page."""

    text: str = ""
    after: int | None = None  # show what follows this position
    before: int | None = None  # show what precedes it; `after` wins
    ticks: bool = False  # with all that is shown selected, for browsers without JavaScript

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Read the query of an address. A value that makes no sense counts as absent."""
        return cls(
            # PostgreSQL refuses a NUL in a text.
            text=parameters.get("q", "").replace("\0", "").strip()[:MAX_TEXT_LENGTH],
            after=_position(parameters.get("after")),
            before=_position(parameters.get("before")),
            ticks=parameters.get("tick") == "page",
        )

    @property
    def address(self) -> str:
        """The query that asks for this, with its "?"; defaults are left out."""
        parameters = {
            "q": self.text,
            "after": self.after,
            "before": self.before,
            "tick": "page" if self.ticks else "",
        }
        return f"?{urlencode({key: value for key, value in parameters.items() if value})}"


@dataclass(frozen=True, kw_only=True)
class EntryPage:
    """At most PAGE_SIZE entries and the queries of the pages beside them."""

    entries: list[Entry]
    previous: EntriesQuery | None
    next: EntriesQuery | None


def page_of(entries: EntryQuerySet, query: EntriesQuery) -> EntryPage:
    """Read the page of a listing's entries that `query` asks for. One query, whatever the page."""
    found = entries.search(query.text)
    backwards = query.after is None and query.before is not None
    if query.after is not None:
        found = found.filter(position__gt=query.after)
    elif query.before is not None:
        found = found.filter(position__lt=query.before)
    # One more than is shown: it tells whether there is a page behind this one.
    rows = list(found.order_by("-position" if backwards else "position")[: PAGE_SIZE + 1])
    shown, has_more = rows[:PAGE_SIZE], len(rows) > PAGE_SIZE
    if not shown:
        return EntryPage(entries=[], previous=None, next=None)
    if backwards:
        shown.reverse()
    beside = replace(query, after=None, before=None, ticks=False)
    has_previous = has_more if backwards else query.after is not None
    return EntryPage(
        entries=shown,
        previous=replace(beside, before=shown[0].position) if has_previous else None,
        next=replace(beside, after=shown[-1].position) if backwards or has_more else None,
    )


def _position(text: str | None) -> int | None:
    """Read the position at which a page begins or ends; None when it is not one."""
    if not text or not (text.isascii() and text.isdigit() and len(text) < 20):
        return None
    return min(int(text), MAX_POSITION)
