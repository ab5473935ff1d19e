"""Disks that are full, fail, or are not what they seem: small tmpfs mounts and failing calls.

What is done about a disk that runs full is in `tests/worker/test_free_space.py`.
"""

import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from downloads.worker import free_space
from tests.crash.injecting import fault_in_the_attempt
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.crash.tracing import fork_server_of, require_strace, traced
from tests.helpers.disks import mounted
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import open_files
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    ROOT,
    WorkerProcess,
    running_worker,
    submit,
    wait_for_state,
    worker_environment,
)

pytestmark = [pytest.mark.sqlite, pytest.mark.usefixtures("shared_db", "clean_disk")]

Mount = Callable[..., Path]


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
        wait_for_state(download, State.CLEANED)
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
    submissions.submit([(url, DownloadOptions()) for url in urls], owner=None, actor="test")

    with running_worker("--once", "--concurrency", "4", **allowed) as worker:
        worker.wait()

    assert Download.objects.values("title").distinct().count() == 1
    for download in Download.objects.all():
        assert_ended_right(download, media_server.file("video.mp4"))
    assert_nothing_is_left()


# Failing disks


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_could_not_be_made_durable_is_published_by_another_try(
    media_server: MediaServer, tmp_path: Path, number: int
) -> None:
    """The file in the staging directory, that directory, and the library after the rename."""
    with fault_in_the_attempt(f"fsync:error=EIO:when={number}", media_server, tmp_path):
        download = submit(media_server.url(f"/small/2.mp4?fsync={number}"))
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))
    again = download.transitions.get(reason="will_retry")
    assert (again.error_class, download.uncounted) == ("storage", 1)
    # Once to see what it is, once to fetch it: as without the fault.
    assert media_server.hits_of(f"/small/2.mp4?fsync={number}", "GET") == 2
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
        fork_server = wait_for(lambda: fork_server_of(worker.process.pid), what="the fork server")
        with traced(fork_server, tmp_path, inject="rename:error=EROFS", follow=True):
            download = submit(media_server.url("/small/1.mp4?read-only"))
            wait_for_state(download, State.CLEANED)

    assert (download.outcome, download.error_class) == ("failed", "storage")
    assert_nothing_is_left()


def test_on_a_read_only_disk_nothing_begins_until_it_can_be_written(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str]
) -> None:
    root = small_disk(settings.VNSITE.media_root, "size=64m")
    remount(root, "ro")
    download = submit(media_server.url("/small/1.mp4?read-only"))

    with running_worker(**allowed) as worker:
        wait_for(lambda: "cannot be written" in worker.log(), what="the reason in the log")
        assert wait_for_state(download, State.CREATED).attempt == 0
        remount(root, "rw")
        wait_for_state(download, State.CLEANED)

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


def test_a_read_only_disk_asks_nobody_to_make_room(small_disk: Mount) -> None:
    root = small_disk(settings.VNSITE.media_root, "size=1m")
    assert free_space.obstacle_to_go_on()

    remount(root, "ro")

    assert free_space.obstacle_to_go_on() == ""


# A database without room


def test_a_full_disk_under_the_database_costs_nothing_once_there_is_room(
    small_disk: Mount, media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    for number in range(4):
        submit(media_server.url(f"/slow.mp4?rate=2000000&full={number}"))
    folder = small_disk(tmp_path / "database", "size=8m")
    database = copy_of_the_database(folder)
    there = {**allowed, "VNSITE_DATABASE_URL": f"sqlite:///{database}"}
    worker = WorkerProcess(**there)
    try:
        wait_for(lambda: "downloading" in states_in(database), what="a running download")
        filler = fill(folder)
        wait_for(lambda: b"disk is full" in worker.said(), what="the reason in the log")
        filler.unlink()
        wait_for(lambda: states_in(database) == {"cleaned"}, what="their ends")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    finally:
        worker.close()

    with closing(sqlite3.connect(database)) as opened:
        assert opened.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        outcomes = opened.execute("SELECT DISTINCT outcome FROM downloads_download").fetchall()
    assert outcomes == [("completed",)]
    checked = subprocess.run(
        [sys.executable, "manage.py", "check_lifecycle", "--hashes"],
        cwd=ROOT,
        env={**os.environ, **worker_environment(), **there},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def copy_of_the_database(folder: Path) -> Path:
    connection.ensure_connection()
    database = folder / "copy.sqlite3"
    name = connection.settings_dict["NAME"]
    with closing(sqlite3.connect(name)) as source:
        source.execute("VACUUM INTO ?", [str(database)])  # without the room of earlier tests
    return database


def states_in(database: Path) -> set[str]:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return {row[0] for row in opened.execute("SELECT state FROM downloads_download")}


def fill(folder: Path) -> Path:
    """Leave no byte free; the file that takes them."""
    path = folder / "filler"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (65536, 1):
            with suppress(OSError):
                while True:
                    os.write(descriptor, b"\0" * size)
    finally:
        os.close(descriptor)
    return path


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
    assert "is not a regular file with one link" in refused.data["message"]
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


# Limits


def test_a_worker_without_descriptors_begins_nothing_until_it_has_some(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker("--concurrency", "2", **allowed) as worker:
        pid = worker.process.pid
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        used = len(open_files(pid))
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 2, hard))
        wait_for(lambda: "Nothing new is started: this process" in worker.log(), what="the reason")
        download = submit(media_server.url("/small/2.mp4?poor"))
        wait_for_a_beat_after(download, worker)
        assert wait_for_state(download, State.CREATED).attempt == 0
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))

        wait_for_state(download, State.CLEANED)
        assert worker.process.poll() is None

    assert_ended_right(download, media_server.file("small.mp4"))
    assert_nothing_is_left()


def wait_for_a_beat_after(download: Download, worker: WorkerProcess) -> None:
    def has_beaten() -> bool:
        row = worker.row()
        return row is not None and row.heartbeat_at > download.created_at

    wait_for(has_beaten, what="the worker to live on")
