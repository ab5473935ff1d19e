"""A library on a share that refuses, breaks off or is away: no finished byte is lost."""

import logging
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from downloads.models import Download
from downloads.rules.states import State
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.crash.test_sweep import PAGE_WRITE, Site
from tests.crash.tracing import require_strace
from tests.helpers.media_server import MediaServer
from tests.helpers.share import ALL, share
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker, submit, wait_for_state

logger = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.timeout(3600),
]

REFUSED_ONCE = [
    *(f"{call}=EIO:once" for call in ("mkdir", "create", "write", "fsync", "fsyncdir", "close")),
    *("write=ESTALE:once", "fsync=ESTALE:once", "close=EDQUOT:once", "flags=EIO:once"),
]
GETS = 2  # once to see what it is, once to fetch it


@pytest.mark.both_databases
def test_on_a_share_that_refuses_all_it_can_a_download_completes(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    with share(settings.VNSITE.media_root, tmp_path / "share", *ALL):
        with running_worker(**allowed):
            download = submit(media_server.url("/small/1.mp4?refused"))
            wait_for_state(download, State.CLEANED)

        assert_ended_right(download, media_server.file("small.mp4"))
        assert download.attempt == 1
        assert_nothing_is_left()


@pytest.mark.sqlite
@pytest.mark.parametrize("refusal", REFUSED_ONCE)
def test_what_is_refused_once_is_published_by_the_next_try(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path, refusal: str
) -> None:
    (tmp_path / "share").mkdir()
    settings.VNSITE.media_root.mkdir()
    path = f"/small/1.mp4?{refusal.partition('=')[0]}-{refusal.partition('=')[2]}"
    with share(settings.VNSITE.media_root, tmp_path / "share", refusal):
        with running_worker(**allowed):
            download = submit(media_server.url(path))
            wait_for_state(download, State.CLEANED)

        assert_ended_right(download, media_server.file("small.mp4"))
        again = download.transitions.get(reason="will_retry")
        assert again.error_class == ("disk_full" if "EDQUOT" in refusal else "storage")
        assert media_server.hits_of(path, "GET") == GETS
        assert_nothing_is_left()


@pytest.mark.sqlite
def test_a_finished_file_waits_for_a_share_that_refuses_for_longer(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    path = "/small/1.mp4?refused-for-longer"
    # No worker runs between the two: it would publish into the folder below the share.
    with (
        share(settings.VNSITE.media_root, tmp_path / "share", "write=EIO"),
        running_worker(**allowed, VNSITE_MAX_ATTEMPTS="1"),
    ):
        download = submit(media_server.url(path))
        wait_for(
            lambda: download.transitions.filter(reason="will_retry").count() >= 2,
            what="a second try",
        )
    with share(settings.VNSITE.media_root, tmp_path / "share"), running_worker(**allowed):
        wait_for_state(download, State.CLEANED)
        assert_ended_right(download, media_server.file("small.mp4"))
        assert_nothing_is_left()

    assert media_server.hits_of(path, "GET") == GETS


def path_of(download: Download) -> str:
    return "/" + download.url.split("/", 3)[3]


@pytest.fixture
def site(media_server: MediaServer, tmp_path: Path) -> Iterator[Site]:
    require_strace()
    made = Site(media_server, tmp_path)
    yield made
    made.close()


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "refusals", [(), ALL, *((each,) for each in ALL)], ids=["none", "all", *ALL]
)
def test_killed_at_any_call_of_publishing_nothing_is_fetched_again(
    site: Site, tmp_path: Path, nightly: bool, refusals: tuple[str, ...]
) -> None:
    if len(refusals) == 1 and not nightly:
        pytest.skip("a share that refuses one thing is for the night")
    path = "/small/{}.mp4?share-" + "-".join(refusals)
    with share(settings.VNSITE.media_root, tmp_path / "share", *refusals):
        points = site.points(path, "attempt")
        first = next(n for n, point in enumerate(points) if point.call == "fsync")
        points = [point for point in points[first:] if point.call != PAGE_WRITE]
        breaches = []

        for point in points if nightly else random.sample(points, 2):
            try:
                download = site.kill_at(point, path)
                assert_nothing_is_left()
                assert_ended_right(download, site.original)
                # How many commits come before varies: such a kill may be earlier.
                if point.call not in ("fdatasync", "sendto"):
                    assert site.media_server.hits_of(path_of(download), "GET") == GETS
            except AssertionError as error:
                breaches.append(f"{point}: {error}")
                logger.warning("%s", breaches[-1])
        site.close()

    assert breaches == []
