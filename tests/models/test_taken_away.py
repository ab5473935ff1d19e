"""What a running attempt needs is taken away under its hands: its row, its owner, its directory."""

import shutil

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions
from tests.crash.judging import assert_nothing_is_left
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    child_of,
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


def wait_for_first_bytes(download: Download) -> None:
    """From then on no column of its row is written until its end."""
    wait_for_state(download, "downloading")
    arrived = Download.objects.filter(pk=download.pk, progress__received_bytes__gt=0)
    wait_for(arrived.exists, what="the first bytes")


@pytest.mark.both_databases
def test_a_deleted_row_ends_its_processes_and_the_worker_goes_on(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))
    with running_worker(**allowed) as worker:
        wait_for_first_bytes(download)
        child = child_of(download)

        Download.objects.filter(pk=download.pk).update(forgotten_at=timezone.now())
        Download.objects.filter(pk=download.pk).delete()

        wait_for(lambda: not child.is_alive(), what="the child to be ended")
        wait_for(lambda: not temp_entries(), what="its directory to be removed")
        following = wait_for_state(submit(media_server.url("/video.mp4?row")), "cleaned")
        assert b"Traceback" not in worker.said()
    assert following.outcome == "completed"


@pytest.mark.both_databases
def test_the_downloads_of_a_deleted_user_are_cancelled(
    media_server: MediaServer, allowed: dict[str, str], user: User, staff: User
) -> None:
    links = [media_server.url(f"/slow.mp4?rate=100000&n={number}") for number in range(2)]
    wishes = [(link, DownloadOptions()) for link in links]
    with running_worker("--concurrency", "1", **allowed) as worker:
        running, waiting = (
            submitted.download for submitted in submissions.submit(wishes, owner=user, actor="test")
        )
        wait_for_state(running, "downloading")
        child = child_of(running)

        User.objects.filter(pk=user.pk).delete()

        for download in (running, waiting):
            wait_for_state(download, "cleaned")
            assert (download.outcome, download.owner) == ("cancelled", None)
        assert not child.is_alive()
        assert b"Traceback" not in worker.said()
    assert_nothing_is_left()


def test_what_a_deleted_user_has_completed_stays(user: User) -> None:
    download = lives.complete(lives.submit(user))

    user.delete()

    download.refresh_from_db()
    assert (download.state, download.owner) == ("completed", None)


def test_a_directory_that_was_removed_costs_one_attempt(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=1500000"))
    with running_worker(**allowed) as worker:
        wait_for_first_bytes(download)

        shutil.rmtree(settings.VNSITE.temp_root / download.directory)

        wait_for_state(download, "cleaned")
        assert worker.process.poll() is None
        assert b"Traceback" not in worker.said()
    assert download.outcome in {"completed", "failed"}, history(download)
    assert_nothing_is_left()
