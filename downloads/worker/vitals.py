"""What a worker uses of its machine, with all that it started; and how its clock goes.

A step of its own: the kernel may keep the reader of another process's memory waiting, and must not
hold up the heartbeat.
"""

import os
import time
from contextlib import suppress
from pathlib import Path

from downloads.fetch.processes import children_of
from downloads.models import Worker, clock_ahead_seconds
from downloads.worker.background import Heartbeat

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
KIB = 1024
RESTING_CPU_PERCENT = 2.0  # of a core: a worker that does no more, with the same processes, rests
RESTING_SECONDS = 60.0  # between two measurements at rest


class Vitals:
    """Measures the tree of processes below this one, from step to step."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat
        self._seen = (time.monotonic(), cpu_seconds(tree()))
        self._measured: set[int] = set()  # the processes whose memory was measured last

    def step(self) -> None:
        """Write what was used since the last writing into the worker's row.

        At rest that is done now and then: to measure memory costs more than all else that an idle
        worker does.
        """
        processes = tree()
        before_at, before = self._seen
        now, used = time.monotonic(), cpu_seconds(processes)
        # What a process used is forgotten when nobody collects it.
        cpu_percent = 100 * max(0.0, used - before) / (now - before_at)
        rests = cpu_percent < RESTING_CPU_PERCENT and self._measured == processes.keys()
        if rests and now - before_at < RESTING_SECONDS:
            return
        self._seen, self._measured = (now, used), set(processes)
        Worker.objects.filter(pk=self._heartbeat.worker.pk).update(
            cpu_percent=round(cpu_percent, 1),
            memory_bytes=memory_bytes(processes),
            clock_ahead_seconds=round(clock_ahead_seconds(), 3),
        )


def tree() -> dict[int, list[bytes]]:
    """Return this process and all below it: their fields of /proc/PID/stat from the third on."""
    found, below = {}, [os.getpid()]
    while below:
        pid = below.pop()
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            found[pid] = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b") ")[2].split()
            below += children_of(pid)
    return found


def cpu_seconds(processes: dict[int, list[bytes]]) -> float:
    """Return the time that they and the children that they collected ran on any core."""
    return sum(sum(map(int, fields[11:15])) for fields in processes.values()) / TICKS_PER_SECOND


def memory_bytes(processes: dict[int, list[bytes]]) -> int:
    """Return their memory together; what several share counts once."""
    return sum(map(_memory_of, processes))


def _memory_of(pid: int) -> int:
    """Return its share of the pages that it has; 0 when it is gone or may not be looked at."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * KIB
    return 0
