"""Starts, listens to and ends the child of an attempt, and everything that the child started.

The only module that sends signals to processes. No Django, and yt-dlp is not imported here: that
is done once, in the fork server (`downloads.fetch.forkserver`), from which every child is forked.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from downloads.disk.isolation import parse_directory_name
from downloads.fetch.protocol import GO, Job, Message, decode
from downloads.sandbox.limits import die_with_parent

PROJECT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_SECONDS = 60.0
ANSWER_TIMEOUT_SECONDS = 10.0
KILL_TIMEOUT_SECONDS = 10.0
MAX_LINE_BYTES = 2**20
MARK = b"VNSITE_ATTEMPT="


class ChildFailed(Exception):
    """The fork server or a child could not be started or does not answer."""


@dataclass(frozen=True)
class Process:
    """A process, named for good: pids are used again, a pid with its start time is not."""

    pid: int
    started: int  # clock ticks from boot, field 22 of /proc/PID/stat

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The living process with this pid; None when there is none, or only a zombie."""
        fields = _stat(pid)
        if fields is None or fields[0] in (b"Z", b"X"):
            return None
        return cls(pid, int(fields[19]))

    def is_alive(self) -> bool:
        return Process.of(self.pid) == self


def _stat(pid: int) -> list[bytes] | None:
    """The fields of /proc/PID/stat after the name, from the state on; None without the process."""
    try:
        content = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return content.rpartition(b") ")[2].split()


def end_with_parent(pid: int) -> bool:
    """Ask the kernel to send SIGTERM to this process when its parent's main thread ends.

    False when the parent is not `pid` any more: it ended before it could be asked for.
    """
    die_with_parent(signal.SIGTERM)
    return os.getppid() == pid


