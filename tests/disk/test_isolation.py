"""Isolated directories, one and all under a root, on a real file system with real owners."""

import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.disk.isolation import (
    MAKING,
    OWNER,
    REMOVING,
    IsolatedDownload,
    directory_name,
    directory_size,
    final_name,
    is_correlation_id,
    is_owned,
    new_correlation_id,
    parse_directory_name,
    remove_directory,
)
from downloads.disk.temp_manager import TempManager, cleanup_download

PROJECT = Path(__file__).parent.parent.parent
NOBODY = 65534

correlation_ids = st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True)
not_correlation_ids = [
    "",
    "a_b",
    "a b",
    "a/b",
    "..",
    ".",
    "/etc",
    "*",
    "a?",
    "[a-z]",
    "a\0",
    "a\n",
    "\n",
    "é",
    "١٢٣",
    "a" * 65,
    "a" * 300,
]

OWNER_PROCESS = """
import sys
from downloads.disk.isolation import IsolatedDownload
with IsolatedDownload(sys.argv[1], sys.argv[2], name=sys.argv[3]) as directory:
    (directory / "video.part").write_bytes(b"x" * 100)
    print("inside", flush=True)
    sys.stdin.read()
"""
OWNER_COMMAND = [sys.executable, "-c", OWNER_PROCESS]


