"""Why downloads wait: the same value for pages, API and stream. Reads rows; knows no requests."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Self

from django.db.models import Count
from django.utils import timezone

from downloads.models import (
    Counts,
    Download,
    DownloadQuerySet,
    Queue,
    Quota,
    Site,
    Worker,
    database_now,
)
from downloads.models.claims import running_now
from downloads.models.sites import Manners
from downloads.rules.errors import ErrorClass
from downloads.rules.fairness import ConcurrencyLimits, Running, place_among
from downloads.rules.states import State

MAX_PAUSED = 1_000  # of which the stream tells
MAX_PLACE = 200  # in the queue of one owner, up to which a place is counted


class Why(StrEnum):
    """What is in the way of a download that waits, in the order in which it is said."""

    PAUSED = "paused"  # somebody paused it
    QUEUE_PAUSED = "queue_paused"  # somebody paused the queue of all
    QUOTA = "quota"  # its owner's files in the library are as large as they may be
    SITE = "site"  # its site refused us several times in a row and is left alone
    PREMIERE = "premiere"  # the site says when it starts
    NOT_BEFORE = "not_before"  # the time of its next try has not come
    NO_WORKER = "no_worker"
    USER_LIMIT = "user_limit"  # as many of its owner's downloads run as may
    SITE_LIMIT = "site_limit"  # as many downloads of its site run as may
    SITE_PAUSE = "site_pause"  # one of its site began a moment ago


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """Why a download waits. None: `why` has no such thing."""

    why: Why
    site: str
    since: datetime | None = None  # of a pause
    who: str | None = None  # paused the queue: an actor
    until: datetime | None = None
    failures: int | None = None  # of the site, in a row
    error_class: ErrorClass | None = None  # of the last of them
    running: int | None = None
    used: int | None = None  # of a quota, in bytes, as `limit` is then
    limit: int | None = None

    @property
    def word(self) -> str:
        """The word of an open breaker, which changes when pages must be drawn again."""
        return f"{self.until:%FT%TZ}"


@dataclass(frozen=True, kw_only=True)
class Obstacles:
    """What keeps downloads waiting at one moment."""

    now: datetime = field(default_factory=timezone.now)
    open_sites: dict[str, Waiting] = field(default_factory=dict)  # by host
    paused: dict[str, datetime] = field(default_factory=dict)  # until when, by host
    has_worker: bool = True
    is_draining: bool = False  # every worker is
    limits: ConcurrencyLimits = field(default_factory=ConcurrencyLimits)
    running: Running = field(default_factory=Running)
    full: dict[int, Quota] = field(default_factory=dict)  # by owner
    queue: Queue = field(default_factory=Queue)

    @classmethod
    def read(cls) -> Self:
        now = database_now()
        manners = Manners.read(now)
        asked_to_drain = _asked_to_drain()
        return cls(
            now=now,
            queue=Queue.current(),
            open_sites={site.host: _of_site(site) for site in manners.left_alone},
            has_worker=bool(asked_to_drain),
            is_draining=_all_drain(asked_to_drain),
            paused=manners.paused,
            full=Quota.objects.full().in_bulk(),
            limits=manners.limits,
            running=Running() if manners.limits == ConcurrencyLimits() else running_now(),
        )

    @classmethod
    def around(cls, downloads: Iterable[Download]) -> Self:
        """Read the obstacles, without a query when none of these downloads waits."""
        waits = any(each.state == State.CREATED for each in downloads)
        return cls.read() if waits else cls()

    def of(self, download: Download) -> Waiting | None:
        """Return the first obstacle of a download; None when it does not wait, or for a slot."""
        if download.state != State.CREATED:
            return None
        owner, site, due_at = download.owner_id, download.site, download.not_before
        if download.is_paused:
            return Waiting(why=Why.PAUSED, site=site, since=download.paused_at)
        if pause := self.queue.paused_at:
            who = self.queue.paused_by
            return Waiting(why=Why.QUEUE_PAUSED, site=site, since=pause, who=who)
        if quota := self.full.get(owner or 0):
            used, limit = quota.used_bytes, quota.most_bytes
            return Waiting(why=Why.QUOTA, site=site, used=used, limit=limit)
        if site in self.open_sites:
            return self.open_sites[site]
        if due_at is not None and self.now < due_at:
            if starts_at := _starts_at(download):
                return Waiting(why=Why.PREMIERE, site=site, until=starts_at)
            return Waiting(why=Why.NOT_BEFORE, site=site, until=due_at)
        if not self.has_worker:
            return Waiting(why=Why.NO_WORKER, site=site)
        if owner in self.running.full_owners(self.limits):
            count, limit = self.running.by_owner[owner], self.limits.of_user
            return Waiting(why=Why.USER_LIMIT, site=site, running=count, limit=limit)
        if site in self.running.full_sites(self.limits):
            count, limit = self.running.by_site[site], self.limits.at(site)
            return Waiting(why=Why.SITE_LIMIT, site=site, running=count, limit=limit)
        if site in self.paused:
            return Waiting(why=Why.SITE_PAUSE, site=site, until=self.paused[site])
        return None

    def sites(self) -> dict[str, str]:
        """Return a word for each site that is in the way."""
        full = dict.fromkeys(self.running.full_sites(self.limits), Why.SITE_LIMIT.value)
        paused = {host: f"{Why.SITE_PAUSE} {end:%FT%TZ}" for host, end in self.paused.items()}
        return paused | full | {host: wait.word for host, wait in self.open_sites.items()}

    def owners(self) -> dict[str, str]:
        """Return a word for each owner at a limit, by id as text; "" is nobody."""
        busy = dict.fromkeys(self.running.full_owners(self.limits), Why.USER_LIMIT)
        words = busy | dict.fromkeys(self.full, Why.QUOTA)
        return {str(owner or ""): why.value for owner, why in words.items()}

    def word_of(self, download: Download) -> str:
        """Return the words of what is in its way, which live.js compares with the stream's."""
        site, owner = self.sites().get(download.site, ""), str(download.owner_id or "")
        paused = Why.PAUSED.value if download.is_paused else ""
        words = (site, self.owners().get(owner, ""), self.queue_word, paused)
        return " ".join(filter(None, words))

    @property
    def queue_word(self) -> str:
        """Return the word of what is in the way of everybody."""
        if self.queue.paused_at:
            return Why.QUEUE_PAUSED.value
        return "" if self.has_worker else Why.NO_WORKER.value

    def places_of(self, downloads: Iterable[Download]) -> dict[int, int]:
        """Return the place in the queue, by key, of those that wait for nothing but a slot.

        Leaves out what is behind the first MAX_PLACE of its owner. A query for each owner.
        """
        waiting = [each for each in downloads if each.state == State.CREATED and not self.of(each)]
        lengths = Counts.objects.waiting_by_owner() if waiting else {}
        places: dict[int, int] = {}
        for owner in {each.owner_id for each in waiting}:
            others = [length for other, length in lengths.items() if other != owner]
            queue = Download.objects.filter(owner=owner).claimable(self.now)
            first = queue.values_list("pk", flat=True)[:MAX_PLACE]
            places |= {key: place_among(own, others) for own, key in enumerate(first, start=1)}
        return {each.pk: places[each.pk] for each in waiting if each.pk in places}

    @staticmethod
    def paused_downloads() -> frozenset[tuple[int | None, str]]:
        """Return (owner, correlation id) of downloads that are paused, the latest MAX_PAUSED."""
        paused = Download.objects.filter(paused_at__isnull=False).order_by("-paused_at")
        return frozenset(paused.values_list("owner_id", "correlation_id")[:MAX_PAUSED])

    def wanted(self) -> frozenset[tuple[int | None, str]]:
        """Return (owner, site) of the downloads that wait for a site."""
        sites = self.sites()
        if not sites:
            return frozenset()
        waiting = Download.objects.filter(state=State.CREATED, site__in=sites)
        return frozenset(waiting.order_by().values_list("owner_id", "site").distinct())

    def open_among(self, downloads: DownloadQuerySet) -> list[tuple[Waiting, int]]:
        """Return the open sites for which some of these wait, with their number."""
        if not self.open_sites:
            return []
        waiting = downloads.filter(state=State.CREATED, site__in=self.open_sites)
        counts = dict(waiting.order_by().values_list("site").annotate(Count("id")))
        return [(wait, counts[host]) for host, wait in self.open_sites.items() if host in counts]


def has_live_worker() -> bool:
    return Worker.objects.alive().exists()


def is_draining() -> bool:
    """Return whether there are workers and none of them may claim."""
    return _all_drain(_asked_to_drain())


def _asked_to_drain() -> set[datetime | None]:
    """Return when the living workers were asked to drain; None: one that was not."""
    return set(Worker.objects.alive().values_list("draining_at", flat=True))


def _all_drain(asked_at: set[datetime | None]) -> bool:
    return bool(asked_at) and None not in asked_at


def _starts_at(download: Download) -> datetime | None:
    """When the video starts, as its site said at the last try; None for all but premieres."""
    if download.error_class != ErrorClass.LIVE_NOT_STARTED:
        return None
    starts_at = download.error_data.get("starts_at")
    return datetime.fromtimestamp(starts_at, UTC) if starts_at else None


def _of_site(site: Site) -> Waiting:
    assert site.error_class  # noqa: S101 — a failure has a class
    return Waiting(
        why=Why.SITE,
        site=site.host,
        until=site.waits_until,
        failures=site.failures,
        error_class=ErrorClass(site.error_class),
    )
