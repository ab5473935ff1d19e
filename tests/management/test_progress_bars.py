"""The commands on a real terminal: bars while they work, nothing of them afterwards."""

import os
import pty
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from downloads.management.progress_bars import told
from downloads.models import Download, Progress
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import DEADLINE_SECONDS
from tests.helpers.worker import ROOT, running_worker, submit, worker_environment

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

BAR = "━"
SLOW = "/slow.mp4?rate=1500000"  # so that it is seen while it runs


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Run a command on a terminal of 100 columns; its code, and all that was written there."""
    ours, theirs = pty.openpty()
    written: list[bytes] = []

    def read() -> None:
        with suppress(OSError):  # the other end was closed
            while chunk := os.read(ours, 65536):
                written.append(chunk)

    reading = threading.Thread(target=read)
    reading.start()
    terminal = {"TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    code = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={**os.environ, **worker_environment(), **terminal, **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=DEADLINE_SECONDS,
        check=False,
    ).returncode
    os.close(theirs)
    reading.join()
    os.close(ours)
    return code, b"".join(written).decode()


def test_who_waits_sees_a_bar_and_then_the_end(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    with running_worker(**allowed):
        code, said = on_a_terminal("add_download", media_server.url(SLOW), "--wait", **allowed)

    assert code == 0
    assert BAR in said
    assert "fetching" in said
    assert said.rstrip().splitlines()[-1].split()[1] == "completed:"


def test_a_worker_draws_what_it_runs_below_its_log(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    submit(media_server.url(SLOW))

    code, said = on_a_terminal("run_downloads", "--once", "--skip-checks", **allowed)

    assert code == 0
    assert BAR in said
    assert "fetching" in said
    assert " is ready, " in said
    assert BAR not in said.rstrip().splitlines()[-1]


def test_a_clean_up_counts_what_it_mends() -> None:
    worker = lives.make_worker(heartbeat_at=lives.long_ago())
    lives.start(lives.submit(), worker=worker)

    code, said = on_a_terminal("cleanup_orphans")

    assert code == 0
    assert BAR in said
    assert "1 orphan" in said


def test_the_words_beside_a_bar_are_phase_percentage_and_speed() -> None:
    download = lives.start(lives.submit())
    Progress.objects.filter(download=download).update(
        phase="fetching", received_bytes=50, total_bytes=200, speed=2048
    )

    assert told(Download.objects.get()).replace("\xa0", " ") == "fetching 25 % 2.0 KB/s"
    assert told(lives.submit()) == "created"
