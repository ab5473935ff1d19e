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
    inject: str, media_server: MediaServer, folder: Path, *, slots: int = 1, **environment: str
) -> Iterator[WorkerProcess]:
    """A worker the next attempt of which meets a fault (see strace(1), `inject`).

    Two downloads in a row take one thread when there is one slot, and may take two when there are
    more: then all threads are traced, and each meets the fault.
    """
    require_strace()
    environment["VNSITE_ALLOW_PRIVATE_HOSTS"] = media_server.origin
    with running_worker("--concurrency", str(slots), **environment) as worker:
        # The slot's thread is started by the first download.
        wait_for_state(submit(media_server.url("/small/1.mp4?first")), State.CLEANED)
        one = slots == 1
        held = newest_thread(worker.process.pid) if one else worker.process.pid
        with traced(held, folder, inject=inject, follow=not one):
            yield worker
