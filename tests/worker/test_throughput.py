"""What is too slow and what takes too long, by a table of reports."""

import pytest

from downloads.worker.throughput import ThroughputWatchdog

SLOWEST = 100  # bytes per second
Report = tuple[float, int | None]  # seconds from the beginning, bytes so far (None: not fetching)


def watchdog(*, slowest: int = SLOWEST) -> ThroughputWatchdog:
    return ThroughputWatchdog(
        now=0, max_seconds=1000, min_bytes_per_second=slowest, window_seconds=10
    )


def ended_by(*reports: Report, slowest: int = SLOWEST) -> tuple[float, str] | None:
    """When the reports of an attempt end it, and why; None when they do not."""
    pace = watchdog(slowest=slowest)
    for now, received_bytes in reports:
        broke = pace.measure(now=now, received_bytes=received_bytes)
        if broke is not None:
            return now, broke.kinds[0]
    return None


def steadily(bytes_per_second: float, *, start: float = 0, seconds: int = 60) -> list[Report]:
    return [(start + at, int(at * bytes_per_second)) for at in range(seconds)]


def test_a_site_that_sends_fast_enough_is_let_be() -> None:
    assert ended_by(*steadily(101)) is None


def test_a_site_that_sends_a_byte_now_and_then_is_stalled_after_the_window() -> None:
    assert ended_by(*steadily(1)) == (10, "Stalled")


def test_what_came_fast_before_does_not_excuse_what_comes_slowly_now() -> None:
    fast = steadily(10_000, seconds=31)
    slow = [(30 + at, 300_000 + at) for at in range(1, 40)]

    assert ended_by(*fast, *slow) == (40, "Stalled")


def test_a_pause_that_is_shorter_than_the_window_is_no_stall() -> None:
    reports: list[Report] = [(0, 0), (1, 5000), (9, 5000), (10, 5000), (11, 9000), (20, 9000)]

    assert ended_by(*reports) is None


@pytest.mark.parametrize("phase_seconds", [5, 500])
def test_nothing_is_expected_while_nothing_is_fetched(phase_seconds: int) -> None:
    quiet: list[Report] = [(at, None) for at in range(phase_seconds)]

    assert ended_by(*quiet, *steadily(200, start=phase_seconds)) is None


def test_the_window_begins_again_after_another_phase() -> None:
    reports: list[Report] = [(0, 0), (9, 10), (10, None), (11, 10), (20, 20)]

    assert ended_by(*reports) is None


def test_a_file_that_is_fetched_from_its_beginning_again_is_measured_from_there() -> None:
    reports: list[Report] = [(0, 0), (5, 100_000), (9, 10), (11, 500), (18, 1500)]

    assert ended_by(*reports) is None


def test_without_a_minimum_any_speed_will_do() -> None:

    assert ended_by(*steadily(0), slowest=0) is None


def test_no_attempt_takes_longer_than_the_limit_however_fast_it_is() -> None:
    assert ended_by((999, 10**9), (1000, 2 * 10**9), (1000.5, 3 * 10**9)) == (1000.5, "TimedOut")
    assert ended_by((1001, None)) == (1001, "TimedOut")


def test_a_recording_may_be_finished_after_its_time() -> None:
    pace = watchdog()

    ends = [
        pace.measure(now=now, received_bytes=None, is_recorded=True) for now in (1001, 2000, 2001)
    ]

    assert [broke and broke.data for broke in ends] == [None, None, {"after_seconds": 2000}]
