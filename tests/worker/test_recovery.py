"""What becomes of what a dead worker left, state by state; real rows, directories, processes."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.disk import library
from downloads.disk.isolation import IsolatedDownload
from downloads.disk.names import entry_name
from downloads.fetch.processes import Process
from downloads.fetch.protocol import ManifestFile
from downloads.fetch.verify import describe, manifest_of
from downloads.models import Download, LostDownload, Worker, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, Role, State
from downloads.worker import publication, recovery
from downloads.worker.owned import Row
from tests.diagnostics.test_checks import configured
from tests.helpers import lives
from tests.helpers.films import BOXES
from tests.helpers.waiting import wait_for

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

CONTENT = BOXES + bytes(range(256)) * 64


@pytest.fixture
def live_worker(dead_worker: Worker) -> Worker:
    process = Process.of(os.getpid())
    assert process is not None
    dead_worker.pid_started = process.started
    dead_worker.save()
    return dead_worker


def claimed_by(worker: Worker) -> Download:
    wish = ("https://example.org/v", DownloadOptions())
    submissions.submit([wish], owner=None, actor="test")
    download = lives.claim_next(worker)
    assert download is not None
    return download


def left_directory(download: Download) -> Path:
    """Its directory with a file, as a killed worker leaves it: the lock is free."""
    isolated = IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )
    with isolated as directory:
        (directory / "media.mp4").write_bytes(CONTENT)
        isolated.keep()
    return directory


def downloading(worker: Worker) -> tuple[Download, Path]:
    download = claimed_by(worker)
    directory = left_directory(download)
    download.move(State.READY, actor="test", reason=Reason.DIRECTORY_MADE)
    download.move(State.DOWNLOADING, actor="test", reason=Reason.CHILD_STARTED)
    return download, directory


def decided(download: Download, directory: Path) -> ManifestFile:
    """Staged and decided: what is left when it is killed right before the rename."""
    file = describe(directory / "media.mp4")
    staged = library.StagedFile(
        source=directory / "media.mp4", name="v.mp4", size=file.size, sha256=file.sha256
    )
    library.stage(settings.VNSITE.media_root, download.directory, [staged])
    manifest = {"title": "v", "files": [{**vars(file), "name": "v.mp4"}]}
    name = entry_name("v", download.correlation_id)
    download.decide_to_publish(library_path=name, manifest=manifest)
    return file


def recover(**options: object) -> list[recovery.Orphan]:
    return recovery.recover(actor="recovery:test", host="here", **options)  # type: ignore[arg-type]


def fresh(download: Download) -> Download:
    return Download.objects.get(pk=download.pk)


def test_a_claimed_download_without_a_directory_waits_again(dead_worker: Worker) -> None:
    download = claimed_by(dead_worker)

    [orphan] = recover()

    assert (orphan.action, orphan.correlation_id) == ("requeue", download.correlation_id)
    assert fresh(download).state == "created"
    assert fresh(download).transitions.last().reason == "worker_lost"


@pytest.mark.parametrize("states", [0, 1, 2])
def test_a_running_download_loses_its_directory_and_waits_again(
    dead_worker: Worker, states: int
) -> None:
    download = claimed_by(dead_worker)
    directory = left_directory(download)
    for state in (State.READY, State.DOWNLOADING)[:states]:
        download.move(state, actor="test", reason="test")

    [orphan] = recover()

    assert orphan.size_bytes == len(CONTENT)
    assert not directory.exists()
    assert fresh(download).state == "created"
    assert fresh(download).directory == ""


def test_the_last_attempt_fails_with_worker_lost(dead_worker: Worker) -> None:
    download, _ = downloading(dead_worker)
    download.note(max_attempts=1)

    recover()

    assert (fresh(download).state, fresh(download).outcome) == ("cleaned", "failed")
    assert fresh(download).error_class == "worker_lost"


def test_a_cancel_that_was_asked_for_is_kept(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    download.ask_to_cancel(actor="user:eve")

    recover()

    assert (fresh(download).state, fresh(download).outcome) == ("cleaned", "cancelled")
    assert not directory.exists()


def test_killed_before_the_decision_stages_nothing(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    file = describe(directory / "media.mp4")
    staged = library.StagedFile(
        source=directory / "media.mp4", name="v.mp4", size=file.size, sha256=file.sha256
    )
    library.stage(settings.VNSITE.media_root, download.directory, [staged])

    recover()

    assert fresh(download).state == "created"
    assert not library.is_staged(settings.VNSITE.media_root, download.directory)


def test_killed_between_decision_and_rename_is_completed(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    file = decided(download, directory)

    [orphan] = recover()

    done = fresh(download)
    assert orphan.action == "complete"
    assert (done.state, done.outcome) == ("cleaned", "completed")
    assert (settings.VNSITE.media_root / done.library_path / "v.mp4").read_bytes() == CONTENT
    assert done.files.get().sha256 == file.sha256


def test_what_lies_beside_the_video_is_completed_with_its_role(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    (directory / "subtitles0.vtt").write_text("WEBVTT\n\n00:00.000 --> 00:01.000\nHello\n")
    video = describe(directory / "media.mp4")
    subtitles = manifest_of(
        directory / "subtitles0.vtt", media_type="text/vtt", role=Role.SUBTITLES, language="en"
    )
    named = {"v.mp4": video, "v.en.vtt": subtitles}
    files = [
        library.StagedFile(
            source=directory / file.name, name=name, size=file.size, sha256=file.sha256
        )
        for name, file in named.items()
    ]
    library.stage(settings.VNSITE.media_root, download.directory, files)
    manifest = {
        "title": "v",
        "data": {"warnings": [{"code": "not_embedded", "what": "thumbnail"}]},
        "media": {"height": 720},
        "files": [{**vars(file), "name": name} for name, file in named.items()],
    }
    name = entry_name("v", download.correlation_id)
    download.decide_to_publish(library_path=name, manifest=manifest)

    recover()

    done = fresh(download)
    published = done.files.values_list("name", "role", "language")
    assert list(published) == [("v.en.vtt", "subtitles", "en"), ("v.mp4", "video", "")]
    assert done.media == {"height": 720}
    assert done.transitions.get(reason="published").data == manifest["data"]
    assert invariants.check() == []


def test_who_is_late_with_the_rename_finds_nothing_to_rename(dead_worker: Worker) -> None:
    """A worker that was stopped after its last look at the lease, and wakes up in the call."""
    download, directory = downloading(dead_worker)
    decided(download, directory)
    root = settings.VNSITE.media_root
    recover()

    with pytest.raises(FileNotFoundError):
        library.publish(root, directory.name, f"{download.library_path} late")

    assert len([path for path in root.iterdir() if path.name != library.STAGING]) == 1


def test_killed_between_rename_and_row_is_completed(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    root = settings.VNSITE.media_root
    library.publish(root, download.directory, download.library_path)

    recover()

    assert fresh(download).outcome == "completed"
    assert len([path for path in root.iterdir() if path.name != library.STAGING]) == 1


@pytest.mark.parametrize("left", ["", ".removing"])
def test_killed_before_the_row_says_that_it_was_removed_is_completed_and_cleaned(
    left: str, dead_worker: Worker
) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    library.publish(settings.VNSITE.media_root, download.directory, download.library_path)
    actions.remove_directory(download)
    if left:
        directory.with_name(f"{directory.name}{left}").mkdir()

    [orphan] = recover()

    assert orphan.action == "complete"
    states = list(download.transitions.values_list("to_state", flat=True))
    assert states[-3:] == ["downloading", "completed", "cleaned"]
    assert not list(settings.VNSITE.temp_root.iterdir())


def test_what_is_published_completes_and_is_cleaned_at_one_instant(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)

    publication.finish(Row(download, actor="test"))

    *_, completed, cleaned = download.transitions.order_by("seq")
    assert (completed.to_state, cleaned.to_state) == ("completed", "cleaned")
    assert completed.at == cleaned.at
    assert cleaned.data == {"freed_bytes": 0}  # what was fetched is in the library
    assert not directory.exists()


def test_what_completed_with_its_directory_is_cleaned(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    with configured(cleanup_on_success=False):
        publication.finish(Row(download, actor="test"))
    assert (fresh(download).state, directory.exists()) == ("completed", True)

    [orphan] = recover()

    assert orphan.action == "clean"
    assert (fresh(download).state, directory.exists()) == ("cleaned", False)


def test_a_directory_that_cannot_be_removed_keeps_nothing_from_completing(
    dead_worker: Worker,
) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    shutil.rmtree(directory)
    directory.write_text("no directory")

    publication.finish(Row(download, actor="test"))

    assert fresh(download).state == "completed"
    assert (settings.VNSITE.media_root / download.library_path / "v.mp4").read_bytes() == CONTENT


def test_who_looked_before_the_decision_does_not_requeue(dead_worker: Worker) -> None:
    """The worker was taken for dead, woke up, decided, and published under our hands."""
    download, directory = downloading(dead_worker)
    late = fresh(download)
    decided(download, directory)
    library.publish(settings.VNSITE.media_root, download.directory, download.library_path)

    with pytest.raises(LostDownload):
        late.move(State.CREATED, actor="recovery:test", reason=Reason.WORKER_LOST)

    [orphan] = recover()
    assert orphan.action == "complete"


def test_another_entry_of_that_name_is_never_replaced(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    taken = settings.VNSITE.media_root / download.library_path
    taken.mkdir()
    (taken / "mine.txt").write_text("mine")

    recover()

    assert (taken / "mine.txt").read_text() == "mine"
    assert fresh(download).library_path == f"{taken.name} (2)"


def test_the_second_time_there_is_nothing_to_do(dead_worker: Worker) -> None:
    download, _ = downloading(dead_worker)
    recover()
    seq = fresh(download).transitions.last().seq

    assert recover() == []
    assert fresh(download).transitions.last().seq == seq


def test_a_dry_run_changes_nothing(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)

    [orphan] = recover(dry_run=True)

    assert orphan.action == "requeue"
    assert (fresh(download).state, directory.exists()) == ("downloading", True)


def test_a_download_of_a_living_worker_is_left_alone(live_worker: Worker) -> None:
    download, directory = downloading(live_worker)

    assert recover() == []
    assert (fresh(download).state, directory.exists()) == ("downloading", True)


def test_a_locked_directory_is_left_alone_whatever_the_row_says(dead_worker: Worker) -> None:
    download = claimed_by(dead_worker)
    isolated = IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )

    with isolated as directory:
        assert recover() == []
        assert directory.exists()


def test_a_worker_of_another_host_lives_until_its_lease_is_over(dead_worker: Worker) -> None:
    download, _ = downloading(dead_worker)
    Worker.objects.update(host="elsewhere")
    assert recover() == []

    lease = timedelta(seconds=settings.VNSITE.lease_seconds)
    Worker.objects.update(heartbeat_at=timezone.now() - lease)
    recover()

    assert fresh(download).state == "created"


def test_a_worker_of_an_earlier_boot_is_dead(live_worker: Worker) -> None:
    download, _ = downloading(live_worker)
    Worker.objects.update(boot_id="another")

    recover()

    assert fresh(download).state == "created"


def test_an_unknown_directory_is_reported_and_left() -> None:
    path = settings.VNSITE.temp_root / "videonote_dl_abc_123"
    path.mkdir(parents=True)

    [orphan] = recover()

    assert (orphan.what, orphan.path) == ("directory", path)
    assert path.exists()


def test_a_file_of_the_user_with_another_name_is_not_even_reported() -> None:
    settings.VNSITE.temp_root.mkdir(parents=True)
    (settings.VNSITE.temp_root / "videonote_dl_backup.tar").write_text("mine")

    assert recover() == []


def test_only_the_exact_correlation_id_is_recovered(dead_worker: Worker) -> None:
    download = claimed_by(dead_worker)

    assert recover(only=frozenset({download.correlation_id[:-1]})) == []
    assert len(recover(only=frozenset({download.correlation_id}))) == 1


def test_only_old_ones_are_recovered_when_asked(dead_worker: Worker) -> None:
    claimed_by(dead_worker)

    assert recover(older_than=timedelta(hours=1)) == []
    assert len(recover(older_than=timedelta(0))) == 1


@pytest.fixture
def marked_process(dead_worker: Worker) -> Iterator[tuple[Download, subprocess.Popen[bytes]]]:
    """A process that bears the mark of an attempt, in a session of its own, deaf to SIGTERM."""
    download, _ = downloading(dead_worker)
    script = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={"VNSITE_ATTEMPT": download.directory},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process.stdout:
        process.stdout.readline()
        yield download, process
        process.kill()
        process.wait()


def test_a_process_that_outlived_its_worker_is_ended(
    marked_process: tuple[Download, subprocess.Popen[bytes]],
) -> None:
    download, process = marked_process

    recover()

    wait_for(lambda: process.poll() is not None, what="the process to end")
    assert fresh(download).state == "created"


def test_a_pid_of_an_earlier_boot_is_not_signalled(
    marked_process: tuple[Download, subprocess.Popen[bytes]], dead_worker: Worker
) -> None:
    download, _ = marked_process
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        process = Process.of(stranger.pid)
        assert process is not None
        download.attempts.update(
            child_pid=process.pid, child_started=process.started, boot_id="earlier"
        )

        recover()

        assert process.is_alive()
        stranger.kill()
    assert fresh(download).state == State.CREATED


def test_a_row_that_is_deleted_during_its_recovery_is_left_to_whoever_deleted_it(
    dead_worker: Worker,
) -> None:
    download, directory = downloading(dead_worker)
    download.move(State.FAILED, actor="test", reason="storage", error_class="storage")
    fresh(download).forget()

    with pytest.raises(actions.NotAllowed):
        recovery._recover_row(download, actor="recovery:test", host="here", dry_run=False)

    assert not directory.exists()


def test_what_failed_after_the_decision_is_withdrawn(dead_worker: Worker) -> None:
    download, directory = downloading(dead_worker)
    decided(download, directory)
    library.publish(settings.VNSITE.media_root, download.directory, download.library_path)
    download.move(State.FAILED, actor="test", reason="storage", error_class="storage")

    with configured(cleanup_on_failure=False):
        [orphan] = recover()
        again = recover()

    assert orphan.action == "withdraw"
    assert again == []
    assert not (settings.VNSITE.media_root / download.library_path).exists()
    assert fresh(download).state == State.FAILED
    assert directory.is_dir()


def test_the_command_prints_one_line_per_orphan_and_a_total(
    dead_worker: Worker, capsys: pytest.CaptureFixture[str]
) -> None:
    Worker.objects.update(boot_id="another", host=recovery.socket.gethostname())
    download, directory = downloading(dead_worker)

    call_command("cleanup_orphans")

    first, total = capsys.readouterr().out.splitlines()
    for part in ("download", download.correlation_id, str(directory), "requeue"):
        assert part in first
    assert total == f"1 orphan, {len(CONTENT)} bytes"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--correlation-id", "a*"], "not a correlation id"),
        (["--correlation-id", "../x"], "not a correlation id"),
        (["--older-than", "soon"], "not a duration"),
        (["--older-than", "90"], "not a duration"),
        (["--older-than", "99999999999d"], "not a duration"),
    ],
)
def test_the_command_refuses_wrong_arguments(arguments: list[str], said: str) -> None:
    with pytest.raises(CommandError, match=said):
        call_command("cleanup_orphans", *arguments)


def test_workers_that_are_long_dead_are_forgotten(dead_worker: Worker) -> None:
    Worker.objects.update(heartbeat_at=timezone.now() - timedelta(days=2))

    recovery.forget_old_workers(timezone.now(), host="here")

    assert not Worker.objects.exists()
