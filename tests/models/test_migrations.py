"""A site that was installed earlier is brought up to date with everything that it has."""

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.worker import ROOT

FIRST_RELEASE = "0003"


def manage(data_dir: Path, *arguments: str) -> None:
    environment = {"VNSITE_DATA_DIR": str(data_dir), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "manage.py", *arguments, "--skip-checks", "--verbosity", "0"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, timeout=60)


@pytest.fixture
def database(tmp_path: Path) -> sqlite3.Connection:
    """A database of the first release with one download in it, migrated to the newest."""
    manage(tmp_path, "migrate", "downloads", FIRST_RELEASE)
    [file] = tmp_path.glob("*.sqlite3")
    with sqlite3.connect(file) as old:
        old.execute(
            "INSERT INTO downloads_download (id, correlation_id, url, title, options, fingerprint,"
            " priority, state, error_detail, attempt, max_attempts, cancel_requested_by, directory,"
            " library_path, created_at, updated_at) VALUES (1, 'abc',"
            " 'https://www.example.org:8443/x', '', '{}', '', 0, 'created', '', 0, 3, '', '', '',"
            " '2026-11-01', '2026-11-01')"
        )
        old.execute(
            "INSERT INTO downloads_transition (seq, download_id, to_state, at, actor, reason,"
            " detail, attempt) VALUES (1, 1, 'created', '2026-11-01', 'test', 'submitted', '', 0)"
        )
    old.close()
    manage(tmp_path, "migrate")
    return sqlite3.connect(file)


def test_the_site_of_each_download_is_named(database: sqlite3.Connection) -> None:
    [row] = database.execute("SELECT site FROM downloads_download").fetchall()

    assert row == ("example.org:8443",)


def test_the_history_is_kept_and_still_append_only(database: sqlite3.Connection) -> None:
    assert database.execute("SELECT seq FROM downloads_transition").fetchall() == [(1,)]
    for statement in (
        "UPDATE downloads_transition SET seq = 2",
        "DELETE FROM downloads_transition",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="a transition is"):
            database.execute(statement)
