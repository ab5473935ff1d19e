"""A real worker process for tests: `manage.py run_downloads` on the tests' database."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection

from downloads.fetch.processes import Process
from downloads.models import Download, Worker, submissions
from downloads.rules.options import DownloadOptions
from tests.helpers.processes import forked_for, is_stopped
from tests.helpers.waiting import DEADLINE_SECONDS, wait_for

ROOT = Path(__file__).resolve().parents[2]


class WorkerProcess:
    """One `run_downloads`, in a session of its own, as its user starts it."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._log = (Path(settings.VNSITE.data_dir) / "worker.log").open("ab")
        self._log_start = self._log.tell()
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "run_downloads", "--skip-checks", *arguments],
            cwd=ROOT,
            env={**os.environ, **worker_environment(), **environment},
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )

    def row(self) -> Worker | None:
        return Worker.objects.filter(pid=self.process.pid, stopped_at=None).first()

    def log(self) -> str:
        """What it and the workers before it said."""
        return Path(self._log.name).read_text()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP, but not in the middle of a write: that would keep others from writing at all."""
        self._stop()
        while somebody_writes():
            self.send(signal.SIGCONT)
            self._stop()

    def _stop(self) -> None:
        """The signal is on its way when `send` returns: a thread may still begin to write."""
        self.send(signal.SIGSTOP)
        wait_for(lambda: is_stopped(self.process.pid), what="the worker to be stopped")

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        return self.process.wait(seconds)

    def said(self) -> bytes:
        """What is in the log since it was started."""
        return Path(self._log.name).read_bytes()[self._log_start :]

    def close(self) -> None:
        """End it, whatever it does, and wait until what it forked has ended with it.

        A child that still writes would disturb the next test.
        """
        self.process.kill()
        self.process.wait()
        wait_for(lambda: not forked_for(self.process.pid), what="its processes to end")
        self._log.close()


def database_url() -> str:
    """The tests' database, for another process."""
    database = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{quote(str(database['NAME']))}"
    return f"postgres://{database['USER']}@{quote(database['HOST'], safe='')}/{database['NAME']}"


def somebody_writes() -> bool:
    """Whether a transaction of another process is open that others have to wait for."""
    if connection.vendor == "sqlite":
        with closing(sqlite3.connect(str(connection.settings_dict["NAME"]), timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            return False
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND datname = current_database() AND state <> 'idle'"
        )
        return bool(cursor.fetchone()[0])


def worker_environment() -> dict[str, str]:
    return {
        "DJANGO_SETTINGS_MODULE": "tests.process_settings",
        "VNSITE_DATA_DIR": str(settings.VNSITE.data_dir),
        "VNSITE_DATABASE_URL": database_url(),
        "VNSITE_SECRET_KEY": settings.SECRET_KEY,
        "VNSITE_MIN_FREE_BYTES": "0",
    }


@contextmanager
def running_worker(*arguments: str, **environment: str) -> Iterator[WorkerProcess]:
    """A worker that is ready to claim; ended at the end, whatever happened.

    When the test fails, what it said is shown.
    """
    worker = WorkerProcess(*arguments, **environment)
    try:
        wait_for(worker.row, what="the worker's row")
        yield worker
    except BaseException:
        sys.stderr.write(worker.said().decode(errors="replace"))
        raise
    finally:
        worker.close()


def submit(url: str, *, owner: User | None = None, **options: object) -> Download:
    wish = (url, DownloadOptions().with_overrides(**options))
    [answer] = submissions.submit([wish], owner=owner, actor="test")
    return answer.download


def wait_for_state(download: Download, *states: str, seconds: float = DEADLINE_SECONDS) -> Download:
    def has_it() -> bool:
        download.refresh_from_db()
        return download.state in states

    wait_for(has_it, seconds=seconds, what=f"{download} to be {' or '.join(states)}")
    return download


# The history of a download that nothing befell.
COMPLETED = [
    ("created", "submitted"),
    ("initializing", "claimed"),
    ("ready", "directory_made"),
    ("downloading", "child_started"),
    ("completed", "published"),
    ("cleaned", "cleaned"),
]


def history(download: Download) -> list[tuple[str, str]]:
    """(state, reason) of every transition, oldest first."""
    return list(download.transitions.values_list("to_state", "reason"))


def temp_entries() -> list[str]:
    root = settings.VNSITE.temp_root
    return sorted(path.name for path in root.iterdir()) if root.is_dir() else []


def staged_entries() -> list[str]:
    staging = settings.VNSITE.media_root / ".staging"
    return sorted(path.name for path in staging.iterdir()) if staging.is_dir() else []


def child_of(download: Download) -> Process:
    attempt = download.attempts.get(number=download.attempt)
    assert attempt.child_pid is not None
    assert attempt.child_started is not None
    return Process(attempt.child_pid, attempt.child_started)
