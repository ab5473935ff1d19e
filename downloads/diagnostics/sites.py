"""How sites are doing and what limits they have, as pages and the API show them."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import Count

from downloads.models import Download, Site
from downloads.rules.states import State
from downloads.waiting import Obstacles, Waiting

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, kw_only=True)
class SiteStatus:
    """One site at one moment."""

    site: Site  # not saved when it has no row
    waiting: int  # downloads that the viewer may see
    running: int
    left_alone: Waiting | None  # None: its breaker is closed
    paused_until: datetime | None

    @property
    def host(self) -> str:
        return self.site.host


def sites_of(user: "User", *, text: str = "") -> list[SiteStatus]:
    """Return the sites whose host contains a text: what needs attention first, then by host.

    Staff see all that have a row or active downloads; others those of their own active downloads.
    """
    counts = _counts(user)
    rows = Site.objects.all() if user.is_staff else Site.objects.filter(host__in=counts)
    sites = {site.host: site for site in rows}
    hosts = {host for host in sites.keys() | counts.keys() if text.lower() in host}
    obstacles = Obstacles.read()
    found = [_status(sites.get(host), host, counts, obstacles) for host in hosts]
    return sorted(found, key=lambda each: (each.left_alone is None, each.host))


def site_status(user: "User", host: str) -> SiteStatus | None:
    """Return one site; None for who is not staff and has no download of it, active or not."""
    if not (user.is_staff or Download.objects.visible_to(user).filter(site=host).exists()):
        return None
    site = Site.objects.filter(host=host).first()
    return _status(site, host, _counts(user), Obstacles.read())


def _counts(user: "User") -> dict[str, dict[bool, int]]:
    """Count the active downloads that a user may see, by site and by whether they wait."""
    active = Download.objects.visible_to(user).active().exclude(site="").order_by()
    counts: dict[str, dict[bool, int]] = {}
    for host, state, number in active.values_list("site", "state").annotate(Count("id")):
        of_site = counts.setdefault(host, {True: 0, False: 0})
        of_site[state == State.CREATED] += number
    return counts


def _status(
    site: Site | None, host: str, counts: dict[str, dict[bool, int]], obstacles: Obstacles
) -> SiteStatus:
    of_site = counts.get(host, {})
    return SiteStatus(
        site=site or Site(host=host),
        waiting=of_site.get(True, 0),
        running=of_site.get(False, 0),
        left_alone=obstacles.open_sites.get(host),
        paused_until=obstacles.paused.get(host),
    )
