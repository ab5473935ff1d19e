"""The throughput of an attempt, as its chart shows it."""

import pytest

from downloads.models import Attempt
from downloads.worker.speeds import MOST_POINTS, Speeds
from tests.helpers.choices import Choices
from tests.helpers.worker import running_worker, submit


def test_a_point_is_the_mean_speed_since_the_one_before() -> None:
    speeds = Speeds()

    for seconds, received in ((10.0, 0), (10.2, 100), (10.5, 1000), (11.5, 5000)):
        speeds.take(received, seconds=seconds)

    assert speeds.points == [[10.5, 2000], [11.5, 4000]]


def test_what_began_anew_has_no_negative_speed() -> None:
    speeds = Speeds()

    for seconds, received in ((0.0, 0), (1.0, 1000), (2.0, 10), (3.0, 1010)):
        speeds.take(received, seconds=seconds)

    assert speeds.points == [[1.0, 1000], [2.0, 0], [3.0, 1000]]


def test_however_long_it_takes_there_are_few_points_over_all_of_it() -> None:
    speeds = Speeds()

    for tick in range(4001):
        speeds.take(tick * 1000, seconds=float(tick))

    assert MOST_POINTS // 2 <= len(speeds.points) < MOST_POINTS
    assert {speed for _, speed in speeds.points} == {1000}
    times = [seconds for seconds, _ in speeds.points]
    assert times == sorted(times)
    assert times[0] < 100
    assert times[-1] > 3900


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_the_speeds_of_an_attempt_are_kept(offer: Choices) -> None:
    download = submit(offer.url("/page"), quality="360p", rate_limit=20_000, thumbnail=False)

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    points = Attempt.objects.get(download=download).speeds
    assert points
    assert all(seconds > 0 and speed > 0 for seconds, speed in points)


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_a_small_download_has_no_speeds(offer: Choices) -> None:
    download = submit(offer.url("/180.mp4"))

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    assert Attempt.objects.get(download=download).speeds == []
