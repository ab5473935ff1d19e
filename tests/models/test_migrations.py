"""What migrations leave: an append-only history, and no database of another version."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.helpers.worker import ROOT

pytestmark = pytest.mark.sqlite


def manage(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"VNSITE_DATA_DIR": str(data_dir), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=environment,
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new database with one download in it."""
    data = tmp_path_factory.mktemp("template")
    assert manage(data, "migrate", "--verbosity", "0").returncode == 0
    assert manage(data, "add_download", "https://example.org/x").returncode == 0
    return data / "vnsite.sqlite3"


@pytest.fixture
def database(tmp_path: Path, template: Path) -> Iterator[sqlite3.Connection]:
    """A copy for one test."""
    shutil.copy(template, tmp_path)
    with closing(sqlite3.connect(tmp_path / template.name)) as database:
        yield database


def test_the_history_is_append_only(database: sqlite3.Connection) -> None:
    assert database.execute("SELECT seq FROM downloads_transition").fetchall() == [(1,)]
    for statement in (
        "UPDATE downloads_transition SET seq = 2",
        "DELETE FROM downloads_transition",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="a transition is"):
            database.execute(statement)


@pytest.mark.parametrize(
    ("command", "code"),
    [(("serve", "--port", "0"), 1), (("run_downloads", "--once"), 1), (("doctor",), 2)],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_database_of_another_version_is_refused(
    database: sqlite3.Connection, tmp_path: Path, command: tuple[str, ...], code: int
) -> None:
    with database:
        database.execute(
            "INSERT INTO django_migrations (app, name, applied)"
            " VALUES ('downloads', '0007_fair_claims', '2026-11-01')"
        )

    done = manage(tmp_path, *command)

    said = done.stdout + done.stderr
    assert done.returncode == code
    assert "made by another version of vnsite (downloads.0007_fair_claims)" in said
    assert "Traceback" not in said
