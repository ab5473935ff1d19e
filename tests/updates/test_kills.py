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
# Counts the steps that Python announces before it does them (PEP 578) since the last rename, and
# dies before one of them: how many there are in all depends on how long the trial takes.
UPDATING = """
import os, signal, sys
from pathlib import Path
from downloads.updates.state import Home
from downloads.updates.updating import Updater

home, index, log = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
last = tuple(map(int, sys.argv[4:]))
STEPS = {"os.rename", "os.mkdir", "os.remove", "os.rmdir", "open", "subprocess.Popen"}
main, renames, since, log = os.getpid(), 0, 0, os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

def on_step(name, arguments):
    global renames, since
    if name not in STEPS or os.getpid() != main:
        return
    since += 1
    if last in ((renames, since), (renames, 0) if name == "os.rename" else ()):
        os.kill(main, signal.SIGKILL)
    os.write(log, f"{renames} {since}\\n".encode())
    if name == "os.rename":
        renames, since = renames + 1, 0

sys.addaudithook(on_step)
Updater(home=Home(home), index_url=index, channel="stable", min_free_bytes=0).update(is_asked=True)
"""
# The number of renames before it, and of steps since the last of them; 0 steps: the next rename.
Point = tuple[int, int]
NEVER = (-1, 0)
ADOPTED, USED = 3, 4  # renames: the set's, after the state's two, and the state's last


def update_and_die(home: Home, index: PackageIndex, *, before: Point) -> tuple[int, list[Point]]:
    """Update in another process, which is killed before a step; how it ended, and its steps."""
    home.path.parent.mkdir(parents=True)
    log = home.path.with_name("steps")
    command = [sys.executable, "-c", UPDATING, str(home.path), index.url, str(log)]
    done = subprocess.run(
        [*command, *map(str, before)], cwd=ROOT, timeout=2 * DEADLINE_SECONDS, check=False
    )
    steps = [tuple(map(int, line.split())) for line in log.read_text().splitlines()]
    return done.returncode, [(renames, since) for renames, since in steps]


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_kill_before_any_step_leaves_the_old_set_or_the_new_one(
    index: PackageIndex, tmp_path: Path, updater: Update, nightly: bool
) -> None:
    index.release(newer(1))
    whole = Home(tmp_path / "whole" / "extractors")
    code, steps = update_and_die(whole, index, before=NEVER)
    assert (code, max(steps)[0]) == (0, USED)
    expected = files_in(whole.path_of(whole.read().current))
    points = [(2, 1000), (ADOPTED - 1, 0), (USED - 1, 0), (USED, 1)]
    if nightly:
        # What the last tenth has depends on how long the trial takes.
        points = sorted(
            {*points, (0, 0), (1, 0), *steps[: len(steps) * 9 // 10 : len(steps) // 40]}
        )

    ended = []
    for point in points:
        home = Home(tmp_path / "-".join(map(str, point)) / "extractors")
        code, _ = update_and_die(home, index, before=point)
        assert code == -signal.SIGKILL, point

        name = home.candidates()[0]
        ended.append(version_of(name))
        if name:
            assert files_in(home.path_of(name)) == expected, point
        with home.locked():
            home.clean()
        assert left_over(home) == [], point

    assert ended == sorted(ended)
    assert {*ended} == {INSTALLED, newer(1)}
    updater(home=home).update(is_asked=True)
    assert version_of(home.candidates()[0]) == newer(1)
