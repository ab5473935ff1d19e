"""Whose download is the next to run: nobody takes all slots while somebody else waits.

Pure decisions over what the rows say. Owner None are all downloads without one, which the command
added: they take turns like those of one more user.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ConcurrencyLimits:
    """How many downloads may run at once; 0: any number."""

    of_user: int = 0
    of_site: int = 0
    of_sites: Mapping[str, int] = field(default_factory=dict)  # instead of that, by host

    def at(self, site: str) -> int:
        """Return how many downloads of a site may run."""
        return self.of_sites.get(site, self.of_site)


@dataclass(frozen=True, kw_only=True)
class Running:
    """How many downloads run, by owner and by site."""

    by_owner: Counter[int | None] = field(default_factory=Counter)
    by_site: Counter[str] = field(default_factory=Counter)

    @classmethod
    def count(cls, running: Iterable[tuple[int | None, str]]) -> "Running":
        """Of (owner, site) for each that runs."""
        counted = cls()
        for owner_id, site in running:
            counted.add(owner_id, site)
        return counted

    def full_owners(self, limits: ConcurrencyLimits) -> frozenset[int | None]:
        """Who has as many running as one user may have."""
        counts, most = self.by_owner, limits.of_user
        return frozenset(owner for owner, count in counts.items() if most and count >= most)

    def full_sites(self, limits: ConcurrencyLimits) -> frozenset[str]:
        counts = self.by_site.items()
        return frozenset(site for site, count in counts if 0 < limits.at(site) <= count)

    def add(self, owner_id: int | None, site: str) -> None:
        """Count one more."""
        self.by_owner[owner_id] += 1
        self.by_site[site] += 1


@dataclass(frozen=True, kw_only=True)
class Turn:
    """The download of one owner that would be claimed next."""

    owner_id: int | None
    priority: int
    download_id: int


def first_of(turns: Iterable[Turn], running: Running) -> Turn | None:
    """Who has the fewest running; of those with as many the most urgent, then the oldest."""
    return min(
        turns,
        key=lambda turn: (running.by_owner[turn.owner_id], -turn.priority, turn.download_id),
        default=None,
    )


def place_among(own: int, others: Iterable[int]) -> int:
    """Return the place in the queue of all for the `own`th of an owner's waiting downloads.

    `others` are the lengths of the queues of the other owners. Owners take turns: before it each of
    them has as many turns as its owner had.
    """
    return own + sum(min(length, own - 1) for length in others)
