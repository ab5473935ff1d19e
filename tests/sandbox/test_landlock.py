"""The kernel's fence around a child, tried from inside with real system calls."""

import os
import shutil
import subprocess
import sys
import sysconfig
from contextlib import closing
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer
from downloads.sandbox import landlock
from tests.helpers.attempts import attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT

pytestmark = pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")

CONFINED = """
import errno, os, pathlib, signal, socket, subprocess, sys
from downloads.sandbox import landlock, limits
directory, outside = map(pathlib.Path, sys.argv[1:])
os.chdir(directory)
limits.drop_capabilities()
assert landlock.confine(directory, readable=landlock.own_code())
"""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory beside the child's own, with a secret in it."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_text("secret")
    return place


def confined(code: str, outside: Path) -> str:
    """What a confined process prints."""
    directory = outside.parent / "own"
    directory.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", CONFINED + code, str(directory), str(outside)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def refused(action: str) -> str:
    return f"""
try:
    {action}
except OSError as error:
    print("refused" if error.errno in (errno.EACCES, errno.EPERM, errno.EXDEV) else error)
"""


@pytest.mark.parametrize(
    "action",
    [
        "(outside / 'secret').read_text()",
        "(outside / 'secret').write_text('')",
        "os.truncate(outside / 'secret', 0)",
        "(outside / 'new').touch()",
        "(outside / 'new').mkdir()",
        "(outside / 'secret').unlink()",
        "(outside / 'secret').rename('mine')",
        "os.link(outside / 'secret', 'mine')",
        "list(outside.iterdir())",
        "os.symlink(outside / 'secret', 'link') or open('link')",
        "os.mkfifo(outside / 'pipe')",
        "open('/etc/passwd')",
        "os.listdir('/')",
        "open(f'/proc/{os.getppid()}/environ').read()",
    ],
)
def test_outside_of_its_directory_nothing_is_read_or_changed(action: str, outside: Path) -> None:
    assert confined(refused(action), outside) == "refused"
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert (outside / "secret").read_text() == "secret"


@pytest.mark.skipif(landlock.version() < 6, reason="needs Linux 6.12")
def test_nobody_outside_is_signalled(outside: Path) -> None:
    assert confined(refused("os.kill(os.getppid(), signal.SIGTERM)"), outside) == "refused"


def test_what_it_starts_is_fenced_in_as_well(outside: Path) -> None:
    code = "print(subprocess.run(['cat', str(outside / 'secret')], capture_output=True).stderr)"

    assert "Permission denied" in confined(code, outside)


def test_its_directory_is_its_own(outside: Path) -> None:
    code = """
pathlib.Path("sub").mkdir()
pathlib.Path("sub/file").write_text("text")
pathlib.Path("sub/file").rename("moved")
os.truncate("moved", 2)
subprocess.run(["sh", "-c", "cp moved copy && rm -r sub"], check=True, stdout=subprocess.DEVNULL)
os.kill(subprocess.Popen(["sleep", "60"]).pid, signal.SIGTERM)
print(sorted(os.listdir()), pathlib.Path("copy").read_text())
"""
    assert confined(code, outside) == "['copy', 'moved'] te"


def test_what_a_download_needs_can_be_read(outside: Path) -> None:
    code = """
import ssl, certifi, yt_dlp.extractor.youtube
ssl.create_default_context(cafile=certifi.where())
print(socket.getaddrinfo("localhost", 80)[0][4][1])
"""
    assert confined(code, outside) == "80"


def test_the_code_that_can_be_read_is_named_once() -> None:
    places = landlock.own_code()

    for place in places:
        assert not [other for other in places if other in place.parents]
    for name in {sys.prefix, *sysconfig.get_paths().values()}:
        assert {Path(name).resolve(), *Path(name).resolve().parents} & {*places}, name


def test_there_is_no_way_out_again(outside: Path) -> None:
    code = "landlock.confine(outside, readable=[outside])\n"

    assert confined(code + refused("(outside / 'secret').read_text()"), outside) == "refused"


@pytest.mark.skipif(
    shutil.which("strace") is None or os.geteuid() != 0,
    reason="strace of another process is needed: apt-get install strace, and root",
)
def test_without_it_a_download_works_all_the_same(
    directory: Path, media_server: MediaServer
) -> None:
    """An older kernel, one that was started without it, a container that forbids it."""
    calls = "landlock_create_ruleset,seccomp"
    url = media_server.url("/hls/index.m3u8")
    with closing(ForkServer()) as fork_server:
        fork_server.start()
        strace = [
            "strace",
            "-f",
            "-o",
            "/dev/null",
            "-p",
            str(fork_server.pid),
            "-e",
            f"trace={calls}",
        ]
        with subprocess.Popen(
            [*strace, "-e", f"inject={calls}:error=ENOSYS"], stderr=subprocess.DEVNULL
        ) as tracer:
            try:
                status = Path(f"/proc/{fork_server.pid}/status")
                wait_for(lambda: f"TracerPid:\t{tracer.pid}" in status.read_text(), what="strace")
                ended = attempt(
                    fork_server, job_for(url, directory, allow_private_hosts=(media_server.origin,))
                )
            finally:
                tracer.terminate()

    assert ended.file.exists()
