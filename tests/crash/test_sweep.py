"""The sweep: killed right before each call that changes the disk or the database, then recovered.

The calls of one download are listed first, of the worker's main thread (the claim), of the
attempt's thread and of the child; then one more download is killed at each of them. On PostgreSQL
the calls that change the database are those that send it a statement.
"""

import logging
import random
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from downloads.models import Download
from downloads.rules.states import State
from tests.crash.judging import (
    assert_ended_right,
    assert_failed_by_signal,
    assert_killed_and_ended_right,
    assert_listed,
    assert_nothing_is_left,
)
from tests.crash.tracing import Point, fork_server_of, require_strace, traced
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import newest_thread
from tests.helpers.waiting import wait_for
from tests.helpers.worker import WorkerProcess, submit, wait_for_state

logger = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.timeout(3600),
]

ROLES = ("claim", "attempt", "child")
FILE, STREAM = "/small/{}.mp4?sweep", "/hls/index.m3u8?sweep={}"
LIST = "/page-two.html?sweep={}"
# SQLite writes each page of a transaction by itself, and a transaction is atomic: such a call is of
# less weight than one that is a step of the design.
PAGE_WRITE = "pwrite64"


class Site:
    """A worker that is started again whenever it was killed."""

    def __init__(self, media_server: MediaServer, folder: Path) -> None:
        self.media_server = media_server
        self.folder = folder
        self.original = media_server.file("small.mp4")
        self.count = 0
        self.worker: WorkerProcess | None = None

    def start(self) -> WorkerProcess:
        self.worker = WorkerProcess(
            "--concurrency", "1", VNSITE_ALLOW_PRIVATE_HOSTS=self.media_server.origin
        )
        wait_for(self.worker.row, what="the worker's row")
        return self.worker

    def fork_server_worker(self) -> WorkerProcess:
        """A worker whose slot has its thread already; started when there is none."""
        worker = self.worker
        if worker is None or worker.process.poll() is not None:
            self.close()
            worker = self.start()
            wait_for_state(self.submit(), State.CLEANED)
        return worker

    def submit(self, path: str = FILE) -> Download:
        self.count += 1
        return submit(self.media_server.url(path.format(self.count)))

    def close(self) -> None:
        if self.worker is not None:
            self.worker.close()
            self.worker = None

    def thread_of(self, role: str) -> int:
        worker = self.fork_server_worker()
        match role:
            case "claim":
                return worker.process.pid
            case "attempt":
                return newest_thread(worker.process.pid)
            case _:
                fork_server = fork_server_of(worker.process.pid)
                assert fork_server is not None
                return fork_server

    def points(self, path: str, *roles: str) -> list[Point]:
        """What one download does to the disk and the database, role by role."""
        threads = {role: self.thread_of(role) for role in roles}
        with ExitStack() as stack:
            with paused(self.fork_server_worker()):
                traces = {
                    role: stack.enter_context(traced(thread, self.folder, follow=role == "child"))
                    for role, thread in threads.items()
                }
                download = self.submit(path)
            wait_for_state(download, State.CLEANED)
        return [point for role, trace in traces.items() for point in trace.points(role)]

    def kill_at(self, point: Point, path: str) -> Download:
        """Submit one more download and kill what comes to this point; the worker is alive after."""
        thread, role = self.thread_of(point.role), point.role
        worker = self.fork_server_worker()
        with ExitStack() as stack:
            with paused(worker):
                stack.enter_context(
                    traced(thread, self.folder, inject=point.kill, follow=role == "child")
                )
                download = self.submit(path)
            wait_for(
                lambda: worker.process.poll() is not None or is_over(download),
                what=f"the kill at {point}, or the end",
            )
        self.fork_server_worker()
        return wait_for_state(download, State.CLEANED)


@contextmanager
def paused(worker: WorkerProcess) -> Iterator[None]:
    """Stop a worker meanwhile, so that what it asks while it waits is not counted."""
    worker.freeze()
    try:
        yield
    finally:
        worker.send(signal.SIGCONT)


def is_over(download: Download) -> bool:
    download.refresh_from_db()
    return download.state == State.CLEANED


@pytest.fixture
def site(media_server: MediaServer, tmp_path: Path) -> Iterator[Site]:
    require_strace()
    made = Site(media_server, tmp_path)
    yield made
    made.close()


def sample_of(points: list[Point]) -> list[Point]:
    """One of each role: others in every run, the same with the same seed of pytest-randomly."""
    steps = [point for point in points if point.call != PAGE_WRITE]
    return [random.choice([step for step in steps if step.role == role]) for role in ROLES]


def test_killed_at_any_call_every_download_ends_right(site: Site, nightly: bool) -> None:
    points = site.points(FILE, *ROLES)
    logger.info("one download: %s", Counter((point.role, point.call) for point in points))
    if not nightly:
        points = sample_of(points)
    kills, breaches = 0, []

    for point in points:
        worker = site.fork_server_worker()
        try:
            download = site.kill_at(point, FILE)
            assert_nothing_is_left()
            if point.role == "child":
                assert worker.process.poll() is None
                assert_killed_and_ended_right(download, site.original)
            else:
                kills += worker.process.poll() is not None
                assert_ended_right(download, site.original)
        except AssertionError as error:
            breaches.append(f"{point}: {error}")
            logger.warning("%s", breaches[-1])

    logger.info("%d points, %d kills of the worker", len(points), kills)
    assert breaches == []
    # What is written may vary from one download to the next: pages, progress.
    assert kills >= 0.8 * sum(point.role != "child" for point in points) - 1


@pytest.mark.sqlite  # a child knows no database
def test_killed_at_any_call_of_child_or_ffmpeg_the_worker_goes_on(
    site: Site, nightly: bool
) -> None:
    """A stream that is put together by ffmpeg; each attempt of a download is killed."""
    points = site.points(STREAM, "child")
    logger.info("one stream: %s", Counter(point.call for point in points))
    if not nightly:
        points = random.sample(points, 1)
    worker, breaches = site.fork_server_worker(), []

    for point in points:
        try:
            download = site.kill_at(point, STREAM)
            assert_nothing_is_left()
            assert worker.process.poll() is None
            assert_failed_by_signal(download)
        except AssertionError as error:
            breaches.append(f"{point}: {error}")

    assert breaches == []


def test_killed_at_any_call_a_list_is_there_whole_or_not_at_all(site: Site, nightly: bool) -> None:
    points = site.points(LIST, *ROLES)
    logger.info("one list: %s", Counter((point.role, point.call) for point in points))
    if not nightly:
        roles = {point.role for point in points}
        points = [random.choice([each for each in points if each.role == role]) for role in roles]
    breaches = []

    for point in points:
        try:
            download = site.kill_at(point, LIST)
            assert_nothing_is_left()
            if download.outcome == "failed":
                assert point.role == "child"
                assert_failed_by_signal(download)
            else:
                assert_listed(download, 2)
        except AssertionError as error:
            breaches.append(f"{point}: {error}")
            logger.warning("%s", breaches[-1])

    assert breaches == []
