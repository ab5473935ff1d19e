"""Staging and publishing on real file systems."""

import errno
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from downloads.disk import library
from downloads.disk.library import RefusedFile, StagedFile

PROJECT = Path(__file__).resolve().parent.parent.parent
KEY = "videonote_dl_abc_1"

needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    media = tmp_path / "media"
    media.mkdir()
    return media


@pytest.fixture
def source(tmp_path: Path) -> Path:
    directory = tmp_path / "temp"
    directory.mkdir()
    return directory


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A directory on another file system than `tmp_path`."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is not another file system here")
    directory = memory / f"vnsite-test-{os.getpid()}"
    directory.mkdir()
    yield directory
    shutil.rmtree(directory)


def staged_file(directory: Path, content: bytes = b"video", name: str = "media.mp4") -> StagedFile:
    path = directory / name
    path.write_bytes(content)
    return describing(path, content)


def describing(path: Path, content: bytes) -> StagedFile:
    digest = hashlib.sha256(content).hexdigest()
    return StagedFile(source=path, name="A video.mp4", size=len(content), sha256=digest)


def injected(fault: str, code: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """Run code in a process in which a system call fails: `call:error=NAME[:when=N]`."""
    call = fault.partition(":")[0]
    strace = ["strace", "-f", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={fault}"]
    return subprocess.run(
        [*strace, sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# Staging


def test_a_file_of_the_same_file_system_is_moved(root: Path, source: Path) -> None:
    file = staged_file(source)

    staged = library.stage(root, KEY, [file])

    assert staged == root / library.STAGING / KEY
    assert (staged / "A video.mp4").read_bytes() == b"video"
    assert stat.S_IMODE((staged / "A video.mp4").stat().st_mode) == 0o644
    assert not file.source.exists()


def test_a_file_of_another_file_system_is_copied(root: Path, elsewhere: Path) -> None:
    content = os.urandom(3 * 2**20 + 1)
    file = staged_file(elsewhere, content)

    staged = library.stage(root, KEY, [file])

    assert (staged / "A video.mp4").read_bytes() == content
    assert file.source.read_bytes() == content


@needs_strace
def test_a_file_of_another_mount_of_the_same_file_system_is_copied(
    root: Path, source: Path
) -> None:
    file = staged_file(source)
    done = injected(
        "rename:error=EXDEV",
        f"""
        import sys
        from pathlib import Path
        from downloads.disk.library import StagedFile, stage
        file = StagedFile(source=Path(sys.argv[2]), name="a.mp4", size=5, sha256="{file.sha256}")
        stage(Path(sys.argv[1]), "key", [file])
        """,
        root,
        file.source,
    )

    assert done.returncode == 0, done.stderr
    assert (root / library.STAGING / "key" / "a.mp4").read_bytes() == b"video"
    assert file.source.exists()


def test_a_copy_that_is_not_what_was_verified_is_refused(root: Path, elsewhere: Path) -> None:
    file = staged_file(elsewhere, b"video")
    file.source.write_bytes(b"other")

    with pytest.raises(RefusedFile, match="changed after it was verified"):
        library.stage(root, KEY, [file])

    assert not library.is_staged(root, KEY)
    assert file.source.exists()


@needs_strace
def test_a_disk_that_cannot_keep_it_leaves_nothing_staged(root: Path, source: Path) -> None:
    file = staged_file(source)
    done = injected(
        "fsync:error=EIO",
        f"""
        import sys
        from pathlib import Path
        from downloads.disk.library import StagedFile, stage
        file = StagedFile(source=Path(sys.argv[2]), name="a.mp4", size=5, sha256="{file.sha256}")
        stage(Path(sys.argv[1]), "key", [file])
        """,
        root,
        file.source,
    )

    assert "OSError: [Errno 5]" in done.stderr
    assert list((root / library.STAGING).iterdir()) == []


@needs_strace
@pytest.mark.parametrize(("fault", "code"), [("EINVAL", 0), ("EIO", 1)])
def test_only_a_file_system_that_cannot_sync_directories_is_excused(
    root: Path, fault: str, code: int
) -> None:
    done = injected(
        f"fsync:error={fault}",
        "import sys; from pathlib import Path; from downloads.disk.shares import sync_directory\n"
        "sync_directory(Path(sys.argv[1]))",
        root,
    )

    assert done.returncode == code


def test_what_an_interrupted_staging_left_is_replaced(root: Path, source: Path) -> None:
    left = root / library.STAGING / KEY
    left.mkdir(parents=True)
    (left / "A video.mp4").write_bytes(b"half")
    (left / "other.mp4").write_bytes(b"half")

    staged = library.stage(root, KEY, [staged_file(source)])

    assert {path.name: path.read_bytes() for path in staged.iterdir()} == {"A video.mp4": b"video"}


def test_nothing_is_staged_when_one_file_is_refused(root: Path, source: Path) -> None:
    good = staged_file(source)
    missing = describing(source / "other.mp4", b"x")

    with pytest.raises(FileNotFoundError):
        library.stage(root, KEY, [good, missing])

    assert not library.is_staged(root, KEY)


def test_a_file_of_another_size_is_refused(root: Path, source: Path) -> None:
    file = staged_file(source)
    file.source.write_bytes(b"longer than before")

    with pytest.raises(RefusedFile, match="has 18 bytes, not 5"):
        library.stage(root, KEY, [file])


def plant_symlink(path: Path, outside: Path) -> None:
    path.symlink_to(outside)


def plant_hard_link(path: Path, outside: Path) -> None:
    path.hardlink_to(outside)


def plant_pipe(path: Path, outside: Path) -> None:
    os.mkfifo(path)


def plant_directory(path: Path, outside: Path) -> None:
    path.mkdir()


PLANTED = [plant_symlink, plant_hard_link, plant_pipe, plant_directory]


@pytest.mark.parametrize("plant", PLANTED)
def test_what_somebody_planted_is_not_published(
    root: Path, source: Path, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    outside = tmp_path / "secret.mp4"
    outside.write_bytes(b"video")
    plant(source / "media.mp4", outside)

    with pytest.raises(RefusedFile, match="not a regular file"):
        library.stage(root, KEY, [describing(source / "media.mp4", b"video")])

    assert not library.is_staged(root, KEY)
    assert outside.read_bytes() == b"video"


# Publishing


def staged_entry(root: Path, content: bytes = b"video", key: str = KEY) -> None:
    directory = root / library.STAGING / key
    directory.mkdir(parents=True)
    (directory / "A video.mp4").write_bytes(content)


def test_publishing_makes_the_whole_directory_appear(root: Path) -> None:
    staged_entry(root)

    library.publish(root, KEY, "A video [abc]")

    assert (root / "A video [abc]" / "A video.mp4").read_bytes() == b"video"
    assert not library.is_staged(root, KEY)
    assert library.holds(root, "A video [abc]", {"A video.mp4": 5})


def test_publishing_what_is_not_staged_says_so(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        library.publish(root, KEY, "A video [abc]")


def occupy_with_an_entry(target: Path) -> None:
    target.mkdir()
    (target / "old.mp4").write_bytes(b"old")


def occupy_with_a_file(target: Path) -> None:
    target.write_bytes(b"old")


def occupy_with_a_link(target: Path) -> None:
    target.symlink_to(target.parent)


OCCUPIED = [occupy_with_an_entry, occupy_with_a_file, occupy_with_a_link]


@pytest.mark.parametrize("occupy", OCCUPIED)
def test_publishing_never_replaces_anything(root: Path, occupy: Callable[[Path], None]) -> None:
    staged_entry(root)
    occupy(root / "taken")
    before = (root / "taken").lstat()

    with pytest.raises(FileExistsError):
        library.publish(root, KEY, "taken")

    assert library.is_staged(root, KEY)
    assert (root / "taken").lstat().st_ino == before.st_ino


PUBLISH = """
import sys
from pathlib import Path
from downloads.disk import library
library.publish(Path(sys.argv[1]), "key", "taken")
"""


@needs_strace
@pytest.mark.parametrize("fault", ["EINVAL", "ENOSYS"])
@pytest.mark.parametrize("occupy", OCCUPIED)
def test_nor_where_the_file_system_knows_no_flags(
    root: Path, occupy: Callable[[Path], None], fault: str
) -> None:
    staged_entry(root, key="key")
    occupy(root / "taken")
    before = (root / "taken").lstat()

    done = injected(f"renameat2:error={fault}", PUBLISH, root)

    assert "FileExistsError" in done.stderr
    assert library.is_staged(root, "key")
    assert (root / "taken").lstat().st_ino == before.st_ino


@needs_strace
def test_publishing_works_where_the_file_system_knows_no_flags(root: Path) -> None:
    staged_entry(root, key="key")

    done = injected("renameat2:error=EINVAL", PUBLISH, root)

    assert done.returncode == 0, done.stderr
    assert library.holds(root, "taken", {"A video.mp4": 5})
    assert not library.is_staged(root, "key")


def test_other_failures_of_the_rename_are_told(root: Path) -> None:
    staged_entry(root)

    with pytest.raises(OSError) as caught:
        library.publish(root, KEY, "x" * 300)

    assert caught.value.errno == errno.ENAMETOOLONG


# Finding and removing


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ({"A video.mp4": 5}, True),
        ({"A video.mp4": 4}, False),
        ({}, False),
        ({"A video.mp4": 5, "B.mp4": 1}, False),
        ({"B.mp4": 5}, False),
    ],
)
def test_an_entry_holds_exactly_its_files(
    root: Path, sizes: dict[str, int], expected: bool
) -> None:
    staged_entry(root)
    library.publish(root, KEY, "entry")

    assert library.holds(root, "entry", sizes) is expected


@pytest.mark.parametrize("make", [None, occupy_with_a_file])
def test_what_is_no_directory_holds_nothing(
    root: Path, make: Callable[[Path], None] | None
) -> None:
    if make:
        make(root / "entry")

    assert not library.holds(root, "entry", {})


def test_discarding_twice_is_fine(root: Path) -> None:
    staged_entry(root)

    library.discard(root, KEY)
    library.discard(root, KEY)

    assert not library.is_staged(root, KEY)


def test_several_may_discard_the_same_at_once(root: Path) -> None:
    staged = root / library.STAGING / KEY
    staged.mkdir(parents=True)
    for number in range(500):
        (staged / str(number)).touch()

    with ThreadPoolExecutor(4) as pool:
        for discarding in [pool.submit(library.discard, root, KEY) for _ in range(4)]:
            discarding.result()

    assert not staged.exists()


def test_discarding_a_link_leaves_what_it_points_to(root: Path, source: Path) -> None:
    (root / library.STAGING).mkdir()
    (root / library.STAGING / KEY).symlink_to(source)

    library.discard(root, KEY)

    assert source.is_dir()
    assert not (root / library.STAGING / KEY).is_symlink()


@pytest.mark.parametrize("key", ["", ".", "..", "../other", "a/b", "/", "a\0"])
def test_a_key_names_one_directory_of_the_staging(root: Path, key: str) -> None:
    staged_entry(root)

    for action in (library.discard, library.is_staged):
        with pytest.raises(ValueError, match="not a key"):
            action(root, key)

    assert library.is_staged(root, KEY)


def test_removing_frees_the_bytes_of_the_entry(root: Path) -> None:
    staged_entry(root, b"x" * 1000)
    library.publish(root, KEY, "entry")

    assert library.remove(root, "entry") == 1000
    assert library.remove(root, "entry") == 0
    assert not (root / "entry").exists()


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../outside",
        "a/../../outside",
        "a//b",
        "/etc",
        library.STAGING,
        "a\0b",
        f"{library.STAGING}/key",
    ],
)
def test_removing_never_leaves_the_library(root: Path, name: str) -> None:
    outside = root.parent / "outside"
    outside.mkdir()

    with pytest.raises(ValueError, match="not an entry"):
        library.remove(root, name)

    assert outside.is_dir()
    assert root.is_dir()


def test_an_entry_in_folders_appears_at_once_and_goes_with_them(root: Path) -> None:
    for key, name in (("one", "site/day/A [1]"), ("two", "site/B [2]")):
        staged_entry(root, key=key)
        library.publish(root, key, name)

    assert library.holds(root, "site/day/A [1]", {"A video.mp4": 5})
    assert library.remove(root, "site/day/A [1]") == 5
    assert [path.name for path in (root / "site").iterdir()] == ["B [2]"]
    library.remove(root, "site/B [2]")
    assert [path.name for path in root.iterdir()] == [library.STAGING]


def test_nothing_is_replaced_in_a_folder(root: Path) -> None:
    staged_entry(root)
    (root / "site" / "taken").mkdir(parents=True)

    with pytest.raises(FileExistsError):
        library.publish(root, KEY, "site/taken")


def test_removing_does_not_follow_links(root: Path, source: Path) -> None:
    (source / "kept.mp4").write_bytes(b"kept")
    (root / "link").symlink_to(source)
    staged_entry(root)
    library.publish(root, KEY, "entry")
    (root / "entry" / "link").symlink_to(source)

    assert library.remove(root, "link") == 0
    library.remove(root, "entry")

    assert (source / "kept.mp4").read_bytes() == b"kept"
