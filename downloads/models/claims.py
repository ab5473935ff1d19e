"""Claims waiting downloads for a worker: each once, all owners in turn.

`rules.fairness`, `rules.breaker` and `rules.manners` decide; here are the rows that they decide by,
and the mutex behind which they do: one claim at a time, on all machines.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection

from downloads.disk import isolation
from downloads.models.attempt import Attempt
from downloads.models.download import Download, any_in
from downloads.models.queue import Queue, take_mutex
from downloads.models.sites import Manners, SiteStart
from downloads.models.statements import ask, insert
from downloads.models.transactions import database_now, short_transaction
from downloads.models.workers import Worker
from downloads.rules.backoff import LONGEST_WAIT_SECONDS
from downloads.rules.fairness import ConcurrencyLimits, Running, Turn, first_of
from downloads.rules.states import WAITING, Reason, State

IN_ORDER = "ORDER BY place DESC, priority DESC, id"  # that of `download.QUEUE_ORDER`


def claim(worker: Worker, *, slots: int) -> list[Download]:
    """Claim the next downloads for a worker, at most as many as it has free slots.

    Moves them to INITIALIZING, counts the attempt and records the name of its directory, in one
    transaction. Two workers never get the same download. The owner with the fewest running comes
    first, with the first download in their QUEUE_ORDER. Owners and sites at their limits are passed
    over, owners whose quota is used up, and sites whose breaker is open or that pause. None while
    the queue is paused, or the worker drains.
    """
    if not any_in(WAITING):
        return []  # nearly always
    if not _may_claim(worker, database_now()):
        return []  # saves taking the mutex
    with short_transaction():
        take_mutex()
        return [] if Queue.is_paused() else _claim(worker, slots)


def _may_claim(worker: Worker, now: datetime) -> bool:
    """Say whether a download is due, and the worker does not drain."""
    drains = "EXISTS (SELECT 1 FROM downloads_worker WHERE id = %s AND draining_at IS NOT NULL)"
    # In the order of the queue: without one SQLite would look at all downloads.
    sql = (
        f"SELECT 1 FROM downloads_download WHERE {_claimable()} AND NOT {drains}"  # noqa: S608
        f" {IN_ORDER} LIMIT 1"
    )
    return bool(ask(sql, [*_due_at(now), worker.pk]))


def _claimable() -> str:
    """Return the condition of `DownloadQuerySet.claimable`, with the values of `_due_at`."""
    waits = "state = 'created'"
    if connection.vendor == "sqlite":
        waits = f"LIKELY({waits})"  # see `download.Likely`
    is_due = "not_before IS NULL OR not_before <= %s OR (attempt > 0 AND not_before > %s)"
    return f"{waits} AND paused_at IS NULL AND ({is_due})"


def _due_at(now: datetime) -> list[Any]:
    longest = timedelta(seconds=LONGEST_WAIT_SECONDS)
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(now), adapt(now + longest)]


def asked_to_cancel(worker: Worker) -> set[int]:
    """Return the keys of this worker's running downloads of which somebody asked to cancel.

    It is asked at each commit.
    """
    rows = ask(
        "SELECT id FROM downloads_download WHERE worker_id = %s AND cancel_requested_at IS NOT NULL"
        " AND state IN ('downloading', 'initializing', 'ready')",
        [worker.pk],
    )
    return {key for (key,) in rows}


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


@dataclass(frozen=True, kw_only=True)
class Held:
    """A running download of a worker, as its row says."""

    attempt: int
    is_cancel_asked: bool
    is_keep_asked: bool


def held_by(worker: Worker) -> dict[int, Held]:
    """Return the running downloads of a worker by their keys, with what they were asked for."""
    rows = ask(
        "SELECT id, attempt, cancel_requested_at IS NOT NULL, keep_requested_by <> ''"
        " FROM downloads_download"
        " WHERE worker_id = %s AND state IN ('downloading', 'initializing', 'ready')",
        [worker.pk],
    )
    return {
        key: Held(attempt=attempt, is_cancel_asked=bool(cancel), is_keep_asked=bool(keep))
        for key, attempt, cancel, keep in rows
    }


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
    sites = shut | running.full_sites(limits)
    may_begin = " AND ".join([_claimable(), *_none_of("site", sites), *_none_of("id", passed_over)])

    first = (
        "SELECT id FROM downloads_download"  # noqa: S608
        f" WHERE owner_id {{}} AND {may_begin} {IN_ORDER} LIMIT 1"
    )
    users = get_user_model()._meta.db_table
    sql = (
        f"SELECT id, ({first.format('= users.id')}) FROM {users} users"  # noqa: S608
        " WHERE NOT EXISTS (SELECT 1 FROM downloads_quota WHERE user_id = users.id AND is_full)"
        f" UNION ALL SELECT NULL, ({first.format('IS NULL')})"
    )
    found = ask(sql, 2 * [*_due_at(now), *sites, *passed_over])
    full = running.full_owners(limits)
    keys = {owner: key for owner, key in found if key is not None and owner not in full}
    priorities = (
        dict(Download.objects.filter(pk__in=keys.values()).values_list("pk", "priority"))
        if len(keys) > 1  # else there is nothing to compare
        else {}
    )
    return [
        Turn(owner_id=owner_id, priority=priorities.get(key, 0), download_id=key)
        for owner_id, key in keys.items()
    ]


def _none_of(column: str, values: Collection[Any]) -> list[str]:
    """Return the condition that a column has none of these values, if there are any."""
    return [f"{column} NOT IN ({', '.join(['%s'] * len(values))})"] if values else []


def _locked(key: int) -> Download | None:
    """Lock a waiting download; None when somebody else locks it, cancelled it or paused it.

    Waiting for that lock could deadlock: its holder may wait for the counter of seqs, which this
    claim holds.
    """
    sql = (
        "SELECT * FROM downloads_download WHERE id = %s AND state = 'created' AND paused_at IS NULL"
    )
    if connection.features.has_select_for_update_skip_locked:
        sql += " FOR UPDATE SKIP LOCKED"
    return next(iter(Download.objects.raw(sql, [key])), None)


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
    attempt = Attempt(
        download=download,
        number=download.attempt,
        host=worker.host,
        boot_id=worker.boot_id,
        directory=download.directory,
        started_at=now,
    )
    insert(attempt)
