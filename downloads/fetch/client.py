"""The worker's end of the fork server and of its children: starts them, listens and ends them.

No Django, and yt-dlp is not imported here: that is done once, in the fork server
(`downloads.fetch.forkserver`), from which every child is forked.
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
from pathlib import Path
from typing import IO, Any

from downloads.fetch.processes import (
    KILL_TIMEOUT_SECONDS,
    ChildFailed,
    Process,
    end_attempt,
    end_process,
    wait_for_any,
)
from downloads.fetch.protocol import KEEP, TAKE, Job, Lent, Message, decode, encode_go

PROJECT = Path(__file__).resolve().parent.parent.parent
START_TIMEOUT_SECONDS = 60.0
ENDING_TIMEOUT_SECONDS = 5.0  # of a process that has closed its socket
ANSWER_TIMEOUT_SECONDS = 10.0
MAX_LINE_BYTES = 2**20


class NotBuilt(ChildFailed):
    """The fork server ended by itself or did not start in time: another set may do better."""

    def __init__(self, message: str, *, part: str = "") -> None:
        """`part`: what the set's yt-dlp does not have any more, of `updates.parts`."""
        super().__init__(message)
        self.part = part


def clean_environment(extractors: Path | None = None) -> dict[str, str]:
    """What a child may know of the environment: nothing of the site's settings and secrets.

    `extractors`: the folder of a set, found before what is installed, and after our own code.
    """
    places = [PROJECT, *([extractors] if extractors else [])]
    return {
        "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(map(str, places)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "YTDLP_NO_PLUGINS": "1",
    }


