"""Directories and staged files of attempts that are over: each host removes what it finds.

The hosts have a temp root each; they share the database and the library.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.disk import isolation, library
from downloads.disk.isolation import IsolatedDownload
from downloads.fetch.processes import Process, boot_id
from downloads.models import Attempt, Download, Worker, submissions
from downloads.models.attempt import FORGET_AFTER
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from downloads.worker import recovery
from tests.diagnostics.test_checks import configured
from tests.helpers import lives
from tests.helpers.waiting import wait_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

STRAY = "videonote_dl_{}_0123456789abcdef"


@pytest.fixture
def roots(tmp_path: Path) -> dict[str, Path]:
    """The temp root of each host."""
    return {name: tmp_path / name for name in ("one", "two", "three")}


@contextmanager
def on_host(roots: dict[str, Path], name: str) -> Iterator[Path]:
    with configured(temp_dir=roots[name]):
        roots[name].mkdir(exist_ok=True)
        yield roots[name]


def worker_on(host: str) -> Worker:
    """A worker that is dead: its lease is over, and on its own host its process is gone."""
    long_ago = timezone.now() - timedelta(hours=1)
    return Worker.objects.create(
        name=f"worker-{host}",
        host=host,
        pid=1,
        slots=1,
        started_at=long_ago,
        heartbeat_at=long_ago,
    )


def claimed_on(host: str) -> Download:
    download = lives.claim_next(worker_on(host))
    assert download is not None
    return download


def make_directory(download: Download) -> Path:
    """Its directory under the present temp root, as a killed worker leaves it: unlocked."""
    isolated = IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )
    with isolated as directory:
        (directory / "media.mp4.part").write_bytes(b"some")
        isolated.keep()
    return directory


def recover(host: str) -> list[tuple[str, bool]]:
    orphans = recovery.recover(actor=f"recovery:{host}", host=host)
    return [(orphan.action, orphan.is_mended) for orphan in orphans]


def findings(host: str) -> list[tuple[str, bool]]:
    """What is said of directories; a deleted download leaves a gap in the numbers as well."""
    found = invariants.check(host=host)
    return [(each.invariant, each.is_breach) for each in found if each.invariant != "I11"]


def move_to_failed(download: Download) -> None:
    """By the worker of the download; it is clean on that one's host."""
    actor = download.worker.actor if download.worker else "test"
    download.move(State.FAILED, actor=actor, reason=ErrorClass.DRM, error_class=ErrorClass.DRM)
    actions.clean(download, actor=actor)


@pytest.fixture
def left(roots: dict[str, Path]) -> tuple[Download, Path]:
    """A directory on host one, whose download host two has put back."""
    wish = ("https://example.org/v", DownloadOptions())
    submissions.submit([wish], owner=None, actor="test")
    with on_host(roots, "one"):
        directory = make_directory(claimed_on("one"))
    with on_host(roots, "two"):
        assert recover("two") == [("requeue", True)]
    return Download.objects.get(), directory


def go_on_elsewhere(download: Download, roots: dict[str, Path], *, until: str) -> None:
    if until == "waiting":
        return
    with on_host(roots, "two"):
        claimed = claimed_on("two")
        if until == "running":
            return
        move_to_failed(claimed)
    if until == "deleted":
        actions.forget(claimed)


@pytest.mark.parametrize("until", ["waiting", "running", "ended", "deleted"])
def test_a_host_that_returns_removes_the_directory_of_what_another_host_took_over(
    left: tuple[Download, Path], roots: dict[str, Path], until: str
) -> None:
    download, directory = left
    go_on_elsewhere(download, roots, until=until)
    Worker.objects.filter(host="two").update(heartbeat_at=timezone.now())

    with on_host(roots, "one"):
        assert recover("one") == [("remove", True)]

        assert not directory.exists()
        assert recover("one") == []
        assert findings("one") == []


