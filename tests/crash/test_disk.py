"""Disks that fill up, fail, or are not what they seem, as real file systems: small tmpfs mounts.

Nothing of it depends on the database.
"""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from downloads.models import Download
from downloads.options import DownloadOptions
from downloads.states import State
from tests.crash.injecting import fault_in_the_attempt
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.crash.tracing import require_strace, traced, warm_process_of
from tests.media_server import MediaServer
from tests.waiting import wait_for
from tests.worker import history, running_worker, submit, wait_for_state

pytestmark = [pytest.mark.sqlite, pytest.mark.usefixtures("shared_db", "clean_disk")]

Mount = Callable[..., Path]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "tmpfs", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a tmpfs cannot be mounted here: it needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_disk() -> Iterator[Mount]:
    """Mounts a tmpfs over the temp root or the library: `small_disk(root, "size=64k")`."""
    with ExitStack() as stack:

        def mount(folder: Path, options: str) -> Path:
            stack.enter_context(mounted(folder, options))
            return folder

        yield mount


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


# Another file system


def test_from_another_file_system_it_is_copied(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str]
) -> None:
    small_disk(settings.VNSITE.temp_root, "size=64m")
    download = submit(media_server.url("/slow.mp4?rate=90000000&other-disk"))

    with running_worker(**allowed):
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


def test_a_library_without_room_gets_nothing_and_gives_the_download_an_end(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str]
) -> None:
    library = small_disk(settings.VNSITE.media_root, "size=64k,nr_inodes=1000")
    download = submit(media_server.url("/video.mp4?no-room-in-the-library"))
    assert media_server.file("video.mp4").stat().st_size > 65536

    with running_worker(**allowed) as worker:
        wait_for_state(download, State.CLEANED, seconds=60)
        assert worker.process.poll() is None

    assert (download.outcome, download.error_class) == ("failed", "disk_full")
    assert [path.name for path in library.iterdir()] == [".staging"]
    assert_nothing_is_left()


def test_a_library_that_knows_no_flags_of_renames_gets_the_files_all_the_same(
    media_server: MediaServer, tmp_path: Path
) -> None:
    with fault_in_the_attempt("renameat2:error=EINVAL", media_server, tmp_path):
        download = submit(media_server.url("/small/2.mp4"))
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


def test_equal_titles_at_once_get_an_entry_each(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    urls = [media_server.url(f"/page.html?{number}") for number in range(4)]
    Download.objects.submit([(url, DownloadOptions()) for url in urls], owner=None, actor="test")

    with running_worker("--once", "--concurrency", "4", **allowed) as worker:
        worker.wait(60)

    assert Download.objects.values("title").distinct().count() == 1
    for download in Download.objects.all():
        assert_ended_right(download, media_server.file("video.mp4"))
    assert_nothing_is_left()


# Failing disks


@pytest.mark.parametrize("number", [1, 2])
def test_what_could_not_be_made_durable_is_not_published(
    media_server: MediaServer, tmp_path: Path, number: int
) -> None:
    """The file in the staging directory, and the staging directory."""
    with fault_in_the_attempt(f"fsync:error=EIO:when={number}", media_server, tmp_path):
        download = submit(media_server.url("/small/2.mp4"))
        wait_for_state(download, State.CLEANED)

    assert (download.outcome, download.error_class) == ("failed", "storage")
    assert not list(settings.VNSITE.media_root.glob(f"*{download.correlation_id}*"))
    assert_nothing_is_left()


def test_a_directory_that_cannot_be_made_fails_the_download(
    media_server: MediaServer, tmp_path: Path
) -> None:
    # The first mkdir is that of the root, which is there.
    with fault_in_the_attempt("mkdir:error=EROFS:when=2", media_server, tmp_path) as worker:
        download = submit(media_server.url("/small/2.mp4"))
        wait_for_state(download, State.CLEANED)
        assert worker.process.poll() is None

    assert (download.outcome, download.error_class) == ("failed", "storage")
    assert_nothing_is_left()


def test_a_disk_that_becomes_read_only_fails_what_runs(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    """As a disk with errors does; by hand it cannot be done while a file is open for writing."""
    require_strace()
    with running_worker(**allowed) as worker:
        warm = wait_for(lambda: warm_process_of(worker.process.pid), what="the warm process")
        with traced(warm, tmp_path, inject="rename:error=EROFS", follow=True):
            download = submit(media_server.url("/small/1.mp4?read-only"))
            wait_for_state(download, State.CLEANED, seconds=60)

    assert (download.outcome, download.error_class) == ("failed", "storage")
    assert_nothing_is_left()


@pytest.mark.parametrize("setting", ["temp_root", "media_root"])
def test_on_a_read_only_disk_nothing_begins_until_it_can_be_written(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str], setting: str
) -> None:
    root = small_disk(getattr(settings.VNSITE, setting), "size=64m")
    remount(root, "ro")
    download = submit(media_server.url("/small/1.mp4?read-only"))

    with running_worker(**allowed) as worker:
        wait_for(lambda: "cannot be written" in worker.log(), what="the reason in the log")
        assert wait_for_state(download, State.CREATED).attempt == 0
        remount(root, "rw")
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


# What somebody planted


def test_a_link_in_the_place_of_a_file_is_not_followed(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"untouched")
    download = submit(media_server.url("/slow.mp4?rate=2000000&planted"))

    with running_worker(**allowed):
        wait_for_state(download, State.DOWNLOADING)
        directory = settings.VNSITE.temp_root / download.directory
        [part] = wait_for(lambda: list(directory.glob("*.part")), what="the first bytes")
        part.unlink()
        part.symlink_to(victim)
        wait_for_state(download, State.CLEANED)

    assert victim.read_bytes() == b"untouched"
    refused = download.transitions.get(reason="will_retry")
    assert "is not a regular file with one link" in refused.detail
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


# Limits


def test_a_disk_without_room_for_names_begins_nothing_and_goes_on(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str]
) -> None:
    root = small_disk(settings.VNSITE.temp_root, "size=64m,nr_inodes=400")
    names = [root / f"name{number}" for number in range(395)]
    for path in names:
        path.touch()
    download = submit(media_server.url("/small/1.mp4?no-names"))

    with running_worker(**allowed) as worker:
        wait_for(lambda: "files can be made" in worker.log(), what="the reason in the log")
        assert wait_for_state(download, State.CREATED).attempt == 0
        for path in names:
            path.unlink()
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))


def test_a_worker_without_descriptors_gives_downloads_an_end_and_lives(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker("--concurrency", "2", **allowed) as worker:
        pid = worker.process.pid
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, hard))
        poor = submit(media_server.url("/small/2.mp4?poor"))
        wait_for(lambda: len(history(poor)) > 1, what="it to be tried")
        wait_for(lambda: "Too many open files" in worker.log(), what="the reason in the log")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))

        wait_for_state(poor, State.CLEANED, seconds=60)
        other = wait_for_state(submit(media_server.url("/small/3.mp4?rich")), State.CLEANED)
        assert worker.process.poll() is None

    assert_ended_right(other, media_server.file("small.mp4"))
    assert poor.outcome in {"completed", "failed"}
    assert_nothing_is_left()
