"""The sites that refused us: how often in a row, how long they are left alone, who tries them.

What is decided is in `rules.breaker`; here are the rows, and writes that do not overtake each
other.
"""

from datetime import datetime
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef

from downloads.models.transactions import LostDownload, choices, database_now, short_transaction
from downloads.rules.breaker import Breaker, Passage
from downloads.rules.errors import ErrorClass

# What a site has that does not wait.
NO_WAIT: dict[str, Any] = {"waits_until": None, "probed_by": None}


class SiteQuerySet(models.QuerySet["Site"]):
    def waiting(self, *, running: models.QuerySet[Any]) -> Self:
        """Those that are left alone, and those of which one download may try whether they answer.

        `running` are all downloads that run. The probe is one of them: when it ends, however it
        ends, the site has none, and nothing is to be mended when its worker dies.
        """
        probe = running.filter(pk=OuterRef("probed_by"))
        return self.exclude(waits_until=None).annotate(is_probed=Exists(probe)).order_by("host")

    def refused(
        self,
        host: str,
        error_class: ErrorClass,
        *,
        download_id: int,
        retry_after_seconds: float | None,
    ) -> "Site":
        """Count a failure of an attempt; returns the site as it is now, waiting or not.

        Call it in the transaction that ends the attempt, before the move: a worker that lost the
        download counts nothing then.
        """
        with short_transaction():
            now = database_now()
            self.get_or_create(host=host, defaults={"changed_at": now})
            site = self.select_for_update().get(host=host)
            was_probe = site.probed_by == download_id
            breaker = site.breaker.after_failure(
                now,
                was_probe=was_probe,
                limit=settings.VNSITE.site_failures,
                first_wait_seconds=settings.VNSITE.site_wait_seconds,
                retry_after_seconds=retry_after_seconds,
            )
            site.failures, site.waits_until = breaker.failures, breaker.waits_until
            site.error_class, site.changed_at = error_class, now
            if was_probe:
                site.probed_by = None
            site.save(force_update=True)
        return site

    def answered(self, host: str) -> bool:
        """Forget the failures of a site; says whether it waited."""
        failing = self.filter(host=host, failures__gt=0)
        site = failing.first()
        if site is None:  # nearly always; a write would wait for its turn
            return False
        failing.update(failures=0, error_class=None, changed_at=database_now(), **NO_WAIT)
        return site.waits_until is not None

    def let_go_of(self, probe_id: int) -> bool:
        """End the wait because the probe receives its file; False when it is the probe no more.

        Its end may be hours away. The failures stay counted, so that the next one begins a longer
        wait.
        """
        tried = self.filter(probed_by=probe_id)
        return bool(tried.update(changed_at=database_now(), **NO_WAIT))

    def try_now(self, host: str) -> bool:
        """End the present wait: one download is let through at once. False when it does not wait.

        It ends for good when that one succeeds.
        """
        now = database_now()
        waiting = self.filter(host=host, waits_until__gt=now)
        return bool(waiting.update(waits_until=now, changed_at=now))


class Site(models.Model):
    """A site that refused us, with its breaker. A site without a row never did."""

    host = models.CharField(max_length=300, primary_key=True)  # see links.site_of
    failures = models.PositiveIntegerField(default=0)  # in a row, without a success between
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True
    )  # of the last of them; None: there are none
    waits_until = models.DateTimeField(null=True)  # None: it does not wait
    # The download that was let through to try it; it does so as long as it runs. Not a foreign key:
    # whatever becomes of the download, nothing is to be done here.
    probed_by = models.BigIntegerField(null=True)
    changed_at = models.DateTimeField()  # by every write: compare-and-set goes by it

    is_probed: bool  # only of `waiting`: the probe still runs

    objects = SiteQuerySet.as_manager()

    def __str__(self) -> str:
        return self.host

    @property
    def breaker(self) -> Breaker:
        return Breaker(failures=self.failures, waits_until=self.waits_until)

    def passage(self, now: datetime) -> Passage:
        """What a claim may do with its downloads; of a row of `waiting`. `now`: database_now."""
        return self.breaker.passage(now, is_probed=self.is_probed)

    def send_probe(self, download_id: int) -> None:
        """Make a download that is being claimed the one that tries the site.

        Raises LostDownload when the site is not as this instance shows it any more: another one
        is the probe by now, or has been and failed.
        """
        seen = Site.objects.filter(pk=self.pk, changed_at=self.changed_at)
        if not seen.update(probed_by=download_id, changed_at=database_now()):
            raise LostDownload(self.host)