def test_what_waits_for_recovery_is_no_breach(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    with on_host(roots, "one"):
        assert findings("one") == [("I6", False)]


def test_a_dry_run_leaves_the_directory(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    with on_host(roots, "one"):
        [orphan] = recovery.recover(actor="test", host="one", dry_run=True)

    assert (orphan.action, orphan.path, orphan.size_bytes) == ("remove", left[1], 4)
    assert left[1].exists()


def test_a_locked_directory_is_left_to_its_worker(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    download, directory = left
    with on_host(roots, "one") as root:
        isolation.remove_directory(root, directory.name)
        with IsolatedDownload(download.correlation_id, root, name=directory.name) as held:
            assert recover("one") == []
            assert held.exists()


def test_what_an_interrupted_removal_left_is_removed(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    with on_host(roots, "one"):
        removing = left[1].rename(left[1].with_name(left[1].name + isolation.REMOVING))

        assert recover("one") == [("remove", True)]

        assert not removing.exists()


def test_bytes_that_wait_on_another_host_are_removed_there_when_the_wait_is_over(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    directory = left[1]
    Download.objects.update(carried=directory.name)  # as host one's own recovery leaves it
    with on_host(roots, "one"):
        assert recover("one") == []
    with on_host(roots, "two"):
        actions.cancel(Download.objects.get(), actor="test")

    with on_host(roots, "one"):
        assert recover("one") == [("remove", True)]

    assert not directory.exists()


@pytest.mark.parametrize("is_known", [True, False])
def test_both_commands_judge_a_directory_that_no_attempt_names_alike(
    left: tuple[Download, Path], roots: dict[str, Path], is_known: bool
) -> None:
    download, directory = left
    correlation_id = download.correlation_id if is_known else "0123456789ab"
    with on_host(roots, "one") as root:
        isolation.remove_directory(root, directory.name)
        stray = root / STRAY.format(correlation_id)
        stray.mkdir()

        assert recover("one") == [("reported: no attempt names it", not is_known)]
        assert findings("one") == [("I6", is_known)]
        assert stray.exists()


def test_attempts_of_deleted_downloads_are_forgotten_when_nothing_is_left(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    actions.forget(Download.objects.get())
    Attempt.objects.update(started_at=timezone.now() - 2 * FORGET_AFTER)
    with on_host(roots, "two"):
        recover("two")
        assert Attempt.objects.count() == 1
    with on_host(roots, "one"):
        recover("one")

    assert Attempt.objects.count() == 0


@pytest.mark.parametrize("until", ["waiting", "running", "ended", "deleted"])
@pytest.mark.parametrize("host", ["one", "three"])
def test_any_host_removes_what_was_staged_after_the_attempt_was_over(
    left: tuple[Download, Path], roots: dict[str, Path], until: str, host: str
) -> None:
    go_on_elsewhere(left[0], roots, until=until)
    Worker.objects.filter(host="two").update(heartbeat_at=timezone.now())
    staged = settings.VNSITE.media_root / library.STAGING / left[1].name
    staged.mkdir(parents=True)
    shutil.rmtree(left[1])

    with on_host(roots, host):
        assert ("I6" if until != "ended" else "I8", False) in findings(host)
        assert recover(host) == [("remove", True)]
        assert findings(host) == []

    assert not staged.exists()


def test_what_is_staged_by_a_running_attempt_stays(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    go_on_elsewhere(left[0], roots, until="running")
    Worker.objects.filter(host="two").update(heartbeat_at=timezone.now())
    staged = settings.VNSITE.media_root / library.STAGING / Download.objects.get().directory
    staged.mkdir(parents=True)

    with on_host(roots, "three"):
        assert recover("three") == []

    assert staged.exists()


def test_a_child_of_an_attempt_that_is_over_is_ended_without_its_mark(
    left: tuple[Download, Path], roots: dict[str, Path]
) -> None:
    download, directory = left
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        process = Process.of(child.pid)
        assert process is not None
        attempt = download.attempts.filter(directory=directory.name)
        attempt.update(child_pid=process.pid, child_started=process.started, boot_id=boot_id())

        with on_host(roots, "one"):
            recover("one")

        wait_for(lambda: child.poll() is not None, what="the child to end")
    assert not directory.exists()


@pytest.mark.parametrize("column", ["host", "boot_id"])
def test_a_pid_of_another_host_or_boot_is_not_signalled(
    left: tuple[Download, Path], roots: dict[str, Path], column: str
) -> None:
    download, directory = left
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        process = Process.of(stranger.pid)
        assert process is not None
        attempt = download.attempts.filter(directory=directory.name)
        attempt.update(child_pid=process.pid, child_started=process.started, boot_id=boot_id())
        attempt.update(**{column: "another"})

        with on_host(roots, "one"):
            recover("one")

        assert process.is_alive()
        stranger.kill()
    assert not directory.exists()
