"""Makes the cards of the library's entries: the library's reaction to transitions.

A card is made of the rows that the worker wrote, and can be made anew of them at any time. What is
said in its subtitles comes from the disk, and later: see `library.subtitles`.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.dateparse import parse_datetime

from downloads.library import quotas
from downloads.library.models import MAX_NAME_LENGTH, MAX_SORTED_LENGTH, Card, Kind
from downloads.models import Download, LibraryEntry, PublishedFile, Transition, short_transaction
from downloads.models.transactions import storable
from downloads.rules.about import about_of
from downloads.rules.states import Role, State

BATCH = 200  # cards of one transaction
MAX_NUMBER = 2**31 - 1  # of a column
NOT_MADE = {"entry", "missing_at", "pinned_at", "subtitles"}
WRITTEN = [field.name for field in Card._meta.concrete_fields if field.name not in NOT_MADE]


def react(moves: Sequence[Transition]) -> None:
    """Make the cards of the entries that completed downloads left. In the caller's transaction."""
    completed = {move.download_id for move in moves if move.to_state == State.COMPLETED}
    if completed:
        _write(LibraryEntry.objects.filter(download__in=completed))


def catch_up() -> bool:
    """Make some of the cards that are missing; return whether there may be more.

    What completed before there was a catalogue has none.
    """
    with short_transaction():
        return _write(LibraryEntry.objects.filter(card=None).order_by("pk")[:BATCH]) == BATCH


def make_anew() -> int:
    """Make all cards anew, in order; return how many there are."""
    made, last = 0, 0
    while True:
        with short_transaction():
            keys = list(
                LibraryEntry.objects.filter(pk__gt=last)
                .order_by("pk")
                .values_list("pk", flat=True)[:BATCH]
            )
            if not keys:
                return made
            made += _write(LibraryEntry.objects.filter(pk__in=keys))
            last = keys[-1]


def _write(entries: QuerySet[LibraryEntry]) -> int:
    """Write the cards of these entries, over those that are there; return how many."""
    # Locked: one that is deleted meanwhile must not get a card.
    locked = entries.select_for_update(of=("self",), no_key=True)
    owners = dict(locked.values_list("pk", "owner"))
    keys = list(owners)
    Card.objects.bulk_create(
        map(card_of, _whole(keys)),
        update_conflicts=True,
        unique_fields=["entry"],
        update_fields=WRITTEN,
    )
    quotas.look(owners.values())
    return len(keys)


def _whole(keys: Collection[int]) -> QuerySet[LibraryEntry]:
    columns = ("extractor", "media_id", "media", "manifest", "listed_in")
    downloads = Download.objects.only(*columns)
    files = PublishedFile.objects.only("entry", "size", "role")
    return LibraryEntry.objects.filter(pk__in=keys).prefetch_related(
        Prefetch("download", queryset=downloads), Prefetch("files", queryset=files)
    )


def card_of(entry: LibraryEntry) -> Card:
    """Return the card of an entry; what its site said is unknown when its download was deleted."""
    media: dict[str, Any] = entry.download.media if entry.download else {}
    manifest: dict[str, Any] = (entry.download.manifest if entry.download else None) or {}
    about = about_of(manifest.get("about", {}))
    files = list(entry.files.all())
    roles = {file.role for file in files}
    is_sound = Role.AUDIO in roles and Role.VIDEO not in roles
    uploaded_at = _instant(media.get("uploaded_at"))
    title = entry.title or entry.url
    return Card(
        entry=entry,
        owner_id=entry.owner_id,
        kind=Kind.SOUND if is_sound else Kind.VIDEO,
        title=title,
        sort_title=title.casefold()[:MAX_SORTED_LENGTH],
        uploader=_text(media.get("uploader"), MAX_NAME_LENGTH),
        channel=_text(media.get("channel"), MAX_NAME_LENGTH),
        site=entry.site,
        extractor=entry.download.extractor if entry.download else "",
        media_id=entry.download.media_id if entry.download else "",
        listed_in_id=entry.download.listed_in_id if entry.download else None,
        uploaded_at=uploaded_at,
        dated_at=uploaded_at or entry.published_at,
        added_at=entry.published_at,
        duration_seconds=_number(media.get("duration")),
        size_bytes=sum(file.size for file in files),
        width=_number(media.get("width")),
        height=_number(media.get("height")),
        video_codec=_text(media.get("video_codec"), 16),
        audio_codec=_text(media.get("audio_codec"), 16),
        description=about.get("description", ""),
        tags=about.get("tags", []),
        chapters=about.get("chapters", []),
        language=about.get("language", ""),
        has_unread_subtitles=Role.SUBTITLES in roles,
    )


def _text(value: object, most: int) -> str:
    return str(storable(value))[:most] if isinstance(value, str) else ""


def _number(value: object) -> int:
    is_right = isinstance(value, int) and 0 < value <= MAX_NUMBER
    return int(value) if is_right and isinstance(value, int) else 0


def _instant(value: object) -> datetime | None:
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:  # a day that there is not
        return None
    return found if found and found.tzinfo else None
