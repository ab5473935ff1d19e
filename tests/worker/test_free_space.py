"""A disk that runs full: what is not begun, what gives way, and that it goes on by itself.

Each disk is a small tmpfs, which takes root.
"""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings
from django.test import override_settings

from downloads.models import Download
from downloads.rules.states import State
from downloads.worker import free_space
from tests.helpers.live_site import footage
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    history,
    running_worker,
    staged_entries,
    submit,
    temp_entries,
    wait_for_state,
)
from tests.worker.test_live import Broadcast

MIB = 2**20
Mount = Callable[..., Path]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a tmpfs with these options; all are gone afterwards."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(place)]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a disk of its own cannot be mounted: run the tests as root")
        mounted.append(place)
        return place

    yield make
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


# What is in the way ---------------------------------------------------------------------------


def obstacle(temp_dir: Path, *, min_free_bytes: int = 0) -> str:
    config = settings.VNSITE.model_copy(
        update={"temp_dir": temp_dir, "min_free_bytes": min_free_bytes}
    )
    with override_settings(VNSITE=config):
        return free_space.obstacle_to_begin()


def test_room_is_no_obstacle(mount: Mount) -> None:
    assert obstacle(mount("size=10m"), min_free_bytes=5 * MIB) == ""


def test_too_few_bytes_are_named_with_the_folder(mount: Mount) -> None:
    disk = mount("size=10m")

    said = obstacle(disk, min_free_bytes=20 * MIB)

    assert said == f"less than {20 * MIB} bytes are free in {disk}"


def test_running_out_of_files_is_an_obstacle(mount: Mount) -> None:
    disk = mount("size=10m,nr_inodes=50")

    assert obstacle(disk) == f"fewer than 100 files can be made in {disk}"


def test_a_disk_that_is_read_only_is_an_obstacle(mount: Mount) -> None:
    disk = mount("size=10m,ro")

    assert obstacle(disk) == f"{disk} cannot be written"


def test_a_folder_that_cannot_be_made_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert "cannot be used (Not a directory)" in obstacle(tmp_path / "file" / "temp")


# A worker on a small disk ---------------------------------------------------------------------

on_shared_database = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.fixture
def big(media_server: MediaServer) -> int:
    """The bytes of /slow.mp4."""
    return media_server.file("big.mp4").stat().st_size


@pytest.fixture
def disk(mount: Mount, big: int) -> Path:
    """The temp root: one /slow.mp4 fits, two do not."""
    return mount(f"size={big * 2}")


