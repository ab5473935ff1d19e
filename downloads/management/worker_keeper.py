"""Keeps one worker running beside the web server."""

import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

from django.conf import settings

from downloads.fetch import immortal
from downloads.management.forked import Forked, how_it_ended
from downloads.web import demo

WORKER_STOP_SECONDS = 20.0  # running downloads have 10 s of them; a worker that takes longer hangs
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a worker that lived longer did not fail at its start


class WorkerProcess(Protocol):
    """What `WorkerKeeper` needs of a process, as `subprocess.Popen` has it."""

    pid: int

    def wait(self) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class WorkerKeeper(threading.Thread):
    """Runs a worker as a process of its own, and another one when that dies, until `stop`.

    The first is forked by `fork`, before this process has threads and the web server's code: most
    of the memory of both is then the same, and nothing is loaded twice. Those after it are started
    afresh, as the code on the disk may be newer by then. The kernel tells a worker that its parent
    is gone when the *thread* that started it ends (prctl(2)): it is the main thread or this one,
    which both outlive it. Before `let_begin` the worker only loads its code.
    """

    def __init__(self, arguments: list[str], *, complain: Callable[[str], None]) -> None:
        """`arguments`: of `run_downloads`."""
        super().__init__(name="worker keeper", daemon=True)
        self._arguments = arguments
        self._complain = complain
        self._stopping = threading.Event()
        self._process: WorkerProcess | None = None
        self._gate, self._opens_gate = os.pipe()  # workers wait for the end of their stdin

    @property
    def pid(self) -> int | None:
        """The present worker's; None when there is none just now."""
        process = self._process
        return process.pid if process else None

    def fork(self) -> None:
        """Fork the first worker. Raises OSError when the system allows no more processes."""
        immortal.immortalize_containers()  # else each would copy what both share
        self._process = Forked(self._be_worker)

    def _be_worker(self) -> None:
        os.setpgid(0, 0)  # as for those that are started afresh
        os.close(self._opens_gate)  # else the gate would never open
        os.dup2(self._gate, 0)
        sys.stdin = os.fdopen(0, closefd=False)
        gc.enable()
        demo.leave()
        from downloads.management.commands.run_downloads import Command as RunDownloads

        RunDownloads().run_from_argv([sys.argv[0], "run_downloads", *self._arguments])

    def run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._complain(
                f"The worker ended ({how_it_ended(code)}). Starting another one in {pause:.0f} s."
            )
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> int:
        process = self._process
        if process is None:
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_downloads"]
            # A process group of its own: a terminal sends Ctrl-C to the whole group of `serve`, and
            # ours would be the worker's second one, which ends it at once.
            self._process = process = subprocess.Popen(  # noqa: S603 — our own command
                [*command, *self._arguments], stdin=self._gate, process_group=0
            )
        if self._stopping.is_set():  # since the loop looked
            process.terminate()
        code = process.wait()
        self._process = None
        return code

    def let_begin(self) -> None:
        """Let the worker work: the database is ready."""
        os.close(self._opens_gate)

    def stop(self) -> None:
        """Ask the worker to stop, and do not start another one. A second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self.hurry()

    def hurry(self) -> None:
        """Ask it once more: now it ends at once. Safe in a signal handler."""
        process = self._process
        if process is not None:
            process.terminate()

    def finish(self) -> None:
        """Wait until it has stopped; kill it when that takes too long."""
        self.join(WORKER_STOP_SECONDS)
        process = self._process
        if self.is_alive() and process is not None:
            self._complain("The worker does not stop. Killing it.")
            process.kill()
            self.join()
