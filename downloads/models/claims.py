"""Claims waiting downloads for a worker: each once, all owners in turn.

`rules.fairness`, `rules.breaker` and `rules.manners` decide; here are the rows that they decide by,
and the mutex behind which they do: one claim at a time, on all machines.
"""

from datetime import datetime

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import OuterRef, Subquery

from downloads.disk import isolation
from downloads.models.attempt import Attempt
from downloads.models.download import Download, any_in
from downloads.models.queue import Queue, take_mutex
from downloads.models.sites import Manners, SiteStart
from downloads.models.transactions import database_now, short_transaction
from downloads.models.workers import Worker
from downloads.rules.fairness import ConcurrencyLimits, Running, Turn, first_of
from downloads.rules.states import WAITING, Reason, State


def claim(worker: Worker, *, slots: int) -> list[Download]:
    """Claim the next downloads for a worker, at most as many as it has free slots.

    Moves them to INITIALIZING, counts the attempt and records the name of its directory, in one
    transaction. Two workers never get the same download. The owner with the fewest running comes
    first, with the first download in their QUEUE_ORDER. Owners and sites at their limits are passed
    over, and sites whose breaker is open or that pause. None while the queue is paused,
    or the worker drains.
    """
    if not any_in(WAITING):
        return []  # nearly always
    # In the order of the queue: `exists` has none, and SQLite would look at all downloads.
    if Download.objects.claimable(database_now()).values("pk").first() is None:
        return []  # saves taking the mutex
    if Worker.objects.filter(pk=worker.pk).exclude(draining_at=None).exists():
        return []
    with short_transaction():
        take_mutex()
        return [] if Queue.current().paused_at else _claim(worker, slots)


def _claim(worker: Worker, slots: int) -> list[Download]:
    now = database_now()
    # Nothing depends on it while one owner waits and nothing is limited: saves a query, mostly.
    manners = Manners.read(now)
    limits, shut = manners.limits, manners.shut
    running = running_now() if limits != ConcurrencyLimits() else None
    claimed: list[Download] = []
    passed_over: list[int] = []  # being cancelled at this moment
    while len(claimed) < slots:
        turns = _turns(now, running or Running(), limits, shut=shut, passed_over=passed_over)
        if running is None and len(turns) > 1:
            running = running_now()
        turn = first_of(turns, running or Running())
        if turn is None:
            break
        download = _locked(turn.download_id)
        if download is None:
            passed_over.append(turn.download_id)
            continue
        _send(download, worker, now)
        if running is not None:
            running.add(download.owner_id, download.site)
        if manners.pauses.at(download.site):
            SiteStart.objects.note(download.site, now)
            shut.add(download.site)
        claimed.append(download)
    return claimed


def running_now() -> Running:
    return Running.count(Download.objects.running().order_by().values_list("owner_id", "site"))


def _turns(
    now: datetime,
    running: Running,
    limits: ConcurrencyLimits,
    *,
    shut: set[str],
    passed_over: list[int],
) -> list[Turn]:
    """Return the first candidate of each owner who may have one more running.

    One index look-up a user, however many downloads wait.
    """
    full = running.full_owners(limits)
    candidates = Download.objects.claimable(now)
    if sites := shut | running.full_sites(limits):
        candidates = candidates.exclude(site__in=sites)
    if passed_over:
        candidates = candidates.exclude(pk__in=passed_over)
    first = candidates.filter(owner=OuterRef("pk")).values("pk")[:1]
    users = get_user_model().objects.exclude(
        pk__in=[owner_id for owner_id in full if owner_id is not None]
    )
    found: dict[int | None, int | None] = dict(
        users.annotate(first=Subquery(first)).values_list("pk", "first")
    )
    if None not in full:
        found[None] = candidates.filter(owner=None).values_list("pk", flat=True).first()
    keys = {owner_id: key for owner_id, key in found.items() if key is not None}
    priorities = (
        dict(Download.objects.filter(pk__in=keys.values()).values_list("pk", "priority"))
        if len(keys) > 1  # else there is nothing to compare
        else {}
    )
    return [
        Turn(owner_id=owner_id, priority=priorities.get(key, 0), download_id=key)
        for owner_id, key in keys.items()
    ]


def _locked(key: int) -> Download | None:
    """Lock a waiting download; None when somebody else locks it, cancelled it or paused it.

    Waiting for that lock could deadlock: its holder may wait for the counter of seqs, which this
    claim holds.
    """
    rows = Download.objects.filter(pk=key, state=State.CREATED, paused_at=None)
    if connection.features.has_select_for_update_skip_locked:
        rows = rows.select_for_update(skip_locked=True)
    return rows.first()


def _send(download: Download, worker: Worker, now: datetime) -> None:
    download.move(
        State.INITIALIZING,
        actor=worker.actor,
        reason=Reason.CLAIMED,
        attempt=download.attempt + 1,
        worker=worker,
        directory=isolation.directory_name(download.correlation_id),
        started_at=download.started_at or now,
        not_before=None,
        error_class=None,
        error_data={},
    )
    Attempt.objects.create(
        download=download,
        number=download.attempt,
        host=worker.host,
        boot_id=worker.boot_id,
        directory=download.directory,
        started_at=now,
    )
