"""The worker as a process: `manage.py run_downloads` against the faulty site."""

import hashlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from downloads import DownloadManager, actions
from downloads.fetch.processes import Process
from downloads.models import Download, Progress, Worker
from downloads.rules.links import InvalidLink
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    child_of,
    history,
    running_worker,
    staged_entries,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

CLAIMED = [
    ("created", "submitted"),
    ("initializing", "claimed"),
    ("ready", "directory_made"),
    ("downloading", "child_started"),
]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(download: Download) -> list[Path]:
    root = settings.VNSITE.media_root / download.library_path
    return [root / file.name for file in download.files.all()]


@pytest.mark.both_databases
def test_a_video_goes_from_created_to_cleaned_and_its_file_is_in_the_library(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/video.mp4"))

    with running_worker("--once", **allowed) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    assert history(download) == [*CLAIMED, ("completed", "published"), ("cleaned", "cleaned")]
    [path] = published(download)
    assert path.name == "video.mp4"
    assert path.parent.name == f"video [{download.correlation_id}]"
    assert sha256(path) == sha256(media_server.file("video.mp4")) == download.files.get().sha256
    assert temp_entries() == staged_entries() == []


def test_the_history_says_that_a_video_has_no_sound(
    scripted_site: ScriptedSite, media_server: MediaServer, tmp_path: Path
) -> None:
    silent = tmp_path / "silent.mp4"
    command = ["ffmpeg", "-v", "error", "-i", media_server.file("video.mp4"), "-an", "-c", "copy"]
    subprocess.run([*command, silent], check=True)
    answer = Answer(body=silent.read_bytes(), media_type="video/mp4")
    download = submit(scripted_site.serve("/silent.mp4", answer))

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin) as worker:
        assert worker.wait() == 0

    assert download.transitions.get(reason="published").data == {"code": "without_sound"}


@pytest.mark.parametrize("path", ["/video.mp4", "/hls/index.m3u8"])
def test_a_video_is_published_in_the_container_that_was_asked_for(
    media_server: MediaServer, allowed: dict[str, str], path: str
) -> None:
    download = submit(media_server.url(path), container="mkv")

    with running_worker("--once", **allowed) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    [file] = published(download)
    command = ["ffprobe", "-v", "error", "-show_entries", "format=format_name", "-of", "csv=p=0"]
    found = subprocess.run([*command, file], capture_output=True, text=True, check=True)
    assert file.suffix == ".mkv"
    assert found.stdout.strip() == '"matroska,webm"'
    assert download.files.get().media_type == "video/x-matroska"


@pytest.fixture
def commits() -> Iterator[Callable[[], dict[str, int]]]:
    """The transaction in which each state was written; savepoints have numbers of their own."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            CREATE TABLE commits (to_state text, number bigint);
            CREATE FUNCTION note_commit() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO commits VALUES (NEW.to_state, txid_current());
                RETURN NULL;
            END $$;
            CREATE TRIGGER note_commit AFTER INSERT ON downloads_transition
            FOR EACH ROW EXECUTE FUNCTION note_commit();
            """
        )

        def read() -> dict[str, int]:
            cursor.execute("SELECT to_state, number FROM commits")
            return dict(cursor.fetchall())

        yield read
        cursor.execute("DROP FUNCTION note_commit CASCADE; DROP TABLE commits")


@pytest.mark.postgresql
def test_what_no_crash_can_tell_apart_is_written_in_one_commit(
    media_server: MediaServer, allowed: dict[str, str], commits: Callable[[], dict[str, int]]
) -> None:
    submit(media_server.url("/small/1.mp4"))

    with running_worker("--once", **allowed) as worker:
        worker.wait()

    written = commits()
    assert written["ready"] == written["downloading"]
    assert written["completed"] == written["cleaned"]
    assert len(set(written.values())) == len(written) - 2 == 4


