"""Sites: failures in a row, until when one is left alone, its limits, and when it was last asked.

`rules.breaker` and `rules.manners` decide; here are the rows, and writes that do not overtake each
other.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from downloads.models.statements import ask
from downloads.models.transactions import choices, database_now, short_transaction
from downloads.rules.breaker import Breaker, latest_end
from downloads.rules.errors import ErrorClass
from downloads.rules.fairness import ConcurrencyLimits
from downloads.rules.manners import Pauses

LIMITS = ("proxy", "rate_limit", "pause_seconds", "running_limit")  # what staff set of a site


class SiteQuerySet(models.QuerySet["Site"]):
    def waiting(self, now: datetime) -> Self:
        """Sites whose breaker is open at `now` (of `database_now`)."""
        return self.filter(waits_until__gt=now, waits_until__lte=latest_end(now)).order_by("host")

    def all_particular(self, now: datetime) -> list["Site"]:
        """Return the sites that wait at `now`, and those with limits of their own."""
        if not ask(
            "SELECT 1 FROM downloads_site WHERE pause_seconds IS NOT NULL"
            " OR running_limit IS NOT NULL OR waits_until IS NOT NULL LIMIT 1"
        ):
            return []  # nearly always
        has_limits = Q(pause_seconds__isnull=False) | Q(running_limit__isnull=False)
        is_open = Q(waits_until__gt=now, waits_until__lte=latest_end(now))
        return list(self.filter(has_limits | is_open).order_by("host"))

    def refused(
        self,
        host: str,
        error_class: ErrorClass,
        *,
        retry_after_seconds: float | None,
    ) -> "Site":
        """Count a failure of an attempt; return the site as it is then.

        Call it in the transaction that ends the attempt, before the move: then a worker that lost
        the download counts nothing.
        """
        with short_transaction():
            now = database_now()
            self.get_or_create(host=host, defaults={"changed_at": now})
            site = self.select_for_update().get(host=host)
            breaker = site.breaker.after_failure(
                now,
                limit=settings.VNSITE.site_failures,
                first_wait_seconds=settings.VNSITE.site_wait_seconds,
                retry_after_seconds=retry_after_seconds,
            )
            site.failures, site.waits_until = breaker.failures, breaker.waits_until
            site.error_class, site.changed_at = error_class, now
            site.save(force_update=True)
        return site

    def answered(self, host: str) -> bool:
        """Close a site's breaker and forget its failures; return whether it had been opened."""
        found = ask(
            "SELECT waits_until IS NOT NULL FROM downloads_site WHERE host = %s AND failures > 0",
            [host],
        )
        if found:  # seldom: a write has to queue
            now, failing = database_now(), self.filter(host=host, failures__gt=0)
            failing.update(failures=0, error_class=None, waits_until=None, changed_at=now)
        return any(was_opened for (was_opened,) in found)

    def set_limits(self, host: str, **limits: Any) -> None:
        """Write limits of a site, and nothing else: its breaker moves by itself meanwhile.

        `limits` are columns of `LIMITS`, valid ones.
        """
        defaults = {**limits, "changed_at": database_now()}
        with short_transaction():
            if not self.filter(host=host).update(**defaults):
                self.get_or_create(host=host, defaults=defaults)

    def try_now(self, host: str) -> bool:
        """Close the breaker of a site until its next failure. False when it is not open."""
        now = database_now()
        waiting = self.waiting(now).filter(host=host)
        return bool(waiting.update(waits_until=None, changed_at=now))


class Site(models.Model):
    """A site that refused us or has limits of its own. One without a row did not, and has none."""

    host = models.CharField(max_length=300, primary_key=True)  # see links.site_of
    failures = models.PositiveIntegerField(default=0)  # in a row, without a success between
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True
    )  # of the last of them; None: there are none
    waits_until = models.DateTimeField(null=True)  # None: its breaker is closed
    # Set by staff. None: as the settings say; "": no proxy.
    proxy = models.CharField(max_length=500, blank=True, default="")  # http, https or socks5 URL
    rate_limit = models.PositiveBigIntegerField(null=True, blank=True)  # bytes/s of one download
    pause_seconds = models.FloatField(null=True, blank=True)  # between two downloads
    running_limit = models.PositiveIntegerField(null=True, blank=True)  # downloads at once
    changed_at = models.DateTimeField()

    objects = SiteQuerySet.as_manager()

    def __str__(self) -> str:
        return self.host

    @property
    def breaker(self) -> Breaker:
        return Breaker(failures=self.failures, waits_until=self.waits_until)


class SiteStartQuerySet(models.QuerySet["SiteStart"]):
    def note(self, host: str, now: datetime) -> None:
        """Write that a download of a site begins. Only behind the mutex of claims."""
        self.bulk_create(
            [self.model(host=host, started_at=now)],
            update_conflicts=True,
            update_fields=["started_at"],
            unique_fields=["host"],
        )


class SiteStart(models.Model):
    """When a download of a site began last: what a pause between two of them counts from.

    Written behind the mutex of claims only, and only while there is a pause. A column of `Site`
    would be locked by the ends of attempts, which wait for what a claim holds.
    """

    host = models.CharField(max_length=300, primary_key=True)  # see links.site_of
    started_at = models.DateTimeField(db_index=True)  # of `database_now`

    objects = SiteStartQuerySet.as_manager()

    def __str__(self) -> str:
        return self.host


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How all sites are to be treated at one moment."""

    limits: ConcurrencyLimits
    pauses: Pauses
    left_alone: list[Site] = field(default_factory=list)  # their breakers are open
    paused: dict[str, datetime] = field(default_factory=dict)  # until when, by host

    @classmethod
    def read(cls, now: datetime) -> Self:
        """Read them at `now` (of `database_now`), with one query while no site has a pause."""
        sites = Site.objects.all_particular(now)
        pauses = Pauses(
            usual_seconds=settings.VNSITE.site_pause_seconds,
            of_sites={
                site.host: site.pause_seconds for site in sites if site.pause_seconds is not None
            },
        )
        return cls(
            limits=ConcurrencyLimits(
                of_user=settings.VNSITE.user_running,
                of_site=settings.VNSITE.site_running,
                of_sites={
                    site.host: site.running_limit
                    for site in sites
                    if site.running_limit is not None
                },
            ),
            pauses=pauses,
            left_alone=[site for site in sites if site.breaker.is_open(now)],
            paused=dict(pauses.open_at(now, _starts_since(now, pauses)) if pauses else ()),
        )

    @property
    def shut(self) -> set[str]:
        """The hosts of which nothing may begin."""
        return {site.host for site in self.left_alone} | self.paused.keys()


def _starts_since(now: datetime, pauses: Pauses) -> list[tuple[str, datetime]]:
    """Return the starts that a pause may still count from."""
    longest = timedelta(seconds=pauses.longest_seconds)
    recent = SiteStart.objects.filter(started_at__gt=now - longest)
    return list(recent.values_list("host", "started_at"))
