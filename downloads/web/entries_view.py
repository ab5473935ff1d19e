"""The page of a listing in words: what it holds, what became of it, and the table of entries."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from django.db.models import Count, Q, Sum
from django.urls import reverse

from downloads.models import Entry, Listing
from downloads.models.listings import Became
from downloads.rules.states import ListKind, Reason
from downloads.web.details import CODES
from downloads.web.entries import EntriesQuery, page_of
from downloads.web.entries_form import EntriesForm
from downloads.web.format import counted, duration, length
from downloads.web.row_view import became_in_words

KINDS: dict[str, str] = {
    ListKind.PLAYLIST: "Playlist",
    ListKind.CHANNEL: "Channel",
    ListKind.PAGE: "Page with several videos",
    ListKind.FEED: "Feed",
}


class Row(NamedTuple):
    """One entry in the table."""

    entry: Entry
    address: str  # of its page; "" when that is not on the web
    length: str
    seconds: str  # for the sum of the ticked ones
    had_as: str  # the correlation id of a download of the same video, but not its own; "": none
    is_archived: bool  # it was had, and there is no download of it to look at
    is_ticked: bool


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What the entries of a listing add up to."""

    count: int
    lists: int
    seconds: float
    without_length: int  # lists are not counted
    new: int

    @classmethod
    def of(cls, listing: Listing, text: str) -> Self:
        entries = listing.entries.search(text)
        sums = entries.order_by().aggregate(
            count=Count("pk"),
            lists=Count("pk", filter=Q(is_list=True)),
            seconds=Sum("duration_seconds", default=0.0),
            without_length=Count("pk", filter=Q(is_list=False, duration_seconds=None)),
        )
        return cls(**sums, new=entries.new_to(listing.download.owner).count())

    @property
    def words(self) -> str:
        return counted(self.count, self.noun)

    @property
    def noun(self) -> str:
        if not self.lists:
            return "video"
        return "list" if self.lists == self.count else "entry"

    @property
    def together(self) -> str:
        """How long they last together; "" when the site does not say of any."""
        if not self.seconds:
            return ""
        unknown = f", {self.without_length:,} of unknown length" if self.without_length else ""
        return f"together {duration(self.seconds)}{unknown}"


def listing_view(
    listing: Listing, became: Became, query: EntriesQuery, form: EntriesForm
) -> dict[str, object]:
    """Read and say what the page of a listing shows. `form`: a new one, or one that was refused."""
    download = listing.download
    whole = Totals.of(listing, "")
    found = Totals.of(listing, query.text) if query.text else whole
    entries = listing.entries.with_had(download.owner).select_related("download")
    page = page_of(entries.defer("download__manifest", "download__media"), query)
    path = reverse("download", args=[download.correlation_id])
    return {
        "listing": listing,
        "listed": {
            "heading": whole.words,
            "about": " · ".join(filter(None, [KINDS[listing.kind], whole.together])),
            "end": _end(listing),
            "became": became,
            "became_words": became_in_words(became, listing.count),
            "ended": _ended(became),
            "active": became.waiting + became.running,
        },
        "entries": {
            "query": query,
            "page": page,
            "rows": [_row(entry, query, form) for entry in page.entries],
            "shown": _shown(page.entries, query, found),
            "found": found,
            "ticked_elsewhere": _ticked_elsewhere(page.entries, form),
            "form": form,
            "path": path,
            "here": f"{path}{query.address}",
            "all_ticked": replace(query, ticks=True).address,
        },
    }


def _row(entry: Entry, query: EntriesQuery, form: EntriesForm) -> Row:
    own = entry.download.correlation_id if entry.download else ""
    had_as = entry.had_as if entry.had_as != own else None
    return Row(
        entry=entry,
        address=entry.url if entry.url.startswith(("http://", "https://")) else "",
        length="" if entry.duration_seconds is None else length(entry.duration_seconds),
        seconds="" if entry.duration_seconds is None else f"{entry.duration_seconds:.0f}",
        had_as=had_as or "",
        is_archived=entry.is_archived and not entry.had_as,
        is_ticked=query.ticks or entry.position in form.ticked,
    )


def _ticked_elsewhere(entries: list[Entry], form: EntriesForm) -> str:
    """Return the positions that are ticked on other pages, as a browser with scripts sends them."""
    shown = {entry.position for entry in entries}
    return ",".join(map(str, sorted(form.ticked - shown)))


def _end(listing: Listing) -> str:
    """Say why the reading of a list ended before the list did; "" when it did not."""
    if listing.is_complete:
        return ""
    ended = listing.download.transitions.filter(reason=Reason.LISTED).last()
    return CODES.get(ended.data.get("code", "") if ended else "", "The list may hold more.")


def _shown(entries: list[Entry], query: EntriesQuery, found: Totals) -> str:
    if not entries:
        return "Nothing here"
    if query.text:
        return f"{found.words} found"
    return f"{entries[0].position:,}–{entries[-1].position:,} of {found.words}"  # noqa: RUF001


def _ended(became: Became) -> str:
    numbers = {"completed": became.completed, "cancelled": became.cancelled}
    return "".join(f" · {number:,} {word}" for word, number in numbers.items() if number)
