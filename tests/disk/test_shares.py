"""Publishing on the file systems of shares, each of which refuses something."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from downloads.disk import library, shares
from downloads.disk.library import StagedFile
from downloads.disk.removal import remove_tree
from tests.helpers.share import ALL, share

KEY = "videonote_dl_abc_1"
VIDEO = os.urandom(3 * library.BLOCK_BYTES + 1)

Mount = Callable[..., Path]

REFUSALS: list[str] = [
    *(f"chmod={name}" for name in ("EPERM", "ENOTSUP", "EINVAL", "ENOSYS")),
    *(f"rename_file={name}" for name in ("EPERM", "EACCES", "ENOTSUP", "EXDEV")),
    *(f"rename_directory={name}" for name in ("EPERM", "EACCES", "ENOTSUP", "EXDEV")),
    *(f"flags={name}" for name in ("EPERM", "EINVAL", "ENOSYS", "ignored")),
    *(f"fsyncdir={name}" for name in ("EINVAL", "ENOTSUP", "EACCES")),
    *("chown=EPERM", "utimens=EPERM", "inodes"),
]


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a share that refuses: `mount("chmod=EPERM")`."""
    with ExitStack() as stack:

        def mounted(*refusals: str) -> Path:
            stack.enter_context(share(tmp_path / "mounted", tmp_path / "share", *refusals))
            return tmp_path / "mounted"

        yield mounted


def video_in(folder: Path) -> StagedFile:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "media.mp4").write_bytes(VIDEO)
    return describing(folder)


def describing(folder: Path) -> StagedFile:
    digest = hashlib.sha256(VIDEO).hexdigest()
    source = folder / "media.mp4"
    return StagedFile(source=source, name="A video.mp4", size=len(VIDEO), sha256=digest)


@pytest.mark.parametrize("place", ["the same share", "a disk"])
@pytest.mark.parametrize("refusals", [*([each] for each in REFUSALS), ALL], ids="+".join)
def test_a_video_is_published_whatever_the_share_refuses(
    mount: Mount, tmp_path: Path, refusals: list[str], place: str
) -> None:
    root = mount(*refusals)
    file = video_in(root / "temp" if place == "the same share" else tmp_path / "temp")

    library.stage(root / "media", KEY, [file])
    library.publish(root / "media", KEY, "A video [abc]")

    assert (root / "media" / "A video [abc]" / "A video.mp4").read_bytes() == VIDEO
    assert library.holds(root / "media", "A video [abc]", {"A video.mp4": len(VIDEO)})
    assert list((root / "media" / library.STAGING).iterdir()) == []


@pytest.mark.parametrize("refusals", [["flags=EPERM"], ["rename_directory=EXDEV"], ALL], ids=str)
def test_and_nothing_is_replaced(mount: Mount, tmp_path: Path, refusals: list[str]) -> None:
    root = mount(*refusals)
    taken = root / "taken"
    taken.mkdir()
    (taken / "old.mp4").write_bytes(b"old")
    library.stage(root, KEY, [video_in(tmp_path / "temp")])

    with pytest.raises(FileExistsError):
        library.publish(root, KEY, "taken")

    assert {path.name: path.read_bytes() for path in taken.iterdir()} == {"old.mp4": b"old"}
    library.publish(root, KEY, "free")
    assert library.holds(root, "free", {"A video.mp4": len(VIDEO)})


BROKEN = [
    *("fsync=ESTALE:once", "fsync=EIO:once", "fsyncdir=ESTALE:once", "rename_file=EIO:once"),
    *("chmod=EIO:once", "mkdir=EIO:once"),
]
BROKEN_COPIES = [
    "create=EIO:once",
    "write=ESTALE:once",
    "write=ENOSPC:once",
    "close=EIO:once",
    "close=EDQUOT:once",
]


