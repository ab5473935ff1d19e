"""Publishes finished files into the library, each entry whole, by one rename.

File system only. An entry is one directory, `<title> [<correlation id>]`, under the media root.
Files are gathered in a staging directory on the same file system first, so that a final name never
shows half a copy.
"""

import ctypes
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

STAGING = ".staging"
BLOCK_BYTES = 2**20
# Others may pass through a folder to the library inside it, but not list it.
PASS_THROUGH = 0o711
RENAME_NOREPLACE = 1
AT_FDCWD = -100

_libc = ctypes.CDLL(None, use_errno=True)


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
    path.chmod(mode | path.stat().st_mode & stat.S_ISGID)


def stage(
    root: Path,
    key: str,
    files: Iterable[StagedFile],
    *,
    mode: int = 0o644,
    require: Callable[[], None] = lambda: None,
) -> Path:
    """Gather the files in `root`/.staging/`key`, on the library's file system, and make it durable.

    They get `mode`, and the folder its `folder_mode`, whatever the umask.
    Files are moved; those of another file system or mount are copied, compared with their hash,
    and the sources kept. What an interrupted staging left under this key is removed first.
    `require` is called directly before each effect; what it raises ends the staging. Raises
    RefusedFile when a file is not what its manifest says, OSError when the disk does not take it.
    After any exception the staging directory is gone.
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
        sync_directory(directory)
    except BaseException:
        discard(root, key)
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
        try:
            file.source.rename(target)
        except OSError as error:
            # st_dev does not tell: two mounts of one file system have the same.
            if error.errno != errno.EXDEV:
                raise
            _copy(source, target, sha256=file.sha256, mode=mode)
        else:
            _require_same(status, target)
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)


def _require_same(status: os.stat_result, target: Path) -> None:
    """Refuse a file that was exchanged between the check and the move."""
    moved = target.lstat()
    if (moved.st_dev, moved.st_ino) != (status.st_dev, status.st_ino):
        raise RefusedFile(f"{target.name} was exchanged while it was moved")


def _copy(source: IO[bytes], target: Path, *, sha256: str, mode: int) -> None:
    digest = hashlib.sha256()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as copy:
        while block := source.read(BLOCK_BYTES):
            digest.update(block)
            copy.write(block)
        copy.flush()
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    if digest.hexdigest() != sha256:
        raise RefusedFile(f"{target.name} changed after it was verified")


def publish(root: Path, key: str, name: str) -> None:
    """Give the staged directory its final name, durably, by a rename that replaces nothing.

    Raises FileExistsError when the name is taken, FileNotFoundError when nothing is staged.
    """
    rename_without_replacing(_staged(root, key), root / name)
    sync_directory(root)


def rename_without_replacing(source: Path, target: Path) -> None:
    """rename(2) of a directory that raises FileExistsError instead of replacing anything.

    Where the file system does not support RENAME_NOREPLACE (FUSE, CIFS), the plain call is used: it
    lets a directory replace nothing but an empty directory.
    """
    result = _libc.renameat2(
        AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE
    )
    if not result:
        return
    code = ctypes.get_errno()
    if code not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(code, os.strerror(code), str(source), None, str(target))
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error


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
    if not name or name in (".", "..", STAGING) or "/" in name or "\0" in name:
        raise ValueError(f"not an entry of the library: {name!r}")
    entry = root / name
    if not entry.is_dir() or entry.is_symlink():
        return 0
    freed = sum(path.lstat().st_size for path in entry.rglob("*") if not path.is_dir())
    shutil.rmtree(entry)
    return freed


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where its file system can (CIFS cannot)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)
