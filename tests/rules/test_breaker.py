"""When a site waits, and for how long: a table of values."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.rules.backoff import RETRY_AFTER_CAP_SECONDS
from downloads.rules.breaker import (
    LEAST_SHARE,
    MAX_WAIT_SECONDS,
    OF_OURS,
    REFUSALS,
    Breaker,
    Verdict,
    verdict_of,
    wait_seconds,
)
from downloads.rules.errors import ErrorClass

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIMIT = 5


def seconds(number: float) -> timedelta:
    return timedelta(seconds=number)


def fail(breaker: Breaker, *, retry_after: float | None = None, limit: int = 5) -> Breaker:
    return breaker.after_failure(
        NOW,
        limit=limit,
        first_wait_seconds=60,
        retry_after_seconds=retry_after,
    )


def wait_of(breaker: Breaker) -> timedelta:
    assert breaker.waits_until is not None
    return breaker.waits_until - NOW


@pytest.mark.parametrize(
    ("waits_until", "is_open"),
    [
        (None, False),
        (NOW + seconds(1), True),
        (NOW + seconds(3600), True),
        (NOW, False),
        (NOW - seconds(9999), False),
        (NOW + timedelta(days=1), False),  # the clock was set back
    ],
)
def test_a_breaker_is_open_until_an_instant(waits_until: datetime | None, is_open: bool) -> None:
    breaker = Breaker(failures=5, waits_until=waits_until)

    assert breaker.is_open(NOW) is is_open


def test_fewer_failures_than_the_limit_make_nobody_wait() -> None:
    breaker = Breaker()

    for number in range(1, LIMIT):
        breaker = fail(breaker)
        assert breaker == Breaker(failures=number)


def test_the_failure_at_the_limit_begins_the_first_wait() -> None:
    breaker = fail(Breaker(failures=LIMIT - 1))

    assert breaker.failures == LIMIT
    assert seconds(60 * LEAST_SHARE) <= wait_of(breaker) <= seconds(60)


def test_each_failure_after_a_wait_doubles_it_up_to_half_an_hour() -> None:
    longest = []
    for failures in range(LIMIT - 1, LIMIT + 8):
        before = Breaker(failures=failures, waits_until=NOW if failures >= LIMIT else None)
        wait = wait_of(fail(before))
        expected = wait_seconds(failures + 1 - LIMIT, first_wait_seconds=60)
        assert seconds(expected * LEAST_SHARE) <= wait <= seconds(expected)
        longest.append(expected)

    assert longest[:6] == [60, 120, 240, 480, 960, 1800]
    assert set(longest[5:]) == {MAX_WAIT_SECONDS}


def test_waits_are_spread() -> None:
    waits = {
        wait_of(
            Breaker(failures=4).after_failure(
                NOW,
                limit=LIMIT,
                first_wait_seconds=60,
                chance=random.Random(seed),
            )
        )
        for seed in range(50)
    }

    assert min(waits) < seconds(50) < seconds(55) < max(waits)


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        (None, 45, 60),
        (0.0, 45, 60),
        (-5.0, 45, 60),
        (300.0, 300, 300),
        (1e9, RETRY_AFTER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS),
        (float("inf"), RETRY_AFTER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS),
        (float("nan"), 45, 60),
    ],
)
def test_retry_after_makes_the_wait_longer_within_limits(
    asked: float | None, at_least: float, at_most: float
) -> None:
    wait = wait_of(fail(Breaker(failures=LIMIT - 1), retry_after=asked))

    assert seconds(at_least) <= wait <= seconds(at_most)


def test_what_began_before_the_wait_does_not_double_it() -> None:
    waiting = Breaker(failures=LIMIT, waits_until=NOW + seconds(50))

    assert fail(waiting) == waiting
    assert fail(waiting, retry_after=20) == waiting
    assert wait_of(fail(waiting, retry_after=200)) == seconds(200)


def test_of_a_herd_that_fails_after_a_wait_only_the_first_doubles_it() -> None:
    over = Breaker(failures=LIMIT, waits_until=NOW)

    first = fail(over)

    assert first.failures == LIMIT + 1
    assert fail(fail(first)) == first


def test_a_breaker_that_was_closed_by_hand_opens_for_twice_as_long() -> None:
    wait = wait_of(fail(Breaker(failures=LIMIT)))

    assert seconds(120 * LEAST_SHARE) <= wait <= seconds(120)


def test_with_a_limit_of_zero_nobody_ever_waits() -> None:
    assert fail(Breaker(failures=99), limit=0) == Breaker(failures=100)


@given(st.integers(0, 10**9), st.floats(1, 1800))
def test_no_number_of_failures_makes_the_wait_endless(failures: int, first: float) -> None:
    assert first <= wait_seconds(failures, first_wait_seconds=first) <= MAX_WAIT_SECONDS


@pytest.mark.parametrize("error_class", ErrorClass)
def test_what_each_error_says_of_the_site(error_class: ErrorClass) -> None:
    verdict = verdict_of(error_class)

    assert (verdict is Verdict.REFUSES) == (error_class in REFUSALS)
    assert (verdict is Verdict.NOTHING) == (error_class in OF_OURS)


def test_only_refusals_count_and_a_missing_video_proves_that_the_site_answers() -> None:
    assert {item.value for item in REFUSALS} == {"network", "rate_limited", "forbidden"}
    for error_class in (ErrorClass.UNAVAILABLE, ErrorClass.UNSUPPORTED, ErrorClass.INCOMPLETE):
        assert verdict_of(error_class) is Verdict.ANSWERS
    for error_class in (ErrorClass.DISK_FULL, ErrorClass.WORKER_LOST):
        assert verdict_of(error_class) is Verdict.NOTHING
