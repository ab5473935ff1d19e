"""What one attempt's child is lent for its site, and what it brings back of it; and its speed.

The cookies of the download's owner are opened here, go to that one child, and to nobody else.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from typing import Self

from django.conf import settings
from django.db.models import Sum

from downloads.fetch.protocol import Lent, Renewed
from downloads.models import Download, Preferences, Site, SiteCookies, Worker
from downloads.models.statements import ask
from downloads.rules.cookies import MAX_COOKIES, Cookie, hosts_serving
from downloads.rules.proxies import Proxy
from downloads.rules.sealing import Unreadable
from downloads.worker.owned import Row

logger = logging.getLogger(__name__)

MIN_RATE = 1024  # bytes per second, of one download: a slower one would be ended as stalled


class Loan:
    """The cookies, the proxy and the speed of one attempt."""

    def __init__(
        self, rows: list[SiteCookies], *, proxy: str, rate_limit: int | None = None
    ) -> None:
        """`rate_limit`: in bytes per second; None: as fast as it comes."""
        self.notes: list[str] = []  # for the attempt's log
        self._rows: dict[str, SiteCookies] = {}
        self._renewed: dict[str, list[Cookie]] = {}
        cookies = {row.host: [asdict(each) for each in opened] for row, opened in self._open(rows)}
        self.rate_limit = rate_limit
        self.lent = Lent(cookies=cookies, proxy=proxy)
        if proxy:
            self.notes.append(f"through the proxy {Proxy.parse(proxy).endpoint}")

    @classmethod
    def of(cls, download: Download) -> Self:
        """Read what a download is lent. Raises InvalidProxy."""
        if download.remux_of or not _is_anything_lent(download):
            return cls([], proxy="")  # nearly always
        site = Site.objects.filter(host=download.site).first()
        hosts = hosts_serving(download.url)
        rows = SiteCookies.objects.for_hosts(download.owner_id, hosts)
        of_site, of_owner = site.rate_limit if site else None, _share_of(download.owner_id)
        rates = [rate for rate in (of_site, of_owner) if rate]
        return cls(rows, proxy=site.proxy if site else "", rate_limit=min(rates, default=None))

    def take(self, renewed: Renewed) -> None:
        """Keep in mind what the child brought back; what is not valid is logged and dropped."""
        try:
            cookies = [Cookie.from_mapping(values) for values in renewed.cookies]
        except (TypeError, ValueError):  # without its words: they may be a cookie's
            cookies = []
        is_valid = renewed.host in self._rows and 0 < len(cookies) <= MAX_COOKIES
        if is_valid and all(cookie.belongs_to(renewed.host) for cookie in cookies):
            self._renewed[renewed.host] = cookies
        else:
            logger.warning("the child sent cookies that are not those of its site: dropped")

    def store_renewed(self, row: Row) -> None:
        """Store what came back, unless somebody else stored other cookies meanwhile."""
        for host, cookies in self._renewed.items():
            row.ask(partial(SiteCookies.objects.renew, self._rows[host], cookies))

    def _open(self, rows: list[SiteCookies]) -> Iterator[tuple[SiteCookies, list[Cookie]]]:
        for row in rows:
            try:
                cookies = row.open()
            except Unreadable:
                self.notes.append(
                    f"the cookies of {row} cannot be read with this secret key: paste them again"
                )
                continue
            self._rows[row.host] = row
            self.notes.append(f"with the owner's cookies of {row}")
            yield row, cookies


def _is_anything_lent(download: Download) -> bool:
    """Say whether the site or the owner has anything of which more is to be read."""
    [(is_lent,)] = ask(
        "SELECT EXISTS (SELECT 1 FROM downloads_site WHERE host = %s"
        " AND (proxy <> '' OR rate_limit IS NOT NULL))"
        " OR EXISTS (SELECT 1 FROM downloads_sitecookies WHERE owner_id = %s)"
        " OR EXISTS (SELECT 1 FROM downloads_preferences WHERE user_id = %s AND rate_limit > 0)",
        [download.site, download.owner_id, download.owner_id],
    )
    return bool(is_lent)


def _share_of(owner_id: int | None) -> int | None:
    """Return how fast one more of an owner's downloads may be; None: as fast as it comes.

    Their limit is divided among as many as may run soon: those that wait count, as far as there are
    slots for them, so that what begins a moment later does not exceed it.
    """
    chosen = Preferences.objects.filter(user=owner_id, rate_limit__gt=0)
    limit = chosen.values_list("rate_limit", flat=True).first()
    if not limit:
        return None
    own = Download.objects.filter(owner=owner_id)
    wanted = own.active().filter(paused_at=None).count()
    slots = Worker.objects.alive().aggregate(together=Sum("slots"))["together"] or 1
    at_once = min(settings.VNSITE.user_running or slots, slots)
    return max(MIN_RATE, limit // max(1, own.running().count(), min(wanted, at_once)))
