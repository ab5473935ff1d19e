"""The child of an attempt as a process: how it begins, what it inherits, that all of it ends."""

import gzip
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from downloads.fetch.client import Child, ForkServer, data_of_status, describe_status
from downloads.fetch.processes import (
    ChildFailed,
    Process,
    attempts_of_processes,
    end_attempt,
    end_attempts,
    end_process,
    end_with_parent,
)
from downloads.fetch.protocol import Job, Message, PhaseBegan, Said
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import (
    Ended,
    attempt,
    job_for,
    make_directory,
    messages_until,
    new_fork_server,
    running,
)
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import LEAVES_A_DAEMON, children_of, is_alive, open_files
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for

PROJECT = Path(__file__).resolve().parent.parent.parent
CANARY = "canary-of-a-secret"
REAL_FFMPEG = shutil.which("ffmpeg")

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None or os.geteuid() != 0,
    reason="strace of another process is needed: apt-get install strace, and root",
)


@pytest.fixture
def job(media_server: MediaServer, directory: Path) -> Callable[..., Job]:
    """A job for a path of the media server."""

    def job(path: str, **values: object) -> Job:
        url = media_server.url(path)
        return job_for(url, directory, allow_private_hosts=(media_server.origin,), **values)

    return job


@pytest.fixture
def own_fork_server() -> Iterator[ForkServer]:
    """A fork server that a test may harm; started by the test, when it has set the scene."""
    process = new_fork_server()
    yield process
    process.close()


def pid_in(path: Path) -> int:
    return int(path.read_text() or 0) if path.exists() else 0


def is_fetching(messages: list[Message]) -> bool:
    return PhaseBegan(phase="fetching") in messages


def wait_until_gone(*pids: int) -> None:
    wait_for(lambda: not any(map(is_alive, pids)), what=f"the end of {pids}")


# How it begins


@pytest.mark.parametrize("options", [{"exec": "touch touched"}, {"container": "exe"}])
def test_the_child_checks_the_options_itself(
    fork_server: ForkServer, job: Callable[..., Job], options: dict[str, str | None]
) -> None:
    ended = attempt(fork_server, replace(job("/video.mp4"), options=options))

    assert ended.broke.kinds[0] == "InvalidOption"
    assert next(iter(options)) in ended.broke.message


def test_nothing_happens_until_it_is_let_go(
    fork_server: ForkServer, job: Callable[..., Job], media_server: MediaServer, tmp_path: Path
) -> None:
    waiting = fork_server.fork(job("/video.mp4?who=waiting"))
    try:
        attempt(fork_server, job("/video.mp4?who=other"))  # the fork server is not waiting with it

        assert waiting.process.is_alive()
        assert media_server.hits_of("/video.mp4?who=waiting") == 0
        assert Path(f"/proc/{waiting.process.pid}/cwd").readlink() != Path(job("/").directory)
    finally:
        waiting.end(grace_seconds=0)


