"""Publishes finished files into the library, each entry whole, by one rename.

File system only. An entry is one directory, `<title> [<correlation id>]`, under the media root.
Files are gathered in a staging directory on the same file system first, so that a final name never
shows half a copy.
"""

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from downloads.disk import shares

STAGING = ".staging"
TRASH = ".trash"
BLOCK_BYTES = 2**20
# Others may pass through a folder to the library inside it, but not list it.
PASS_THROUGH = 0o711
# In a staging directory: the entry's folder was made, and is filled file by file.
CLAIM = ".claimed"


class RefusedFile(Exception):
    """A file is not what its manifest says. Nothing was published."""


@dataclass(frozen=True, kw_only=True)
class StagedFile:
    """A file to publish: where it is now, and what it must be."""

    source: Path
    name: str  # in the library
    size: int
    sha256: str


def folder_mode(file_mode: int) -> int:
    """Return the mode of folders whose files have `file_mode`: who may read may enter."""
    return file_mode | (file_mode & 0o444) >> 2


def make_folder(path: Path, mode: int) -> None:
    """Make a folder with a mode that no umask limits; one that exists is kept.

    Whoever may enter it may pass through the parents that are made with it. It inherits the setgid
    bit of its parent, as folders do.
    """
    try:
        if not path.parent.exists():
            make_folder(path.parent, mode & PASS_THROUGH)
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
        return
    _open_to(path, mode)


def _open_to(path: Path, mode: int) -> None:
    shares.set_mode(path, mode | path.stat().st_mode & stat.S_ISGID)


def stage(
    root: Path,
    key: str,
    files: Collection[StagedFile],
    *,
    mode: int = 0o644,
    require: Callable[[], None] = lambda: None,
) -> Path:
    """Gather the files in `root`/.staging/`key`, on the library's file system, and make it durable.

    They get `mode`, and the folder its `folder_mode`, whatever the umask, and the group of a setgid
    library. Files are moved; those that cannot be are copied, compared with their hash, and the
    sources kept. What an interrupted staging left under this key is removed first.
    `require` is called directly before each effect; what it raises ends the staging. Raises
    RefusedFile when a file is not what its manifest says, OSError when the disk does not take it.
    After any exception the files are where they were, and the staging directory is gone, unless
    the disk refuses that as well.
    """
    directory = _staged(root, key)
    require()
    discard(root, key)
    make_folder(root, folder_mode(mode))
    make_folder(directory.parent, 0o700)
    directory.mkdir()
    try:
        for file in files:
            require()
            _bring(file, directory / file.name, mode=mode)
        _open_to(directory, folder_mode(mode))
        shares.sync_directory(directory)
    except BaseException:
        bring_back(root, key, files)
        raise
    return directory


def open_finished(path: Path) -> BufferedReader:
    """Open a file for reading, without following a link or waiting at a pipe.

    Raises RefusedFile for anything but a regular file with one link.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):  # a symbolic link, a socket
            raise
        raise RefusedFile(f"{path.name} is not a regular file with one link") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        os.close(descriptor)
        raise RefusedFile(f"{path.name} is not a regular file with one link")
    return os.fdopen(descriptor, "rb")


def _bring(file: StagedFile, target: Path, *, mode: int) -> None:
    with open_finished(file.source) as source:
        descriptor = source.fileno()
        status = os.fstat(descriptor)
        if status.st_size != file.size:
            raise RefusedFile(f"{file.source.name} has {status.st_size} bytes, not {file.size}")
        if not shares.takes_group_of(target.parent, descriptor) or not shares.moves(
            file.source, target
        ):
            _copy(source, file, target, mode=mode)
            return
    with open_finished(target) as moved:  # the handle of before may be stale on a share
        _require_same(status, moved, sha256=file.sha256)
        shares.set_mode(moved.fileno(), mode)
        shares.sync(moved.fileno())


def _require_same(status: os.stat_result, moved: BufferedReader, *, sha256: str) -> None:
    """Refuse a file that was exchanged between the check and the move.

    Some shares give a file another number when it is moved: then its content decides.
    """
    found = os.fstat(moved.fileno())
    if (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino):
        return
    if hashlib.file_digest(moved, "sha256").hexdigest() != sha256:
        raise RefusedFile("a file was exchanged while it was moved")


def _copy(source: BufferedReader, file: StagedFile, target: Path, *, mode: int) -> None:
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            copy.write(block)
        copy.flush()
        shares.set_mode(descriptor, mode)
        shares.sync(descriptor)
    if digest.hexdigest() != file.sha256:
        raise RefusedFile(f"{target.name} changed after it was verified")
    if target.stat().st_size != file.size:
        raise OSError(errno.EIO, "The copy is not complete", str(target))


def publish(root: Path, key: str, name: str) -> None:
    """Give the staged directory its final name, durably, by a rename that replaces nothing.

    Where directories cannot be renamed, the entry is filled file by file, and goes on where it was
    interrupted. Raises FileExistsError when the name is taken, FileNotFoundError when nothing is
    staged.
    """
    staged, target = _staged(root, key), root / name
    with suppress(OSError):
        staged.rmdir()  # empty: the entry was filled, and then we were interrupted
    folders = _folders_of(root, target)
    for folder in folders if staged.exists() else []:
        make_folder(folder, stat.S_IMODE(staged.stat().st_mode) & 0o777)
    if (staged / CLAIM).exists() or not _renamed(staged, target):
        _fill(staged, target)
    for folder in (*folders, root):
        shares.sync_directory(folder)


def _folders_of(root: Path, entry: Path) -> list[Path]:
    """Return the folders between the library and an entry, the outermost first."""
    return list(entry.parents)[: len(entry.relative_to(root).parts) - 1][::-1]


def _renamed(staged: Path, target: Path) -> bool:
    try:
        shares.rename_without_replacing(staged, target)
    except OSError as error:
        if error.errno not in shares.NOT_MOVED:
            raise
        return False
    return True


def _fill(staged: Path, target: Path) -> None:
    """Make the entry's folder, which nobody else can have made then, and move the files into it."""
    claim = staged / CLAIM
    if not claim.exists():
        with suppress(OSError):
            target.rmdir()  # empty: made by us before an interruption, as a rename would replace it
        target.mkdir()
        _open_to(target, stat.S_IMODE(staged.stat().st_mode))
        claim.touch()
    for path in staged.iterdir():
        if path != claim:
            _carry(path, target / path.name)
    shares.sync_directory(target)
    claim.unlink()
    staged.rmdir()


