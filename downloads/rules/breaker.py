"""The circuit breaker of one site: whether its downloads are claimed, or wait.

Pure: functions of values. The rows are in `downloads.models.sites`.

closed  downloads of the site are claimed as they come
open    after too many failures in a row: none is claimed until an instant. Then all may go, as many
        at once as slots and limits allow; the next failure opens it for twice as long.
"""

import random
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from downloads.rules.backoff import RETRY_AFTER_CAP_SECONDS, clamp_retry_after
from downloads.rules.errors import ErrorClass

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


@dataclass(frozen=True, kw_only=True)
class Breaker:
    """The breaker of one site."""

    failures: int = 0  # in a row
    waits_until: datetime | None = None  # open until then; None: closed

    def is_open(self, now: datetime) -> bool:
        """Whether downloads of the site wait.

        An instant later than `latest_end` means that the clock was set back: treat it as over.
        """
        return self.waits_until is not None and now < self.waits_until <= latest_end(now)

    def after_failure(
        self,
        now: datetime,
        *,
        limit: int,
        first_wait_seconds: float,
        retry_after_seconds: float | None = None,
        chance: random.Random | None = None,
    ) -> "Breaker":
        """The breaker after an attempt that the site refused.

        It opens at `limit` failures in a row (0: never), and for twice as long with each failure
        after an open time, for at most MAX_WAIT_SECONDS; `Retry-After` of the site is honoured up
        to its own limit. An attempt that began before and fails while it is open says nothing new:
        it only prolongs the wait to its `Retry-After`, or one flood of failures would double it
        many times.
        """
        asked = timedelta(seconds=clamp_retry_after(retry_after_seconds or 0.0))
        if self.waits_until is not None and self.is_open(now):
            return replace(self, waits_until=max(self.waits_until, now + asked))
        failures = self.failures + 1
        if limit == 0 or failures < limit:
            return Breaker(failures=failures)
        longest = wait_seconds(failures - limit, first_wait_seconds=first_wait_seconds)
        share = (chance or random.SystemRandom()).uniform(LEAST_SHARE, 1.0)
        wait = max(asked, timedelta(seconds=longest * share))
        return Breaker(failures=failures, waits_until=now + wait)


def latest_end(now: datetime) -> datetime:
    """When a breaker that opens now closes at the latest."""
    return now + timedelta(seconds=max(MAX_WAIT_SECONDS, RETRY_AFTER_CAP_SECONDS))


def verdict_of(error_class: ErrorClass) -> Verdict:
    """What an attempt that ended with this error says of the site."""
    if error_class in REFUSALS:
        return Verdict.REFUSES
    return Verdict.NOTHING if error_class in OF_OURS else Verdict.ANSWERS


def wait_seconds(doublings: int, *, first_wait_seconds: float) -> float:
    """The longest that a wait may take, after so many doublings."""
    # 2.0 ** 1024 overflows.
    return min(MAX_WAIT_SECONDS, first_wait_seconds * 2.0 ** min(doublings, 30))
