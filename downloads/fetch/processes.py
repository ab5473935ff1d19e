"""Names, finds and ends processes: the only module that sends signals, besides `serve`.

No Django and no yt-dlp: the worker and the fork server both import it.

Everything that a child starts is in its session and its process group, and the kernel keeps it
there (`seccomp.keep_session`). Whatever loses its parent falls to the child, and after the child's
end to the fork server, which kills all that it did not fork itself.
"""

import os
import select
import signal
import time
from collections.abc import Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Self

from downloads.disk.isolation import parse_directory_name
from downloads.sandbox.limits import die_with_parent

KILL_TIMEOUT_SECONDS = 10.0
MARK = b"VNSITE_ATTEMPT="


class ChildFailed(Exception):
    """The fork server or a child could not be started, does not answer or does not end."""


@dataclass(frozen=True)
class Process:
    """A process, named for good: pids are used again, a pid with its start time is not."""

    pid: int
    started: int  # clock ticks from boot, field 22 of /proc/PID/stat

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """Return the living process with this pid; None when there is none, or only a zombie.

        One whose first thread has ended shows as a zombie while others of its threads still live.
        """
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            return None
        state, *fields = stat.rpartition(b") ")[2].split()
        threads, started = int(fields[16]), int(fields[18])
        is_over = state == b"X" or (state == b"Z" and threads <= 1)
        return None if is_over else cls(pid, started)

    def is_alive(self) -> bool:
        return Process.of(self.pid) == self


@cache
def boot_id() -> str:
    """Return the name of this run of the machine's kernel; "" where the kernel does not say."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return ""


def end_with_parent(pid: int) -> bool:
    """Ask the kernel to send SIGTERM to this process when its parent's main thread ends.

    False when the parent is not `pid` any more: it ended before it could be asked for.
    """
    die_with_parent(signal.SIGTERM)
    return os.getppid() == pid


def end_process(process: Process, *, grace_seconds: float = 0) -> None:
    """End one process, asking nicely for `grace_seconds`. Raises ChildFailed when it survives.

    Does nothing when the process is gone or another one has its pid.
    """
    if grace_seconds:
        _signal(process, signal.SIGTERM)
        _signal(process, signal.SIGCONT)
        wait_for_any([process], timeout_seconds=grace_seconds)
    _signal(process, signal.SIGKILL)
    wait_for_any([process], timeout_seconds=KILL_TIMEOUT_SECONDS)
    if process.is_alive():
        raise ChildFailed(f"process {process.pid} does not die")


def end_attempt(name: str, child: Process | None = None) -> None:
    """End one attempt as `end_attempts` does."""
    end_attempts({name: child})


def end_attempts(children: Mapping[str, Process | None]) -> None:
    """Kill every process of the attempts with these directories, whose fork servers are dead.

    To each its child, when it ran on this machine since its last boot; its whole session ends.
    Without it (None) only what bears the mark of the attempt in its environment is found. Looks
    again until nothing is left. Raises ChildFailed when something survives.

    One look at all processes of the machine costs as much as removing many small directories.
    """
    known = {child for child in children.values() if child is not None}
    # A pid is not given to another process while somebody is in a session of that number.
    sessions = {child.pid for child in known if Process.of(child.pid) in (None, child)}
    give_up_at = time.monotonic() + KILL_TIMEOUT_SECONDS
    while members := [
        process
        for process in _processes()
        if process in known or _is_left_in(process, sessions) or _mark_of(process) in children
    ]:
        if time.monotonic() >= give_up_at:
            raise ChildFailed(f"process {members[0].pid} does not die")
        for process in members:
            _signal(process, signal.SIGKILL)
        wait_for_any(members, timeout_seconds=0.1)


def end_group(pid: int) -> None:
    """Kill, all at once, the group of a child that ended and was not collected yet.

    Until it is collected, no other group can have its number.
    """
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def end_own(pid: int) -> None:
    """Kill a process that this one is the parent of, and has not collected."""
    os.kill(pid, signal.SIGKILL)


def last_line(errors: IO[bytes]) -> str:
    """Return what a Python said last on this stderr, when it ended by an exception; "" for none."""
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def own_children() -> set[int]:
    """Return the pids of this process's children, if it has one thread; zombies are among them.

    May miss one while another ends (proc_pid_task(5)): look again before you believe that there is
    none. None is found on a kernel without that list (CONFIG_PROC_CHILDREN).
    """
    pid = os.getpid()
    path = Path(f"/proc/{pid}/task/{pid}/children")
    with suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        return set(map(int, file.read().split()))
    return set()


def children_of(pid: int) -> set[int]:
    """Return the pids of the children of a process, whichever of its threads started them.

    Raises FileNotFoundError and ProcessLookupError when it is gone. The kernel ends a list of
    threads early when the one that it has come to ends: it is read until it names no new one.
    """
    children: set[int] = set()
    seen: set[Path] = set()
    while new := set(Path(f"/proc/{pid}/task").iterdir()) - seen:
        seen |= new
        for thread in new:
            with suppress(FileNotFoundError, ProcessLookupError):  # this one has ended
                children |= set(map(int, (thread / "children").read_text().split()))
    return children


def attempts_of_processes() -> dict[Process, str]:
    """Return the living processes that belong to an attempt, with the name of its directory.

    By the mark in their environment, and by the directory that they work in: the child itself
    bears no mark. Processes of other users do not show.
    """
    found = {process: _mark_of(process) or _place_of(process) for process in _processes()}
    return {process: name for process, name in found.items() if name}


def wait_for_any(processes: Sequence[Process], *, timeout_seconds: float) -> None:
    """Wait until one of the processes has ended, or the timeout is over."""
    waiting = select.poll()
    descriptors: list[int] = []
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(process.pid))
                waiting.register(descriptors[-1], select.POLLIN)
        if processes and all(process.is_alive() for process in processes):
            waiting.poll(max(timeout_seconds, 0) * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _processes() -> list[Process]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [process for process in map(Process.of, pids) if process is not None]


def _is_left_in(process: Process, sessions: Set[int]) -> bool:
    """Say whether it is in one of these, and confined as everything is that a child starts."""
    with suppress(OSError):  # it ended, or belongs to another user
        if os.getsid(process.pid) in sessions:
            os.kill(process.pid, 0)
            return "\nNoNewPrivs:\t1\n" in Path(f"/proc/{process.pid}/status").read_text()
    return False


def _mark_of(process: Process) -> str | None:
    """Return the name of the directory in its environment; None when there is no such name."""
    with suppress(OSError):
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        if MARK not in environment:  # as of nearly all processes of a machine
            return None
        for variable in environment.split(b"\0"):
            if variable.startswith(MARK):
                return _name_in(variable.removeprefix(MARK).decode(errors="replace"))
    return None


def _place_of(process: Process) -> str | None:
    """Return the isolated directory that it works in; None when it works elsewhere."""
    with suppress(OSError):
        place = Path(f"/proc/{process.pid}/cwd").readlink().name
        return _name_in(place.removesuffix(" (deleted)"))
    return None


def _name_in(text: str) -> str | None:
    return text if parse_directory_name(text) else None


def _signal(process: Process, number: signal.Signals) -> None:
    """Send a signal through a pidfd, after a look that the pid is still that process's."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(process.pid)
        try:
            if process.is_alive():
                signal.pidfd_send_signal(descriptor, number)
        finally:
            os.close(descriptor)
