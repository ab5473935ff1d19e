"""Which sites wait, since when they refuse us, and whose downloads wait for them. Reads only.

For pages, API and stream; what the worker makes of it is in `downloads.models`.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from django.db.models import Count

from downloads.models import Download, DownloadQuerySet, Site, database_now
from downloads.rules.errors import ErrorClass
from downloads.rules.states import State


@dataclass(frozen=True, kw_only=True)
class SiteWait:
    """A site that is left alone for a while."""

    host: str
    failures: int  # in a row
    error_class: ErrorClass  # of the last of them
    until: datetime
    downloads: int = 0  # that wait for it

    @property
    def word(self) -> str:
        """The same on the page and in the stream, as long as nothing is to be drawn again."""
        return self.until.astimezone(UTC).isoformat().replace("+00:00", "Z")


def all_waits() -> list[SiteWait]:
    """Every site that waits, by its name, whoever has downloads there; nearly always none."""
    return [_wait(site) for site in Site.objects.waiting(database_now())]


def waits_among(downloads: DownloadQuerySet) -> list[SiteWait]:
    """The sites for which some of these downloads wait, with how many."""
    waits = all_waits()
    if not waits:
        return []
    waiting = downloads.filter(state=State.CREATED, site__in=[wait.host for wait in waits])
    counts = dict(waiting.order_by().values_list("site").annotate(Count("id")))
    return [replace(wait, downloads=counts[wait.host]) for wait in waits if counts.get(wait.host)]


def waits_for(downloads: Iterable[Download]) -> list[SiteWait]:
    """All sites that wait; not asked for when none of these downloads could wait for one."""
    return all_waits() if any(each.state == State.CREATED for each in downloads) else []


def waits_by_owner() -> dict[int | None, dict[str, str]]:
    """For each owner of downloads that wait for sites: host → `SiteWait.word`."""
    words = {wait.host: wait.word for wait in all_waits()}
    owners: dict[int | None, dict[str, str]] = defaultdict(dict)
    if words:
        waiting = Download.objects.filter(state=State.CREATED, site__in=words)
        for owner_id, host in waiting.order_by().values_list("owner_id", "site").distinct():
            owners[owner_id][host] = words[host]
    return dict(owners)


def wait_of(download: Download, waits: Iterable[SiteWait]) -> SiteWait | None:
    """Which of these a download waits for; None when its site is not what it waits for."""
    if download.state != State.CREATED:
        return None
    return next((wait for wait in waits if wait.host == download.site), None)


def _wait(site: Site) -> SiteWait:
    assert site.waits_until  # noqa: S101 — that is what `waiting` asks for,
    assert site.error_class  # noqa: S101 — and a failure has a class
    return SiteWait(
        host=site.host,
        failures=site.failures,
        error_class=ErrorClass(site.error_class),
        until=site.waits_until,
    )
