"""The circuit breaker of one site: when its downloads wait, and when one of them tries it again.

Pure: functions of values. The rows are in `downloads.models.sites`.

closed     downloads of the site are claimed as they come
waiting    after too many failures in a row: none is claimed until an instant
half open  the wait is over: one download is let through as the probe; until its attempt ends the
           others wait. Its success closes the breaker, its failure begins a longer wait.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from downloads.rules.errors import RETRY_AFTER_CAP_SECONDS, ErrorClass, clamp_retry_after

MAX_WAIT_SECONDS = 1800.0
# A wait is between this share of its length and all of it: what made several sites fail at once
# (our own connection) must not have all of them tried again at once.
LEAST_SHARE = 0.75


class Verdict(StrEnum):
    """What the end of an attempt says of the site."""

    REFUSES = "refuses"
    ANSWERS = "answers"
    NOTHING = "nothing"  # the fault may be on our side, or nobody knows


REFUSALS = frozenset({ErrorClass.NETWORK, ErrorClass.RATE_LIMITED, ErrorClass.FORBIDDEN})
OF_OURS = frozenset(
    {
        ErrorClass.DISK_FULL,
        ErrorClass.STORAGE,
        ErrorClass.WORKER_LOST,
        ErrorClass.INTERNAL,
        ErrorClass.POLICY_BLOCKED,
        ErrorClass.STALLED,
        ErrorClass.TIMED_OUT,
        ErrorClass.TLS,
    }
)


class Passage(StrEnum):
    """What a claim may do with a download of a site."""

    FREE = "free"
    PROBE = "probe"  # only as the one probe, taken by compare-and-set
    WAIT = "wait"


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """The breaker of one site."""

    failures: int = 0  # in a row
    waits_until: datetime | None = None  # None: closed. In the past: half open

    def passage(self, now: datetime, *, is_probed: bool) -> Passage:
        """`is_probed`: an attempt that was let through as the probe still runs."""
        if self.waits_until is None:
            return Passage.FREE
        return Passage.WAIT if is_probed or self.is_left_alone(now) else Passage.PROBE

    def is_left_alone(self, now: datetime) -> bool:
        """Whether the wait lasts. One that is longer than any was set by a clock that has been set
        back since, and is over."""
        longest = timedelta(seconds=max(MAX_WAIT_SECONDS, RETRY_AFTER_CAP_SECONDS))
        return self.waits_until is not None and now < self.waits_until <= now + longest

    def after_failure(
        self,
        now: datetime,
        *,
        was_probe: bool,
        limit: int,
        first_wait_seconds: float,
        retry_after_seconds: float | None = None,
        chance: random.Random | None = None,
    ) -> "Breaker":
        """The breaker after an attempt that the site refused.

        The wait begins at `limit` failures in a row (0: never) and doubles with each failed probe,
        to at most MAX_WAIT_SECONDS; `Retry-After` of the site is honoured up to its own limit. An
        attempt that began before the wait and fails during it says nothing new: it only prolongs
        the wait to its `Retry-After`, or one flood of failures would double it many times.
        """
        asked = timedelta(seconds=clamp_retry_after(retry_after_seconds or 0.0))
        if self.waits_until is not None and not was_probe:
            return replace(self, waits_until=max(self.waits_until, now + asked))
        failures = self.failures + 1
        if limit == 0 or failures < limit:
            return Breaker(failures=failures)
        longest = wait_seconds(failures - limit, first_wait_seconds=first_wait_seconds)
        share = (chance or random.SystemRandom()).uniform(LEAST_SHARE, 1.0)
        wait = max(asked, timedelta(seconds=longest * share))
        return Breaker(failures=failures, waits_until=now + wait)


def verdict_of(error_class: ErrorClass) -> Verdict:
    """What an attempt that ended with this error says of the site."""
    if error_class in REFUSALS:
        return Verdict.REFUSES
    return Verdict.NOTHING if error_class in OF_OURS else Verdict.ANSWERS


def wait_seconds(doublings: int, *, first_wait_seconds: float) -> float:
    """The longest that a wait may take, after so many doublings."""
    # 2.0 ** 1024 overflows.
    return min(MAX_WAIT_SECONDS, first_wait_seconds * 2.0 ** min(doublings, 30))
