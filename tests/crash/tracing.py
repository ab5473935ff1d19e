"""Killing a process at one chosen system call of one chosen thread, with strace.

strace counts `when=N` for each thread by itself, so that it is attached to single threads: the
N-th call of the attempt's thread is then the N-th of that download, whatever others do.
"""

import functools
import os
import re
import shutil
import signal
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.processes import children_of
from tests.helpers.waiting import DEADLINE_SECONDS, wait_for

# Everything that changes names on the disk or makes bytes durable, SQLite's writes among them, and
# what is sent to PostgreSQL.
CALLS = (
    *("mkdir", "mkdirat", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir"),
    *("fsync", "fdatasync", "pwrite64", "ftruncate", "sendto"),
)
CALL = re.compile(rf"(?:(\d+) +)?({'|'.join(CALLS)})\((.*) = (-?\d+)")
SAYS_WRITE = re.compile("INSERT|UPDATE|DELETE|COMMIT")
SHOWN_BYTES = 4000  # of what is sent: a statement may be long


@dataclass(frozen=True, kw_only=True, order=True)
class Point:
    """The `number`-th call of this name in the thread of this role: 1 is the first."""

    role: str
    call: str
    number: int

    @property
    def kill(self) -> str:
        """What kills the process right before this call, for `traced`."""
        return f"{self.call}:signal=SIGKILL:when={self.number}"

    def __str__(self) -> str:
        return f"{self.role} {self.call} {self.number}"


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A thread that strace holds, with its calls."""

    log: Path

    def points(self, role: str) -> list[Point]:
        """Each call that changed something, in order; of the busiest process if it forked.

        What is sent and writes nothing is no point, but it counts: `when` counts it too.
        """
        calls: dict[str, Counter[str]] = defaultdict(Counter)
        points: dict[str, list[Point]] = defaultdict(list)
        for match in map(CALL.match, self.log.read_text(errors="replace").splitlines()):
            if match is None:
                continue
            pid, call, arguments, result = match.groups()
            calls[pid][call] += 1
            if int(result) >= 0 and (call != "sendto" or SAYS_WRITE.search(arguments)):
                points[pid].append(Point(role=role, call=call, number=calls[pid][call]))
        return max(points.values(), key=len, default=[])


@contextmanager
def traced(
    thread: int, folder: Path, *, inject: str = "", follow: bool = False
) -> Iterator[Traced]:
    """Trace a thread meanwhile; `inject` is what strace(1) does to its calls."""
    log, errors = folder / f"strace.{thread}", folder / f"strace.{thread}.errors"
    log.touch()
    injection = ["-e", f"inject={inject}"] if inject else []
    command = ["strace", *(["-f"] if follow else []), "-s", str(SHOWN_BYTES)]
    command += ["-o", str(log), "-p", str(thread)]
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [*command, "-e", f"trace={','.join(CALLS)}", *injection], stderr=stream
        )
    try:
        wait_for(lambda: b"attached" in errors.read_bytes(), what="strace to be attached")
        yield Traced(log=log)
    finally:
        process.send_signal(signal.SIGINT)  # lets go of what it traces
        process.wait(DEADLINE_SECONDS)


def fork_server_of(pid: int) -> int | None:
    """The fork server of a worker; None while it has none."""
    return next(iter(children_of(pid)), None)


def require_strace() -> None:
    """Skip the test where strace is missing or may not hold processes of this user."""
    if reason := why_no_strace():
        pytest.skip(reason)


@functools.cache
def why_no_strace() -> str:
    """Why strace cannot be used here, or ""."""
    if shutil.which("strace") is None:
        return "strace is not installed: apt-get install strace"
    with subprocess.Popen(["sleep", "1000"]) as sleeper:
        command = ["strace", "-o", os.devnull, "-p", str(sleeper.pid)]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            sleeper.kill()  # strace ends with what it holds
    return "" if "attached" in said else f"strace may not be used here: {said.strip()}"
