"""The fork server rehearses a download, and is as it was."""

import os
import subprocess
import sys
import time
from pathlib import Path

PREAMBLE = """
import os, signal, sys
from pathlib import Path
from re import _compiler
from downloads.fetch.downloader import build
from downloads.fetch.processes import own_children
from downloads.fetch.rehearsal import TIMES, rehearse

def state():
    deep = {
        name: value.copy() if isinstance(value, dict | list | set) else value
        for name, value in vars(downloader).items()
    }
    pages = vars(downloader.pages).copy()
    return deep, pages, Path.cwd(), len(os.listdir("/proc/self/fd")), own_children()

downloader = build()
"""


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PREAMBLE + program],
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=240,
    )


def test_everything_is_as_it_was(tmp_path: Path) -> None:
    program = """
before = state()
assert rehearse(downloader, may_go_on=lambda: True) == TIMES
assert state() == before
assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_what_was_rehearsed_compiles_and_imports_nothing(tmp_path: Path) -> None:
    program = """
compiled = []
def note(frame, event, argument):
    if event == "call" and frame.f_code is _compiler.compile.__code__:
        compiled.append(frame.f_locals["p"])

def rehearse_once():
    modules = set(sys.modules)
    compiled.clear()
    sys.setprofile(note)
    assert rehearse(downloader, may_go_on=lambda: False) == 1
    sys.setprofile(None)
    return len(compiled) + len(set(sys.modules) - modules)

assert rehearse_once() > 0
assert rehearse_once() == 0
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_it_is_done_once_when_there_is_no_time_for_more(tmp_path: Path) -> None:
    done = run("assert rehearse(downloader, may_go_on=lambda: False) == 1", tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_place_to_write_nothing_is_rehearsed(tmp_path: Path) -> None:
    program = """
import tempfile
tempfile.tempdir = "/nonexistent"
assert rehearse(downloader, may_go_on=lambda: True) == 0
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    program = """
def go_on():
    print(*own_children(), flush=True)
    assert os.listdir(os.environ["TMPDIR"])
    os.kill(os.getpid(), signal.SIGKILL)
rehearse(downloader, may_go_on=go_on)
"""
    done = run(program, tmp_path)

    helper = int(done.stdout.split()[-1])
    give_up_at = time.monotonic() + 20
    while list(tmp_path.iterdir()) or _is_alive(helper):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)
    assert done.returncode == -9


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
