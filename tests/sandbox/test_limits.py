"""The limits of one download with real workers: time, speed, and what a site says of itself."""

import os
import shutil
from pathlib import Path

import pytest

from downloads import actions
from downloads.fetch.processes import attempts_of_processes
from downloads.management.commands.run_downloads import NICENESS as WORKERS_NICENESS
from downloads.rules.states import State
from downloads.sandbox.limits import NICENESS, SESSION_NICENESS
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import history, running_worker, submit, temp_entries, wait_for_state

LONG = 90.0  # each starts a worker, which takes its time beside other tests

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.fixture
def allowed(media_server: MediaServer) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}


def test_an_attempt_that_takes_too_long_is_ended_and_not_tried_again(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=100000"))

    with running_worker(VNSITE_MAX_SECONDS="2", **allowed):
        wait_for_state(download, State.CLEANED, seconds=LONG)

    assert (download.outcome, download.error_class) == ("failed", "timed_out")
    assert download.error_data == {"after_seconds": 2}
    assert ("created", "will_retry") not in history(download)
    assert temp_entries() == []


SPINNING = """#!/bin/sh
case "$*" in *-version*|*-bsfs*) exec {real} "$@";; esac
while :; do echo $$ > "$TMPDIR/output"; done
"""


def test_a_program_that_is_busy_for_ever_is_ended(
    media_server: MediaServer, allowed: dict[str, str], tmp_path: Path
) -> None:
    """It reads and writes, so that nothing looks as if it hung."""
    for name in ("ffmpeg", "ffprobe"):
        body = SPINNING if name == "ffmpeg" else '#!/bin/sh\nexec {real} "$@"\n'
        (tmp_path / name).write_text(body.format(real=shutil.which(name)))
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    download = submit(media_server.url("/video.mp4"), audio="mp3")

    with running_worker(VNSITE_MAX_SECONDS="5", PATH=path, **allowed) as worker:
        wait_for_state(download, State.DOWNLOADING, seconds=LONG)
        directory = download.directory
        wait_for_state(download, State.CLEANED, seconds=LONG)
        assert worker.process.poll() is None

    assert (download.outcome, download.error_class) == ("failed", "timed_out")
    assert directory not in attempts_of_processes().values()
    assert temp_entries() == []


def test_a_site_that_sends_too_slowly_is_stalled(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    slow = submit(media_server.url("/slow.mp4?rate=50000"))
    byte_by_byte = submit(media_server.url("/slow.mp4?rate=1"))
    limits = {"VNSITE_MIN_BYTES_PER_SECOND": "5000000", "VNSITE_STALL_SECONDS": "2"}

    with running_worker(**limits, **allowed):
        retries = [
            wait_for(download.transitions.filter(reason="will_retry").first, seconds=LONG)
            for download in (slow, byte_by_byte)
        ]

    assert [entry.error_class for entry in retries if entry] == ["stalled", "stalled"]
    assert retries[0] is not None
    assert "bytes_per_second" in retries[0].data


def test_a_site_that_sends_fast_enough_is_waited_for(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=2000000"))

    with running_worker(VNSITE_STALL_SECONDS="1", **allowed):
        wait_for_state(download, State.CLEANED, seconds=LONG)

    assert download.outcome == "completed"


@pytest.mark.both_databases
def test_whatever_a_site_says_of_itself_the_row_is_sane(
    media_server: MediaServer, scripted_site: ScriptedSite
) -> None:
    film = media_server.file("video.mp4").read_bytes()
    scripted_site.serve("/film.svg", Answer(body=film, media_type="video/mp4"))
    title = "Caf\u00e9 \u202e\u0301\x1b[2J/../" * 5_000
    url = scripted_site.serve(
        "/page",
        Answer(
            body=f'<!doctype html><html><head><meta charset="utf-8"><title>{title}</title></head>'
            '<body><video src="/film.svg"></video></body></html>'
        ),
    )
    download = submit(url)

    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin):
        wait_for_state(download, State.CLEANED, seconds=LONG)

    assert download.outcome == "completed", download.error_data
    assert len(download.title) == 500
    assert not set(download.title) & set("\x1b\u202e")
    (file,) = download.files.all()
    assert (file.media_type, file.name[-4:]) == ("video/mp4", ".mp4")
    assert len(file.name.encode()) <= 255
    assert len(download.library_path.encode()) <= 255


def test_a_worker_gives_way_to_pages_and_a_download_to_both(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=100000"))

    with running_worker(**allowed) as worker:
        wait_for_state(download, State.DOWNLOADING, seconds=LONG)
        pid = download.attempts.get().child_pid
        assert pid is not None
        ours, workers, its = (
            os.getpriority(os.PRIO_PROCESS, each) for each in (0, worker.process.pid, pid)
        )
        assert (workers - ours, its - workers) == (WORKERS_NICENESS, NICENESS)
        group = Path(f"/proc/{pid}/autogroup")
        assert not group.exists() or group.read_text().split()[-1] == str(SESSION_NICENESS)
        actions.cancel(download, actor="test")
        wait_for_state(download, State.CLEANED, seconds=LONG)
