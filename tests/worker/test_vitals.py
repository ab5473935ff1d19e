"""What a worker uses is measured with all that it started, and written into its row."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest

from downloads.models import Worker
from downloads.models.schema import version_on_disk
from downloads.worker import vitals
from downloads.worker.background import Heartbeat
from downloads.worker.vitals import Vitals
from tests.helpers.clocks import Clocks
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker

pytestmark = pytest.mark.both_databases

MIB = 2**20
BUSY = """
import time
held = b"x" * (64 * 2**20)
until = time.process_time() + 0.5
while time.process_time() < until: pass
print("used", flush=True)
input()
"""


@pytest.fixture
def heartbeat(db: None) -> Heartbeat:
    return Heartbeat(host="box", slots=2)


@contextmanager
def busy_grandchild() -> Iterator[None]:
    """A child of a child, which holds 64 MiB and has used half a second of a core."""
    between = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BUSY!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", between], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "used\n"
        yield
        process.communicate("\n")


def test_what_a_worker_started_counts(heartbeat: Heartbeat) -> None:
    measured = Vitals(heartbeat)
    measured.step()
    before = Worker.objects.get()

    with busy_grandchild():
        measured.step()

    after = Worker.objects.get()
    assert before.memory_bytes is not None
    assert after.memory_bytes - before.memory_bytes > 60 * MIB
    assert after.cpu_percent > 0


def test_at_rest_nothing_is_measured_at_each_step(heartbeat: Heartbeat) -> None:
    measured = Vitals(heartbeat)
    measured.step()

    def step_leaves_the_row() -> bool:
        Worker.objects.update(memory_bytes=1)
        time.sleep(2)  # in which this process does nothing
        measured.step()
        return Worker.objects.get().memory_bytes == 1

    wait_for(step_leaves_the_row, what="a step at rest")


def test_a_process_more_or_less_is_measured_although_it_rests(heartbeat: Heartbeat) -> None:
    measured = Vitals(heartbeat)
    measured.step()
    Worker.objects.update(memory_bytes=1)

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        measured.step()
        process.communicate(b"\n")

    assert Worker.objects.get().memory_bytes > 1


def test_what_ended_and_was_collected_still_counts() -> None:
    before = vitals.cpu_seconds(vitals.tree())

    with busy_grandchild():
        pass

    assert vitals.cpu_seconds(vitals.tree()) - before >= 0.5


def hold_child(started: "SimpleQueue[int]", until: threading.Event) -> None:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as child:
        started.put(child.pid)
        until.wait()


def test_threads_that_end_hide_no_child() -> None:
    for _ in range(300):  # a thread must end just when it is looked at
        started: SimpleQueue[int] = SimpleQueue()
        ending, releasing = threading.Event(), threading.Event()
        # Older than the one with the child: they are looked at before it.
        short = [threading.Thread(target=ending.wait) for _ in range(30)]
        holder = threading.Thread(target=hold_child, args=(started, releasing))
        for thread in (*short, holder):
            thread.start()
        pid = started.get()
        ending.set()

        found = vitals.tree()

        releasing.set()
        for thread in (*short, holder):
            thread.join()
        assert pid in found


def test_a_clock_that_goes_with_the_database_is_not_ahead(heartbeat: Heartbeat) -> None:
    Vitals(heartbeat).step()

    assert abs(Worker.objects.get().clock_ahead_seconds) < 1


@pytest.mark.postgresql
@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_a_worker_on_a_machine_whose_clock_is_ahead_says_so(tmp_path: Path) -> None:
    clocks = Clocks(tmp_path)
    clocks.set(wall_seconds=60)

    with running_worker(**clocks.environment) as worker:
        rows = Worker.objects.filter(pid=worker.process.pid, clock_ahead_seconds__gt=50)
        row = wait_for(rows.first, what="its clock to be compared")

    assert row.clock_ahead_seconds == pytest.approx(60, abs=5)


def test_a_worker_says_its_version(heartbeat: Heartbeat) -> None:
    assert Worker.objects.get().version == version_on_disk()