def clean_environment() -> dict[str, str]:
    """What a child may know of the environment: nothing of the site's settings and secrets."""
    return {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "PYTHONPATH": str(PROJECT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "YTDLP_NO_PLUGINS": "1",
    }


class ForkServer:
    """The worker's end of the fork server. Usable from many threads; start it from the main one.

    The kernel ends the fork server when the *thread* that started it ends (prctl(2)).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildFailed("the fork server was not started")
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it is warm. Raises ChildFailed when it does not get there."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_TIMEOUT_SECONDS)
        command = [sys.executable, "-P", "-s", "-m", "downloads.fetch.forkserver"]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 — our own module
                [*command, str(os.getpid()), str(theirs.fileno())],
                env=clean_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )
        self._control = ours
        try:
            if not ours.recv(16):
                raise ChildFailed("the process that runs yt-dlp could not be started")
        except TimeoutError:
            raise ChildFailed("the process that runs yt-dlp did not start in time") from None
        finally:
            ours.settimeout(ANSWER_TIMEOUT_SECONDS)

    def close(self) -> None:
        """End it and every child that it still has."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._control is not None:
            self._control.close()

    def fork(self, job: Job) -> "Child":
        """A child for a job; it waits, doing nothing, until it is let go."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                reply = self._ask({"start": asdict(job)}, [theirs.fileno()])
            if "error" in reply:
                raise ChildFailed(f"no process could be started: {reply['error']}")
            process = Process.of(reply["pid"])
            if process is None:
                raise ChildFailed("the child ended before it began")
        except BaseException:
            ours.close()  # a child that was made all the same ends when it reads this
            raise
        return Child(self, process, ours, mark=Path(job.directory).name)

    def status_of(self, process: Process) -> int | None:
        """The wait status of a child that ended; None when it is not known."""
        try:
            status: int | None = self._ask({"status_of": process.pid})["status"]
        except ChildFailed:
            return None
        return status

    def _ask(self, request: dict[str, Any], descriptors: Iterable[int] = ()) -> dict[str, Any]:
        with self._lock:
            if self._control is None:
                raise ChildFailed("the fork server was not started")
            self._asked += 1
            packet = json.dumps({**request, "number": self._asked}).encode()
            try:
                socket.send_fds(self._control, [packet], list(descriptors))
                return _answer_to(self._asked, self._control)
            except OSError as error:
                raise ChildFailed("the process that runs yt-dlp does not answer") from error


def _answer_to(number: int, control: socket.socket) -> dict[str, Any]:
    """The reply with this number; late replies to what nobody waits for any more are dropped.

    They would be taken for the answer to the next question, and so on for ever.
    """
    while answer := control.recv(MAX_LINE_BYTES):
        reply: dict[str, Any] = json.loads(answer)
        if reply["number"] == number:
            return reply
    raise ChildFailed("the process that runs yt-dlp ended")


class Child:
    """One child: the leader of a session, with whatever it started."""

    def __init__(
        self, fork_server: ForkServer, process: Process, channel: socket.socket, *, mark: str
    ) -> None:
        self.process = process
        self._fork_server = fork_server
        self._channel = channel
        self._mark = mark
        self._buffer = b""
        self._at_end = False

    def go(self) -> None:
        """Let it begin. A child that is gone already shows at the first `receive`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._channel.sendall(GO)

    def receive(self, *, timeout_seconds: float, wake: int) -> list[Message] | None:
        """The messages that came, or None at the end.

        Waits until there is one, the timeout is over or the file descriptor `wake` is readable; an
        empty list in the last two cases. Raises ValueError for what is not a message.
        """
        if self._at_end:
            return None
        waiting = select.poll()
        waiting.register(self._channel, select.POLLIN)
        waiting.register(wake, select.POLLIN)
        ready = {descriptor for descriptor, _ in waiting.poll(timeout_seconds * 1000)}
        if self._channel.fileno() not in ready:
            return []
        try:
            block = self._channel.recv(65536)
        except ConnectionResetError:
            block = b""
        self._at_end = not block
        *lines, self._buffer = (self._buffer + block).split(b"\n")
        if len(self._buffer) > MAX_LINE_BYTES:
            raise ValueError("a message of the child is too long")
        messages = [decode(line) for line in lines]
        return messages if messages or not self._at_end else None

    def end_at_once(self) -> None:
        """Kill the child and all that it started, from any thread; `end` still has to be called.

        Raises ChildFailed when something survives.
        """
        end_tree(self.process, mark=self._mark, adopter=self._fork_server.pid, grace_seconds=0)

    def end(self, *, grace_seconds: float) -> str:
        """End the child and all that it started; returns how the child ended, in words.

        When this returns no process of the attempt is left. Raises ChildFailed when one does not
        die, which only a process in an uninterruptible system call can do.
        """
        self._channel.close()
        end_tree(
            self.process,
            mark=self._mark,
            adopter=self._fork_server.pid,
            grace_seconds=grace_seconds,
        )
        return describe_status(self._fork_server.status_of(self.process))


def describe_status(status: int | None) -> str:
    """A wait status in words: "exited with 0", "killed by SIGKILL"."""
    if status is None:
        return "ended"
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with {os.waitstatus_to_exitcode(status)}"


def end_tree(leader: Process, *, mark: str, adopter: int, grace_seconds: float) -> None:
    """End a leader, its descendants and what left them, asking nicely for `grace_seconds`.

    What left the tree by a second fork or setsid was adopted by the fork server (`adopter`) and
    is recognised by the mark in its environment or by its session. Looks again until nothing is
    left. Raises ChildFailed when something survives SIGKILL.
    """
    give_up_at = time.monotonic() + grace_seconds + KILL_TIMEOUT_SECONDS
    kill_at = time.monotonic() + grace_seconds
    asked: set[Process] = set()

    def look() -> set[Process]:
        return _members(leader, mark=mark.encode(), adopter=adopter)

    # Twice: the kernel's list of children may miss one while another ends (proc_pid_task(5)).
    while members := look() or look():
        now = time.monotonic()
        if now >= give_up_at:
            raise ChildFailed(f"process {min(item.pid for item in members)} does not die")
        if now >= kill_at:
            _signal(members, signal.SIGKILL)
            _wait_for_any(members, timeout_seconds=0.1)
            continue
        _signal(members - asked, signal.SIGTERM)
        _signal(members - asked, signal.SIGCONT)
        asked |= members
        _wait_for_any(members, timeout_seconds=min(0.1, kill_at - now))


def end_marked(mark: str) -> int:
    """Kill every process of this user that bears the mark of an attempt whose worker is dead.

    Looks again until none is left; returns how many there were. Raises ChildFailed when one
    survives.
    """
    give_up_at = time.monotonic() + KILL_TIMEOUT_SECONDS
    found: set[Process] = set()
    while members := {item for item in _processes() if _has_mark(item, mark.encode())}:
        if time.monotonic() >= give_up_at:
            raise ChildFailed(f"process {min(item.pid for item in members)} does not die")
        found |= members
        _signal(members, signal.SIGKILL)
        _wait_for_any(members, timeout_seconds=0.1)
    return len(found)


def end_leader(process: Process) -> None:
    """Kill a child whose worker is dead: the leader itself carries no mark, its pid is in the row.

    Does nothing when the process is gone or another one has its pid.
    """
    give_up_at = time.monotonic() + KILL_TIMEOUT_SECONDS
    while process.is_alive():
        if time.monotonic() >= give_up_at:
            raise ChildFailed(f"process {process.pid} does not die")
        _signal({process}, signal.SIGKILL)
        _wait_for_any({process}, timeout_seconds=0.1)


def attempts_of_processes() -> dict[Process, str]:
    """Which living processes belong to an attempt, and to which: the name of its directory.

    By the mark in their environment, and by the directory that they work in: the leader bears no
    mark. Processes of other users do not show.
    """
    found = {process: _attempt_of(process) for process in _processes()}
    return {process: name for process, name in found.items() if name}


def _attempt_of(process: Process) -> str:
    with suppress(OSError):
        for variable in Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0"):
            if variable.startswith(MARK):
                return variable.removeprefix(MARK).decode(errors="replace")
        # A directory that was removed has " (deleted)" after its name.
        place = Path(f"/proc/{process.pid}/cwd").readlink().name.removesuffix(" (deleted)")
        if parse_directory_name(place):
            return place
    return ""


def _members(leader: Process, *, mark: bytes, adopter: int) -> set[Process]:
    members: set[Process] = set()
    roots: list[Process] = [leader] if leader.is_alive() else []
    for process in map(Process.of, _children(adopter)):
        if process is None or process == leader:
            continue
        if _session(process) == leader.pid or _has_mark(process, mark):
            roots.append(process)
    while roots:
        process = roots.pop()
        members.add(process)
        roots += [child for child in map(Process.of, _children(process.pid)) if child]
    return members


def _children(pid: int) -> list[int]:
    """The children of a process's main thread, which is the only one that warm and child have."""
    try:
        return [int(item) for item in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def _processes() -> list[Process]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [process for process in map(Process.of, pids) if process is not None]


def _session(process: Process) -> int:
    fields = _stat(process.pid)
    return int(fields[3]) if fields else 0


def _has_mark(process: Process, mark: bytes) -> bool:
    try:
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
    except OSError:
        return False
    return MARK + mark in environment.split(b"\0")


def _signal(processes: Iterable[Process], number: signal.Signals) -> None:
    """Send a signal through a pidfd, after a look that the pid is still that process's."""
    for process in processes:
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(process.pid)
            try:
                if process.is_alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def _wait_for_any(processes: Iterable[Process], *, timeout_seconds: float) -> None:
    """Wait until one of the processes has ended, or the timeout is over."""
    waiting = select.poll()
    descriptors: list[int] = []
    try:
        for process in processes:
            with suppress(ProcessLookupError):
                descriptors.append(os.pidfd_open(process.pid))
                waiting.register(descriptors[-1], select.POLLIN)
        if descriptors:
            waiting.poll(max(timeout_seconds, 0) * 1000)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)