@contextmanager
def owner_process(correlation_id: str, root: Path, name: str) -> Iterator[subprocess.Popen[str]]:
    """Another process inside its `with IsolatedDownload(…)`, until its standard input is closed."""
    process = subprocess.Popen(
        [*OWNER_COMMAND, correlation_id, str(root), name],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "inside\n"
        try:
            yield process
        finally:
            process.kill()


def strace(root: Path, name: str, *injections: str) -> subprocess.CompletedProcess[str]:
    """Run the owner process with an empty standard input, killed at a system call."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    return subprocess.run(
        ["strace", "-f", "-o", "/dev/null", *injections, *OWNER_COMMAND, "abc", str(root), name],
        cwd=PROJECT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def make_directory(root: Path, name: str, *, content: bytes = b"left behind") -> Path:
    """A directory as an earlier process left it: without a held lock."""
    directory = root / name
    directory.mkdir(mode=0o700)
    (directory / "video.part").write_bytes(content)
    return directory


@contextmanager
def ordinary_user() -> Iterator[Path]:
    """As a user whom permissions stop, also when the tests run as root; yields a root of theirs."""
    was_root = os.geteuid() == 0
    if was_root:
        os.seteuid(NOBODY)
    root = Path(tempfile.mkdtemp(prefix="vnsite-test-", dir="/tmp"))
    try:
        yield root
    finally:
        if was_root:
            os.seteuid(0)
        shutil.rmtree(root, ignore_errors=True)


# --- names


@given(correlation_ids)
def test_a_directory_name_parses_back_to_its_correlation_id(correlation_id: str) -> None:
    name = directory_name(correlation_id)

    assert parse_directory_name(name) == correlation_id
    for each in (name, name + MAKING, name + REMOVING):
        assert parse_directory_name(each) == correlation_id
        assert final_name(each) == name
    assert name.startswith(f"videonote_dl_{correlation_id}_")
    assert "_" not in name.removeprefix(f"videonote_dl_{correlation_id}_")
    assert len(name + REMOVING) <= 255


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    for name in (text, f"videonote_dl_{text}", f"videonote_dl_{text}_0a"):
        found = parse_directory_name(name)
        assert found is None or is_correlation_id(found)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "videonote_dl_",
        "videonote_dl_abc",
        "videonote_dl_abc_",
        "videonote_dl__0a",
        "videonote_dl_a_b_0a",
        "videonote_dl_abc_0a_1b",
        "videonote_dl_abc_0-a",
        "videonote_dl_abc_0a\n",
        "videonote_dl_abc_0a.part",
        "videonote_dl_abc_0a.removing.removing",
        "videonote_dl_abc_0a.making.removing",
        "videonote_dl_abc_0a-making",
        "videonote_dl_abc_.removing",
        "videonote_dl_../x_0a",
        "xvideonote_dl_abc_0a",
        " videonote_dl_abc_0a",
        "VIDEONOTE_DL_abc_0a",
        f"videonote_dl_{'a' * 65}_0a",
    ],
)
def test_other_names_do_not_parse(name: str) -> None:
    assert parse_directory_name(name) is None


@pytest.mark.parametrize("text", not_correlation_ids)
def test_what_is_no_correlation_id_is_refused_everywhere(text: str, tmp_path: Path) -> None:
    calls: list[Callable[[], object]] = [
        lambda: directory_name(text),
        lambda: IsolatedDownload(text, tmp_path),
        lambda: TempManager(tmp_path).create(text),
        lambda: TempManager(tmp_path).cleanup_by_correlation_id(text),
        lambda: cleanup_download(text, tmp_path),
    ]

    assert not is_correlation_id(text)
    for call in calls:
        with pytest.raises(ValueError, match="correlation id"):
            call()


def test_our_correlation_ids_are_12_lower_case_hex_characters_and_never_the_same() -> None:
    made = {new_correlation_id() for _ in range(1000)}

    assert len(made) == 1000
    assert all(len(each) == 12 and set(each) <= set("0123456789abcdef") for each in made)


# --- IsolatedDownload


def test_the_directory_is_private_and_named_after_its_correlation_id(tmp_path: Path) -> None:
    with IsolatedDownload("abc-1", tmp_path) as directory:
        assert directory.parent == tmp_path
        assert parse_directory_name(directory.name) == "abc-1"
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_leaving_removes_the_directory_and_everything_in_it(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path) as directory:
        (directory / "a" / "b").mkdir(parents=True)
        (directory / "a" / "b" / "video.part").write_bytes(b"x")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_leaving_by_any_exception_removes_the_directory(
    tmp_path: Path, error: type[BaseException]
) -> None:
    with pytest.raises(error), IsolatedDownload("abc", tmp_path):
        raise error

    assert list(tmp_path.iterdir()) == []


def test_a_kept_directory_stays_and_is_free_for_a_cleanup(tmp_path: Path) -> None:
    isolated = IsolatedDownload("abc", tmp_path)

    with isolated as directory:
        (directory / "video.mp4").write_bytes(b"x")
        isolated.keep()

    assert (directory / "video.mp4").read_bytes() == b"x"
    assert not is_owned(tmp_path, directory.name)
    assert cleanup_download("abc", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_root_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path / "data" / "tmp") as directory:
        assert directory.is_dir()


def test_the_default_root_is_the_temporary_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with IsolatedDownload("abc") as directory:
        assert directory.parent == tmp_path
        assert TempManager().list_active_downloads() == ["abc"]


def test_a_relative_root_is_meant_from_where_the_object_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with IsolatedDownload("abc", "tmp") as directory:
        monkeypatch.chdir("/")
        assert directory.is_absolute()

    assert list((tmp_path / "tmp").iterdir()) == []


def test_the_name_can_be_chosen_before_the_directory_exists(tmp_path: Path) -> None:
    name = directory_name("abc")

    with IsolatedDownload("abc", tmp_path, name=name) as directory:
        assert directory == tmp_path / name


@pytest.mark.parametrize(
    "name",
    ["videonote_dl_abcd_0a", "videonote_dl_abc_0a.removing", "", "abc", "../videonote_dl_abc_0a"],
)
def test_a_name_of_another_download_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not a directory name"):
        IsolatedDownload("abc", tmp_path, name=name)


@pytest.mark.parametrize("suffix", ["", MAKING])
def test_a_directory_that_is_there_is_never_used_again(tmp_path: Path, suffix: str) -> None:
    name = directory_name("abc")
    (tmp_path / (name + suffix)).mkdir()

    with pytest.raises(FileExistsError), IsolatedDownload("abc", tmp_path, name=name):
        pass

    assert [path.name for path in tmp_path.iterdir()] == [name + suffix]


def test_of_two_that_make_the_same_directory_at_once_one_has_it_alone(tmp_path: Path) -> None:
    for _ in range(100):
        name = directory_name("abc")
        barrier = threading.Barrier(2)
        contents: list[set[str]] = []

        def enter(
            name: str = name, barrier: threading.Barrier = barrier, into: list[set[str]] = contents
        ) -> None:
            isolated = IsolatedDownload("abc", tmp_path, name=name)
            barrier.wait()
            with suppress(OSError):
                directory = isolated.__enter__()
                barrier.wait()  # the other has failed
                into.append({path.name for path in directory.iterdir()})
                isolated.__exit__(None, None, None)
                return
            barrier.wait()

        threads = [threading.Thread(target=enter) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert contents == [{OWNER}]
        assert list(tmp_path.iterdir()) == []


def test_an_isolated_download_is_used_only_once(tmp_path: Path) -> None:
    isolated = IsolatedDownload("abc", tmp_path)
    with isolated, pytest.raises(RuntimeError, match="used already"):
        isolated.__enter__()

    with pytest.raises(RuntimeError, match="used already"):
        isolated.__enter__()


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("video.mp4", "video.mp4"),
        ("../../etc/passwd", "passwd"),
        ("/etc/passwd", "passwd"),
        ("a/b/", "b"),
        ("-rf", "-rf"),
        ("a\\b", "a\\b"),
    ],
)
def test_only_the_base_name_of_a_file_counts(tmp_path: Path, filename: str, name: str) -> None:
    isolated = IsolatedDownload("abc", tmp_path)

    with isolated as directory:
        assert isolated.get_path(filename) == directory / name


@pytest.mark.parametrize("filename", ["", ".", "..", "a/..", "/", "a\0b", ".owner", "x/.owner"])
def test_what_names_no_file_of_the_download_is_refused(tmp_path: Path, filename: str) -> None:
    isolated = IsolatedDownload("abc", tmp_path)

    with isolated, pytest.raises(ValueError, match="not a file name"):
        isolated.get_path(filename)


def test_paths_and_keeping_exist_only_inside_the_with_block(tmp_path: Path) -> None:
    never_entered, left = IsolatedDownload("abc", tmp_path), IsolatedDownload("abc", tmp_path)
    with left:
        pass

    for isolated in (never_entered, left):
        with pytest.raises(RuntimeError, match="only inside"):
            isolated.get_path("video.mp4")
        with pytest.raises(RuntimeError, match="only inside"):
            isolated.keep()


def test_leaving_is_quiet_when_somebody_removed_the_directory(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path) as directory:
        shutil.rmtree(directory)

    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made_leaves_nothing_behind(tmp_path: Path) -> None:
    with ordinary_user() as root:
        root.chmod(0o500)
        with pytest.raises(PermissionError), IsolatedDownload("abc", root):
            pass
        root.chmod(0o700)

        assert list(root.iterdir()) == []


def test_a_failed_removal_does_not_hide_the_exception_that_is_leaving(tmp_path: Path) -> None:
    with ordinary_user() as root:
        with (
            pytest.raises(ValueError, match="the download failed") as failure,
            IsolatedDownload("abc", root) as directory,
        ):
            root.chmod(0o500)
            raise ValueError("the download failed")
        root.chmod(0o700)

        assert "could not be removed" in failure.value.__notes__[0]
        assert not is_owned(root, directory.name)


def test_a_failed_removal_is_raised_when_nothing_else_is(tmp_path: Path) -> None:
    with ordinary_user() as root:
        with pytest.raises(PermissionError), IsolatedDownload("abc", root) as directory:
            root.chmod(0o500)
        root.chmod(0o700)

        assert not is_owned(root, directory.name)
        assert cleanup_download("abc", root)


# --- the lock


def test_the_directory_is_owned_inside_the_with_block_only(tmp_path: Path) -> None:
    isolated = IsolatedDownload("abc", tmp_path)
    with isolated as directory:
        assert is_owned(tmp_path, directory.name)
        isolated.keep()

    assert directory.is_dir()
    assert not is_owned(tmp_path, directory.name)


def test_programs_that_are_started_do_not_inherit_the_lock_file(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path) as directory:
        listing = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, check=True
        )

    assert directory.name.encode() not in listing.stdout


def test_the_lock_is_free_after_leaving_although_a_fork_has_the_file_open(tmp_path: Path) -> None:
    isolated = IsolatedDownload("abc", tmp_path)
    with isolated as directory:
        isolated.keep()
        fork = os.fork()
        if fork == 0:
            signal.pause()
            os._exit(0)
    try:
        assert not is_owned(tmp_path, directory.name)
    finally:
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)


def test_the_lock_is_freed_when_the_object_is_forgotten_without_being_left(tmp_path: Path) -> None:
    isolated = IsolatedDownload("abc", tmp_path)
    directory = isolated.__enter__()

    del isolated

    assert not is_owned(tmp_path, directory.name)


def test_the_lock_of_a_stopped_process_is_held_and_that_of_a_killed_one_free(
    tmp_path: Path,
) -> None:
    name = directory_name("abc")
    with owner_process("abc", tmp_path, name) as process:
        assert is_owned(tmp_path, name)

        process.send_signal(signal.SIGSTOP)
        assert is_owned(tmp_path, name)

        process.kill()
        process.wait()
        assert (tmp_path / name / "video.part").exists()
        assert not is_owned(tmp_path, name)


def test_nobody_owns_what_has_no_lock_file_or_is_not_there(tmp_path: Path) -> None:
    name = directory_name("abc")
    assert not is_owned(tmp_path, name)

    make_directory(tmp_path, name)
    assert not is_owned(tmp_path, name)


@pytest.mark.parametrize("plant", ["link", "fifo", "directory"])
def test_something_planted_as_the_lock_file_neither_blocks_nor_owns(
    tmp_path: Path, plant: str
) -> None:
    with IsolatedDownload("other", tmp_path) as other:
        directory = make_directory(tmp_path, directory_name("abc"))
        if plant == "link":
            (directory / OWNER).symlink_to(other / OWNER)
        elif plant == "fifo":
            os.mkfifo(directory / OWNER)
        else:
            (directory / OWNER).mkdir()

        assert not is_owned(tmp_path, directory.name)
        assert cleanup_download("abc", tmp_path)
        assert not directory.exists()
        assert is_owned(tmp_path, other.name)


@pytest.mark.parametrize("suffix", [MAKING, REMOVING])
def test_a_directory_being_made_or_removed_is_owned_by_who_does_it(
    tmp_path: Path, suffix: str
) -> None:
    name = directory_name("abc")
    directory = make_directory(tmp_path, name + suffix)
    with (directory / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)

        assert is_owned(tmp_path, name)
        assert not cleanup_download("abc", tmp_path)

    assert cleanup_download("abc", tmp_path)


@pytest.mark.parametrize("name", ["", "..", "abc", "videonote_dl_abc", "videonote_dl_a_b_c", "/"])
def test_other_names_are_never_looked_at_nor_removed(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="not the name of an isolated directory"):
        is_owned(tmp_path, name)
    with pytest.raises(ValueError, match="not the name of an isolated directory"):
        remove_directory(tmp_path, name)


# --- remove_directory and directory_size


def make_tree(directory: Path) -> int:
    """Files, links, a FIFO and nested directories; the bytes of the regular files."""
    (directory / "a" / "b").mkdir(parents=True)
    (directory / "empty").mkdir()
    (directory / "a" / "one").write_bytes(b"1" * 1000)
    (directory / "a" / "b" / "two").write_bytes(b"2" * 200)
    (directory / "a" / "b" / "-odd\nname\udce9").write_bytes(b"3" * 30)
    (directory / "link").symlink_to("/etc")
    (directory / "dangling").symlink_to("nowhere")
    os.mkfifo(directory / "fifo")
    return 1230


def test_removing_returns_the_bytes_of_the_files_and_is_idempotent(tmp_path: Path) -> None:
    directory = make_directory(tmp_path, directory_name("abc"), content=b"")
    size_bytes = make_tree(directory)

    assert directory_size(directory) == size_bytes
    assert remove_directory(tmp_path, directory.name) == size_bytes
    assert remove_directory(tmp_path, directory.name) == 0
    assert directory_size(directory) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_missing_root_holds_nothing(tmp_path: Path) -> None:
    root = tmp_path / "missing"

    assert remove_directory(root, directory_name("abc")) == 0
    assert not is_owned(root, directory_name("abc"))
    assert TempManager(root).list_active_downloads() == []
    assert TempManager(root).cleanup_old(0) == 0
    assert cleanup_download("abc", root) is False
    assert not root.exists()


def test_removing_follows_no_link(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    outside.chmod(0o750)
    (outside / "precious").write_bytes(b"x")
    directory = make_directory(tmp_path, directory_name("abc"), content=b"")
    (directory / "to-directory").symlink_to(outside)
    (directory / "to-file").symlink_to(outside / "precious")

    assert directory_size(directory) == 0
    assert remove_directory(tmp_path, directory.name) == 0
    assert (outside / "precious").read_bytes() == b"x"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o750


def test_a_link_in_the_place_of_the_directory_is_not_followed(tmp_path: Path) -> None:
    outside = make_directory(tmp_path, "outside")
    for suffix in ("", REMOVING):
        link = tmp_path / (directory_name("abc") + suffix)
        link.symlink_to(outside)

        with pytest.raises(NotADirectoryError):
            remove_directory(tmp_path, link.name)

        assert link.is_symlink()
        assert not is_owned(tmp_path, link.name)
    assert (outside / "video.part").exists()


def test_a_file_in_the_place_of_the_directory_is_left(tmp_path: Path) -> None:
    file = tmp_path / directory_name("abc")
    file.write_bytes(b"x")

    with pytest.raises(NotADirectoryError):
        remove_directory(tmp_path, file.name)

    assert file.read_bytes() == b"x"


@pytest.mark.parametrize("mode", [0o000, 0o100, 0o400, 0o500, 0o555])
def test_directories_without_permissions_are_removed(mode: int) -> None:
    with ordinary_user() as root:
        directory = make_directory(root, directory_name("abc"), content=b"")
        size_bytes = make_tree(directory)
        for path in (directory / "a" / "b", directory / "a", directory / "empty", directory):
            path.chmod(mode)

        assert remove_directory(root, directory.name) == size_bytes
        assert list(root.iterdir()) == []


def test_no_depth_is_too_deep(tmp_path: Path) -> None:
    directory = make_directory(tmp_path, directory_name("abc"), content=b"")
    here = os.open(directory, os.O_RDONLY)
    for _ in range(3000):  # deeper than the stack, the open files and a path allow
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(here)

    assert remove_directory(tmp_path, directory.name) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [MAKING, REMOVING])
def test_an_interrupted_making_or_removal_is_picked_up(tmp_path: Path, suffix: str) -> None:
    name = directory_name("abc")
    make_directory(tmp_path, name + suffix, content=b"12345")

    assert remove_directory(tmp_path, name) == 5
    assert list(tmp_path.iterdir()) == []


def test_all_that_bears_a_name_is_removed_together(tmp_path: Path) -> None:
    name = directory_name("abc")
    make_directory(tmp_path, name, content=b"1")
    make_directory(tmp_path, name + MAKING, content=b"12")
    make_directory(tmp_path, name + REMOVING, content=b"1234")

    assert remove_directory(tmp_path, name) == 7
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [MAKING, REMOVING])
def test_a_name_with_a_suffix_means_only_that_directory(tmp_path: Path, suffix: str) -> None:
    directory = make_directory(tmp_path, directory_name("abc"))
    make_directory(tmp_path, directory.name + suffix)

    remove_directory(tmp_path, directory.name + suffix)

    assert list(tmp_path.iterdir()) == [directory]


def test_removals_at_the_same_time_count_each_byte_once(tmp_path: Path) -> None:
    for _ in range(20):
        directory = make_directory(tmp_path, directory_name("abc"), content=b"")
        size_bytes = make_tree(directory)
        for number in range(20):
            make_tree_under = directory / f"more{number}"
            make_tree_under.mkdir()
            size_bytes += make_tree(make_tree_under)
        barrier = threading.Barrier(4)
        freed: list[int] = []

        def remove(name: str = directory.name, barrier: threading.Barrier = barrier) -> None:
            barrier.wait()
            freed.append(remove_directory(tmp_path, name))  # noqa: B023 - joined below

        threads = [threading.Thread(target=remove) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert list(tmp_path.iterdir()) == []
        assert len(freed) == 4
        assert sum(freed) == size_bytes


def test_a_process_killed_while_it_makes_the_directory_leaves_none_to_work_in(
    tmp_path: Path,
) -> None:
    name = directory_name("abc")

    killed = strace(tmp_path, name, "-e", "inject=rename:signal=SIGKILL:when=1")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in tmp_path.iterdir()] in ([name], [name + MAKING])
    assert not is_owned(tmp_path, name)
    remove_directory(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", [1, 2])
def test_a_process_killed_while_it_removes_the_directory_leaves_it_set_aside(
    tmp_path: Path, when: int
) -> None:
    name = directory_name("abc")

    killed = strace(tmp_path, name, "-e", f"inject=unlinkat:signal=SIGKILL:when={when}")

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [path.name for path in tmp_path.iterdir()] == [name + REMOVING]
    assert not is_owned(tmp_path, name)
    assert cleanup_download("abc", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_size_of_a_directory_that_changes_meanwhile_is_a_number(tmp_path: Path) -> None:
    directory = make_directory(tmp_path, directory_name("abc"), content=b"x" * 10)
    stop = threading.Event()

    def churn() -> None:
        while not stop.is_set():
            (directory / "new").mkdir()
            (directory / "new" / "part").write_bytes(b"y" * 5)
            shutil.rmtree(directory / "new")

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        sizes = {directory_size(directory) for _ in range(300)}
    finally:
        stop.set()
        thread.join()

    assert sizes <= {10, 15}


# --- TempManager and cleanup_download


def test_what_the_manager_creates_lies_under_its_root(tmp_path: Path) -> None:
    manager = TempManager(tmp_path)

    with manager.create("abc") as directory:
        assert directory.parent == tmp_path
        assert manager.list_active_downloads() == ["abc"]

    assert manager.list_active_downloads() == []


def test_a_cleanup_removes_every_directory_of_the_id_and_says_so(tmp_path: Path) -> None:
    for suffix in ("", "", MAKING, REMOVING):
        make_directory(tmp_path, directory_name("abc") + suffix)

    assert cleanup_download("abc", tmp_path) is True
    assert list(tmp_path.iterdir()) == []
    assert cleanup_download("abc", tmp_path) is False


def test_only_the_exact_id_is_cleaned_never_a_prefix(tmp_path: Path) -> None:
    others = {directory_name(each) for each in ("abcd", "ab", "abc-1", "ABC", "x-abc")}
    for name in {*others, directory_name("abc")}:
        make_directory(tmp_path, name)

    assert cleanup_download("abc", tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == others


def test_look_alikes_are_neither_listed_nor_removed(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", make_directory(tmp_path, "outside")
    root.mkdir()
    (root / "videonote_dl_abc_0a").write_bytes(b"a file")
    (root / "videonote_dl_abc_0b").symlink_to(outside)
    (root / "videonote_dl_abc_0c.removing").symlink_to(outside)
    for name in ("videonote_dl_abc", "videonote_dl_abc_", "videonote_dl_abc_0_1", "abc"):
        make_directory(root, name)
    before = sorted(root.iterdir())
    manager = TempManager(root)

    assert manager.list_active_downloads() == []
    assert manager.cleanup_by_correlation_id("abc") is False
    assert manager.cleanup_old(0) == 0
    assert sorted(root.iterdir()) == before
    assert (outside / "video.part").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_the_directory_of_another_user_is_left(tmp_path: Path) -> None:
    directory = make_directory(tmp_path, directory_name("abc"))
    os.chown(directory, NOBODY, NOBODY)
    manager = TempManager(tmp_path)

    assert manager.list_active_downloads() == []
    assert manager.cleanup_by_correlation_id("abc") is False
    assert manager.cleanup_old(0) == 0
    assert (directory / "video.part").exists()


def test_what_a_living_process_uses_is_listed_and_left(tmp_path: Path) -> None:
    manager, name = TempManager(tmp_path), directory_name("abc")
    with owner_process("abc", tmp_path, name) as process:
        assert manager.list_active_downloads() == ["abc"]
        assert manager.cleanup_by_correlation_id("abc") is False
        assert manager.cleanup_old(0) == 0
        assert (tmp_path / name / "video.part").exists()

        process.kill()
        process.wait()
        assert manager.list_active_downloads() == ["abc"]
        assert manager.cleanup_by_correlation_id("abc") is True
    assert list(tmp_path.iterdir()) == []


def test_what_this_process_uses_is_left_as_well(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path) as directory:
        assert cleanup_download("abc", tmp_path) is False
        assert directory.is_dir()


def test_of_an_id_with_two_directories_only_the_one_in_use_is_left(tmp_path: Path) -> None:
    make_directory(tmp_path, directory_name("abc"))

    with IsolatedDownload("abc", tmp_path) as directory:
        assert cleanup_download("abc", tmp_path) is True
        assert list(tmp_path.iterdir()) == [directory]


def test_ids_are_listed_sorted_and_once(tmp_path: Path) -> None:
    for correlation_id in ("b", "a", "c", "a"):
        make_directory(tmp_path, directory_name(correlation_id))
    make_directory(tmp_path, directory_name("c") + REMOVING)

    assert TempManager(tmp_path).list_active_downloads() == ["a", "b", "c"]


def age(directory: Path, seconds: float) -> None:
    os.utime(directory, (time.time() - seconds, time.time() - seconds))


@pytest.mark.parametrize("max_age", [timedelta(hours=1), 3600, 3600.0])
def test_old_directories_are_cleaned_and_young_ones_left(
    tmp_path: Path, max_age: timedelta | float
) -> None:
    young = make_directory(tmp_path, directory_name("young"))
    age(young, 1800)
    for _ in range(2):
        age(make_directory(tmp_path, directory_name("old")), 7200)

    assert TempManager(tmp_path).cleanup_old(max_age) == 2
    assert list(tmp_path.iterdir()) == [young]


def test_an_old_directory_in_use_is_left(tmp_path: Path) -> None:
    with IsolatedDownload("abc", tmp_path) as directory:
        age(directory, 7200)

        assert TempManager(tmp_path).cleanup_old(60) == 0
        assert directory.is_dir()


@pytest.mark.parametrize("max_age", [timedelta(seconds=-1), -1, float("nan")])
def test_a_negative_age_is_refused(tmp_path: Path, max_age: timedelta | float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        TempManager(tmp_path).cleanup_old(max_age)


def test_an_old_directory_that_cannot_be_removed_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with ordinary_user() as root:
        stuck = make_directory(root, "videonote_dl_a_0a")
        age(stuck, 7200)
        age(make_directory(root, "videonote_dl_b_0a"), 7200)
        (root / "videonote_dl_a_0a.removing").write_bytes(b"in the way")

        assert TempManager(root).cleanup_old(60) == 1
        assert stuck.is_dir()
    assert "videonote_dl_a_0a could not be removed" in caplog.text


def test_cleanups_beside_starting_downloads_never_take_a_directory_in_use(tmp_path: Path) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def clean() -> None:
        while not stop.is_set():
            try:
                cleanup_download("abc", tmp_path)
            except BaseException as error:
                failures.append(error)

    cleaners = [threading.Thread(target=clean) for _ in range(2)]
    for cleaner in cleaners:
        cleaner.start()
    contents = []
    try:
        for _ in range(300):
            with ExitStack() as stack:
                try:
                    directory = stack.enter_context(IsolatedDownload("abc", tmp_path))
                except (FileNotFoundError, BlockingIOError):
                    continue  # taken while it was made: it was never entered
                (directory / "video.part").write_bytes(b"x")
                contents.append({path.name for path in directory.iterdir()})
    finally:
        stop.set()
        for cleaner in cleaners:
            cleaner.join()

    assert failures == []
    assert contents
    assert all(each == {OWNER, "video.part"} for each in contents)
    assert list(tmp_path.iterdir()) == []
