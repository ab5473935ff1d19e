"""Keeps the threads of this process on one processor, which the kernel chooses.

Python runs one of them at a time. On several processors each change of thread wakes another one up,
which has nothing of it in its caches: that was a fifth of the CPU of a small download. What this
process starts may run on all processors that it was given itself.
"""

import os
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

AGAIN_SECONDS = 20.0  # between two choices: something else may have come to ours for good
CHOICE_SECONDS = 0.05

_given: set[int] = set()  # empty: this process stays nowhere


@contextmanager
def staying() -> Iterator[None]:
    """Keep the calling thread on its present processor, and so the threads that it starts.

    At the end all threads may run wherever they might before. Where the system does not allow that,
    nothing changes.
    """
    _given.update(os.sched_getaffinity(0))
    try:
        with suppress(OSError):
            os.sched_setaffinity(0, {_present()})
        yield
    finally:
        _keep_threads_on(_given)
        _given.clear()


def choose_again() -> None:
    """Let the kernel choose another processor for all threads, if this process stays on one."""
    if not _given:
        return
    _keep_threads_on(_given)
    time.sleep(CHOICE_SECONDS)  # after it the kernel wakes this thread up where there is room
    _keep_threads_on({_present()})


@contextmanager
def left() -> Iterator[None]:
    """Have the calling thread, and what it starts meanwhile, run wherever it may."""
    before = os.sched_getaffinity(0)
    try:
        with suppress(OSError):
            os.sched_setaffinity(0, _given or before)
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def _keep_threads_on(processors: Collection[int]) -> None:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # it has ended
            os.sched_setaffinity(int(thread.name), processors)


def _present() -> int:
    """Return the number of the processor on which the calling thread runs."""
    fields = Path("/proc/thread-self/stat").read_bytes().rpartition(b") ")[2].split()
    return int(fields[36])  # the 39th of proc_pid_stat(5), of which two are cut off
