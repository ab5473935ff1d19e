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
rehearsal = rehearse(downloader)
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
for number in range(2 + TIMES):
    next(rehearsal)
    assert state() == before
assert list(rehearsal) == []
assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL
assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    assert list(tmp_path.iterdir()) == []


def test_what_was_rehearsed_compiles_and_imports_nothing(tmp_path: Path) -> None:
    program = """
compiled = []
compile = _compiler.compile
def noting(*values):
    compiled.append(values)
    return compile(*values)
_compiler.compile = noting

def rehearse_once():
    modules = set(sys.modules)
    compiled.clear()
    next(rehearsal)
    return len(compiled) + len(set(sys.modules) - modules)

assert rehearse_once() > 0
assert rehearse_once() == 0
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_its_code_lies_side_by_side_afterwards(tmp_path: Path) -> None:
    program = """
import gc
from types import FunctionType

functions = [each for each in gc.get_objects() if type(each) is FunctionType]
before = {id(each): each.__code__ for each in functions}
next(rehearsal)
next(rehearsal)
hot = [each for each in functions if each.__code__ is not before[id(each)]]
pages_before = {id(before[id(each)]) >> 12 for each in hot}
pages_after = {id(each.__code__) >> 12 for each in hot}
assert 3 * len(pages_after) < 2 * len(pages_before), (len(pages_after), len(pages_before))
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_without_a_place_to_write_it_is_over(tmp_path: Path) -> None:
    program = """
import tempfile
tempfile.tempdir = "/nonexistent"
assert list(rehearsal) == []
"""
    done = run(program, tmp_path)

    assert (done.returncode, done.stderr) == (0, "")


def test_a_process_that_is_killed_leaves_nothing(tmp_path: Path) -> None:
    program = """
def say_and_die():
    print(*own_children(), flush=True)
    assert os.listdir(os.environ["TMPDIR"])
    os.kill(os.getpid(), signal.SIGKILL)
downloader.close_connections = say_and_die
next(rehearsal)
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
