"""Whole lives, moves and deletions of many downloads at once: siblings of `Download.move`,
`complete` and `forget`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from downloads.disk.isolation import new_correlation_id
from downloads.models import statements
from downloads.models.archive import archive
from downloads.models.counts import Counts
from downloads.models.download import Download, DownloadQuerySet
from downloads.models.library import LibraryEntry, PublishedFile
from downloads.models.stream import Deletion, StreamPosition, Transition
from downloads.models.submissions import fingerprint
from downloads.models.transactions import short_transaction, storable
from downloads.rules.archive import MediaId
from downloads.rules.links import site_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import RUNNING, Outcome, Reason, Result, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

# The states of a life that was another tool's.
ADOPTED = (
    State.CREATED,
    State.INITIALIZING,
    State.READY,
    State.DOWNLOADING,
    State.COMPLETED,
    State.CLEANED,
)


@dataclass(frozen=True, kw_only=True)
class Adopted:
    """A directory in the library that another tool filled, and what is known of its video.

    Columns of a download and its entry; texts are "" and mappings empty when nothing is known.
    """

    path: str
    title: str
    url: str
    extractor: str
    media_id: str
    media: Mapping[str, Any]
    about: Mapping[str, Any]  # as of `rules.about`
    files: Sequence[Mapping[str, str | int]]  # columns of each PublishedFile


def adopt(found: Sequence[Adopted], *, owner: "User | None", actor: str) -> set[str]:
    """Write downloads that have completed and were cleaned, with entries, in one transaction.

    Each has the whole life of a download, at one instant, in attempt 1, and its video is in the
    owner's archive. Returns the paths of those that were written: a path that is an entry's by now
    is left out. At most a few hundred at once: each is many values of one statement.
    """
    with short_transaction():
        # First: of two imports, the second sees what the first wrote.
        StreamPosition.hold()
        paths = [each.path for each in found]
        known = set(LibraryEntry.objects.filter(path__in=paths).values_list("path", flat=True))
        fresh = [each for each in found if each.path not in known]
        if not fresh:
            return set()
        now = timezone.now()
        rows = [_adopted(each, owner=owner, at=now) for each in fresh]
        statements.insert(*rows)
        statements.insert(*_adoption(rows, actor=actor, at=now))
        owner_id, outcome = owner.pk if owner else None, Outcome.COMPLETED
        Counts.add(owner_id, len(rows), state=State.CLEANED, outcome=outcome)
        archive(owner, [MediaId(row.extractor, row.media_id) for row in rows if row.media_id])
        entries = [_entry(row, at=now) for row in rows]
        statements.insert(*entries)
        PublishedFile.objects.bulk_create(
            PublishedFile(entry=entry, **file)
            for entry, each in zip(entries, fresh, strict=True)
            for file in each.files
        )
    return {each.path for each in fresh}


def _adopted(found: Adopted, *, owner: "User | None", at: datetime) -> Download:
    options, title = DownloadOptions(), storable(found.title)
    return Download(
        correlation_id=new_correlation_id(),
        owner=owner,
        url=found.url,
        site=site_of(found.url),
        title=title,
        extractor=found.extractor,
        media_id=found.media_id,
        media=dict(found.media),
        options=options.as_dict(),
        fingerprint=fingerprint(found.url, options, purpose="" if found.url else found.path),
        state=State.CLEANED,
        outcome=Outcome.COMPLETED,
        result=Result.FILES,
        attempt=1,
        max_attempts=settings.VNSITE.max_attempts,
        library_path=found.path,
        manifest={
            "title": title,
            "data": {},
            "media": dict(found.media),
            "about": dict(found.about),
            "files": [dict(file) for file in found.files],
        },
        created_at=at,
        updated_at=at,
        finished_at=at,
    )


def _adoption(rows: Sequence[Download], *, actor: str, at: datetime) -> list[Transition]:
    """Make all transitions of each, one after the other."""
    moves = list(zip((None, *ADOPTED), ADOPTED, strict=False))
    seq = StreamPosition.take(len(moves) * len(rows))
    return [
        Transition(
            seq=seq + len(moves) * index + step,
            download=row,
            from_state=origin,
            to_state=to,
            at=at,
            actor=actor,
            reason=Reason.IMPORTED,
            attempt=0 if to is State.CREATED else row.attempt,
            outcome=row.outcome if to in (State.COMPLETED, State.CLEANED) else None,
        )
        for index, row in enumerate(rows)
        for step, (origin, to) in enumerate(moves)
    ]


def _entry(row: Download, *, at: datetime) -> LibraryEntry:
    return LibraryEntry(
        correlation_id=row.correlation_id,
        download=row,
        owner_id=row.owner_id,
        path=row.library_path,
        url=row.url,
        site=row.site,
        title=row.title,
        published_at=at,
    )


def cancel_waiting(downloads: DownloadQuerySet, *, actor: str) -> set[int]:
    """Move waiting downloads to CANCELLED and CLEANED, in one transaction; return which.

    Leaves those that carry something on the disk, that another transaction holds, and that do not
    wait any more.
    """
    with short_transaction():
        rows = _locked(downloads.filter(state=State.CREATED, carried=""))
        if not rows:
            return set()
        now = timezone.now()
        Download.objects.filter(pk__in=[row.pk for row in rows]).update(
            state=State.CLEANED,
            outcome=Outcome.CANCELLED,
            cancel_requested_at=now,
            cancel_requested_by=actor,
            finished_at=now,
            updated_at=now,
            worker=None,
            paused_at=None,
            place=0,
        )
        seq = StreamPosition.take(2 * len(rows))
        Transition.objects.bulk_create(_history(rows, seq, actor=actor, at=now))
        _count(rows)
    return {row.pk for row in rows}


def forget(downloads: DownloadQuerySet) -> set[int]:
    """Delete downloads with their histories, in one transaction; return which.

    Leaves those that run, and that another transaction holds. What they left in the library stays.
    """
    with short_transaction():
        rows = _locked(downloads.exclude(state__in=RUNNING))
        keys = {row.pk for row in rows}
        now = timezone.now()
        Download.objects.filter(pk__in=keys).update(forgotten_at=now)
        seq = StreamPosition.take(len(rows))
        Deletion.objects.bulk_create(
            Deletion(
                seq=seq + index,
                correlation_id=row.correlation_id,
                owner_id=row.owner_id,
                at=now,
            )
            for index, row in enumerate(rows)
        )
        groups = Counter((row.owner_id, State(row.state), row.outcome or "") for row in rows)
        for (owner_id, state, outcome), number in groups.items():
            Counts.add(owner_id, -number, state=state, outcome=outcome)
        Download.objects.filter(pk__in=keys).delete()
    return keys


def _locked(downloads: DownloadQuerySet) -> list[Download]:
    columns = ("correlation_id", "owner_id", "state", "outcome", "attempt", "error_class")
    rows = downloads.order_by("pk").only(*columns)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True, of=("self",))
    return list(rows)


def _history(rows: Sequence[Download], seq: int, **columns: Any) -> list[Transition]:
    """Make the two transitions of each, one after the other."""
    steps = (
        (State.CREATED, State.CANCELLED, Reason.CANCELLED),
        (State.CANCELLED, State.CLEANED, Reason.CLEANED),
    )
    return [
        Transition(
            seq=seq + 2 * index + step,
            download=row,
            from_state=origin,
            to_state=to,
            reason=reason,
            attempt=row.attempt,
            outcome=Outcome.CANCELLED,
            error_class=row.error_class,
            **columns,
        )
        for index, row in enumerate(rows)
        for step, (origin, to, reason) in enumerate(steps)
    ]


def _count(rows: Sequence[Download]) -> None:
    for owner_id, number in Counter(row.owner_id for row in rows).items():
        Counts.add(owner_id, -number, state=State.CREATED)
        Counts.add(owner_id, number, state=State.CLEANED, outcome=Outcome.CANCELLED)
