"""kill -9 of workers, warm processes and children at random moments, while downloads run.

By hand: `bin/test tests/crash/test_random_kills.py --kill-seconds 3600`, with the `--kill-seed` of
a run that failed to choose the same victims again (the moments are the machine's).
"""

import logging
import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from downloads.child import Process
from downloads.models import Download
from downloads.states import State
from tests.crash.judging import (
    assert_ended_right,
    assert_nothing_is_left,
    wait_for_the_processes_of,
)
from tests.crash.tracing import children_of, warm_process_of
from tests.media_server import MediaServer
from tests.waiting import wait_for
from tests.worker import WorkerProcess, submit

logger = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.timeout(0),
]

SLOTS = 8
AT_ONCE = 12
MAX_ATTEMPTS = 1000  # here a download is not put aside: each must complete in the end


class Pandemonium:
    """A worker that is killed, whole or in part, and started again."""

    def __init__(self, media_server: MediaServer, chance: random.Random) -> None:
        self.media_server = media_server
        self.chance = chance
        self.downloads: list[Download] = []
        self.kills: dict[str, int] = {"worker": 0, "warm": 0, "child": 0}
        self.worker = self.start()

    def start(self) -> WorkerProcess:
        worker = WorkerProcess(
            "--concurrency", str(SLOTS), VNSITE_ALLOW_PRIVATE_HOSTS=self.media_server.origin
        )
        wait_for(worker.row, what="the worker's row")
        return worker

    def is_at_work(self) -> bool:
        """Whether something runs; starts the worker again when it could not start its own parts."""
        if self.worker.process.poll() is not None:
            self.restart()
        return Download.objects.running().exists()

    def restart(self) -> None:
        self.worker.close()
        wait_for_the_processes_of(self.worker.process.pid)
        self.worker = self.start()

    def feed(self) -> None:
        """Some small, some that take a second or two."""
        while Download.objects.active().count() < AT_ONCE:
            number = len(self.downloads)
            path = "/small/1.mp4?" if number % 2 else "/slow.mp4?rate=4000000&"
            self.downloads.append(submit(self.media_server.url(f"{path}kill={number}")))
            Download.objects.update(max_attempts=MAX_ATTEMPTS)

    def kill_somebody(self) -> None:
        role = self.chance.choice(["worker", "warm", "child", "child"])
        if role == "worker":
            self.restart()
        elif role == "warm":
            kill(warm_process_of(self.worker.process.pid))
        elif children := self.children():
            kill(self.chance.choice(children))
        else:
            return
        self.kills[role] += 1

    def children(self) -> list[int]:
        """The children of this worker and the programs that they started; of no other site."""
        warm = warm_process_of(self.worker.process.pid)
        found = children_of(warm) if warm else []
        for pid in found:
            found += children_of(pid)
        return found

    def original_of(self, download: Download) -> str:
        return "big.mp4" if "/slow" in download.url else "small.mp4"


def kill(pid: int | None) -> None:
    if pid is not None and Process.of(pid) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def pandemonium(media_server: MediaServer, request: pytest.FixtureRequest) -> Iterator[Pandemonium]:
    seed = request.config.getoption(
        "--kill-seed", default=None
    ) or random.SystemRandom().getrandbits(32)
    print(f"--kill-seed {seed}")  # noqa: T201 — shown when the test fails
    made = Pandemonium(media_server, random.Random(seed))
    yield made
    made.worker.close()


def test_killed_at_random_moments_every_download_completes(
    pandemonium: Pandemonium, media_server: MediaServer, request: pytest.FixtureRequest
) -> None:
    seconds = request.config.getoption("--kill-seconds", default=None) or 20
    until = time.monotonic() + seconds

    while time.monotonic() < until:
        pandemonium.feed()
        wait_for(pandemonium.is_at_work, what="something to run")
        time.sleep(pandemonium.chance.uniform(0, 1))
        pandemonium.kill_somebody()
    wait_for(
        lambda: (
            not pandemonium.is_at_work()
            and not Download.objects.exclude(state=State.CLEANED).exists()
        ),
        seconds=120,
        what="every download to end",
    )

    logger.info("%d downloads, kills: %s", len(pandemonium.downloads), pandemonium.kills)
    for download in pandemonium.downloads:
        assert_ended_right(download, media_server.file(pandemonium.original_of(download)))
    assert_nothing_is_left()
