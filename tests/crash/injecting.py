"""Faults in the system calls of one attempt, with strace."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from downloads.rules.states import State
from tests.crash.tracing import require_strace, traced
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import newest_thread
from tests.helpers.worker import WorkerProcess, running_worker, submit, wait_for_state


@contextmanager
def fault_in_the_attempt(
    inject: str, media_server: MediaServer, folder: Path, *arguments: str, **environment: str
) -> Iterator[WorkerProcess]:
    """A worker the next attempt of which meets a fault (see strace(1), `inject`)."""
    require_strace()
    environment["VNSITE_ALLOW_PRIVATE_HOSTS"] = media_server.origin
    # One slot: two downloads in a row might take two threads.
    with running_worker("--concurrency", "1", *arguments, **environment) as worker:
        # The slot's thread is started by the first download.
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        with traced(newest_thread(worker.process.pid), folder, inject=inject):
            yield worker