def fault_of_plugins(names: Iterable[str]) -> str:
    """Return why extractor plugins cannot be loaded, in one sentence; "" when they can."""
    try:
        done = subprocess.run(  # noqa: S603 — our own module
            [sys.executable, "-P", "-s", "-m", "downloads.fetch.plugins", *names],
            env=clean_environment(),
            capture_output=True,
            text=True,
            timeout=START_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {START_TIMEOUT_SECONDS:.0f} s"
    last = (done.stdout or done.stderr).strip().splitlines()[-1:]
    return " ".join(last) if done.returncode else ""


class ForkServer:
    """The worker's end of the fork server. Usable from many threads."""

    def __init__(
        self,
        extractors: Path | None = None,
        *,
        plugins: Iterable[str] = (),
        errors: IO[bytes] | None = None,
        needs: Path | None = None,
    ) -> None:
        """`extractors`: the folder of a set that is used instead of the installed one; `plugins`:
        names of extractor plugins, see `fetch.plugins`; `errors`: where its standard error goes,
        None: to that of this process; `needs`: a file that has the next one start sooner."""
        self.extractors = extractors
        self.yt_dlp = ""  # its version, once it is warm
        self._plugins = tuple(plugins)
        self._errors = errors
        self._needs = needs
        self._lock = threading.Lock()
        self._asked = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._starting: socket.socket | None = None  # until it is warm
        self._give_up_at = 0.0
        self._control: socket.socket | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ChildFailed("the fork server was not started")
        return self._process.pid

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, unless it was just launched, and wait until it is warm. Raises ChildFailed when
        it does not get there."""
        if self._starting is None:
            self.launch()
        while not self.is_warm(timeout_seconds=START_TIMEOUT_SECONDS):
            pass

    def launch(self) -> None:
        """Start it; it ends with the thread that calls this. Raises ChildFailed if there is no
        process to be had."""
        self._control = None
        self._give_up_at = time.monotonic() + START_TIMEOUT_SECONDS
        self._starting, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        command = [sys.executable, "-P", "-s", "-m", "downloads.fetch.forkserver"]
        paths = [str(self.extractors or ""), str(self._needs or "")]
        arguments = [str(os.getpid()), str(theirs.fileno()), *paths]
        environment = clean_environment(self.extractors)
        if self.extractors is None:  # a set was compiled when it was unpacked
            del environment["PYTHONDONTWRITEBYTECODE"]  # until it serves
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 — our own module
                    [*command, *arguments, *self._plugins],
                    env=environment,
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._errors,
                )
        except OSError as error:
            self._starting.close()
            raise ChildFailed(f"no process could be started: {error}") from error

    def is_warm(self, *, timeout_seconds: float = 0.0) -> bool:
        """Return whether it can fork by now, after waiting for so long.

        Raises ChildFailed when it never will: NotBuilt unless it was killed.
        """
        if self._control is not None:
            return True
        if self._starting is None:
            return False
        if not _can_read(self._starting, timeout_seconds):
            if time.monotonic() >= self._give_up_at:
                raise NotBuilt("the process that runs yt-dlp did not start in time")
            return False
        answer = _start_of(self._starting)
        if "yt_dlp" not in answer:
            said = answer.get("error") or "the process that runs yt-dlp could not be started"
            raise self._why_not_built(said, part=answer.get("part", ""))
        self.yt_dlp = answer["yt_dlp"]
        # Not before: who asks meanwhile would read that it is ready.
        self._starting.settimeout(ANSWER_TIMEOUT_SECONDS)
        self._starting, self._control = None, self._starting
        return True

    def _why_not_built(self, message: str, *, part: str) -> ChildFailed:
        """Return what to raise: one that was killed says nothing about its set."""
        with suppress(subprocess.TimeoutExpired):
            if self._process is not None and self._process.wait(ENDING_TIMEOUT_SECONDS) < 0:
                return ChildFailed(message)
        return NotBuilt(message, part=part)

    def close(self) -> None:
        """End it, its children and all that these started."""
        if self._process is None:
            return
        if channel := self._control or self._starting:
            channel.close()  # when it reads that, it ends them first
        self._starting = None
        # One that is not warm has no children, and may hang.
        patience_seconds = KILL_TIMEOUT_SECONDS if self._control else 0
        try:
            self._process.wait(patience_seconds)
        except subprocess.TimeoutExpired:
            if stuck := Process.of(self._process.pid):
                end_process(stuck)
            self._process.wait()

    def fork(self, job: Job) -> "Child":
        """A child for a job; it waits, doing nothing, until it is let go."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                reply = self._ask({"start": vars(job)}, [theirs.fileno()])
            if "error" in reply:
                raise ChildFailed(f"no process could be started: {reply['error']}")
            process = Process.of(reply["pid"])
            if process is None:
                raise ChildFailed("the child ended before it began")
        except BaseException:
            ours.close()  # a child that was made all the same ends when it reads this
            raise
        return Child(self, process, ours, attempt=Path(job.directory).name)

    def collect(self, child: Process, *, forked_by: int) -> tuple[int | None, list[int]]:
        """Kill what a child that ended has left: (its wait status, pids that are still there).

        The status is None when it is not known, or was told already. Raises ChildFailed when the
        fork server that forked it is not there to do that.
        """
        if self.pid != forked_by:
            raise ChildFailed("the process that forked it ended")
        reply = self._ask({"collect": child.pid})
        return reply["status"], reply["left"]

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


def _can_read(channel: socket.socket, timeout_seconds: float) -> bool:
    waiting = select.poll()
    waiting.register(channel, select.POLLIN)
    return bool(waiting.poll(timeout_seconds * 1000))


def _start_of(channel: socket.socket) -> dict[str, str]:
    """Return the first words of a fork server; nothing when it ended without any."""
    try:
        said: dict[str, str] = json.loads(channel.recv(MAX_LINE_BYTES) or b"{}")
    except ConnectionResetError:
        return {}
    return said


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
        self, fork_server: ForkServer, process: Process, channel: socket.socket, *, attempt: str
    ) -> None:
        self.process = process
        self._status: int | None = None  # once it has ended and was collected
        self._fork_server = fork_server
        self._forked_by = fork_server.pid
        self._channel = channel
        self._attempt = attempt
        self._buffer = b""
        self._at_end = False
        self._has_begun = self._is_keep_asked = False

    def go(self, lent: Lent | None = None) -> None:
        """Let it begin, with what it is lent. A child that is gone shows at the first `receive`.

        Raises ChildFailed when it does not read.
        """
        self._channel.settimeout(ANSWER_TIMEOUT_SECONDS)  # it may be stopped, and this be long
        try:
            self._channel.sendall(encode_go(lent or Lent()))
        except TimeoutError:
            raise ChildFailed("the child does not take what it is lent") from None
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            self._channel.settimeout(None)
        self._has_begun = True

    def keep(self) -> None:
        """Ask it to stop recording, and to finish what is there; from any thread, again and again.

        Nothing happens before it was let go.
        """
        if self._has_begun and not self._is_keep_asked:
            self._is_keep_asked = True
            with suppress(OSError):  # it has ended
                self._channel.sendall(KEEP)

    def take(self) -> None:
        """Let it fetch the video that it has told of. For a job that asks first."""
        with suppress(OSError):  # it has ended
            self._channel.sendall(TAKE)

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
        self._end(grace_seconds=0)

    def end(self, *, grace_seconds: float) -> str:
        """End the child and all that it started; returns how the child ended, in words.

        When this returns no process of the attempt is left. Raises ChildFailed when one does not
        die, which only a process in an uninterruptible system call can do.
        """
        self._channel.close()
        self._end(grace_seconds=grace_seconds)
        return describe_status(self._status)

    @property
    def ending_data(self) -> dict[str, str | int]:
        """How it ended, for the history; known when `end` has returned."""
        return data_of_status(self._status)

    def _end(self, *, grace_seconds: float) -> None:
        end_process(self.process, grace_seconds=grace_seconds)
        give_up_at = time.monotonic() + KILL_TIMEOUT_SECONDS
        while left := self._collect():
            if time.monotonic() >= give_up_at:
                raise ChildFailed(f"process {left[0]} does not die")
            wait_for_any([each for each in map(Process.of, left) if each], timeout_seconds=0.1)

    def _collect(self) -> list[int]:
        """Kill what the child left; returns the pids of what did not end yet."""
        try:
            status, left = self._fork_server.collect(self.process, forked_by=self._forked_by)
        except ChildFailed:
            end_attempt(self._attempt, self.process)
            return []
        self._status = self._status if status is None else status
        return left


def describe_status(status: int | None) -> str:
    """A wait status in words: "exited with 0", "killed by SIGKILL"."""
    if status is None:
        return "ended"
    if os.WIFSIGNALED(status):
        return f"killed by {signal.Signals(os.WTERMSIG(status)).name}"
    return f"exited with {os.waitstatus_to_exitcode(status)}"


def data_of_status(status: int | None) -> dict[str, str | int]:
    """Return the name of the signal, or the exit status, of a wait status."""
    if status is None:
        return {"code": "child_ended"}
    if os.WIFSIGNALED(status):
        return {"signal": signal.Signals(os.WTERMSIG(status)).name}
    return {"status": os.waitstatus_to_exitcode(status)}
