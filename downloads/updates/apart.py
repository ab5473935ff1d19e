"""Updates in a process of their own: `python -m downloads.updates.apart`.

An update loads an HTTP client, certificates, and a list of all releases: 12 MB, which a worker that
looks once a day would keep. No Django here.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from downloads.fetch.client import PROJECT
from downloads.fetch.processes import Process, end_process, last_line
from downloads.sandbox import limits
from downloads.updates.refusal import Interrupted, Refused

LOOK_SECONDS = 0.2  # between two looks at whether to stop
# Then it is killed, as an index that does not answer would hold it up for 40 s. The next update
# removes what it leaves.
STOP_SECONDS = 5.0


def carry_out(
    what: str,
    arguments: Mapping[str, Any],
    *,
    home: Path,
    should_stop: Callable[[], bool],
    **updater: Any,
) -> None:
    """Have another process do what the method `what` of an Updater does, and wait for its end.

    `home` is the folder of the sets; `updater` are the other fields of the Updater, as JSON has
    them. Raises Refused, and Interrupted when `should_stop` has said so meanwhile. For a thread
    that lives on: the other process ends with it.
    """
    order = {"what": what, "arguments": arguments, "home": str(home), "updater": updater}
    with TemporaryFile() as errors:
        try:
            process = subprocess.Popen(  # noqa: S603 — our own module
                [sys.executable, "-P", "-s", "-m", __name__, str(os.getpid())],
                env={**os.environ, "PYTHONPATH": str(PROJECT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                bufsize=0,
            )
        except OSError as error:
            raise Refused("no_process", message=str(error)) from error
        is_stopped = False
        with process:
            assert process.stdin and process.stdout  # noqa: S101 — they are pipes
            with suppress(BrokenPipeError):  # it has died already
                process.stdin.write(f"{json.dumps(order)}\n".encode())
            while not _has_ended(process, within_seconds=LOOK_SECONDS):
                if should_stop():
                    is_stopped = True
                    process.stdin.close()
                    if not _has_ended(process, within_seconds=STOP_SECONDS):
                        _end(process)
            said = process.stdout.read()
        if not said:
            reason = last_line(errors) or f"its process ended with {process.returncode}"
            raise Interrupted if is_stopped else Refused("no_process", message=reason)
    if refused := json.loads(said):
        raise Refused(**refused)


def _has_ended(process: subprocess.Popen[bytes], *, within_seconds: float) -> bool:
    with suppress(subprocess.TimeoutExpired):
        process.wait(within_seconds)
    return process.returncode is not None


def _end(process: subprocess.Popen[bytes]) -> None:
    if running := Process.of(process.pid):
        end_process(running)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the worker's to handle
    limits.die_with_parent(signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        return
    # Not loaded by whoever starts this process.
    from downloads.updates.state import Home
    from downloads.updates.updating import Updater

    order = json.loads(sys.stdin.readline())
    fields = {**order["updater"], "plugins": tuple(order["updater"]["plugins"])}
    updater = Updater(home=Home(Path(order["home"])), should_stop=_is_over, **fields)
    refused = {}
    try:
        getattr(updater, order["what"])(**order["arguments"])
    except Interrupted:
        return  # without a word
    except Refused as refusal:
        refused = {"code": refusal.code, **refusal.data}
    sys.stdout.write(json.dumps(refused))


def _is_over() -> bool:
    """Say whether whoever waits has closed the other end of stdin."""
    return bool(select.select([sys.stdin], [], [], 0)[0])


if __name__ == "__main__":
    main()
