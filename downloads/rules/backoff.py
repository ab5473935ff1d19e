"""How long to wait before an error is tried again: exponential, with full jitter, in seconds."""

import random

from downloads.rules.errors import ADVICE, ErrorClass, Retry

BACKOFF_BASE_SECONDS = 2.0
BACKOFF_CAP_SECONDS = 60.0
RETRY_AFTER_CAP_SECONDS = 3600.0
# The site is asked again before a premiere that is further away: it may be put off.
PREMIERE_CAP_SECONDS = 6 * 3600.0
PREMIERE_LEAST_SECONDS = 30.0
LONGEST_WAIT_SECONDS = max(RETRY_AFTER_CAP_SECONDS, PREMIERE_CAP_SECONDS)


def retry_delay_seconds(
    error_class: ErrorClass,
    *,
    tries: int,
    retry_after_seconds: float | None = None,
    chance: random.Random | None = None,
) -> float | None:
    """How long to wait before the next attempt, or None when there is none by itself.

    `tries` counts the attempts made so far, from 1. Exponential with full jitter (base 2 s, at
    most 60 s); `Retry-After` of the site is honoured up to an hour. The caller checks that
    attempts are left.
    """
    rule = ADVICE[error_class].retry
    if rule is Retry.NEVER or (rule is Retry.ONCE and tries > 1):
        return None
    if rule is Retry.AT_ONCE:
        return 0.0
    delay = jittered_seconds(tries, chance=chance)
    if retry_after_seconds is None:
        return delay
    return max(delay, clamp_retry_after(retry_after_seconds))


def jittered_seconds(tries: int, *, chance: random.Random | None = None) -> float:
    """How long to wait after so many tries, from 1: up to 2 s, twice as long each time, 60 s."""
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** min(tries - 1, 16))
    return (chance or random.SystemRandom()).uniform(0, ceiling)


def clamp_retry_after(seconds: float) -> float:
    """What a site asks for, from 0 to RETRY_AFTER_CAP_SECONDS; 0 for what is no number (NaN)."""
    return min(max(0.0, seconds), RETRY_AFTER_CAP_SECONDS)
