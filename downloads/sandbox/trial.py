"""Tries a program as a download's child runs it: `python -m downloads.sandbox.trial PROGRAM`.

A program can be found and still not run inside the fence, when it is a script around another one,
or needs libraries, in a place that Landlock hides.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from downloads.sandbox import landlock, limits, seccomp

TIMEOUT_SECONDS = 60  # a machine that is busy starts deno slowly


class Trial(NamedTuple):
    """What became of it: `fault`, in its own words, is "" when the program said its version."""

    fault: str = ""
    version: str = ""  # the line that it said


def tried(program: Path) -> Trial:
    """Have a program say its version inside the fence."""
    command = [sys.executable, "-P", "-s", "-m", __name__, str(program)]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    try:
        done = subprocess.run(  # noqa: S603 — our own module
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Trial(fault=f"no answer within {TIMEOUT_SECONDS} s")
    if done.returncode == 0:
        return Trial(version="".join(done.stdout.splitlines()[:1]))
    last = done.stderr.strip().splitlines()[-1:]
    return Trial(fault=" ".join(last) or f"exit code {done.returncode}")


def main(program: str) -> None:
    """Confine this process as a child is confined, and become `program`, which says its version."""
    limits.drop_capabilities()
    landlock.confine(Path("/nonexistent"), readable=[*landlock.own_code(), Path(program).resolve()])
    seccomp.refuse_network()
    option = "-version" if "ff" in Path(program).name else "--version"
    os.execv(program, [program, option])  # noqa: S606 — a program that vnsite found


if __name__ == "__main__":
    main(sys.argv[1])
