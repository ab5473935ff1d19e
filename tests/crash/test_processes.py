"""Processes that die, hang, fork away or will not end, and several that want the same at once."""

import os
import shutil
import signal
import textwrap
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.urls import reverse

from downloads import actions
from downloads.fetch.client import Child, ForkServer
from downloads.models import Download, submissions
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from tests.crash.cleaning import begun_cleanup, cleanup
from tests.crash.judging import (
    assert_ended_right,
    assert_nothing_is_left,
)
from tests.crash.tracing import fork_server_of
from tests.helpers.attempts import job_for, messages_until
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import LEAVES_A_DAEMON, is_alive
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    child_of,
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)

pytestmark = [pytest.mark.sqlite, pytest.mark.usefixtures("shared_db", "clean_disk")]

STALL_SECONDS = "6"  # a busy machine needs less to go on
CLEAN_UP = reverse("admin:downloads_download_clean_up")
MakeProgram = Callable[[str, str], dict[str, str]]


@pytest.fixture
def fake_program(tmp_path: Path, media_server: MediaServer, allowed: dict[str, str]) -> MakeProgram:
    """Puts a shell script in the place of ffmpeg or ffprobe, which answers questions about its
    version as the real one ($REAL) does; the environment for a worker that will find it."""

    def make(name: str, work: str) -> dict[str, str]:
        for each in ("ffmpeg", "ffprobe"):
            real = shutil.which(each)
            script = f"""\
                #!/bin/sh
                REAL={real}
                case "$*" in *-version*|*-bsfs*) exec "$REAL" "$@";; esac
                """
            path = tmp_path / each
            body = work if each == name else 'exec "$REAL" "$@"'
            path.write_text(textwrap.dedent(script) + body)
            path.chmod(0o755)
        return {**allowed, "PATH": f"{tmp_path}:{os.environ['PATH']}"}

    return make


