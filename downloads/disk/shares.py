"""Calls that the file systems of shares refuse (SMB, NFS, FUSE, rclone), and their substitutes.

File system only. `promises` finds out by trying what a folder cannot promise.
"""

import ctypes
import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RENAME_NOREPLACE = 1
AT_FDCWD = -100
# Answers of a file system that does not know a call. EACCES is how some SMB servers say it.
NOT_SUPPORTED = frozenset(
    {errno.EPERM, errno.EACCES, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF}
)
# st_dev does not tell whether a rename works: two mounts of one file system have the same.
NOT_MOVED = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.ENOTSUP, errno.ENOSYS})

_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def _unless_unsupported() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in NOT_SUPPORTED:
            raise


def set_mode(place: Path | str | int, mode: int) -> None:
    """Give a path or an open file its mode, where its file system has modes."""
    with _unless_unsupported():
        os.chmod(place, mode)  # noqa: PTH101 - an open file as well


def sync(descriptor: int) -> None:
    """Make an open file, or the names in an open directory, durable where that is possible."""
    with _unless_unsupported():
        os.fsync(descriptor)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where its file system can (CIFS cannot)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def takes_group_of(directory: Path, descriptor: int) -> bool:
    """Give an open file the group that files made in a setgid directory have; whether it has it."""
    wanted = directory.stat()
    if not wanted.st_mode & stat.S_ISGID or os.fstat(descriptor).st_gid == wanted.st_gid:
        return True
    with _unless_unsupported():
        os.fchown(descriptor, -1, wanted.st_gid)
    return os.fstat(descriptor).st_gid == wanted.st_gid


def moves(source: Path, target: Path) -> bool:
    """Rename a file; False, with nothing done, when it must be copied instead."""
    try:
        source.rename(target)
    except OSError as error:
        if error.errno not in NOT_MOVED:
            raise
        return False
    return True


def rename_without_replacing(source: Path, target: Path) -> None:
    """rename(2) of a directory that raises FileExistsError instead of replacing anything.

    Where the file system does not support RENAME_NOREPLACE (FUSE, CIFS), somebody else's entry of
    the same name is lost only if it appears between our look and our rename, and if the file system
    lets a directory replace more than an empty directory.
    """
    code = _rename_with_flag(source, target)
    if not code:
        return
    if code not in NOT_SUPPORTED:
        raise OSError(code, os.strerror(code), str(source), None, str(target))
    try:
        if os.path.lexists(target) and source.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        source.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.ENOTDIR):
            raise
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from error


def _rename_with_flag(source: Path, target: Path) -> int:
    """Return the errno, 0 for success."""
    result = _libc.renameat2(
        AT_FDCWD, os.fsencode(source), AT_FDCWD, os.fsencode(target), RENAME_NOREPLACE
    )
    return ctypes.get_errno() if result else 0


def longest_name_bytes(folder: Path, *, most: int) -> int:
    """Return how many bytes a name in the folder may have: what it says, checked by a look-up.

    eCryptfs takes 143 and says so; others say 255 and refuse names that are encrypted to more.
    `most` when the folder does not answer, and at most.
    """
    try:
        said = os.pathconf(folder, "PC_NAME_MAX")
    except OSError:
        return most
    size = min(most, said) if said > 0 else most
    while size > 1 and not _takes_name(folder / ("x" * size)):
        size -= 1
    return size


def _takes_name(path: Path) -> bool:
    try:
        path.lstat()
    except OSError as error:
        return error.errno != errno.ENAMETOOLONG
    return True


def weaknesses(folder: Path) -> list[str]:
    """Try what publishing relies on; return a code for each promise that the folder cannot keep.

    Codes: `replace` (a name that exists may be replaced), `whole` (an entry appears file by file),
    `durable` (names may be lost at a power cut), `modes` (it decides itself who may read). Raises
    OSError when nothing can be made there.
    """
    with tempfile.TemporaryDirectory(prefix=".vnsite-", dir=folder) as made:
        probe = Path(made)
        (probe / "a").mkdir()
        (probe / "a" / "file").touch(mode=0o600)
        found = [
            ("modes", _keeps_modes(probe / "a" / "file")),
            ("replace", not _rename_with_flag(probe / "a", probe / "b")),
            ("whole", (probe / "b").exists() or moves(probe / "a", probe / "b")),
            ("durable", _can_sync(probe)),
        ]
    return [code for code, is_kept in found if not is_kept]


def _keeps_modes(path: Path) -> bool:
    set_mode(path, 0o640)
    return stat.S_IMODE(path.stat().st_mode) == 0o640


def _can_sync(directory: Path) -> bool:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
