"""The downloads of one page of the dashboard: filter, search, order, and pages by key.

Functions of a queryset and of the query in the address; knows no request and no template.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Self, TypeVar
from urllib.parse import urlencode

from django.db.models import Q
from django.utils.translation import gettext, gettext_noop

from downloads.models import Counts, Download, DownloadQuerySet, SavedView
from downloads.rules.search import Search
from downloads.rules.states import ENDED, RUNNING, WAITING, Outcome
from downloads.web.order import Sort, is_key, key_of, slice_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

Word = TypeVar("Word", bound=StrEnum)

PAGE_SIZE = 50
PAGE_SIZES = (25, PAGE_SIZE, 100)
MAX_TEXT_LENGTH = 500  # of a search


class Filter(StrEnum):
    """The names of `?state=`."""

    ALL = "all"
    ACTIVE = "active"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    NOT_CLEANED = "not_cleaned"

    @property
    def label(self) -> str:
        return gettext(LABELS[self])


LABELS = {
    Filter.ALL: gettext_noop("All"),
    Filter.ACTIVE: gettext_noop("Running"),
    Filter.WAITING: gettext_noop("Waiting"),
    Filter.COMPLETED: gettext_noop("Completed"),
    Filter.FAILED: gettext_noop("Failed"),
    Filter.CANCELLED: gettext_noop("Cancelled"),
    Filter.NOT_CLEANED: gettext_noop("Temp files kept"),
}


CONDITIONS: dict[Filter, Q] = {
    Filter.ALL: Q(),
    Filter.ACTIVE: Q(state__in=RUNNING),
    Filter.WAITING: Q(state__in=WAITING),
    Filter.COMPLETED: Q(outcome=Outcome.COMPLETED),
    Filter.FAILED: Q(outcome=Outcome.FAILED),
    Filter.CANCELLED: Q(outcome=Outcome.CANCELLED),
    Filter.NOT_CLEANED: Q(state__in=ENDED),
}


@dataclass(frozen=True, kw_only=True)
class ListQuery:
    """The query in the address of the dashboard."""

    filter: Filter = Filter.ALL
    text: str = ""
    sort: Sort = Sort.NOW
    after: str | None = None  # show what follows this key of the order
    before: str | None = None  # show what precedes it; `after` wins
    rows: int = PAGE_SIZE  # of one page; one of PAGE_SIZES

    @classmethod
    def parse(cls, parameters: Mapping[str, str]) -> Self:
        """Read the query of an address. A value that makes no sense counts as absent."""
        sort = _member(Sort, parameters.get("sort"), Sort.NOW)
        rows = parameters.get("rows")
        return cls(
            filter=_member(Filter, parameters.get("state"), Filter.ALL),
            # PostgreSQL refuses a NUL in a text.
            text=parameters.get("q", "").replace("\0", "").strip()[:MAX_TEXT_LENGTH],
            sort=sort,
            after=_key(parameters.get("after"), sort),
            before=_key(parameters.get("before"), sort),
            rows=next((size for size in PAGE_SIZES if str(size) == rows), PAGE_SIZE),
        )

    @classmethod
    def of(cls, view: SavedView) -> Self:
        return cls.parse({"state": view.filter, "q": view.text, "sort": view.sort})

    @property
    def search(self) -> Search:
        return Search.parse(self.text)

    @property
    def is_first_page(self) -> bool:
        return self.after is None and self.before is None

    @property
    def is_narrowed(self) -> bool:
        return self.filter is not Filter.ALL or bool(self.text)

    @property
    def may_be_saved(self) -> bool:
        """Whether a view would show more than a link of the page does, all of it understood."""
        is_more = bool(self.text) or self.sort is not Sort.NOW
        return is_more and not self.search.faults

    @property
    def address(self) -> str:
        """The query that asks for this, with its "?"; defaults are left out."""
        parameters: dict[str, str | None] = {
            "state": self.filter if self.filter is not Filter.ALL else None,
            "q": self.text or None,
            "sort": self.sort if self.sort is not Sort.NOW else None,
            "after": self.after,
            "before": self.before,
            "rows": str(self.rows) if self.rows != PAGE_SIZE else None,
        }
        return f"?{urlencode({key: value for key, value in parameters.items() if value})}"

    @property
    def first_page(self) -> Self:
        return replace(self, after=None, before=None)

    def select(self, downloads: DownloadQuerySet) -> DownloadQuerySet:
        """Return the downloads that filter and search let through, of all pages."""
        if self.filter is not Filter.ALL:
            downloads = downloads.those(CONDITIONS[self.filter])
        return downloads.search(self.text)


@dataclass(frozen=True, kw_only=True)
class Page:
    """At most `rows` downloads, and the queries of the pages beside them."""

    downloads: list[Download]
    previous: ListQuery | None
    next: ListQuery | None


def page_of(downloads: DownloadQuerySet, query: ListQuery) -> Page:
    """Read the page of the downloads that `query` asks for.

    At most a query for each group finds which they are; one more fetches all that `downloads` says.
    """
    backwards = query.after is None and query.before is not None
    edge = query.before if backwards else query.after
    # One more than is shown: it tells whether there is a page behind this one.
    keys = slice_of(
        query.select(downloads), query.sort, after=edge, backwards=backwards, count=query.rows + 1
    )
    has_more, found = len(keys) > query.rows, downloads.in_bulk(keys[: query.rows])
    shown = [found[key] for key in keys if key in found]
    if backwards:
        shown.reverse()
    if not shown:
        return Page(downloads=[], previous=None, next=None)
    first, last = key_of(shown[0], query.sort), key_of(shown[-1], query.sort)
    has_previous = has_more if backwards else query.after is not None
    return Page(
        downloads=shown,
        previous=replace(query, after=None, before=first) if has_previous else None,
        next=replace(query, after=last, before=None) if backwards or has_more else None,
    )


def counts_by_filter(user: "User | AnonymousUser") -> dict[Filter, int]:
    """Count the downloads that a user sees, by filter. Searches are left out of account."""
    counts = Counts.objects.visible_to(user)
    states, outcomes = counts.by_state_and_outcome()
    return {
        Filter.ALL: sum(states.values()),
        Filter.ACTIVE: sum(states[state] for state in RUNNING),
        Filter.WAITING: sum(states[state] for state in WAITING),
        Filter.COMPLETED: outcomes[Outcome.COMPLETED],
        Filter.FAILED: outcomes[Outcome.FAILED],
        Filter.CANCELLED: outcomes[Outcome.CANCELLED],
        Filter.NOT_CLEANED: sum(states[state] for state in ENDED),
    }


def _member(words: type[Word], text: str | None, default: Word) -> Word:
    try:
        return words(text or default)
    except ValueError:
        return default


def _key(text: str | None, sort: Sort) -> str | None:
    """Read the key at which a page begins or ends; None when it is not one of this order."""
    return text if text and is_key(text, sort) else None
