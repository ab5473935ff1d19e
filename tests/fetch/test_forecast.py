from typing import Any

import pytest

from downloads.fetch.forecast import LEAST_SECONDS, Forecast
from downloads.fetch.protocol import Advance
from tests.helpers.manual_clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def forecast(clock: ManualClock) -> Forecast:
    return Forecast(now=clock)


def report(part: str, received: int, **values: Any) -> dict[str, Any]:
    return {"info_dict": {"format_id": part}, "downloaded_bytes": received, **values}


def figures(advance: Advance) -> tuple[int, int | None, float | None]:
    return advance.received_bytes, advance.total_bytes, advance.eta_seconds


def test_picture_and_sound_are_counted_together(forecast: Forecast, clock: ManualClock) -> None:
    forecast.expect([{"format_id": "v", "filesize": 900}, {"format_id": "a", "filesize": 100}])
    forecast.advance(report("v", 0, total_bytes=900))
    clock.seconds += 9

    picture = forecast.advance(report("v", 900, status="finished", total_bytes=900))
    clock.seconds += 0.5
    sound = forecast.advance(report("a", 50, total_bytes=100))

    assert figures(picture) == (900, 1000, 1.0)
    assert figures(sound) == (950, 1000, 0.5)


def test_what_arrived_counts_more_than_what_was_stated(forecast: Forecast) -> None:
    forecast.expect(
        [{"format_id": "v", "filesize_approx": 900.5}, {"format_id": "a", "filesize": 1}]
    )

    advance = forecast.advance(report("v", 2000, status="finished"))

    assert figures(advance) == (2000, 2001, None)


@pytest.mark.parametrize("sound", [{"format_id": "a"}, {"format_id": "a", "filesize": 0}])
def test_without_the_size_of_one_file_there_is_no_total(
    forecast: Forecast, clock: ManualClock, sound: dict[str, Any]
) -> None:
    forecast.expect([{"format_id": "v", "filesize": 900}, sound])
    forecast.advance(report("v", 0))
    clock.seconds += 9

    assert figures(forecast.advance(report("v", 900, total_bytes=900))) == (900, None, None)
    assert forecast.advance(report("a", 50, total_bytes=100)).total_bytes == 1000


def test_the_first_packets_foretell_nothing(forecast: Forecast, clock: ManualClock) -> None:
    forecast.advance(report("v", 1, total_bytes=1000))
    clock.seconds += LEAST_SECONDS / 2

    assert forecast.advance(report("v", 2, total_bytes=1000)).eta_seconds is None


def test_of_what_has_come_no_time_is_left_to_tell(forecast: Forecast, clock: ManualClock) -> None:
    forecast.advance(report("v", 0, total_bytes_estimate=1000))
    clock.seconds += 10

    assert forecast.advance(report("v", 999, total_bytes_estimate=1000)).eta_seconds is None
    assert forecast.advance(report("v", 1200, total_bytes_estimate=1000)).eta_seconds is None


def test_bytes_of_an_earlier_attempt_do_not_count_as_speed(
    forecast: Forecast, clock: ManualClock
) -> None:
    forecast.advance(report("v", 800, total_bytes=1000))
    clock.seconds += 10

    assert forecast.advance(report("v", 900, total_bytes=1000)).eta_seconds == 10.0


def test_the_fragments_of_the_file_that_is_fetched_are_counted(forecast: Forecast) -> None:
    whole = forecast.advance(report("v", 10))
    piece = forecast.advance(report("v", 20, fragment_index=3, fragment_count=60))

    assert (whole.fragment, whole.fragments) == (0, 0)
    assert (piece.fragment, piece.fragments) == (3, 60)


def test_an_estimate_stands_for_a_size(forecast: Forecast) -> None:
    assert forecast.advance(report("v", 10, total_bytes_estimate=99.5)).total_bytes == 99
    assert forecast.advance(report("v", 200, total_bytes_estimate=99.5)).total_bytes == 200
