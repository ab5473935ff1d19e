"""`bin/setup` in a copy with empty locks, on a machine of which each test decides what it has.

PATH is a directory with the few programs that the script may rely on, and with the Python or uv of
the test. Nothing is downloaded; the tests that need a real venv and a real pip say so.
"""

import hashlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = ["cat", "cksum", "dirname", "flock", "grep", "ln", "mkdir", "rm", "tail"]
LOCKS = ["uv.lock", "requirements.lock", "requirements-test.lock"]

OLD_PYTHON = "echo old 3.9"
BARE_PYTHON = "echo bare"
BROKEN_PYTHON = "echo 'pyenv: python3: command not found' >&2; exit 127"
WORKING_UV = 'echo "$@" >>uv.log; mkdir -p .venv/bin; ln -sf /bin/sh .venv/bin/python'


class Machine:
    """A copy of the project's set-up in a directory with a space, and a PATH of its own."""

    def __init__(self, directory: Path) -> None:
        self.project = directory / "a project"
        self.path = directory / "path"
        self.path.mkdir()
        for program in PROGRAMS:
            if found := shutil.which(program):
                (self.path / program).symlink_to(found)
        (self.project / "bin").mkdir(parents=True)
        shutil.copy(ROOT / "bin" / "setup", self.project / "bin")
        for lock in LOCKS:
            (self.project / lock).touch()

    def add_program(self, name: str, script: str) -> None:
        program = self.path / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def add_real_python(self) -> None:
        self.add_program("python3", f"exec '{sys.executable}' \"$@\"")

    def environment(self, **more: str) -> dict[str, str]:
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1"}
        return {"PATH": str(self.path), "HOME": str(self.project)} | pip | more

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.project / "bin" / "setup", *arguments],
            cwd="/",
            env=self.environment(**more),
            capture_output=True,
            text=True,
            check=False,
            start_new_session=True,
        )

    def set_up(self, *arguments: str, **more: str) -> str:
        """Run it where it must succeed; return what it said."""
        done = self.run(*arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def uv_calls(self) -> list[str]:
        log = self.project / "uv.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []

    @property
    def python(self) -> Path:
        return self.project / ".venv" / "bin" / "python"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def assert_fails(done: subprocess.CompletedProcess[str], *, saying: str) -> None:
    last = done.stderr.splitlines()[-1]
    assert (done.returncode, done.stdout) == (1, "")
    assert last.startswith("bin/setup: ")
    assert saying in last


# What is missing, in one line.


def test_without_python_it_says_how_to_get_one(machine: Machine) -> None:
    done = machine.run()

    assert_fails(done, saying="Python 3.11 or newer is needed: apt-get install python3-venv")
    assert len(done.stderr.splitlines()) == 1


def test_a_python_that_is_too_old_is_named_with_its_version(machine: Machine) -> None:
    machine.add_program("python3", OLD_PYTHON)

    done = machine.run()

    assert_fails(done, saying="Python 3.11 or newer is needed and python3 is 3.9")
    assert len(done.stderr.splitlines()) == 1


def test_a_python_without_venv_is_told_the_package_to_install(machine: Machine) -> None:
    machine.add_program("python3", OLD_PYTHON)
    machine.add_program("python3.12", BARE_PYTHON)

    done = machine.run()

    assert_fails(done, saying="apt-get install python3.12-venv")
    assert len(done.stderr.splitlines()) == 1


def test_the_question_put_to_a_python_is_understood_by_a_real_one(machine: Machine) -> None:
    # Debian without python3-venv has a Python that cannot import ensurepip.
    lacking = machine.project / "lacking"
    lacking.mkdir()
    (lacking / "ensurepip.py").write_text("raise ImportError", encoding="utf-8")
    hide = f"import sys; sys.path.insert(0, '{lacking}'); exec(sys.stdin.read())"
    machine.add_program("python3", f"exec '{sys.executable}' -c \"{hide}\"")

    assert_fails(machine.run(), saying="python3 cannot make virtual environments")


def test_a_free_threaded_python_is_passed_over(machine: Machine) -> None:
    freed = "import sys; sys._is_gil_enabled = lambda: False; exec(sys.stdin.read())"
    machine.add_program("python3.13", f"exec '{sys.executable}' -c \"{freed}\"")
    machine.add_program("python3", BARE_PYTHON)

    assert_fails(machine.run(), saying="python3 cannot make virtual environments")


@pytest.mark.parametrize(
    ("there", "best"),
    [
        (["python3", "python3.12", "python3.13", "python3.14"], "python3.13"),
        (["python3", "python3.12", "python3.14"], "python3.12"),
        (["python3", "python3.11", "python3.14"], "python3"),
        (["python3", "../a project/.pyenv/versions/3.13.9/bin/python"], "3.13.9/bin/python"),
        (["python3.12", "../a project/.pyenv/versions/3.12.1/bin/python"], "python3.12"),
    ],
)
def test_the_python_that_serves_best_is_asked_first(
    machine: Machine, there: list[str], best: str
) -> None:
    for name in there:
        machine.add_program(name, BARE_PYTHON)

    assert_fails(machine.run(), saying=f"{best} cannot make virtual environments")


def test_an_unknown_argument_is_refused(machine: Machine) -> None:
    assert_fails(machine.run("--tests"), saying="--tests")


# Without uv: a real venv and a real pip.


@pytest.fixture
def with_pip(machine: Machine) -> Machine:
    """A machine whose first names for Python are of no use."""
    machine.add_program("python3", OLD_PYTHON)
    machine.add_program("python3.13", BROKEN_PYTHON)
    machine.add_program("python3.12", f"exec '{sys.executable}' \"$@\"")
    return machine


def add_wheel(machine: Machine, *, locked_as: str) -> None:
    """Put a package where pip finds it, and lock it; `{hash}` in the lock becomes its real hash."""
    wheel = machine.project / "lockedpackage-1.0-py3-none-any.whl"
    info = "lockedpackage-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("lockedpackage.py", "")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: lockedpackage\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
    lock = machine.project / "requirements.lock"
    lock.write_text(locked_as.format(hash=sha256), encoding="utf-8")


def test_a_usable_python_is_found_behind_useless_ones(with_pip: Machine) -> None:
    add_wheel(with_pip, locked_as="lockedpackage==1.0 --hash=sha256:{hash}\n")

    said = with_pip.set_up("--test", PIP_FIND_LINKS=".")

    assert "making .venv with pip" in said
    subprocess.run([with_pip.python, "-c", "import lockedpackage"], check=True)
    assert with_pip.set_up() == ""


def test_pip_installs_nothing_without_a_hash(machine: Machine) -> None:
    machine.add_real_python()
    add_wheel(machine, locked_as="lockedpackage==1.0\n")

    done = machine.run(PIP_FIND_LINKS=".")

    assert_fails(done, saying="ERROR: Hashes are required")


def test_without_a_network_it_says_so(machine: Machine) -> None:
    machine.add_real_python()
    lock = f"django==5.2 --hash=sha256:{'0' * 64}\n"
    (machine.project / "requirements.lock").write_text(lock, encoding="utf-8")

    done = machine.run(PIP_NO_INDEX="0", PIP_INDEX_URL="http://127.0.0.1:9/simple", PIP_RETRIES="1")

    assert_fails(done, saying="no connection to the package index")


# With uv, and what is done when nothing, something or everything has changed.


@pytest.fixture
def with_uv(machine: Machine) -> Machine:
    machine.add_program("uv", WORKING_UV)
    return machine


def test_uv_installs_what_is_locked(with_uv: Machine) -> None:
    with_uv.set_up()

    assert with_uv.uv_calls() == ["sync --frozen --compile-bytecode"]


def test_nothing_is_done_a_second_time(with_uv: Machine) -> None:
    with_uv.set_up("--test")

    said = with_uv.set_up("--test") + with_uv.set_up()

    assert said == ""
    assert len(with_uv.uv_calls()) == 1


def test_the_test_group_is_added_to_what_is_there(with_uv: Machine) -> None:
    with_uv.set_up()
    kept = with_uv.project / ".venv" / "kept"
    kept.touch()

    with_uv.set_up("--test")

    assert with_uv.uv_calls()[1:] == ["sync --frozen --compile-bytecode --group test"]
    assert kept.exists()


@pytest.mark.parametrize("lock", LOCKS)
def test_a_changed_lock_makes_all_anew(with_uv: Machine, lock: str) -> None:
    with_uv.set_up()
    stale = with_uv.project / ".venv" / "stale"
    stale.touch()
    (with_uv.project / lock).write_text("changed", encoding="utf-8")

    with_uv.set_up()

    assert len(with_uv.uv_calls()) == 2
    assert not stale.exists()


def test_a_moved_project_is_made_anew(with_uv: Machine) -> None:
    with_uv.set_up()
    with_uv.project = with_uv.project.rename(with_uv.project.with_name("moved"))

    with_uv.set_up()

    assert len(with_uv.uv_calls()) == 2


def test_a_venv_whose_python_is_gone_is_made_anew(with_uv: Machine) -> None:
    with_uv.set_up()
    with_uv.python.unlink()
    with_uv.python.symlink_to("/nowhere/python3")

    with_uv.set_up()

    assert len(with_uv.uv_calls()) == 2


@pytest.mark.parametrize("before", [None, "", "--test"])
def test_what_an_interrupted_set_up_left_is_made_anew(with_uv: Machine, before: str | None) -> None:
    if before is not None:
        with_uv.set_up(*before.split())
        (with_uv.project / "uv.lock").write_text("changed", encoding="utf-8")
    with_uv.add_program("uv", f"{WORKING_UV}; : >.venv/half; kill -9 0")
    killed = with_uv.run("--test")
    with_uv.add_program("uv", WORKING_UV)

    said = with_uv.set_up("--test")

    assert killed.returncode == -signal.SIGKILL
    assert "making .venv" in said
    assert not (with_uv.project / ".venv" / "half").exists()


def test_an_interrupted_addition_of_the_test_group_makes_all_anew(with_uv: Machine) -> None:
    with_uv.set_up()
    with_uv.add_program("uv", f"{WORKING_UV}; : >.venv/half; kill -9 0")
    with_uv.run("--test")
    with_uv.add_program("uv", WORKING_UV)

    said = with_uv.set_up()

    assert "making .venv" in said
    assert not (with_uv.project / ".venv" / "half").exists()


def test_a_failure_of_uv_is_one_line_and_a_file(with_uv: Machine) -> None:
    with_uv.add_program("uv", "echo 'Resolved 1 package'; echo 'error: no disk' >&2; exit 2")

    done = with_uv.run()

    assert_fails(done, saying="error: no disk (details: .venv/setup.log)")
    assert "Resolved 1 package" in (with_uv.project / ".venv" / "setup.log").read_text()
    assert with_uv.run().returncode == 1


def test_another_environment_that_is_active_is_left_alone(with_uv: Machine) -> None:
    with_uv.add_program("uv", f'{WORKING_UV}; echo "${{VIRTUAL_ENV-none}}" >>uv.log')

    with_uv.set_up(VIRTUAL_ENV="/another")

    assert with_uv.uv_calls()[1:] == ["none"]


@pytest.mark.skipif(not shutil.which("flock"), reason="needs flock (util-linux)")
def test_two_at_once_install_once(with_uv: Machine) -> None:
    with_uv.add_program("uv", f"{WORKING_UV}; until [ -e go ]; do :; done")
    command, environment = [with_uv.project / "bin" / "setup"], with_uv.environment()
    first = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while not with_uv.uv_calls() and time.monotonic() < deadline:
        time.sleep(0.01)
    second = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert second.stderr
    waiting = second.stderr.readline()

    (with_uv.project / "go").touch()

    assert "waiting for another bin/setup" in waiting
    assert [first.wait(30), second.wait(30)] == [0, 0]
    assert len(with_uv.uv_calls()) == 1
    second.stderr.close()
