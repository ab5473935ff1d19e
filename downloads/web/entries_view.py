"""The page of a listing in words: what it holds, what became of it, and the table of entries."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from django.db.models import Count, Q, Sum
from django.urls import reverse

from downloads.models import Entry, Listing
from downloads.models.listings import Became
from downloads.rules.states import ListKind, Reason
from downloads.rules.words import marked, say, say_number
from downloads.web.details import CODES
from downloads.web.entries import EntriesQuery, page_of
from downloads.web.entries_form import EntriesForm
from downloads.web.format import duration, length
from downloads.web.row_view import became_in_words

KINDS: dict[str, str] = {
    ListKind.PLAYLIST: marked("Playlist"),
    ListKind.CHANNEL: marked("Channel"),
    ListKind.PAGE: marked("Page with several videos"),
    ListKind.FEED: marked("Feed"),
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
        if not self.lists:
            return say_number("{number:,} video", "{number:,} videos", number=self.count)
        if self.lists == self.count:
            return say_number("{number:,} list", "{number:,} lists", number=self.count)
        return say_number("{number:,} entry", "{number:,} entries", number=self.count)

    @property
    def together(self) -> str:
        """How long they last together; "" when the site does not say of any."""
        if not self.seconds:
            return ""
        time = duration(self.seconds)
        if not self.without_length:
            return say("together {time}", time=time)
        return say_number(
            "together {time}, {number:,} of unknown length",
            "together {time}, {number:,} of unknown length",
            number=self.without_length,
            time=time,
        )


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
            "about": " · ".join(filter(None, [say(KINDS[listing.kind]), whole.together])),
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
    code = ended.data.get("code", "") if ended else ""
    return str(CODES[code]) if code in CODES else say("The list may hold more.")


def _shown(entries: list[Entry], query: EntriesQuery, found: Totals) -> str:
    if not entries:
        return say("Nothing here")
    if query.text:
        return say("{entries} found", entries=found.words)
    return say(
        "{first:,} to {last:,} of {entries}",
        first=entries[0].position,
        last=entries[-1].position,
        entries=found.words,
    )


def _ended(became: Became) -> str:
    words = []
    if completed := became.completed:
        words.append(say_number("{number:,} completed", "{number:,} completed", number=completed))
    if cancelled := became.cancelled:
        words.append(say_number("{number:,} cancelled", "{number:,} cancelled", number=cancelled))
    return "".join(f" · {each}" for each in words)