def test_a_missing_video_fails_once_and_leaves_nothing(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/status/404"))

    with running_worker("--once", **allowed) as worker:
        worker.wait()

    download.refresh_from_db()
    assert history(download) == [*CLAIMED, ("failed", "unavailable"), ("cleaned", "cleaned")]
    assert (download.outcome, download.error_class) == ("failed", "unavailable")
    assert "404" in download.error_data["message"]
    assert temp_entries() == []


def test_a_site_that_is_down_for_a_moment_is_tried_again_by_itself(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/flaky/manager?fails=1"))

    with running_worker(**allowed):
        wait_for_state(download, "cleaned")

    assert history(download) == [
        *CLAIMED,
        ("created", "will_retry"),
        *CLAIMED[1:],
        ("completed", "published"),
        ("cleaned", "cleaned"),
    ]
    assert download.attempt == 2


def test_attempts_are_used_up(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/truncated.mp4"))
    download.note(max_attempts=1)

    with running_worker("--once", **allowed) as worker:
        worker.wait()

    download.refresh_from_db()
    assert (download.outcome, download.error_class) == ("failed", "incomplete")


@pytest.mark.both_databases
def test_a_cancel_ends_the_process_tree_and_cleans(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker(**allowed):
        wait_for_state(download, "downloading")
        wait_for(
            lambda: Progress.objects.filter(received_bytes__gt=0).exists(), what="the first bytes"
        )
        child = child_of(Download.objects.get(pk=download.pk))
        actions.cancel(download, actor="user:eve")
        wait_for_state(download, "cleaned")

    assert history(download) == [*CLAIMED, ("cancelled", "cancelled"), ("cleaned", "cleaned")]
    assert download.transitions.get(to_state="cancelled").data == {"asked_by": "user:eve"}
    assert not child.is_alive()
    assert temp_entries() == []


def test_progress_is_written_while_bytes_arrive(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=200000"))

    with running_worker(**allowed):
        row = wait_for(
            lambda: Progress.objects.filter(received_bytes__gt=100_000).first(), what="bytes"
        )
        assert row.phase == "fetching"
        assert row.total_bytes == media_server.file("big.mp4").stat().st_size
        assert row.speed
        actions.cancel(Download.objects.get(pk=download.pk), actor="test")
        wait_for_state(download, "cleaned")


def test_a_silent_site_is_given_up(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/stalled.mp4"))
    download.note(max_attempts=1)

    with running_worker("--once", VNSITE_STALL_SECONDS="1", **allowed) as worker:
        worker.wait()

    download.refresh_from_db()
    assert (download.outcome, download.error_class) == ("failed", "stalled")


def test_a_killed_child_is_named_and_the_worker_goes_on(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker(**allowed) as worker:
        wait_for_state(download, "downloading")
        os.kill(child_of(download).pid, signal.SIGKILL)
        entry = wait_for(lambda: download.transitions.filter(reason="will_retry").first())
        assert entry.data["signal"] == "SIGKILL"
        assert worker.process.poll() is None


@pytest.mark.both_databases
def test_sigterm_puts_running_downloads_back_after_the_grace(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker("--grace", "0.2", **allowed) as worker:
        wait_for_state(download, "downloading")
        child = child_of(download)
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    download.refresh_from_db()
    assert history(download) == [*CLAIMED, ("created", "shutdown")]
    assert (download.tries, download.max_attempts) == (0, settings.VNSITE.max_attempts)
    assert not child.is_alive()
    assert temp_entries() == []
    assert Worker.objects.get().stopped_at is not None


def test_sigterm_lets_a_download_finish_within_the_grace(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=6000000"))

    with running_worker("--grace", "30", **allowed) as worker:
        wait_for_state(download, "downloading")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    download.refresh_from_db()
    assert download.outcome == "completed"


def test_a_second_sigterm_ends_at_once(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker("--grace", "600", **allowed) as worker:
        wait_for_state(download, "downloading")
        worker.send(signal.SIGTERM)
        worker.send(signal.SIGINT)
        assert worker.wait() == 0

    download.refresh_from_db()
    assert download.state == "created"


def test_kill_9_of_the_worker_ends_every_process_of_it(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker(**allowed) as worker:
        wait_for_state(download, "downloading")
        child = child_of(download)
        worker.send(signal.SIGKILL)
        worker.wait()
        wait_for(lambda: not child.is_alive(), what="the child to die with its worker")


@pytest.mark.both_databases
def test_a_worker_that_starts_gives_the_downloads_of_a_dead_one_back(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))
    with running_worker(**allowed) as worker:
        wait_for_state(download, "downloading")
        worker.send(signal.SIGKILL)
        worker.wait()

    with running_worker(**allowed):
        wait_for(lambda: ("created", "worker_lost") in history(download))
        wait_for_state(download, "downloading")

    assert download.attempt == 2


@pytest.mark.both_databases
def test_a_worker_counts_the_orphans_that_it_mended(
    dead_worker: Worker, allowed: dict[str, str]
) -> None:
    submit("https://example.org/never")
    assert lives.claim_next(dead_worker)

    with running_worker("--host-name", dead_worker.host, **allowed) as worker:
        row = wait_for(lambda: Worker.objects.filter(pid=worker.process.pid, orphans_mended=1))

    assert row.get().orphans_left == 0


@pytest.mark.both_databases
def test_a_deleted_download_is_stopped(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))

    with running_worker(**allowed) as worker:
        wait_for_state(download, "downloading")
        child = child_of(download)
        Download.objects.filter(pk=download.pk).update(forgotten_at=timezone.now())
        Download.objects.filter(pk=download.pk).delete()
        wait_for(lambda: not child.is_alive(), what="the child to be ended")
        assert worker.process.poll() is None


def test_the_flags_really_keep_the_directory(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    done, failed = submit(media_server.url("/video.mp4")), submit(media_server.url("/status/404"))
    keep = {"VNSITE_CLEANUP_ON_SUCCESS": "false", "VNSITE_CLEANUP_ON_FAILURE": "false"}

    with running_worker("--once", **keep, **allowed) as worker:
        worker.wait()

    done.refresh_from_db()
    failed.refresh_from_db()
    assert (done.state, failed.state) == ("completed", "failed")
    assert temp_entries() == sorted([done.directory, failed.directory])
    for download in (done, failed):
        actions.clean(download, actor="test")
        assert download.state == "cleaned"
    assert temp_entries() == []


def test_nothing_is_claimed_while_the_disk_is_too_full(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/video.mp4"))

    with running_worker("--once", VNSITE_MIN_FREE_BYTES=str(2**60), **allowed) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    assert download.state == "created"


def test_a_folder_that_cannot_be_made_stops_claims_and_not_the_worker(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/video.mp4"))
    a_file = settings.VNSITE.data_dir / "a file"
    a_file.write_text("not a folder")

    with running_worker(VNSITE_TEMP_DIR=str(a_file), **allowed) as worker:
        wait_for(lambda: "cannot be used" in worker.log(), what="the reason in the log")
        assert worker.process.poll() is None

    download.refresh_from_db()
    assert download.state == "created"


def test_the_worker_beats_and_says_when_it_stops(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker(**allowed) as worker:
        row = worker.row()
        assert row is not None
        assert row.is_alive(timezone.now())
        assert Process.of(row.pid) == Process(row.pid, row.pid_started)
        worker.send(signal.SIGINT)
        assert worker.wait() == 0

    row.refresh_from_db()
    assert not row.is_alive(timezone.now())


def test_a_wrong_argument_is_one_line() -> None:
    with pytest.raises(CommandError, match="--concurrency: must be a whole number from 1 to 64"):
        call_command("run_downloads", "--concurrency", "0")


def test_the_manager_submits_cancels_and_names_paths() -> None:
    manager = DownloadManager()

    correlation_id = manager.submit("https://example.org/v")

    with pytest.raises(RuntimeError, match="no directory"):
        manager.get_temp_path(correlation_id, "x")
    assert manager.cancel(correlation_id)
    assert manager.cancel(correlation_id)
    assert Download.objects.get(correlation_id=correlation_id).state == "cleaned"
    with pytest.raises(InvalidLink):
        manager.submit("ftp://example.org/v")


def test_a_draining_worker_claims_nothing_until_it_may_again(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker(**allowed) as worker:
        draining = worker.row()
        assert draining is not None
        assert Worker.objects.let_drain(draining.name)
        of_another = submit(media_server.url("/video.mp4"))
        with running_worker("--once", **allowed) as another:
            assert another.wait() == 0
        of_another.refresh_from_db()
        assert Worker.objects.let_claim(draining.name)
        its_own = submit(media_server.url("/video.mp4?again"))
        wait_for_state(its_own, "cleaned")

    its_own.refresh_from_db()
    assert (of_another.state, its_own.state) == ("cleaned", "cleaned")
    assert not of_another.transitions.filter(actor=draining.actor).exists()
    assert its_own.transitions.filter(actor=draining.actor).exists()
