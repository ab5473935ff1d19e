"""The kernel's refusal of the network to programs, tried with real programs."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from downloads.sandbox import seccomp
from downloads.sandbox.limits import before_program
from downloads.sandbox.programs import find_deno, find_ffmpeg
from tests.helpers.scripted_site import Canary

pytestmark = pytest.mark.skipif(
    subprocess.run(
        [
            sys.executable,
            "-c",
            "from downloads.sandbox import seccomp; assert seccomp.refuse_network()",
        ],
        capture_output=True,
        check=False,
    ).returncode
    != 0,
    reason="seccomp is not allowed here, or not known on this machine",
)


def test_it_is_known_to_be_there() -> None:
    assert seccomp.is_available()


def run(*command: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run a program as a child does, but with all that it may be told."""
    return subprocess.run(
        command,
        cwd=directory,
        preexec_fn=before_program(os.getpid()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    "code",
    [
        "socket.create_connection(('127.0.0.1', port))",
        "socket.create_connection(('::1', port))",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)",
        "socket.socket(socket.AF_UNIX)",
        "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
        "raise_errno(ctypes.CDLL(None, use_errno=True).syscall(425, 1, bytes(120)))",
        "raise_errno(ctypes.CDLL(None, use_errno=True).ptrace(0, 0, 0, 0))",
        "raise SystemExit(13 * subprocess.call([sys.executable, '-c', f'{create}']))",
    ],
)
def test_a_program_makes_no_socket(code: str, canary: Canary, tmp_path: Path) -> None:
    script = f"""
import ctypes, os, socket, subprocess, sys
port, create = {canary.port}, "import socket; socket.socket()"
def raise_errno(answer):
    if answer < 0: raise OSError(ctypes.get_errno(), "")
try:
    {code}
except PermissionError:
    raise SystemExit(13)
"""
    assert run(sys.executable, "-c", script, directory=tmp_path).returncode == 13


def test_ffmpeg_reaches_nothing_whatever_it_is_told(canary: Canary, tmp_path: Path) -> None:
    done = run(
        *(str(find_ffmpeg()), "-v", "error", "-i", f"tcp://127.0.0.1:{canary.port}", "out.ts"),
        directory=tmp_path,
    )

    assert done.returncode != 0


def test_the_javascript_runtime_reaches_nothing_though_it_is_allowed_to(
    canary: Canary, tmp_path: Path
) -> None:
    (tmp_path / "script.js").write_text(
        f"try {{ await Deno.connect({{ port: {canary.port} }}); console.log('reached') }}"
        "catch { console.log('refused') }"
    )

    done = run(str(find_deno()), "run", "--allow-all", "script.js", directory=tmp_path)

    assert done.stdout.strip() == "refused", done.stderr


def test_what_programs_do_for_a_download_still_works(tmp_path: Path) -> None:
    tone = ("-f", "lavfi", "-i", "sine", "-t", "1", "tone.m4a")
    assert run(str(find_ffmpeg()), "-v", "error", *tone, directory=tmp_path).returncode == 0
    (tmp_path / "script.js").write_text("console.log(await Promise.resolve(6 * 7))")

    done = run(str(find_deno()), "run", "--no-remote", "script.js", directory=tmp_path)

    assert done.stdout.strip() == "42", done.stderr


@pytest.mark.parametrize("leave", ["os.setsid()", "os.setpgid(0, 0)", "os.setpgrp()"])
def test_what_is_kept_in_its_session_and_group_believes_that_it_left(leave: str) -> None:
    """An error would end a daemon before it can be found; what it starts is kept as well."""
    code = f"""
import os
from downloads.sandbox import seccomp
def place():
    return os.getsid(0), os.getpgid(0)
before = place()
assert seccomp.keep_session()
if os.fork() == 0:
    {leave}
    os._exit(place() != before)
assert os.wait()[1] == 0
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="x32 is a part of x86-64")
def test_no_call_of_x32_but_the_two_seems_to_be_made() -> None:
    """renameat2 under its number of x32: said to be made, a file would seem to have its name."""
    code = """
import ctypes
from downloads.sandbox import seccomp
call = ctypes.CDLL(None, use_errno=True).syscall
assert seccomp.keep_session()
assert call(0x40000000 | 316, -1, None, -1, None, 0) == -1
assert call(0x40000000 | 112) == 0
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_machine_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seccomp, "_machine", None)

    assert seccomp.refuse_network() is False
    assert seccomp.keep_session() is False
