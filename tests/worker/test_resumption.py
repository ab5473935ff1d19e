"""Bytes that go from one attempt to the next: rows, directories and history, with real workers."""

import shutil
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.disk import isolation
from downloads.disk.isolation import IsolatedDownload, directory_name
from downloads.disk.partial import LEAST_BYTES, PROOF, Proof
from downloads.disk.recording import RECORDING
from downloads.fetch.resume import OVERLAP_BYTES
from downloads.models import Download, LostDownload, Progress, Worker, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from downloads.worker import recovery, resume
from tests.diagnostics.test_checks import configured
from tests.helpers import lives
from tests.helpers.films import LONG_AGO, Film, other
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]


# With workers


@pytest.fixture
def body(media_server: MediaServer) -> bytes:
    return media_server.file("big.mp4").read_bytes()


class Show:
    """A film on a site, and a download of it."""

    def __init__(self, site: ScriptedSite, body: bytes) -> None:
        self.film = Film(body, etag='"1"', hold_after=len(body) * 3 // 4)
        self.download = submit(site.serve("/film.mp4", self.film))
        self.allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": site.origin}

    def wait_for_a_third(self) -> None:
        """Wait until a third of it is on the disk; the site holds back the last quarter."""
        wait_for(lambda: self.written() >= len(self.film.body) // 3, what="a third of the film")

    def written(self) -> int:
        parts = list(settings.VNSITE.temp_root.glob("*/media.mp4.part"))
        return parts[0].stat().st_size if parts else 0

    def interrupt(self, how: Callable[[WorkerProcess], None]) -> Download:
        """Have a worker fetch some of it and end so; the download as it is then."""
        with running_worker("--grace", "600", **self.allowed) as worker:
            self.wait_for_a_third()
            how(worker)
            worker.wait()
        self.film.hold_after = None
        self.film.sent.clear()
        self.download.refresh_from_db()
        return self.download

    def finish(self) -> Download:
        with running_worker("--once", **self.allowed) as worker:
            assert worker.wait() == 0
        self.download.refresh_from_db()
        return self.download

    def published(self) -> bytes:
        [file] = self.download.files.all()
        path = settings.VNSITE.media_root / self.download.library_path / file.name
        return path.read_bytes()


def kill(worker: WorkerProcess) -> None:
    worker.send(signal.SIGKILL)


def stop_twice(worker: WorkerProcess) -> None:
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGINT)


@pytest.fixture
def show(scripted_site: ScriptedSite, body: bytes) -> Show:
    return Show(scripted_site, body)


def data_of(download: Download, reason: str) -> dict[str, Any]:
    data: dict[str, Any] = download.transitions.filter(reason=reason).latest("seq").data
    return data


def no_breach() -> bool:
    return not [finding for finding in invariants.check() if finding.is_breach]


def test_after_kill_9_most_is_not_fetched_again(show: Show) -> None:
    show.interrupt(kill)

    download = show.finish()

    assert download.outcome == "completed"
    assert show.published() == show.film.body
    assert show.film.sent_bytes() < 0.7 * len(show.film.body)
    assert "kept_bytes" in data_of(download, "worker_lost")
    assert "resumed_bytes" in data_of(download, "published")
    assert download.carried == ""
    assert temp_entries() == []
    assert no_breach()


@pytest.mark.sqlite
def test_after_kill_9_a_file_that_changed_is_fetched_whole(show: Show) -> None:
    show.interrupt(kill)
    show.film.body, show.film.etag = other(show.film.body), '"2"'

    download = show.finish()

    assert download.outcome == "completed"
    assert show.published() == show.film.body
    assert show.film.sent_bytes() >= len(show.film.body)
    assert data_of(download, "published") == {}


@pytest.mark.sqlite
def test_a_stop_keeps_what_was_fetched(show: Show) -> None:
    stopped = show.interrupt(stop_twice)

    assert stopped.state == State.CREATED
    assert temp_entries() == [stopped.carried]
    assert no_breach()
    kept = (settings.VNSITE.temp_root / stopped.carried / "media.mp4.part").stat().st_size
    assert data_of(stopped, "shutdown") == {"kept_bytes": kept}

    show.finish()

    assert show.published() == show.film.body
    assert show.film.sent_bytes() < len(show.film.body) - kept + LEAST_BYTES
    assert temp_entries() == []


@pytest.mark.sqlite
def test_when_the_site_was_away_it_goes_on_where_it_was_left(show: Show) -> None:
    with running_worker(VNSITE_STALL_SECONDS="5", **show.allowed):
        show.wait_for_a_third()
        show.film.is_away = True
        wait_for(lambda: ("created", "will_retry") in history(show.download), what="the retry")
        show.film.is_away, show.film.hold_after = False, None
        show.film.sent.clear()
        download = wait_for_state(show.download, "cleaned")

    assert download.outcome == "completed"
    assert show.published() == show.film.body
    assert show.film.sent_bytes() < 0.7 * len(show.film.body)
    assert "kept_bytes" in data_of(download, "will_retry")


@pytest.mark.sqlite
def test_a_resumed_download_says_so_while_it_runs(show: Show) -> None:
    kept = show.interrupt(kill)
    show.film.hold_after = OVERLAP_BYTES + 4096

    with running_worker(**show.allowed):
        rows = Progress.objects.filter(resumed_bytes__gt=0, total_bytes__gt=0)
        progress = wait_for(rows.first, what="what is resumed")

    assert progress.download_id == kept.pk
    assert 30 < (progress.resumed_percent or 0) < 100


@pytest.mark.sqlite
def test_what_vanished_meanwhile_is_fetched_again(show: Show) -> None:
    stopped = show.interrupt(stop_twice)
    shutil.rmtree(settings.VNSITE.temp_root / stopped.carried)

    download = show.finish()

    assert download.outcome == "completed"
    assert show.published() == show.film.body


# With rows alone


def claimed_by(worker: Worker) -> Download:
    if not Download.objects.exists():
        wish = ("https://example.org/v", DownloadOptions())
        submissions.submit([wish], owner=None, actor="test")
    download = lives.claim_next(worker)
    assert download is not None
    return download


def left_directory(download: Download, *, with_bytes: bool = True) -> Path:
    """Its directory with proven bytes, as a killed worker leaves it: the lock is free."""
    isolated = IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )
    with isolated as directory:
        isolated.keep()
        if with_bytes:
            write_bytes(directory)
    return directory


