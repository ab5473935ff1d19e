"""Prunes histories and logs of downloads that ended long ago, some at a time.

What stays of such a download: its row, its files, its last move, and the rows of its attempts, by
which recovery knows a directory on a machine that was away.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import reduce
from operator import or_
from typing import NamedTuple

from django.db.models import F, Max, Min, Q

from downloads.models.attempt import Attempt
from downloads.models.download import Download, Likely
from downloads.models.logs import AttemptLog
from downloads.models.stream import StreamPosition, Transition
from downloads.models.transactions import short_transaction
from downloads.rules.states import State

# A download that is COMPLETED has its directory: all of its last attempt stays.
MAY_BE_PRUNED = Q(state=State.CLEANED) | Q(state=State.COMPLETED, attempt__gt=1)


class Place(NamedTuple):
    """A place in the order in which downloads ended."""

    finished_at: datetime
    pk: int

    @classmethod
    def before_all(cls) -> "Place":
        return cls(datetime.fromtimestamp(0, UTC), 0)

    @classmethod
    def of(cls, download: Download) -> "Place":
        """Return that of a download that has ended."""
        assert download.finished_at is not None  # noqa: S101 — it has ended
        return cls(download.finished_at, download.pk)


def ended_before(instant: datetime, *, after: Place, most: int) -> list[Download]:
    """Return downloads whose last move was before an instant, in the order in which they ended.

    Those of which nothing may go are left out, but not those of which nothing is left to go.
    """
    found = Download.objects.filter(
        Likely(MAY_BE_PRUNED), finished_at__lt=instant, updated_at__lt=instant
    )
    is_later = Q(finished_at__gt=after.finished_at)
    is_next = Q(finished_at=after.finished_at, pk__gt=after.pk)
    # The first condition is not needed, but SQLite would sort all downloads without it.
    found = found.filter(is_later | is_next, finished_at__gte=after.finished_at)
    columns = ("state", "attempt", "directory", "finished_at", "updated_at")
    return list(found.order_by("finished_at", "pk").only(*columns)[:most])


def with_history(downloads: Collection[Download]) -> list[Download]:
    """Return those of the downloads of which `prune` would remove something."""
    kept = _first_kept(downloads)
    return [download for download in downloads if download.pk in kept]


def prune(downloads: Collection[Download], *, days: int) -> int:
    """Remove the moves that may go, with the logs and speeds of their attempts; return how many.

    Of a download that is CLEANED its last move stays. Of one that is COMPLETED, and so may have its
    directory, all of its last attempt stays. `days`: how long they were kept, for whoever looks.
    Locks the rows, and leaves out those that are locked, or no longer as these instances show.

    Two transactions: the first tells listeners that there will be gaps. After a kill between them
    those who were away load their page again, and nothing else has happened.
    """
    kept = _first_kept(downloads)
    highest = Transition.objects.filter(_moves_before(kept)).aggregate(seq=Max("seq"))["seq"]
    if highest is None:
        return 0
    StreamPosition.prune_to(highest)
    with short_transaction():
        unchanged = _lock(download for download in downloads if download.pk in kept)
        going = {pk: seq for pk, seq in kept.items() if pk in unchanged}
        if not going:
            return 0
        Download.objects.filter(pk__in=going).update(history_days=days)
        AttemptLog.objects.filter(_attempts_over(unchanged.values(), "attempt")).delete()
        spent = Attempt.objects.filter(_attempts_over(unchanged.values(), "number"))
        spent.exclude(speeds=[]).update(speeds=[])
        return Transition.objects.filter(_moves_before(going)).delete()[0]


def _first_kept(downloads: Collection[Download]) -> dict[int, int]:
    """Return the seq of the first move that stays, by download, where there are others before."""
    ended = {download.pk: download for download in downloads}
    of_last_attempt = Min("seq", filter=Q(attempt=F("download__attempt")))
    spans = (
        Transition.objects.filter(download__in=ended)
        .order_by()
        .values_list("download_id")
        .annotate(first=Min("seq"), own=of_last_attempt, newest=Max("seq"))
    )
    kept = {
        pk: (first, newest if ended[pk].state == State.CLEANED else own)
        for pk, first, own, newest in spans
    }
    return {pk: stays for pk, (first, stays) in kept.items() if first < stays}


def _lock(downloads: Iterable[Download]) -> dict[int, Download]:
    """Lock the rows that are as these instances show and free; return them by primary key."""
    known = {download.pk: download for download in downloads}
    rows = Download.objects.filter(pk__in=known).select_for_update(skip_locked=True)
    return {
        pk: known[pk]
        for pk, *shown in rows.values_list("pk", "state", "attempt", "updated_at")
        if shown == [known[pk].state, known[pk].attempt, known[pk].updated_at]
    }


def _moves_before(kept: Mapping[int, int]) -> Q:
    return _any(Q(download=pk, seq__lt=seq) for pk, seq in kept.items())


def _attempts_over(downloads: Collection[Download], number: str) -> Q:
    """The attempts whose directories are gone; `number`: the column with the attempt's number."""
    cleaned = [download.pk for download in downloads if download.state == State.CLEANED]
    kept = (
        Q(("download", download.pk), (f"{number}__lt", download.attempt))
        for download in downloads
        if download.state != State.CLEANED
    )
    return Q(download__in=cleaned) | _any(kept)


def _any(conditions: Iterable[Q]) -> Q:
    return reduce(or_, conditions, Q(pk__in=[]))