def test_the_log_tells_what_a_child_waits_for(
    fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    def is_told(messages: list[Message]) -> bool:
        said = [message.text for message in messages if isinstance(message, Said)]
        return any("Downloading webpage" in text for text in said)

    silent = job("/stalled-headers.mp4", stall_seconds=600)
    with running(fork_server, silent) as child:
        assert is_told(messages_until(child, is_told))


def test_a_child_whose_worker_hangs_up_ends_without_beginning(
    fork_server: ForkServer, job: Callable[..., Job], media_server: MediaServer
) -> None:
    child = fork_server.fork(job("/video.mp4?who=abandoned"))
    child._channel.close()

    wait_until_gone(child.process.pid)

    assert child.end(grace_seconds=0) == "exited with 1"
    assert media_server.hits_of("/video.mp4?who=abandoned") == 0


def test_a_child_leads_a_session_of_its_own_in_its_directory(
    fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    with running(fork_server, job("/slow.mp4?rate=100000")) as child:
        messages_until(child, is_fetching)
        pid = child.process.pid

        assert os.getsid(pid) == pid
        assert Path(f"/proc/{pid}/cwd").readlink() == Path(job("/").directory)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_AS)[0] == 2**30
        assert resource.prlimit(pid, resource.RLIMIT_FSIZE)[0] == 2 * job("/").max_bytes


def test_a_child_holds_no_descriptor_of_the_worker_or_of_another_child(
    fork_server: ForkServer, job: Callable[..., Job], tmp_path: Path
) -> None:
    other = make_directory(tmp_path)
    with (
        running(fork_server, job("/slow.mp4?rate=100000")) as first,
        running(fork_server, replace(job("/slow.mp4?rate=100001"), directory=str(other))) as second,
    ):
        messages_until(first, is_fetching)
        messages_until(second, is_fetching)

        sockets = [
            {name for name in open_files(child.process.pid) if name.startswith("socket:")}
            for child in (first, second)
        ]
        assert not sockets[0] & sockets[1]
        assert [len(of_child) for of_child in sockets] == [2, 2]  # its channel and its site


# What it inherits


def test_a_child_knows_nothing_of_the_environment_of_the_worker(
    own_fork_server: ForkServer,
    job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    fake_ffmpeg: Callable[[str], Path],
) -> None:
    for name in ("VNSITE_SECRET_KEY", "DATABASE_URL", "VNSITE_DATABASE_URL", "AWS_SECRET", "TOKEN"):
        monkeypatch.setenv(name, CANARY)
    for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://{CANARY}.invalid:1")
    monkeypatch.setenv("SSLKEYLOGFILE", f"/tmp/{CANARY}")
    fake_ffmpeg('env > "$TMPDIR/environment"; exec "$REAL" "$@"')
    own_fork_server.start()

    ended = attempt(own_fork_server, job("/hls/index.m3u8"))

    assert ended.file.exists()
    environment = dict(
        line.partition("=")[::2]
        for line in (ended.directory / "environment").read_text().splitlines()
    )
    assert CANARY not in str(environment)
    assert environment["VNSITE_ATTEMPT"] == ended.directory.name
    assert environment["HOME"] == environment["TMPDIR"] == str(ended.directory)
    assert [name for name in environment if "VNSITE" in name] == ["VNSITE_ATTEMPT"]
    assert CANARY.encode() not in Path(f"/proc/{own_fork_server.pid}/environ").read_bytes()


@pytest.fixture
def plants(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A plugin and a configuration wherever yt-dlp may look for them; each touches the file."""
    folder = tmp_path_factory.mktemp("plants")
    touched = folder / "touched"
    code = f"open({str(touched)!r}, 'a').write('plugin')\nfrom yt_dlp.extractor.common import *\n"
    for place in ("home", "path", "cwd"):
        package = folder / place / "yt_dlp_plugins" / "extractor"
        package.mkdir(parents=True)
        (package / "evil.py").write_text(code)
        (folder / place / "sitecustomize.py").write_text(code.partition("\n")[0])
        (folder / place / "yt-dlp.conf").write_text(f"--exec 'touch {touched}'\n")
    (folder / "cwd" / "requests.py").write_text(code.partition("\n")[0])
    for place in ("home/.config/yt-dlp/plugins/evil", "home/yt-dlp-plugins/evil"):
        shutil.copytree(folder / "path" / "yt_dlp_plugins", folder / place / "yt_dlp_plugins")
    (folder / "home" / ".netrc").write_text("machine x login y password z\n")
    monkeypatch.setenv("HOME", str(folder / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home" / ".config"))
    monkeypatch.setenv("PYTHONPATH", str(folder / "path"))
    monkeypatch.setenv("PYTHONSTARTUP", str(folder / "path" / "sitecustomize.py"))
    monkeypatch.chdir(folder / "cwd")
    return touched


def test_plugins_and_configuration_that_lie_around_are_not_loaded(
    own_fork_server: ForkServer, job: Callable[..., Job], plants: Path
) -> None:
    own_fork_server.start()

    assert attempt(own_fork_server, job("/video.mp4")).fetched
    assert not plants.exists()


def test_a_plugin_that_is_installed_beside_yt_dlp_is_not_loaded(
    own_fork_server: ForkServer,
    job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("packages")
    touched = folder / "touched"
    package = folder / "yt_dlp_plugins" / "extractor"
    package.mkdir(parents=True)
    (package / "evil.py").write_text(f"open({str(touched)!r}, 'a').write('plugin')\n")
    monkeypatch.setattr("downloads.fetch.client.PROJECT", f"{PROJECT}{os.pathsep}{folder}")
    own_fork_server.start()

    assert attempt(own_fork_server, job("/video.mp4")).fetched
    assert not touched.exists()


def test_those_plants_would_grow_elsewhere(plants: Path, job: Callable[..., Job]) -> None:
    """Without this the test above could pass for a plant that nothing ever loads."""
    command = [sys.executable, "-m", "yt_dlp", "--simulate", job("/video.mp4").url]
    subprocess.run(command, capture_output=True, timeout=60, check=False)

    assert plants.exists()


def test_without_ffmpeg_of_the_system_the_one_of_the_wheel_is_used(
    own_fork_server: ForkServer,
    job: Callable[..., Job],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path_factory.mktemp("empty")))
    own_fork_server.start()

    assert attempt(own_fork_server, job("/hls/index.m3u8", audio="mp3")).file.suffix == ".mp3"


# Limits


def test_a_page_that_unpacks_to_more_than_memory_ends_only_its_child(
    fork_server: ForkServer, directory: Path, scripted_site: ScriptedSite
) -> None:
    bomb = gzip.compress(b" " * 2**22) * 400  # 1.6 GB of a page
    url = scripted_site.serve("/page", Answer(body=bomb, headers={"Content-Encoding": "gzip"}))
    child = fork_server.fork(job_for(url, directory, allow_private_hosts=(scripted_site.origin,)))
    resource.prlimit(child.process.pid, resource.RLIMIT_AS, (700 * 2**20, 700 * 2**20))
    child.go()

    messages = messages_until(child)
    how = child.end(grace_seconds=0)

    ended = Ended(directory=directory, messages=messages, how=how)
    assert ended.error_class is ErrorClass.TOO_LARGE
    assert fork_server.is_alive()


# How it ends


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed by SIGKILL"),
        (signal.SIGSEGV, "killed by SIGSEGV"),
        (signal.SIGTERM, "killed by SIGTERM"),
    ],
)
def test_the_signal_that_killed_a_child_is_named(
    fork_server: ForkServer, job: Callable[..., Job], number: signal.Signals, words: str
) -> None:
    with running(fork_server, job("/slow.mp4?rate=100000")) as child:
        messages_until(child, is_fetching)
        os.kill(child.process.pid, number)

        said = messages_until(child)

        assert not [message for message in said if not hasattr(message, "received_bytes")]
        assert child.end(grace_seconds=1) == words


@pytest.mark.parametrize(
    ("status", "words"),
    [(None, "ended"), (0, "exited with 0"), (1 << 8, "exited with 1"), (9, "killed by SIGKILL")],
)
def test_a_wait_status_in_words(status: int | None, words: str) -> None:
    assert describe_status(status) == words


@pytest.mark.parametrize(
    ("status", "data"),
    [
        (None, {"code": "child_ended"}),
        (0, {"status": 0}),
        (1 << 8, {"status": 1}),
        (9, {"signal": "SIGKILL"}),
    ],
)
def test_a_wait_status_as_data(status: int | None, data: dict[str, str | int]) -> None:
    assert data_of_status(status) == data


def test_a_child_that_is_stopped_ends_all_the_same(
    fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    with running(fork_server, job("/slow.mp4?rate=100000")) as child:
        messages_until(child, is_fetching)
        os.kill(child.process.pid, signal.SIGSTOP)

        assert child.end(grace_seconds=5) == "killed by SIGTERM"


def test_ending_twice_is_fine(fork_server: ForkServer, job: Callable[..., Job]) -> None:
    child = fork_server.fork(job("/video.mp4"))

    # The closed channel alone ends a child that has not begun: it may be faster than the signal.
    how = child.end(grace_seconds=0)
    assert how in {"killed by SIGKILL", "exited with 1"}
    assert child.end(grace_seconds=0) == how


def test_the_other_children_go_on(fork_server: ForkServer, job: Callable[..., Job]) -> None:
    with running(fork_server, job("/slow.mp4?rate=100000")) as other:
        messages_until(other, is_fetching)
        with running(fork_server, job("/slow.mp4?rate=100001")) as child:
            messages_until(child, is_fetching)
            child.end(grace_seconds=0)

        assert other.process.is_alive()


# The tree of programs below it


@pytest.fixture
def fake_ffmpeg(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Puts a program named ffmpeg first on PATH: a shell script that answers questions about its
    version as the real one ($REAL), and does as told when there is work."""

    def make(work: str) -> Path:
        folder = tmp_path_factory.mktemp("bin")
        script = f"""
            #!/bin/sh
            REAL={REAL_FFMPEG}
            case "$*" in *-version*|*-bsfs*) exec "$REAL" "$@";; esac
            {work}
            """
        (folder / "ffmpeg").write_text(textwrap.dedent(script).lstrip())
        (folder / "ffmpeg").chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        return folder / "ffmpeg"

    return make


@pytest.fixture
def without_seccomp(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lets the fork server take this machine for one whose system calls it does not know."""
    folder = tmp_path_factory.mktemp("machine")
    (folder / "sitecustomize.py").write_text(
        "import platform\nplatform.machine = lambda: 'other'\n"
    )
    monkeypatch.setattr("downloads.fetch.client.PROJECT", f"{PROJECT}{os.pathsep}{folder}")


@pytest.fixture
def stubborn(
    own_fork_server: ForkServer, job: Callable[..., Job], fake_ffmpeg: Callable[[str], Path]
) -> Iterator[tuple[Child, int, int]]:
    """A child whose ffmpeg ignores SIGTERM and left a daemon that does so as well: (child, pid of
    ffmpeg, pid of the daemon)."""
    fake_ffmpeg(LEAVES_A_DAEMON)
    own_fork_server.start()
    child = own_fork_server.fork(job("/video.mp4", audio="mp3"))
    child.go()
    directory = Path(job("/").directory)
    ffmpeg = wait_for(lambda: pid_in(directory / "ffmpeg.pid"), what="ffmpeg")
    left = wait_for(lambda: pid_in(directory / "left.pid"), what="what ffmpeg left")
    yield child, ffmpeg, left
    with suppress(ChildFailed):
        child.end(grace_seconds=0)
    for pid in (ffmpeg, left):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def test_all_that_a_child_started_ends_with_it(stubborn: tuple[Child, int, int]) -> None:
    child, ffmpeg, left = stubborn

    child.end(grace_seconds=0.2)

    assert not any(map(is_alive, (child.process.pid, ffmpeg, left)))


def test_so_it_does_when_the_child_was_killed_first(stubborn: tuple[Child, int, int]) -> None:
    child, ffmpeg, left = stubborn
    os.kill(child.process.pid, signal.SIGKILL)

    assert child.end(grace_seconds=0.2) == "killed by SIGKILL"

    assert not any(map(is_alive, (ffmpeg, left)))


def test_what_a_child_left_ends_though_nobody_asks(stubborn: tuple[Child, int, int]) -> None:
    child, ffmpeg, left = stubborn

    os.kill(child.process.pid, signal.SIGKILL)

    wait_until_gone(ffmpeg, left)


def test_what_left_ends_after_the_death_of_the_warm_process(
    stubborn: tuple[Child, int, int], own_fork_server: ForkServer
) -> None:
    child, ffmpeg, left = stubborn
    os.kill(own_fork_server.pid, signal.SIGKILL)
    wait_until_gone(own_fork_server.pid, child.process.pid, ffmpeg)
    assert is_alive(left)

    assert child.end(grace_seconds=0) == "ended"

    assert not is_alive(left)


def test_a_new_warm_process_is_not_believed_about_what_the_old_one_forked(
    stubborn: tuple[Child, int, int], own_fork_server: ForkServer
) -> None:
    child, _, left = stubborn
    os.kill(own_fork_server.pid, signal.SIGKILL)
    wait_until_gone(own_fork_server.pid, child.process.pid)
    own_fork_server.close()
    own_fork_server.start()
    assert is_alive(left)

    child.end(grace_seconds=0)

    assert not is_alive(left)


def test_recovery_finds_what_left_by_the_session_of_its_child(
    stubborn: tuple[Child, int, int], own_fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    child, ffmpeg, left = stubborn
    name = Path(job("/").directory).name
    os.kill(own_fork_server.pid, signal.SIGKILL)
    wait_until_gone(own_fork_server.pid, child.process.pid, ffmpeg)

    end_attempt(name)
    assert is_alive(left)  # it has no mark
    end_attempt(name, child.process)

    assert not is_alive(left)


def test_without_seccomp_what_left_its_session_ends_by_adoption(
    without_seccomp: None, stubborn: tuple[Child, int, int]
) -> None:
    child, ffmpeg, left = stubborn
    assert os.getsid(left) != child.process.pid

    child.end(grace_seconds=0.2)

    assert not any(map(is_alive, (child.process.pid, ffmpeg, left)))


def test_without_seccomp_it_does_so_when_the_child_was_killed_first(
    without_seccomp: None, stubborn: tuple[Child, int, int]
) -> None:
    child, ffmpeg, left = stubborn
    os.kill(child.process.pid, signal.SIGKILL)

    assert child.end(grace_seconds=0) == "killed by SIGKILL"

    assert not any(map(is_alive, (ffmpeg, left)))


def test_a_warm_process_that_is_closed_leaves_nothing(
    stubborn: tuple[Child, int, int], own_fork_server: ForkServer
) -> None:
    child, ffmpeg, left = stubborn

    own_fork_server.close()

    assert not any(map(is_alive, (child.process.pid, ffmpeg, left)))


def test_a_program_that_forks_and_ends_for_ever_is_not_faster(
    own_fork_server: ForkServer, job: Callable[..., Job], fake_ffmpeg: Callable[[str], Path]
) -> None:
    fake_ffmpeg('echo \'sh "$0" & echo $$ > "$TMPDIR/left.pid"\' > run; sh run; sleep 1000')
    own_fork_server.start()
    directory = Path(job("/").directory)
    with running(own_fork_server, job("/video.mp4", audio="mp3")) as child:
        wait_for((directory / "left.pid").exists, what="what forks")

        child.end(grace_seconds=0)

        assert directory.name not in attempts_of_processes().values()


def test_another_child_keeps_its_programs(
    stubborn: tuple[Child, int, int],
    own_fork_server: ForkServer,
    job: Callable[..., Job],
    tmp_path: Path,
) -> None:
    child, _, left = stubborn
    other = make_directory(tmp_path)
    with running(
        own_fork_server, replace(job("/video.mp4", audio="mp3"), directory=str(other))
    ) as second:
        kept = wait_for(lambda: pid_in(other / "left.pid"), what="the daemon of the other")

        child.end(grace_seconds=0)

        assert not is_alive(left)
        assert second.process.is_alive()
        assert is_alive(kept)
    assert not is_alive(kept)


def test_what_verifies_a_file_dies_with_the_child(
    own_fork_server: ForkServer, job: Callable[..., Job], fake_ffmpeg: Callable[[str], Path]
) -> None:
    fake_ffmpeg('echo $$ > "$TMPDIR/ffmpeg.pid"; exec sleep 1000')
    own_fork_server.start()
    pid_file = Path(job("/").directory) / "ffmpeg.pid"
    with running(own_fork_server, job("/chunked.mp4")) as child:
        wait_for(lambda: pid_file.exists() and pid_file.read_text(), what="ffmpeg")
        os.kill(child.process.pid, signal.SIGKILL)

        wait_until_gone(int(pid_file.read_text()))


def test_who_asks_before_it_is_warm_is_told_so(
    own_fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    """A slot's thread may ask while another fork server takes the place of a dead one."""

    def ask() -> None:
        wait_for(lambda: own_fork_server.is_alive(), what="the process to be there")
        own_fork_server.fork(job("/small/1.mp4"))

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        own_fork_server.start()

        with pytest.raises(ChildFailed, match="was not started"):
            asked.result()


def test_a_child_dies_with_the_fork_server(
    own_fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    own_fork_server.start()
    child = own_fork_server.fork(job("/slow.mp4?rate=100000"))
    child.go()
    messages_until(child, is_fetching)

    os.kill(own_fork_server.pid, signal.SIGKILL)

    wait_until_gone(own_fork_server.pid, child.process.pid)
    assert child.end(grace_seconds=0) == "ended"
    assert not own_fork_server.is_alive()


WORKER = """
import json, sys
from downloads.fetch.client import ForkServer
from downloads.fetch.protocol import Job
server = ForkServer()
server.start()
job = json.loads(sys.argv[1])
child = server.fork(Job.from_json(job))
child.go()
print(server.pid, child.process.pid, flush=True)
sys.stdin.read()
"""


@contextmanager
def worker_with_child(job: Job) -> Iterator[tuple[subprocess.Popen[str], list[int]]]:
    """A worker with a child that has begun: (worker, pids of its fork server and the child)."""
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, json.dumps(asdict(job))],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with worker:
        assert worker.stdout is not None
        pids = [int(word) for word in worker.stdout.readline().split()]
        assert len(pids) == 2
        yield worker, pids


def test_everything_dies_with_the_worker(
    job: Callable[..., Job], media_server: MediaServer
) -> None:
    with worker_with_child(job("/slow.mp4?rate=100000")) as (worker, pids):
        wait_for(lambda: media_server.hits_of("/slow.mp4"), what="the download")
        assert all(map(is_alive, pids))

        worker.kill()

        wait_until_gone(*pids)


@pytest.mark.parametrize("is_stopped", [False, True])
def test_so_does_a_daemon_that_a_program_left(
    job: Callable[..., Job], fake_ffmpeg: Callable[[str], Path], is_stopped: bool
) -> None:
    fake_ffmpeg(LEAVES_A_DAEMON)
    waiting = job("/video.mp4", audio="mp3")
    with worker_with_child(waiting) as (worker, pids):
        left = wait_for(lambda: pid_in(Path(waiting.directory) / "left.pid"), what="the daemon")
        if is_stopped:
            os.kill(pids[0], signal.SIGSTOP)

        worker.kill()

        wait_until_gone(*pids, left)


# Processes by name


def test_a_process_is_named_by_pid_and_start(fork_server: ForkServer) -> None:
    process = Process.of(fork_server.pid)

    assert process is not None
    assert process.is_alive()
    assert not Process(process.pid, process.started + 1).is_alive()


def test_nobody_has_an_impossible_pid() -> None:
    assert Process.of(2**22 + 1) is None


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as ended:
        wait_for(lambda: Process.of(ended.pid) is None, what="the end of true")


def test_a_process_whose_first_thread_has_ended_lives_as_long_as_the_others() -> None:
    program = """
        import ctypes, threading, time
        threading.Thread(target=time.sleep, args=(1000,)).start()
        ctypes.CDLL(None).pthread_exit(None)
        """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(program)]) as headless:
        status = Path(f"/proc/{headless.pid}/status")
        wait_for(lambda: "State:\tZ" in status.read_text(), what="the end of the first thread")
        process = Process.of(headless.pid)

        assert process is not None
        assert process.is_alive()

        end_process(process)
        assert not process.is_alive()
        assert headless.wait() == -signal.SIGKILL


def test_a_program_with_a_strange_name_is_understood(tmp_path: Path) -> None:
    strange = tmp_path / ") Z 1 (x"
    shutil.copy("/bin/sleep", strange)
    with subprocess.Popen([strange, "1000"]) as sleeping:
        process = wait_for(lambda: Process.of(sleeping.pid))

        assert process.is_alive()

        end_process(process)
        assert sleeping.wait() == -signal.SIGKILL


def test_another_process_with_the_pid_of_a_dead_one_is_left_alone() -> None:
    with subprocess.Popen(["sleep", "1000"]) as innocent:
        process = wait_for(lambda: Process.of(innocent.pid))

        end_process(Process(process.pid, process.started - 1))

        assert process.is_alive()
        innocent.kill()


@pytest.fixture
def marked(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that bears the mark of an attempt."""
    with marked_with(directory.name, start_new_session=True) as process:
        yield process
        process.kill()


def marked_with(name: str, **options: bool) -> subprocess.Popen[bytes]:
    """Start a process with this mark, which its environment does not show while it begins."""
    environment = {**os.environ, "VNSITE_ATTEMPT": name}
    process: subprocess.Popen[bytes]
    process = subprocess.Popen(["sleep", "1000"], env=environment, **options)
    shown = Path(f"/proc/{process.pid}/environ")
    wait_for(lambda: name.encode() in shown.read_bytes(), what="the mark")
    return process


def test_a_process_of_an_attempt_is_found_by_its_mark(
    marked: subprocess.Popen[bytes], directory: Path
) -> None:
    end_attempt(directory.name)

    assert marked.wait() == -signal.SIGKILL


def test_processes_of_several_attempts_are_ended_together(
    marked: subprocess.Popen[bytes], directory: Path
) -> None:
    with ExitStack() as stack:
        others = [
            stack.enter_context(marked_with(f"videonote_dl_abc_{number}")) for number in range(2)
        ]

        end_attempts({directory.name: None, "videonote_dl_abc_0": None})

        assert marked.wait() == others[0].wait() == -signal.SIGKILL
        assert others[1].poll() is None
        others[1].kill()


@pytest.mark.parametrize("other", ["", "videonote_dl_abc_0", "{}0"])
def test_a_mark_is_compared_whole(
    marked: subprocess.Popen[bytes], directory: Path, other: str
) -> None:
    end_attempt(other.format(directory.name))

    assert marked.poll() is None


def test_a_session_that_has_the_number_of_a_dead_child_is_left_alone() -> None:
    confine = "import ctypes, time; ctypes.CDLL(None).prctl(38, 1, 0, 0, 0); print(1, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{confine}; time.sleep(1000)"],
        start_new_session=True,
        stdout=subprocess.PIPE,
    ) as innocent:
        assert innocent.stdout is not None
        innocent.stdout.readline()
        process = Process.of(innocent.pid)
        assert process is not None

        end_attempt("videonote_dl_abc_0", replace(process, started=process.started - 1))
        assert process.is_alive()
        end_attempt("videonote_dl_abc_0", process)

        assert innocent.wait() == -signal.SIGKILL


def test_what_is_not_confined_was_not_started_by_a_child(directory: Path) -> None:
    """A shell that ended has left a job; its number is that of a child which ended long ago."""
    shell = ["sh", "-c", "sleep 1000 >/dev/null & echo $!"]
    with subprocess.Popen(shell, start_new_session=True, stdout=subprocess.PIPE) as leader:
        assert leader.stdout is not None
        left = int(leader.stdout.readline())
        wait_until_gone(leader.pid)

        end_attempt(directory.name, Process(leader.pid, 1))

        assert is_alive(left)
        os.kill(left, signal.SIGKILL)


def test_a_parent_that_is_gone_is_noticed() -> None:
    code = (
        "import os, sys; from downloads.fetch.processes import end_with_parent;"
        "print(end_with_parent(os.getppid()), end_with_parent(1 << 22))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["True", "False"]
    assert end_with_parent(0) is False


# The fork server


def test_a_fork_server_that_was_not_started_says_so(job: Callable[..., Job]) -> None:
    fork_server = ForkServer()

    assert not fork_server.is_alive()
    with pytest.raises(ChildFailed, match="was not started"):
        fork_server.fork(job("/video.mp4"))
    fork_server.close()


def test_a_fork_server_that_cannot_start_says_so(
    own_fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(ChildFailed, match="could not be started"):
        own_fork_server.start()


def test_a_fork_server_that_died_says_so(
    own_fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    own_fork_server.start()
    os.kill(own_fork_server.pid, signal.SIGKILL)
    wait_until_gone(own_fork_server.pid)

    with pytest.raises(ChildFailed):
        own_fork_server.fork(job("/video.mp4"))

    own_fork_server.close()
    own_fork_server.start()
    assert attempt(own_fork_server, job("/video.mp4")).fetched


def test_a_late_answer_is_not_taken_for_the_next_one(
    own_fork_server: ForkServer, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    own_fork_server.start()
    os.kill(own_fork_server.pid, signal.SIGSTOP)
    with monkeypatch.context() as impatient:
        impatient.setattr("downloads.fetch.client.ANSWER_TIMEOUT_SECONDS", 0.2)
        with pytest.raises(ChildFailed, match="does not answer"):
            own_fork_server.fork(job("/video.mp4"))
    os.kill(own_fork_server.pid, signal.SIGCONT)
    wait_for(
        lambda: not children_of(own_fork_server.pid), what="the end of the child that nobody wants"
    )

    assert attempt(own_fork_server, job("/video.mp4")).how == "exited with 0"


@needs_strace
def test_a_system_without_room_for_a_process_costs_one_child_only(
    own_fork_server: ForkServer, job: Callable[..., Job]
) -> None:
    own_fork_server.start()
    with running(own_fork_server, job("/slow.mp4?rate=100000")) as other:
        messages_until(other, is_fetching)
        calls = "clone,clone3,fork,vfork"
        strace = [
            "strace",
            "-o",
            "/dev/null",
            "-p",
            str(own_fork_server.pid),
            "-e",
            f"trace={calls}",
        ]
        with subprocess.Popen(
            [*strace, "-e", f"inject={calls}:error=EAGAIN"], stderr=subprocess.DEVNULL
        ) as tracer:
            status = Path(f"/proc/{own_fork_server.pid}/status")
            wait_for(lambda: f"TracerPid:\t{tracer.pid}" in status.read_text(), what="strace")
            with pytest.raises(ChildFailed, match="no process could be started"):
                own_fork_server.fork(job("/video.mp4"))
            tracer.terminate()

        assert other.process.is_alive()
        assert attempt(own_fork_server, job("/video.mp4")).how == "exited with 0"


def test_fifty_children_leave_nothing_behind(
    fork_server: ForkServer, job: Callable[..., Job], tmp_path: Path
) -> None:
    attempt(fork_server, job("/small/0.mp4"))
    here, there = open_files(os.getpid()), open_files(fork_server.pid)
    directory = Path(job("/").directory)

    for number in range(50):
        shutil.rmtree(directory)
        directory.mkdir()
        assert attempt(fork_server, job(f"/small/{number}.mp4")).how == "exited with 0"

    # The site is in this process: its threads hang up a moment after the children. Fewer is fine:
    # what an earlier test forgot may be collected meanwhile.
    wait_for(lambda: len(open_files(os.getpid())) <= len(here), what=f"no more than {here}")
    wait_for(lambda: len(open_files(fork_server.pid)) <= len(there), what=f"no more than {there}")
    assert children_of(fork_server.pid) == []