@pytest.fixture
def on_disk(disk: Path, big: int, media_server: MediaServer) -> dict[str, str]:
    """A second one begins while the first has less than 0.6 of its bytes; one gives way at 1.3 in
    all. The rest is the time that a busy machine has to notice it, before the disk is full."""
    return {
        "VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin,
        "VNSITE_TEMP_DIR": str(disk),
        "VNSITE_MIN_FREE_BYTES": str(big * 7 // 5),
    }


def assert_completed(*downloads: Download) -> None:
    for download in downloads:
        wait_for_state(download, State.CLEANED)
        assert download.outcome == "completed", download.error_data


def entries(disk: Path) -> list[str]:
    return [path.name for path in disk.iterdir()]


@on_shared_database
def test_the_youngest_gives_way_and_is_fetched_when_there_is_room(
    media_server: MediaServer, on_disk: dict[str, str], disk: Path, big: int
) -> None:
    rate = big // 10
    older = submit(media_server.url(f"/slow.mp4?rate={rate}&older"))
    with running_worker("--concurrency", "2", **on_disk) as worker:
        wait_for_state(older, State.DOWNLOADING)
        younger = submit(media_server.url(f"/slow.mp4?rate={rate}&younger"))

        assert_completed(older, younger)
        assert b"gives way" in worker.said()

    assert ("created", "will_retry") not in history(older)
    assert ("created", "will_retry") in history(younger)
    assert younger.transitions.get(reason="will_retry").error_class == "disk_full"
    assert younger.tries == older.tries
    assert entries(disk) == staged_entries() == []


@on_shared_database
def test_one_that_does_not_fit_fails_after_its_attempts_and_others_go_on(
    media_server: MediaServer, on_disk: dict[str, str], disk: Path, big: int
) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"." * (big * 17 // 15))
    on_disk |= {"VNSITE_MIN_FREE_BYTES": str(big * 2 // 3)}
    too_big = submit(media_server.url(f"/slow.mp4?rate={big // 4}"))
    Download.objects.update(max_attempts=2)  # a third one takes time and shows nothing more
    with running_worker("--concurrency", "2", **on_disk):
        wait_for_state(too_big, State.CLEANED)
        small = submit(media_server.url("/small/1.mp4"))
        assert_completed(small)

    assert (too_big.outcome, too_big.error_class) == ("failed", "disk_full")
    assert too_big.tries == too_big.max_attempts == 2
    assert entries(disk) == ["ballast"]


@on_shared_database
def test_what_waits_for_room_begins_by_itself(
    media_server: MediaServer, on_disk: dict[str, str], disk: Path, big: int
) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(b"." * big)
    waiting = submit(media_server.url("/small/2.mp4"))
    with running_worker(**on_disk) as worker:
        wait_for(lambda: b"Nothing new is started" in worker.said())
        waiting.refresh_from_db()
        assert waiting.state == State.CREATED
        ballast.unlink()

        assert_completed(waiting)

    assert waiting.attempt == 1


@on_shared_database
@pytest.mark.parametrize("full", ["size=64k", "size=1g,nr_inodes=5"], ids=["bytes", "files"])
def test_a_disk_without_any_room_fails_the_download_and_not_the_worker(
    media_server: MediaServer, on_disk: dict[str, str], mount: Mount, full: str
) -> None:
    """Nothing was kept free: the first write, or the first file, finds the disk full."""
    on_disk |= {"VNSITE_TEMP_DIR": str(mount(full)), "VNSITE_MIN_FREE_BYTES": "0"}
    download = submit(media_server.url("/video.mp4"))

    with running_worker(**on_disk) as worker:
        wait_for_failure_or_waiting(download, worker)


def wait_for_failure_or_waiting(download: Download, worker: WorkerProcess) -> None:
    def is_over() -> bool:
        download.refresh_from_db()
        return download.error_class == "disk_full" or b"can be made" in worker.said()

    wait_for(is_over)
    assert worker.process.poll() is None


@on_shared_database
def test_what_is_really_written_is_limited_whoever_writes_it(
    media_server: MediaServer,
) -> None:
    limits = {
        "VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin,
        "VNSITE_MAX_BYTES": str(20 * MIB),
    }
    download = submit(media_server.url("/slow.mp4?rate=100000"))
    with running_worker(**limits):
        wait_for_state(download, State.DOWNLOADING)
        with (settings.VNSITE.temp_root / download.directory / "more").open("wb") as file:
            file.truncate(50 * MIB)

        wait_for_state(download, State.CLEANED)

    assert (download.outcome, download.error_class) == ("failed", "too_large")
    assert temp_entries() == []


@on_shared_database
def test_a_recording_ends_while_there_is_room_to_finish_it(
    scripted_site: ScriptedSite, mount: Mount, tmp_path: Path
) -> None:
    broadcast = Broadcast(scripted_site, footage("ts", tmp_path))
    with recorded_on(mount("size=4M"), broadcast, left=2**18):
        broadcast.live.hold_at = None
        wait_for_state(broadcast.download, State.CLEANED)

    assert broadcast.download.outcome == "completed"
    data = broadcast.download.transitions.get(reason="published").data
    assert (data["stopped"], data["recorded_seconds"] < 12) == ("space", True)


@on_shared_database
def test_a_recording_that_cannot_be_finished_waits_for_room(
    scripted_site: ScriptedSite, mount: Mount, tmp_path: Path
) -> None:
    broadcast = Broadcast(scripted_site, footage("ts", tmp_path))
    disk = mount("size=4M")
    with recorded_on(disk, broadcast, left=2**16):
        wait_for(lambda: ("created", "will_retry") in history(broadcast.download), what="a retry")
        (disk / "somebody_else").unlink()
        wait_for_state(broadcast.download, State.CLEANED)

    assert broadcast.download.outcome == "completed"
    data = broadcast.download.transitions.get(reason="published").data
    assert (data["stopped"], data["recorded_seconds"]) == ("space", 3)


@contextmanager
def recorded_on(disk: Path, broadcast: Broadcast, *, left: int) -> Iterator[None]:
    """Three segments are recorded there, and somebody else takes all room but these bytes."""
    limits = {"VNSITE_TEMP_DIR": str(disk), "VNSITE_MIN_FREE_BYTES": str(2**18)}
    with running_worker(**broadcast.allowed, **limits):
        broadcast.wait_until_recorded(3)
        status = os.statvfs(disk)
        taken = status.f_bavail * status.f_frsize - left
        (disk / "somebody_else").write_bytes(bytes(taken))
        yield