def _carry(source: Path, target: Path) -> None:
    """Move one of our own files, by copying where it cannot be renamed."""
    if shares.moves(source, target):
        return
    target.unlink(missing_ok=True)  # half a copy
    with source.open("rb") as original:
        file = StagedFile(
            source=source,
            name=target.name,
            size=os.fstat(original.fileno()).st_size,
            sha256=hashlib.file_digest(original, "sha256").hexdigest(),
        )
        original.seek(0)
        _copy(original, file, target, mode=stat.S_IMODE(os.fstat(original.fileno()).st_mode))
    source.unlink()


def bring_back(root: Path, key: str, files: Collection[StagedFile], *, name: str = "") -> None:
    """Undo a staging, and the publication as `name` if the caller knows that entry to be its own.

    The files go back to their sources; one that is still, or again, there stays. Nothing is staged
    or published after this. Raises OSError, with nothing lost, when the disk refuses; may be done
    again then.
    """
    staged = _staged(root, key)
    # Staged without a claim: another's entry may bear that name.
    is_published = bool(name) and ((staged / CLAIM).exists() or not staged.exists())
    for folder in (staged, root / name) if is_published else (staged,):
        for file in files:
            if file.source.parent.is_dir() and not _is_whole(file):
                with suppress(FileNotFoundError):
                    _carry(folder / file.name, file.source)
    if is_published:
        remove(root, name)
    elif name:
        with suppress(OSError):
            (root / name).rmdir()  # empty: made for a claim that was interrupted
        _remove_empty(_folders_of(root, root / name))
    discard(root, key)


def _is_whole(file: StagedFile) -> bool:
    try:
        return file.source.lstat().st_size == file.size
    except FileNotFoundError:
        return False


def _staged(root: Path, key: str) -> Path:
    """Return the staging directory of a key. Raises ValueError for a key that is not one name."""
    if key in ("", ".", "..") or "/" in key or "\0" in key:
        raise ValueError(f"not a key of the staging directory: {key!r}")
    return root / STAGING / key


def is_staged(root: Path, key: str) -> bool:
    return _staged(root, key).is_dir()


def holds(root: Path, name: str, sizes: dict[str, int]) -> bool:
    """Whether the entry has exactly these files (name → size in bytes)."""
    entry = root / name
    try:
        found = {path.name: path.lstat().st_size for path in entry.iterdir()}
    except (FileNotFoundError, NotADirectoryError):
        return False
    return found == sizes


def fault_of(path: Path, *, size: int) -> str:
    """Return why a published file cannot be had: `missing`, `changed`, `unreachable`; or "".

    Looks at its size alone: `check_lifecycle --hashes` finds other bytes of the same size.
    """
    try:
        status = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return "missing"
    except OSError:
        return "unreachable"
    return "" if stat.S_ISREG(status.st_mode) and status.st_size == size else "changed"


def discard(root: Path, key: str) -> None:
    """Remove what is staged under the key, if anything."""
    directory = _staged(root, key)
    if directory.is_symlink():
        directory.unlink()
    elif directory.exists():
        shutil.rmtree(directory, onerror=_unless_gone)


def _unless_gone(function: object, path: str, error: Any) -> None:
    """Ignore what another recovery, discarding the same directory, has removed already."""
    if not isinstance(error[1], FileNotFoundError):
        raise error[1]


def remove(root: Path, name: str) -> int:
    """Remove an entry with its files; return the bytes freed, 0 when it is not there.

    Raises ValueError for a name that is not an entry's: nothing outside the library is removed.
    """
    entry = entry_path(root, name)
    if not entry.is_dir() or entry.is_symlink():
        return 0
    freed = sum(path.lstat().st_size for path in entry.rglob("*") if not path.is_dir())
    shutil.rmtree(entry)
    remove_empty_folders(root, entry)
    return freed


def entry_path(root: Path, name: str) -> Path:
    """Return the path of an entry. Raises ValueError for a name that is not an entry's."""
    parts = name.split("/")
    if parts[0] in (STAGING, TRASH) or {"", ".", ".."} & set(parts) or "\0" in name:
        raise ValueError(f"not an entry of the library: {name!r}")
    return root / name


def remove_empty_folders(root: Path, entry: Path) -> None:
    """Remove the folders around an entry that is gone, if they are empty."""
    _remove_empty(_folders_of(root, entry))


def _remove_empty(folders: list[Path]) -> None:
    with suppress(OSError):
        for folder in reversed(folders):
            folder.rmdir()
