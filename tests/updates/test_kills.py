"""An update that is killed: the old set is used or the new one, and never half of one."""

import signal
import subprocess
import sys
from pathlib import Path

from downloads.updates.state import Home, version_of
from tests.helpers.package_index import INSTALLED, PackageIndex, newer
from tests.helpers.waiting import DEADLINE_SECONDS
from tests.updates.conftest import Update
from tests.updates.test_updating import left_over

ROOT = Path(__file__).resolve().parents[2]
# Says each step that Python announces before it does it (PEP 578), and dies before one of them.
UPDATING = """
import os, signal, sys
from pathlib import Path
from downloads.updates.state import Home
from downloads.updates.updating import Updater

home, index, last = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
STEPS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "open", "subprocess.Popen"}
main, count, log = os.getpid(), 0, os.open(sys.argv[4], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

def on_step(name, arguments):
    global count
    if name in STEPS and os.getpid() == main:
        count += 1
        if count == last:
            os.kill(main, signal.SIGKILL)
        os.write(log, f"{name} {str(arguments[0])[:200]!r}\\n".encode())

sys.addaudithook(on_step)
Updater(home=Home(home), index_url=index, channel="stable", min_free_bytes=0).update(is_asked=True)
"""
NEVER = 0


def update_and_die(home: Home, index: PackageIndex, *, before: int) -> tuple[int, list[str]]:
    """Update in another process, which is killed before a step; how it ended, and its steps."""
    log = home.path.with_name("steps")
    command = [sys.executable, "-c", UPDATING, str(home.path), index.url, str(before), str(log)]
    done = subprocess.run(command, cwd=ROOT, timeout=2 * DEADLINE_SECONDS, check=False)
    return done.returncode, log.read_text().splitlines()


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_kill_before_any_step_leaves_the_old_set_or_the_new_one(
    index: PackageIndex, tmp_path: Path, updater: Update, nightly: bool
) -> None:
    index.release(newer(1))
    whole = Home(tmp_path / "whole" / "extractors")
    whole.path.parent.mkdir()
    code, steps = update_and_die(whole, index, before=NEVER)
    assert code == 0
    expected = files_in(whole.path_of(whole.read().current))
    renames = [number for number, step in enumerate(steps, start=1) if "os.rename" in step]
    assert len(renames) == 4  # the state three times, and the set
    adopted, used = renames[-2:]
    points = [adopted // 2, adopted, used, used + 1]
    if nightly:
        points = sorted({*points, *renames, *range(1, len(steps) + 1, len(steps) // 100)})

    ended = []
    for point in points:
        home = Home(tmp_path / str(point) / "extractors")
        home.path.parent.mkdir()
        code, _ = update_and_die(home, index, before=point)
        assert code == -signal.SIGKILL, steps[point - 1]

        name = home.candidates()[0]
        ended.append(version_of(name))
        if name:
            assert files_in(home.path_of(name)) == expected, steps[point - 1]
        with home.locked():
            home.clean()
        assert left_over(home) == [], steps[point - 1]

    assert ended == sorted(ended)
    assert {*ended} == {INSTALLED, newer(1)}
    updater(home=home).update(is_asked=True)
    assert version_of(home.candidates()[0]) == newer(1)
