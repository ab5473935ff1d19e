"""How often a site is asked: the pause between two of its downloads.

Pure: functions of values. It counts from the beginning of the last one, which is what the site
notices, and which a claim knows without waiting for an end.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

MAX_PAUSE_SECONDS = 86400.0


@dataclass(frozen=True, kw_only=True)
class Pauses:
    """The pauses of all sites, in seconds; 0: none."""

    usual_seconds: float = 0.0
    of_sites: Mapping[str, float] = field(default_factory=dict)  # instead of that, by host

    def __bool__(self) -> bool:
        """Whether any site has one."""
        return self.longest_seconds > 0

    def at(self, site: str) -> float:
        return self.of_sites.get(site, self.usual_seconds)

    @property
    def longest_seconds(self) -> float:
        return max(self.usual_seconds, *self.of_sites.values(), 0.0)

    def open_at(
        self, now: datetime, starts: Iterable[tuple[str, datetime]]
    ) -> Iterator[tuple[str, datetime]]:
        """Yield the sites that pause at `now`, each with the end of its pause.

        `starts` are the last ones of sites. One in the future was written before the clock was set
        back: it holds nobody up.
        """
        for site, started_at in starts:
            end = started_at + timedelta(seconds=self.at(site))
            if started_at <= now < end:
                yield site, end