def pid_in(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


# Programs


def test_a_killed_program_is_named_and_the_attempt_repeated(
    fake_program: MakeProgram, media_server: MediaServer
) -> None:
    environment = fake_program("ffmpeg", "kill -9 $$")
    download = submit(media_server.url("/video.mp4"), audio="mp3")

    with running_worker(**environment, VNSITE_MAX_ATTEMPTS="100"):
        Download.objects.update(max_attempts=100)
        wait_for(lambda: download.transitions.filter(reason="will_retry").exists())
        fake_program("ffmpeg", 'exec "$REAL" "$@"')  # nobody kills it any more
        wait_for_state(download, State.CLEANED)

    assert download.outcome == "completed"
    again = download.transitions.filter(reason="will_retry")
    assert all("ffmpeg was killed by SIGKILL" in each.data["message"] for each in again)
    assert_nothing_is_left()


def test_a_program_that_hangs_is_given_up(
    fake_program: MakeProgram, media_server: MediaServer
) -> None:
    download = submit(media_server.url("/video.mp4"), audio="mp3")
    hangs = 'echo $$ > "$TMPDIR/left.pid"; exec sleep 1000'

    with running_worker(
        VNSITE_STALL_SECONDS=STALL_SECONDS,
        VNSITE_MAX_ATTEMPTS="1",
        **fake_program("ffmpeg", hangs),
    ) as worker:
        hanging = left_by(download)
        wait_for_state(download, State.CLEANED)
        assert worker.process.poll() is None

    assert (download.outcome, download.error_class) == ("failed", "stalled")
    assert "ffmpeg did nothing" in download.error_data["message"]
    assert not is_alive(hanging)
    assert_nothing_is_left()


@pytest.fixture
def stubborn(
    fake_program: MakeProgram, media_server: MediaServer
) -> Iterator[tuple[Download, dict[str, str]]]:
    """A download whose ffmpeg ignores SIGTERM and leaves a daemon, and what its worker needs to
    know."""
    yield (
        submit(media_server.url("/video.mp4"), audio="mp3"),
        fake_program("ffmpeg", LEAVES_A_DAEMON),
    )


def left_by(download: Download) -> int:
    """The pid of what its ffmpeg became, or left."""
    wait_for_state(download, State.DOWNLOADING)
    path = settings.VNSITE.temp_root / download.directory / "left.pid"
    return wait_for(lambda: pid_in(path), what="what ffmpeg leaves")


def test_a_cancel_ends_even_what_left_its_session_and_is_deaf_to_sigterm(
    stubborn: tuple[Download, dict[str, str]],
) -> None:
    download, environment = stubborn

    with running_worker(VNSITE_CANCEL_GRACE_SECONDS="0.3", **environment):
        left = left_by(download)
        actions.cancel(download, actor="test")
        wait_for_state(download, State.CLEANED)

    assert not is_alive(left)
    assert download.outcome == "cancelled"
    assert_nothing_is_left()


@pytest.mark.parametrize("killed", ["child", "fork server"])
def test_it_ends_before_the_attempt_does(
    stubborn: tuple[Download, dict[str, str]], killed: str
) -> None:
    download, environment = stubborn
    Download.objects.update(max_attempts=1)

    with running_worker(**environment) as worker:
        left = left_by(download)
        fork_server = fork_server_of(worker.process.pid)
        os.kill(child_of(download).pid if killed == "child" else fork_server, signal.SIGKILL)
        wait_for_state(download, State.FAILED, State.CLEANED)

        assert not is_alive(left)

    assert download.error_class == "worker_lost"


def test_it_ends_with_the_worker(stubborn: tuple[Download, dict[str, str]]) -> None:
    download, environment = stubborn

    with running_worker(**environment) as worker:
        left = left_by(download)
        worker.send(signal.SIGKILL)

        wait_for(lambda: not is_alive(left), what="its end")


def test_when_the_warm_process_was_killed_too_a_cleanup_ends_it_before_the_directory_goes(
    stubborn: tuple[Download, dict[str, str]],
) -> None:
    download, environment = stubborn
    with running_worker(**environment) as worker:
        left = left_by(download)
        worker.freeze()
        os.kill(fork_server_of(worker.process.pid), signal.SIGKILL)
        worker.send(signal.SIGKILL)
    assert is_alive(left)

    assert cleanup() == 0

    assert not is_alive(left)
    assert temp_entries() == []
    wait_for_state(download, State.CREATED)


# Children


def test_a_child_that_hangs_is_stalled_and_its_download_goes_on(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=2000000&hangs"))

    with running_worker(VNSITE_STALL_SECONDS=STALL_SECONDS, **allowed):
        wait_for_state(download, State.DOWNLOADING)
        os.kill(child_of(download).pid, signal.SIGSTOP)
        wait_for_state(download, State.CLEANED)

    assert "silent_seconds" in download.transitions.get(reason="will_retry").data
    assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


def test_a_child_outlives_the_thread_that_asked_for_it(
    fork_server: ForkServer, media_server: MediaServer, directory: Path
) -> None:
    """The kernel ends a child with the *thread* that forked it: that must not be one of a pool."""
    children: list[Child] = []
    job = job_for(
        media_server.url("/small/1.mp4"), directory, allow_private_hosts=(media_server.origin,)
    )
    asking = threading.Thread(target=lambda: children.append(fork_server.fork(job)))
    asking.start()
    asking.join()

    [child] = children
    child.go()

    said = messages_until(child)
    assert child.end(grace_seconds=5) == "exited with 0"
    assert hasattr(said[-1], "files")


def test_a_download_that_kills_its_worker_every_time_is_put_aside(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000&poison"))
    Download.objects.update(max_attempts=2)  # a third one takes time and shows nothing more

    for attempt in (1, 2):
        with running_worker(**allowed):
            wait_for(
                lambda attempt=attempt: (
                    wait_for_state(download, State.DOWNLOADING).attempt == attempt
                ),
                what=f"attempt {attempt}",
            )
    other = submit(media_server.url("/small/1.mp4?beside-the-poison"))
    with running_worker(**allowed):
        wait_for_state(other, State.CLEANED)
        wait_for_state(download, State.CLEANED)

    assert (download.outcome, download.error_class) == ("failed", "worker_lost")
    assert download.attempt == 2
    assert_ended_right(other, media_server.file("small.mp4"))
    assert_nothing_is_left()


def test_whatever_the_child_raises_is_an_end_with_a_reason(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    paths = {
        "/private-redirect?to=file:///etc/passwd": "policy_blocked",
        "/private-redirect?to=ftp://127.0.0.1/x": "policy_blocked",
        "/private-redirect?to=http://[bad": "extractor_broken",
        "/private-redirect?to=http://127.0.0.1:99999/": "extractor_broken",
        "/html-as.mp4": "incomplete",
    }
    downloads = {submit(media_server.url(path)): expected for path, expected in paths.items()}

    with running_worker(VNSITE_MAX_ATTEMPTS="1", **allowed) as worker:
        for download in downloads:
            wait_for_state(download, State.CLEANED)
        assert worker.process.poll() is None

    for download, expected in downloads.items():
        assert (download.outcome, download.error_class) == ("failed", expected)
        assert download.error_data
        assert "Traceback" not in str(download.error_data)
    assert_nothing_is_left()


# Cleanups beside the living


def test_cleanups_beside_a_worker_at_work_touch_nothing(
    media_server: MediaServer, allowed: dict[str, str]
) -> None:
    urls = [media_server.url(f"/slow.mp4?rate=4000000&beside={number}") for number in range(20)]
    submissions.submit([(url, DownloadOptions()) for url in urls], owner=None, actor="test")

    with running_worker("--concurrency", "8", **allowed):
        while Download.objects.exclude(state=State.CLEANED).exists():
            assert cleanup() == 0

    assert set(Download.objects.values_list("outcome", "attempt")) == {("completed", 1)}
    assert_nothing_is_left()


def test_two_cleanups_and_the_action_of_the_admin_clean_once(
    media_server: MediaServer, allowed: dict[str, str], staff: User
) -> None:
    downloads = [submit(media_server.url(f"/status/404?n={number}")) for number in range(8)]
    with running_worker("--once", VNSITE_CLEANUP_ON_FAILURE="false", **allowed) as worker:
        worker.wait()
    admin = Client()
    admin.force_login(staff)
    chosen = " ".join(download.correlation_id for download in downloads)

    with begun_cleanup() as one, begun_cleanup() as two:
        wait_for(lambda: Download.objects.filter(state=State.CLEANED).exists(), what="the first")
        # The number that has to be typed falls while the others clean.
        wait_for(lambda: clean_up_as_shown(admin, chosen) == HTTPStatus.FOUND, what="the action")
        codes = [one.wait(), two.wait()]

    assert codes == [0, 0]
    for download in downloads:
        assert [state for state, _ in history(download)].count("cleaned") == 1
    assert_nothing_is_left()


def clean_up_as_shown(admin: Client, chosen: str) -> int:
    """Type the number that the admin's page shows now; the answer's status."""
    number = Download.objects.filter(state=State.FAILED).count()
    answer = {"selected": chosen, "further": "", "count": str(number), "confirm": ""}
    return admin.post(CLEAN_UP, answer).status_code


def test_cancels_at_once_are_one_cancel(media_server: MediaServer, allowed: dict[str, str]) -> None:
    download = submit(media_server.url("/slow.mp4?rate=20000&cancels"))

    with running_worker(**allowed):
        wait_for_state(download, State.DOWNLOADING)
        with ThreadPoolExecutor(4) as pool:
            for asked in [pool.submit(cancel_by, number, download) for number in range(4)]:
                asked.result()
        wait_for_state(download, State.CLEANED)

    assert [state for state, _ in history(download)].count("cancelled") == 1
    assert download.outcome == "cancelled"


def cancel_by(number: int, download: Download) -> None:
    try:
        with suppress(actions.NotAllowed):  # it has ended already
            actions.cancel(Download.objects.get(pk=download.pk), actor=f"test {number}")
    finally:
        connections.close_all()