@pytest.mark.parametrize("refusal", BROKEN)
def test_what_breaks_off_gives_the_file_back(mount: Mount, tmp_path: Path, refusal: str) -> None:
    video_in(tmp_path / "share" / "temp")
    library.make_folder(tmp_path / "share" / "media" / library.STAGING, 0o700)
    root = mount(refusal)
    file = describing(root / "temp")

    with pytest.raises(OSError):
        library.stage(root / "media", KEY, [file])

    assert file.source.read_bytes() == VIDEO
    assert not library.is_staged(root / "media", KEY)
    library.stage(root / "media", KEY, [file])
    library.publish(root / "media", KEY, "A video [abc]")
    assert (root / "media" / "A video [abc]" / "A video.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("refusal", BROKEN_COPIES)
def test_a_copy_that_is_not_taken_leaves_its_source(
    mount: Mount, tmp_path: Path, refusal: str
) -> None:
    root = mount(refusal)
    file = video_in(tmp_path / "temp")

    with pytest.raises(OSError):
        library.stage(root, KEY, [file])

    assert file.source.read_bytes() == VIDEO
    assert not library.is_staged(root, KEY)
    library.stage(root, KEY, [file])
    library.publish(root, KEY, "A video [abc]")
    assert (root / "A video [abc]" / "A video.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize("refusals", [[], ["rename_directory=EPERM"], ["rename_file=EPERM"]])
def test_what_was_published_is_brought_back(
    mount: Mount, tmp_path: Path, refusals: list[str]
) -> None:
    root = mount(*refusals)
    file = video_in(root / "temp")
    library.stage(root / "media", KEY, [file])
    library.publish(root / "media", KEY, "A video [abc]")
    file.source.unlink(missing_ok=True)

    library.bring_back(root / "media", KEY, [file], name="A video [abc]")

    assert file.source.read_bytes() == VIDEO
    assert [path.name for path in (root / "media").iterdir()] == [library.STAGING]


def test_an_entry_that_was_filled_half_is_filled_to_its_end(mount: Mount, tmp_path: Path) -> None:
    root = mount("rename_directory=EPERM")
    staged = library.stage(root, KEY, [video_in(tmp_path / "temp")])
    (staged / library.CLAIM).touch()
    (root / "A video [abc]").mkdir()
    (root / "A video [abc]" / "A video.mp4").write_bytes(VIDEO[:1000])

    library.publish(root, KEY, "A video [abc]")

    assert library.holds(root, "A video [abc]", {"A video.mp4": len(VIDEO)})
    assert not library.is_staged(root, KEY)


@pytest.mark.parametrize(("refusals", "longest"), [
    ([], 200), (["said=143", "names=143"], 143), (["names=143"], 143),
])  # fmt: skip
def test_the_longest_name_is_asked_of_the_share(
    mount: Mount, refusals: list[str], longest: int
) -> None:
    assert shares.longest_name_bytes(mount(*refusals), most=200) == longest


@pytest.mark.parametrize(
    ("refusals", "weaknesses"),
    [
        ([], []),
        (["chmod=EPERM"], ["modes"]),
        (["flags=EINVAL"], ["replace"]),
        (["rename_directory=EPERM"], ["replace", "whole"]),
        (["fsyncdir=EINVAL"], ["durable"]),
    ],
    ids=str,
)
def test_what_a_share_cannot_promise_is_found_by_trying(
    mount: Mount, refusals: list[str], weaknesses: list[str]
) -> None:
    root = mount(*refusals)

    assert shares.weaknesses(root) == weaknesses

    assert list(root.iterdir()) == []


def test_what_is_on_a_share_without_modes_is_removed_all_the_same(mount: Mount) -> None:
    root = mount("chmod=EPERM")
    (root / "tree" / "inner").mkdir(parents=True)
    (root / "tree" / "inner" / "file").write_bytes(b"12345")

    assert remove_tree(root / "tree") == 5

    assert list(root.iterdir()) == []


def test_a_moved_file_gets_the_group_of_a_setgid_library(tmp_path: Path) -> None:
    if os.geteuid():
        pytest.skip("only root can give files to any group")
    root = tmp_path / "media"
    root.mkdir()
    os.chown(root, -1, 12345)
    root.chmod(0o2750)

    library.stage(root, KEY, [video_in(tmp_path / "temp")], mode=0o640)
    library.publish(root, KEY, "A video [abc]")

    entry = root / "A video [abc]"
    for path, mode in ((entry, 0o2750), (entry / "A video.mp4", 0o640)):
        assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (12345, mode)