def write_bytes(directory: Path) -> None:
    (directory / "media.mp4.part").write_bytes(bytes(2 * LEAST_BYTES))
    Proof(
        name="media.mp4", format_id="0", total_bytes=10**8, etag='"1"', last_modified=LONG_AGO
    ).write(directory)


def move_to_downloading(download: Download) -> None:
    download.move(State.READY, actor="test", reason=Reason.DIRECTORY_MADE)
    download.move(State.DOWNLOADING, actor="test", reason=Reason.CHILD_STARTED)


def recover() -> list[str]:
    return [orphan.action for orphan in recovery.recover(actor="recovery:test", host="here")]


@pytest.fixture
def waiting(dead_worker: Worker) -> Download:
    """It waits, with bytes of an attempt whose worker died."""
    download = claimed_by(dead_worker)
    left_directory(download)
    move_to_downloading(download)
    assert recover() == ["requeue"]
    download.refresh_from_db()
    assert temp_entries() == [download.carried] != [""]
    return download


def test_what_waits_with_bytes_breaks_no_rule(waiting: Download) -> None:
    assert no_breach()
    assert recover() == []
    assert temp_entries() == [waiting.carried]


def test_a_cancel_while_it_waits_removes_the_bytes(waiting: Download) -> None:
    actions.cancel(waiting, actor="test")

    waiting.refresh_from_db()
    assert (waiting.state, waiting.outcome, waiting.carried) == ("cleaned", "cancelled", "")
    assert str(data_of(waiting, "cleaned")["freed_bytes"]).startswith(str(2 * LEAST_BYTES)[:3])
    assert temp_entries() == []


def test_a_cancel_that_was_killed_before_the_removal_is_finished(waiting: Download) -> None:
    waiting.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    assert recover() == ["clean"]

    waiting.refresh_from_db()
    assert (waiting.state, waiting.carried) == ("cleaned", "")
    assert temp_entries() == []
    assert no_breach()


def test_deleting_it_removes_the_bytes(waiting: Download) -> None:
    actions.forget(waiting)

    assert temp_entries() == []


def test_the_preview_counts_the_bytes(waiting: Download) -> None:
    preview = actions.preview_cleanup(waiting)

    assert preview.path == settings.VNSITE.temp_root / waiting.carried
    assert preview.size_bytes > 2 * LEAST_BYTES
    assert preview.file_count == 2


def test_killed_before_the_bytes_are_taken_they_stay(
    waiting: Download, dead_worker: Worker
) -> None:
    carried = waiting.carried
    claimed = claimed_by(dead_worker)
    left_directory(claimed, with_bytes=False)

    recover()

    waiting.refresh_from_db()
    assert (waiting.state, waiting.carried) == ("created", carried)
    assert temp_entries() == [carried]


def test_killed_after_the_bytes_are_taken_they_stay(waiting: Download, dead_worker: Worker) -> None:
    claimed = claimed_by(dead_worker)
    directory = left_directory(claimed, with_bytes=False)
    resume.bring(claimed, directory)

    recover()

    waiting.refresh_from_db()
    assert waiting.carried == directory.name
    assert temp_entries() == [directory.name]
    assert {path.name for path in directory.iterdir()} == {"media.mp4.part", PROOF}


def test_the_last_attempt_leaves_nothing(waiting: Download, dead_worker: Worker) -> None:
    claimed = claimed_by(dead_worker)
    claimed.note(max_attempts=claimed.tries)
    left_directory(claimed)

    recover()

    waiting.refresh_from_db()
    assert (waiting.state, waiting.outcome, waiting.carried) == ("cleaned", "failed", "")
    assert temp_entries() == []


