"""Processes that `serve` forks: they begin with what it has loaded, and share memory with it."""

import os
import signal
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn


class Forked:
    """A child that was forked. Its signals cannot hit another process that has its pid by now."""

    def __init__(self, be: Callable[[], None]) -> None:
        """Fork; the child calls `be`, and ends when that returns.

        For a process without threads. Raises OSError when the system allows no more processes.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(be)
        self._descriptor = os.pidfd_open(self.pid)

    def wait(self) -> int:
        """Wait for its end; return its exit status, or minus the signal that killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)


def _live(be: Callable[[], None]) -> NoReturn:
    """Be a process that was just forked."""
    code = 1
    try:
        be()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):  # whoever read it is gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def how_it_ended(code: int) -> str:
    """Say what `wait` returned."""
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"
