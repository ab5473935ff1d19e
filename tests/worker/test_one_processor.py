"""The threads of a worker stay on one processor; what it starts does not."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from tests.crash.tracing import fork_server_of
from tests.helpers.environment import ROOT
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("clean_disk"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one processor"),
]


def processors_of(pid: int) -> set[frozenset[int]]:
    """On which processors each of its threads may run."""
    found = set()
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):  # it has ended
            found.add(frozenset(os.sched_getaffinity(int(thread.name))))
    return found


def other_fork_server(worker: int, before: int) -> Callable[[], int | None]:
    def look() -> int | None:
        present = fork_server_of(worker)
        return None if present == before else present

    return look


def test_a_worker_stays_on_one_and_a_fork_server_has_all(allowed: dict[str, str]) -> None:
    with running_worker(**allowed) as worker:
        pid = worker.process.pid
        # A worker whose first fork server is killed before it was of use ends.
        wait_for(lambda: b" is ready, " in worker.said(), what="the worker")
        wait_for(lambda: [len(each) for each in processors_of(pid)] == [1], what="one processor")
        fork_server = wait_for(lambda: fork_server_of(pid), what="the fork server")
        assert processors_of(fork_server) == {frozenset(os.sched_getaffinity(0))}

        os.kill(fork_server, signal.SIGKILL)

        another = wait_for(other_fork_server(pid, fork_server), what="another fork server")
        assert processors_of(another) == {frozenset(os.sched_getaffinity(0))}


CHOICE = """
import os, threading
from downloads.worker import one_processor

def processors():
    return [os.sched_getaffinity(thread.native_id) for thread in threading.enumerate()]

given = os.sched_getaffinity(0)
one_processor.choose_again()
assert processors() == [given]
waiting = threading.Event()
with one_processor.staying():
    threading.Thread(target=waiting.wait).start()
    first, second = processors()
    assert first == second < given, (first, second)
    with one_processor.left():
        assert processors() == [given, second]
    assert processors() == [first, second]
    for thread in threading.enumerate():
        os.sched_setaffinity(thread.native_id, given)
    one_processor.choose_again()
    first, second = processors()
    assert first == second < given, (first, second)
assert processors() == [given, given]
waiting.set()
"""


def test_all_threads_are_where_the_last_choice_was_made() -> None:
    subprocess.run([sys.executable, "-c", CHOICE], cwd=ROOT, check=True, timeout=30)
