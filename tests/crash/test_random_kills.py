"""kill -9 of workers, fork serveres, children, ffmpeg and `serve` at random moments.

By hand: `bin/test tests/crash/test_random_kills.py --kill-seconds 3600`, with the `--kill-seed` of
a run that failed to choose the same victims again (the moments are the machine's).
"""

import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from downloads.fetch.processes import Process
from downloads.models import Download
from downloads.rules.states import State
from tests.crash.judging import (
    assert_ended_right,
    assert_nothing_is_left,
)
from tests.crash.tracing import fork_server_of
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import children_of
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import WorkerProcess, submit, wait_for_state

logger = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.timeout(0),
]

AT_ONCE = 12
SECONDS, NIGHTLY_SECONDS = 5.0, 300.0
MAX_ATTEMPTS = 1000  # here a download is not put aside: each must complete in the end
VICTIMS = {"worker": 2, "warm": 2, "child": 3, "ffmpeg": 2, "serve": 1}
SMALL, SLOW, STREAM = "/small/1.mp4", "/slow.mp4?rate=4000000", "/hls/index.m3u8"
FFMPEG_SECONDS = 1.0  # how long the killer waits for one to be there


class Pandemonium:
    """A worker, and a `serve` with another one: killed, whole or in part, and started again."""

    def __init__(self, media_server: MediaServer, chance: random.Random, *, at_once: int) -> None:
        self.media_server = media_server
        self.chance = chance
        self.at_once = at_once
        self.downloads: list[Download] = []
        self.kills: Counter[str] = Counter()
        self.killed: list[Serving] = []  # their workers may still be there
        self.originals = {
            SMALL: media_server.file("small.mp4"),
            SLOW: media_server.file("big.mp4"),
        }
        self.worker = self.start_worker()
        self.serve = self.start_serve()

    def begin(self) -> None:
        self.wait_for_worker()
        self.originals[STREAM] = self.undisturbed(STREAM)

    def start_worker(self) -> WorkerProcess:
        # The others are those of the worker of `serve`.
        slots = max(1, self.at_once - self.at_once // 4)
        return WorkerProcess("--concurrency", str(slots), **self.environment)

    def wait_for_worker(self) -> None:
        wait_for(self.worker.row, seconds=120, what="the worker's row")

    def start_serve(self) -> Serving:
        return Serving("--concurrency", str(max(1, self.at_once // 4)), **self.environment)

    @property
    def environment(self) -> dict[str, str]:
        return {"VNSITE_ALLOW_PRIVATE_HOSTS": self.media_server.origin}

    def undisturbed(self, path: str) -> Path:
        """What becomes of a download that nobody kills."""
        download = wait_for_state(submit(self.media_server.url(path)), State.CLEANED, seconds=120)
        [file] = (settings.VNSITE.media_root / download.library_path).iterdir()
        return file

    def is_at_work(self) -> bool:
        """Whether something runs; starts the worker again when it could not start its own parts."""
        if self.worker.process.poll() is not None:
            self.restart_worker()
        if self.serve.process.poll() is not None:
            self.restart_serve()
        return Download.objects.running().exists()

    def restart_worker(self) -> None:
        self.worker.close()
        self.worker = self.start_worker()
        self.wait_for_worker()

    def restart_serve(self) -> None:
        """Only its main process is killed; its worker gives back what it has beside the next."""
        self.serve.send(signal.SIGKILL)
        self.serve.wait()
        self.killed.append(self.serve)
        self.serve = self.start_serve()

    def feed(self) -> None:
        """Some small, some that take a second or two, some that ffmpeg puts together."""
        for _ in range(self.at_once - Download.objects.active().count()):
            path = [SMALL, SLOW, STREAM][len(self.downloads) % 3]
            mark = "&" if "?" in path else "?"
            url = self.media_server.url(f"{path}{mark}kill={len(self.downloads)}")
            self.downloads.append(submit(url))
            Download.objects.filter(url=url).update(max_attempts=MAX_ATTEMPTS)

    def kill_somebody(self) -> None:
        [role] = self.chance.choices(list(VICTIMS), list(VICTIMS.values()))
        match role:
            case "worker":
                self.restart_worker()
            case "serve":
                self.restart_serve()
            case _:
                victims = self.victims(role)
                if not victims:
                    return
                kill(self.chance.choice(victims))
        self.kills[role] += 1

    def victims(self, role: str) -> list[int]:
        """Processes of this worker, of no other site."""
        fork_server = fork_server_of(self.worker.process.pid)
        if role == "warm" or fork_server is None:
            return [fork_server] if fork_server else []
        children = children_of(fork_server)
        if role == "child":
            return children
        deadline = time.monotonic() + FFMPEG_SECONDS
        while time.monotonic() < deadline:
            if programs := [
                pid for child in children_of(fork_server) for pid in children_of(child)
            ]:
                return programs
        return []

    def original_of(self, download: Download) -> Path:
        [path] = [path for path in self.originals if self.media_server.url(path) in download.url]
        return self.originals[path]

    def close(self) -> None:
        self.worker.close()
        for serve in (*self.killed, self.serve):
            serve.close()


def kill(pid: int) -> None:
    if Process.of(pid) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def pandemonium(media_server: MediaServer, pytestconfig: pytest.Config) -> Iterator[Pandemonium]:
    option = pytestconfig.getoption
    seed = option("--kill-seed") or random.SystemRandom().getrandbits(32)
    print(f"--kill-seed {seed}")  # noqa: T201 — shown when the test fails
    at_once = option("--kill-downloads") or AT_ONCE
    made = Pandemonium(media_server, random.Random(seed), at_once=at_once)
    try:
        made.begin()
        yield made
    finally:
        made.close()


def test_killed_at_random_moments_every_download_completes(
    pandemonium: Pandemonium, pytestconfig: pytest.Config, nightly: bool
) -> None:
    # As long again goes into what was running.
    usual = NIGHTLY_SECONDS if nightly else SECONDS
    until = time.monotonic() + (pytestconfig.getoption("--kill-seconds") or usual)

    while time.monotonic() < until:
        pandemonium.feed()
        wait_for(pandemonium.is_at_work, seconds=120, what="something to run")
        time.sleep(pandemonium.chance.uniform(0, AT_ONCE / pandemonium.at_once))
        pandemonium.kill_somebody()
    wait_for(
        lambda: (
            not pandemonium.is_at_work()
            and not Download.objects.exclude(state=State.CLEANED).exists()
        ),
        seconds=300,
        what="every download to end",
    )

    logger.info("%d downloads, kills: %s", len(pandemonium.downloads), pandemonium.kills)
    for download in pandemonium.downloads:
        assert_ended_right(download, pandemonium.original_of(download))
    assert_nothing_is_left()
