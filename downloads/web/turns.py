"""Which downloads wait because as many as may are running already, of their owner or of their site.

For pages, API and stream; what the worker makes of it is in `downloads.models`. Reads only.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from downloads.models import Download
from downloads.models.claims import limits, running_now
from downloads.rules.fairness import ConcurrencyLimits, Running
from downloads.rules.states import State


class Whose(StrEnum):
    """Of what as many run as may."""

    USER = "user"
    SITE = "site"


@dataclass(frozen=True, kw_only=True)
class TurnWait:
    """Why a download that is due is not claimed yet."""

    whose: Whose
    running: int
    limit: int


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """What runs, beside how much may."""

    limits: ConcurrencyLimits = field(default_factory=ConcurrencyLimits)
    running: Running = field(default_factory=Running)

    @classmethod
    def read(cls) -> "Crowd":
        """As it is now; without a query when there are no limits."""
        configured = limits()
        if configured == ConcurrencyLimits():
            return cls()
        return cls(limits=configured, running=running_now(Download.objects.all()))

    @classmethod
    def around(cls, downloads: Iterable[Download]) -> "Crowd":
        """Not asked for when none of these downloads could wait for its turn."""
        waits = any(each.state == State.CREATED for each in downloads)
        return cls.read() if waits else cls()

    def wait_of(self, download: Download) -> TurnWait | None:
        """What is in the way of a waiting download; None when nothing of this kind is."""
        if download.state != State.CREATED:
            return None
        if download.owner_id in self.running.full_owners(self.limits):
            count, limit = self.running.by_owner[download.owner_id], self.limits.of_user
            return TurnWait(whose=Whose.USER, running=count, limit=limit)
        if download.site in self.running.full_sites(self.limits):
            count, limit = self.running.by_site[download.site], self.limits.of_site
            return TurnWait(whose=Whose.SITE, running=count, limit=limit)
        return None

    def by_owner(self) -> dict[int | None, "OwnersTurns"]:
        """What each owner waits for; nobody is told of a site of which they want nothing."""
        turns = {
            owner_id: OwnersTurns(user=True) for owner_id in self.running.full_owners(self.limits)
        }
        if sites := self.running.full_sites(self.limits):
            waiting = Download.objects.filter(state=State.CREATED, site__in=sites)
            found = waiting.order_by("site").values_list("owner_id", "site").distinct()
            for owner_id, site in found:
                turns.setdefault(owner_id, OwnersTurns()).sites.append(site)
        return turns


@dataclass(kw_only=True)
class OwnersTurns:
    """As the stream says it."""

    user: bool = False  # as many of their own run as may
    sites: list[str] = field(default_factory=list)  # of which as many run as may