@pytest.mark.parametrize("column", ["boot_id", "host"])
def test_bytes_of_an_earlier_boot_or_another_machine_are_not_kept(
    dead_worker: Worker, column: str
) -> None:
    """A power cut may have taken them; a process of another machine may still write them."""
    setattr(dead_worker, column, "another")
    dead_worker.heartbeat_at = timezone.now() - timedelta(hours=1)
    dead_worker.save()
    download = claimed_by(dead_worker)
    left_directory(download)
    move_to_downloading(download)

    assert recover() == ["requeue"]

    download.refresh_from_db()
    assert (download.state, download.carried) == ("created", "")
    assert temp_entries() == []


@pytest.mark.parametrize(("column", "is_kept"), [("boot_id", True), ("host", False)])
def test_a_recording_of_an_earlier_boot_is_kept(
    dead_worker: Worker, column: str, is_kept: bool
) -> None:
    """Its child waits for the disk; but a process of another machine may still write it."""
    setattr(dead_worker, column, "another")
    dead_worker.heartbeat_at = timezone.now() - timedelta(hours=1)
    dead_worker.save()
    download = claimed_by(dead_worker)
    recorded = settings.VNSITE.temp_root / download.directory / RECORDING
    recorded.mkdir(parents=True)
    (recorded / "0-0").write_bytes(b"a segment")
    move_to_downloading(download)

    assert recover() == ["requeue"]

    download.refresh_from_db()
    assert bool(download.carried) is is_kept
    assert len(temp_entries()) == is_kept


def test_a_recording_that_waits_is_not_given_up_for_room(dead_worker: Worker) -> None:
    download = claimed_by(dead_worker)
    recorded = settings.VNSITE.temp_root / download.directory / RECORDING
    recorded.mkdir(parents=True)
    (recorded / "0-0").write_bytes(b"a segment")
    move_to_downloading(download)

    with configured(min_free_bytes=2**62):
        assert recover() == ["requeue"]
        resume.make_room()

    download.refresh_from_db()
    assert temp_entries() == [download.carried]


def test_bytes_that_another_machine_did_not_need_are_removed(
    waiting: Download, dead_worker: Worker
) -> None:
    """It went on elsewhere, where the directory is not."""
    Worker.objects.filter(pk=dead_worker.pk).update(host="elsewhere", stopped_at=None)
    claimed = claimed_by(dead_worker)
    assert recover() == []
    claimed.move(State.READY, actor="test", reason=Reason.DIRECTORY_MADE, carried="")

    assert recover() == ["remove"]

    assert temp_entries() == []


def test_what_is_elsewhere_is_removed_when_it_is_found(waiting: Download) -> None:
    elsewhere = settings.VNSITE.temp_root.with_name("elsewhere")
    elsewhere.mkdir()
    hidden = (settings.VNSITE.temp_root / waiting.carried).rename(elsewhere / waiting.carried)
    actions.cancel(waiting, actor="test")
    assert (waiting.state, waiting.carried) == ("cleaned", "")

    hidden.rename(settings.VNSITE.temp_root / hidden.name)

    assert [finding.invariant for finding in invariants.check()] == ["I8"]
    assert recover() == ["remove"]
    assert no_breach()
    elsewhere.rmdir()


def test_who_lost_the_download_leaves_no_directory(dead_worker: Worker) -> None:
    """Another recovery cancelled it after we had looked."""
    download = claimed_by(dead_worker)
    left_directory(download)
    move_to_downloading(download)
    late = Download.objects.get(pk=download.pk)
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    download.move(State.CLEANED, actor="test", reason=Reason.CLEANED)

    with pytest.raises(LostDownload):
        recovery._end_attempt(late, actor="test", host="here")

    assert temp_entries() == []


def test_a_late_worker_leaves_what_is_carried(waiting: Download) -> None:
    """The directory of its attempt bears the name under which the bytes wait now."""
    assert not resume.remove_unless_named(waiting, waiting.carried)

    assert temp_entries() == [waiting.carried]


def test_a_full_disk_is_not_filled_by_what_waits(waiting: Download) -> None:
    with configured(min_free_bytes=2**62):
        resume.make_room()

    waiting.refresh_from_db()
    assert waiting.carried == ""
    assert temp_entries() == []


def test_on_a_full_disk_nothing_is_kept(dead_worker: Worker) -> None:
    download = claimed_by(dead_worker)
    left_directory(download)
    move_to_downloading(download)

    with configured(min_free_bytes=2**62):
        recover()

    assert temp_entries() == []


def test_a_directory_that_is_carried_is_not_unknown(waiting: Download) -> None:
    stray = settings.VNSITE.temp_root / directory_name(waiting.correlation_id)
    stray.mkdir()

    assert recover() == ["reported: no attempt names it"]

    assert isolation.is_there(settings.VNSITE.temp_root, stray.name)
