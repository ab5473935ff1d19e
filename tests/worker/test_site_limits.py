"""The limits of a site, with real workers: its pause and its speed; and the speed of a user."""

from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth.models import User

from downloads.models import Attempt, Download, Preferences, Site, Transition
from downloads.worker.loan import Loan
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.worker import running_worker, submit, wait_for_state

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

PAUSE_SECONDS = 1.5


@pytest.mark.both_databases
def test_downloads_of_two_workers_begin_a_pause_apart(media_server: MediaServer) -> None:
    downloads = [submit(media_server.url(f"/small/{number}.mp4")) for number in range(3)]
    settings = {
        "VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin,
        "VNSITE_SITE_PAUSE_SECONDS": str(PAUSE_SECONDS),
    }

    with running_worker(**settings), running_worker(**settings):
        for download in downloads:
            wait_for_state(download, "cleaned")

    starts = sorted(Attempt.objects.values_list("started_at", flat=True))
    apart = [later - earlier for earlier, later in pairwise(starts)]
    assert len(apart) == 2
    assert min(apart) >= timedelta(seconds=PAUSE_SECONDS)
    assert not Download.objects.exclude(outcome="completed").exists()


@pytest.mark.parametrize("limited", ["site", "option"])
def test_a_download_keeps_to_its_speed_and_is_not_called_slow(
    media_server: MediaServer, limited: str
) -> None:
    size = media_server.file("video.mp4").stat().st_size
    rate = size // 3
    options = {}
    if limited == "site":
        Site.objects.set_limits(media_server.origin, rate_limit=rate)
    else:
        options["rate_limit"] = rate
    download = submit(media_server.url("/video.mp4"), **options)

    settings = {
        "VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin,
        "VNSITE_MIN_BYTES_PER_SECOND": str(2 * rate),
        "VNSITE_STALL_SECONDS": "1",
    }
    with running_worker(**settings):
        wait_for_state(download, "cleaned")

    download.refresh_from_db()
    assert (download.outcome, download.attempt) == ("completed", 1)
    moved = dict(download.transitions.values_list("to_state", "at"))
    # Other speeds would need less; whatever else the machine does, this one needs as long.
    assert moved["completed"] - moved["downloading"] >= timedelta(seconds=2)


@pytest.mark.both_databases
def test_the_speed_of_a_user_is_shared_by_what_may_run_at_once(user: User) -> None:
    Preferences.objects.create(user=user, rate_limit=900_000)
    worker = lives.make_worker(slots=3)
    first, second = lives.submit(user), lives.submit(user)

    assert Loan.of(lives.start(first, worker)).rate_limit == 450_000
    for _ in range(5):
        lives.submit(user)
    assert Loan.of(lives.start(second, worker)).rate_limit == 300_000
    assert Loan.of(lives.submit(None)).rate_limit is None


def test_downloads_of_a_user_keep_to_their_speed_together(
    media_server: MediaServer, user: User
) -> None:
    size = media_server.file("video.mp4").stat().st_size
    Preferences.objects.create(user=user, rate_limit=size * 2 // 3)
    downloads = [submit(media_server.url(f"/video.mp4?{each}"), owner=user) for each in range(2)]

    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin):
        for download in downloads:
            wait_for_state(download, "cleaned")

    moves = Transition.objects.filter(download__in=downloads).order_by("at")
    began = moves.filter(to_state="downloading")[0].at
    # Twice the file at two thirds of it a second: whatever else the machine does, so long at least.
    assert moves.filter(to_state="completed").latest("at").at - began >= timedelta(seconds=2)
