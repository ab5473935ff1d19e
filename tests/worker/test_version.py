"""A worker notices that the database was migrated, or its code exchanged, and makes way."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import override_settings

from downloads.models.schema import version_on_disk
from downloads.worker.version import Release
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for
from tests.helpers.worker import child_of, history, running_worker, submit, wait_for_state

pytestmark = pytest.mark.both_databases

NEWER = ("downloads", "0999_of_newer_code")


@pytest.fixture
def recorder(shared_db: None) -> Iterator[MigrationRecorder]:
    """What `migrate` notes in the database when it has done its work."""
    recorder = MigrationRecorder(connection)
    yield recorder
    recorder.record_unapplied(*NEWER)


def test_a_worker_of_this_code_and_this_database_is_current(recorder: MigrationRecorder) -> None:
    assert Release.on_disk().why_not_current() == ""


def test_a_migration_of_newer_code_is_named(recorder: MigrationRecorder) -> None:
    recorder.record_applied(*NEWER)

    assert (
        "another version of vnsite (downloads.0999_of_newer_code)"
        in Release.on_disk().why_not_current()
    )


def test_a_migration_that_is_missing_is_named(recorder: MigrationRecorder) -> None:
    recorder.record_unapplied("downloads", "0001_initial")
    try:
        assert "downloads.0001_initial" in Release.on_disk().why_not_current()
    finally:
        recorder.record_applied("downloads", "0001_initial")


def test_another_version_on_the_disk_is_named(recorder: MigrationRecorder, tmp_path: Path) -> None:
    release = Release.on_disk()
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "99.1"\n')

    with override_settings(BASE_DIR=tmp_path):
        reason = release.why_not_current()

    assert reason == f"vnsite on the disk is 99.1, and {release.version} is running"


def test_a_version_that_comes_later_is_read_again(tmp_path: Path) -> None:
    with override_settings(BASE_DIR=tmp_path):
        for version in ("1.0", "1.0", "99.1"):
            (tmp_path / "draft").write_text(f'[project]\nversion = "{version}"\n')
            (tmp_path / "draft").rename(tmp_path / "pyproject.toml")

            assert version_on_disk() == version


def test_a_version_that_cannot_be_read_is_not_another_one(
    recorder: MigrationRecorder, tmp_path: Path
) -> None:
    release = Release.on_disk()

    with override_settings(BASE_DIR=tmp_path):
        assert release.why_not_current() == ""


def test_a_migration_during_a_download_has_the_worker_put_it_back_and_end(
    recorder: MigrationRecorder, clean_disk: None, media_server: MediaServer
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000"))
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}
    with running_worker("--grace", "0.2", **allowed) as worker:
        wait_for_state(download, "downloading")
        child = child_of(download)

        recorder.record_applied(*NEWER)

        assert worker.wait() == 0
        assert b"to be started again" in worker.said()
    assert history(download)[-1] == ("created", "shutdown")
    wait_for(lambda: not child.is_alive(), what="the child to end")


@pytest.fixture
def signals_back() -> Iterator[None]:
    """The command takes the signals of its process: here Ctrl-C has to end the tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_a_worker_of_older_code_does_not_begin(
    recorder: MigrationRecorder, signals_back: None
) -> None:
    recorder.record_applied(*NEWER)

    with pytest.raises(CommandError, match="made by another version"):
        call_command("run_downloads", "--once")
