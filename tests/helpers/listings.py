"""Downloads that ended with a listing, by the moves that the worker makes."""

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.models import User

from downloads.models import Download, Entry, Listing
from downloads.rules.states import ListKind, Reason, Result, State
from tests.helpers import lives


def read_list(
    owner: User | None = None,
    entries: int | Iterable[dict[str, Any]] = 3,
    *,
    title: str = "My list",
    kind: ListKind = ListKind.PLAYLIST,
    is_complete: bool = True,
    **options: Any,
) -> Listing:
    """Walk from a link to COMPLETED with a listing. A number makes so many plain entries."""
    made = [{} for _ in range(entries)] if isinstance(entries, int) else list(entries)
    running = lives.start(lives.submit(owner, **options))
    running.move(
        State.COMPLETED,
        actor="test",
        reason=Reason.LISTED,
        result=Result.LISTING,
        title=title,
    )
    listing = Listing.objects.create(
        download=running, title=title, kind=kind, count=len(made), is_complete=is_complete
    )
    Entry.objects.bulk_create(
        Entry(listing=listing, **{**entry_at(position), **columns})
        for position, columns in enumerate(made, start=1)
    )
    return listing


def entry_at(position: int) -> dict[str, Any]:
    return {
        "position": position,
        "extractor": "youtube",
        "media_id": f"id-{position}",
        "url": f"https://example.org/listed/{position}",
        "title": f"Video {position}",
        "duration_seconds": 60.0,
    }


def made_of(listing: Listing, position: int) -> Download:
    """A download of one entry, with everything that adding it writes."""
    entry = listing.entries.get(position=position)
    download = lives.submit(listing.download.owner, url=entry.url)
    Download.objects.filter(pk=download.pk).update(listed_in=listing.download, list_depth=1)
    listing.entries.filter(pk=entry.pk).update(download=download)
    download.refresh_from_db()
    return download
