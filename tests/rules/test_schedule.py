"""When a subscription is checked."""

import random

import pytest

from downloads.rules.schedule import (
    BACKOFF_CAP_SECONDS,
    checked_first,
    checked_interval,
    checked_keeping,
    newest_of,
    next_check_seconds,
)

HOUR, DAY = 3600, 24 * 3600


@pytest.mark.parametrize(
    ("interval", "failures", "least"),
    [
        (6 * HOUR, 0, 6 * HOUR),
        (6 * HOUR, 1, 12 * HOUR),
        (6 * HOUR, 3, 48 * HOUR),
        (6 * HOUR, 30_000, BACKOFF_CAP_SECONDS),
        (30 * DAY, 0, 30 * DAY),
        (30 * DAY, 9, 30 * DAY),
    ],
)
def test_the_next_check_is_an_interval_away_and_later_after_failures(
    interval: int, failures: int, least: float
) -> None:
    waits = [
        next_check_seconds(interval, failures=failures, chance=random.Random(seed))
        for seed in range(50)
    ]

    assert all(least <= wait <= 1.1 * least for wait in waits)
    assert len(set(waits)) > 40  # they do not stay together


@pytest.mark.parametrize("seconds", [900, 6 * HOUR, 30 * DAY])
def test_an_interval_may_be(seconds: int) -> None:
    assert checked_interval(seconds) == seconds


@pytest.mark.parametrize("seconds", [-1, 0, 899, 30 * DAY + 1])
def test_an_interval_may_not_be(seconds: int) -> None:
    with pytest.raises(ValueError, match="Between two checks"):
        checked_interval(seconds)


@pytest.mark.parametrize(
    ("text", "number"), [("all", None), ("new", None), ("newest:1", 1), ("newest:10000", 10_000)]
)
def test_what_the_first_check_takes(text: str, number: int | None) -> None:
    assert checked_first(text) == text
    assert newest_of(text) == number


@pytest.mark.parametrize("text", ["", "none", "newest", "newest:0", "newest:10001", "newest:-1"])
def test_what_the_first_check_cannot_take(text: str) -> None:
    with pytest.raises(ValueError, match="newest:N"):
        checked_first(text)


@pytest.mark.parametrize("number", [None, 1, 36_500])
def test_so_much_may_be_kept(number: int | None) -> None:
    assert checked_keeping(number) == number


@pytest.mark.parametrize("number", [-1, 0, 36_501])
def test_so_much_may_not_be_kept(number: int) -> None:
    with pytest.raises(ValueError, match="Say a number from 1 to 36,500, or nothing"):
        checked_keeping(number)
