"""Moves and deletions of many downloads at once: siblings of `Download.move` and `forget`."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.utils import timezone

from downloads.models.counts import Counts
from downloads.models.download import Download, DownloadQuerySet
from downloads.models.stream import Deletion, StreamPosition, Transition
from downloads.models.transactions import short_transaction
from downloads.rules.states import RUNNING, Outcome, Reason, State


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
