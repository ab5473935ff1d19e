"""The claim: which waiting download a worker gets next. Each is got once, and all owners in turn.

What is decided is in `rules.fairness` and `rules.breaker`; here are the rows that it is decided
by, and the write that lets nobody overtake.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import OuterRef, Subquery

from downloads.models.actors import worker_actor
from downloads.models.attempt import Attempt
from downloads.models.sites import Site
from downloads.models.transactions import LostDownload, database_now, short_transaction
from downloads.models.workers import Worker
from downloads.rules.fairness import ConcurrencyLimits, Running, Turn, in_order, is_overtaken
from downloads.rules.states import Reason, State

if TYPE_CHECKING:
    from downloads.models.download import Download
    from downloads.models.queries import DownloadQuerySet


def claim(
    downloads: "DownloadQuerySet", worker: Worker, directory_name: Callable[[str], str]
) -> "Download | None":
    """See `DownloadQuerySet.claim_next`, with one try.

    Raises LostDownload when somebody else claimed meanwhile and it is to be decided again.
    """
    look = _Look.at(downloads)
    for position, turn in enumerate(look.order):
        with _locked_first(downloads, look.candidates, turn) as download:
            if download is None:
                continue  # others are just claiming all that this owner has
            with short_transaction():
                _send(download, worker, directory_name, look.now)
                _refuse_too_many(downloads, download, look.order[position + 1 :])
            return download
    return None


@dataclass(frozen=True, kw_only=True)
class _Look:
    """What a claim is decided by, as it was at one moment."""

    now: datetime  # of `database_now`
    candidates: "DownloadQuerySet"  # in the order of one owner's
    order: list[Turn]

    @classmethod
    def at(cls, downloads: "DownloadQuerySet") -> "_Look":
        now = database_now()
        running = running_now(downloads)
        shut = {site.host for site in Site.objects.waiting(now)} | running.full_sites(limits())
        candidates = downloads.claimable(now)
        if shut:
            candidates = candidates.exclude(site__in=shut)
        turns = _turns(downloads, candidates, passed_over=running.full_owners(limits()))
        return cls(
            now=now,
            candidates=candidates,
            order=in_order(turns, running),
        )


def limits() -> ConcurrencyLimits:
    """What is configured."""
    return ConcurrencyLimits(
        of_user=settings.VNSITE.user_running, of_site=settings.VNSITE.site_running
    )


def running_now(downloads: "DownloadQuerySet") -> Running:
    return Running.count(downloads.running().values_list("owner_id", "site"))


def _turns(
    downloads: "DownloadQuerySet",
    candidates: "DownloadQuerySet",
    *,
    passed_over: frozenset[int | None],
) -> list[Turn]:
    """The first candidate of each owner.

    One look into the index for each user, however many downloads wait: to go through those would
    take longer the more somebody submits.
    """
    first = candidates.filter(owner=OuterRef("pk")).values("pk")[:1]
    users = get_user_model().objects.exclude(
        pk__in=[owner_id for owner_id in passed_over if owner_id is not None]
    )
    found: dict[int | None, int | None] = dict(
        users.annotate(first=Subquery(first)).values_list("pk", "first")
    )
    if None not in passed_over:
        found[None] = candidates.filter(owner=None).values_list("pk", flat=True).first()
    keys = {owner_id: key for owner_id, key in found.items() if key is not None}
    priorities = (
        dict(downloads.filter(pk__in=keys.values()).values_list("pk", "priority"))
        if len(keys) > 1  # else there is nothing to compare
        else {}
    )
    return [
        Turn(owner_id=owner_id, priority=priorities.get(key, 0), download_id=key)
        for owner_id, key in keys.items()
    ]


@contextmanager
def _locked_first(
    downloads: "DownloadQuerySet", candidates: "DownloadQuerySet", turn: Turn
) -> "Iterator[Download | None]":
    """The first of an owner that no other claim holds, locked where the database can do that.

    Raises LostDownload where it cannot, and another claim was faster.
    """
    if connection.features.has_select_for_update_skip_locked:
        mine = candidates.filter(owner=turn.owner_id)
        with short_transaction():
            yield mine.select_for_update(skip_locked=True).first()
        return
    found = downloads.filter(pk=turn.download_id, state=State.CREATED).first()
    if found is None:
        raise LostDownload(f"download {turn.download_id}")
    yield found


def _send(
    download: "Download", worker: Worker, directory_name: Callable[[str], str], now: datetime
) -> None:
    download.move(
        State.INITIALIZING,
        actor=worker_actor(worker),
        reason=Reason.CLAIMED,
        attempt=download.attempt + 1,
        worker=worker,
        directory=directory_name(download.correlation_id),
        started_at=download.started_at or now,
        not_before=None,
        error_class=None,
        error_detail="",
    )
    Attempt.objects.create(
        download=download,
        number=download.attempt,
        host=worker.host,
        directory=download.directory,
        started_at=now,
    )


def _refuse_too_many(downloads: "DownloadQuerySet", claimed: "Download", later: list[Turn]) -> None:
    """Raise LostDownload when others who claimed at the same time have changed whose turn it was.

    After the move, in its transaction: it holds the counter of seqs, so that every claim before
    this one is committed and seen, and none can follow.
    """
    if limits() == ConcurrencyLimits() and not later:
        return
    running = running_now(downloads)
    owner_id, site = claimed.owner_id, claimed.site
    if running.is_exceeded(limits(), owner_id=owner_id, site=site) or is_overtaken(
        owner_id, later, running
    ):
        raise LostDownload(claimed.correlation_id)
