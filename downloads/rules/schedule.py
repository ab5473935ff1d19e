"""When a subscription is checked, and what its first check takes. Pure."""

import random
import re

from downloads.rules.words import say

LEAST_INTERVAL_SECONDS = 15 * 60
MOST_INTERVAL_SECONDS = 30 * 24 * 3600
USUAL_INTERVAL_SECONDS = 6 * 3600
# Checks that were made at the same time do not stay together.
JITTER = 0.1
BACKOFF_CAP_SECONDS = 7 * 24 * 3600
# A check beyond this was planned by a clock that has been set back since.
LONGEST_WAIT_SECONDS = 2 * MOST_INTERVAL_SECONDS
FAILURES_THAT_NEED_ATTENTION = 3
# So many entries in a row that are known: what follows is older, and known as well.
ENOUGH_KNOWN = 30
MAX_NEWEST = 10_000
MOST_KEPT = 36_500  # videos, or days
NEWEST = re.compile(r"newest:([1-9][0-9]{0,4})")


def next_check_seconds(
    interval_seconds: int, *, failures: int = 0, chance: random.Random | None = None
) -> float:
    """Return how long to wait after a check.

    Twice as long after each failure, at most a week or, when that is longer, the interval.
    """
    delay = interval_seconds * 2.0 ** min(failures, 16)
    delay = min(delay, max(BACKOFF_CAP_SECONDS, interval_seconds)) if failures else delay
    return delay * (1 + (chance or random.SystemRandom()).uniform(0, JITTER))


def checked_interval(seconds: int) -> int:
    """Return an interval that may be. Raises ValueError with a sentence."""
    if not LEAST_INTERVAL_SECONDS <= seconds <= MOST_INTERVAL_SECONDS:
        raise ValueError(
            say(
                "Between two checks are {least:,} to {most:,} seconds.",
                least=LEAST_INTERVAL_SECONDS,
                most=MOST_INTERVAL_SECONDS,
            )
        )
    return seconds


def checked_first(text: str) -> str:
    """Return what the first check takes: all, new, or newest:N. Raises ValueError."""
    number = newest_of(text)
    if text in ("all", "new") or (number and number <= MAX_NEWEST):
        return text
    raise ValueError(say("Say all, new, or newest:N with N up to {most:,}.", most=MAX_NEWEST))


def checked_keeping(number: int | None) -> int | None:
    """Return how many, or for how many days, something is kept; None: for ever. Raises ValueError
    with a sentence."""
    if number is not None and not 1 <= number <= MOST_KEPT:
        raise ValueError(say("Say a number from 1 to {most:,}, or nothing.", most=MOST_KEPT))
    return number


def newest_of(text: str) -> int | None:
    """Return the N of newest:N; None for anything else."""
    match = NEWEST.fullmatch(text)
    return int(match[1]) if match else None
