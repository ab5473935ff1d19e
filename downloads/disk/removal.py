"""Removes a tree that somebody hostile may have filled: any depth, any name, any permission.

Follows no symbolic link, and may run several times at once on the same tree. For trees that hold
only our own files `shutil.rmtree` is enough.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from downloads.disk.shares import set_mode

_PASSES = 10

StrPath = str | os.PathLike[str]


def remove_tree(path: Path) -> int:
    """Remove a directory and all that is in it; return the bytes of its files.

    0 when there is none. Raises OSError when something in it cannot be removed.
    """
    freed = 0
    for passes_left in reversed(range(_PASSES)):
        try:
            freed += _empty(path)
            path.rmdir()
        except FileNotFoundError:
            break
        except OSError as error:
            # Another removal of the same tree may have moved something up after we had looked.
            if error.errno != errno.ENOTEMPTY or not passes_left:
                raise
        else:
            break
    return freed


def _empty(path: Path) -> int:
    """Remove everything in a directory; return the bytes of its files.

    Each sub-directory is moved up into `path` before it is emptied, so that no depth can exhaust
    the stack, the open files or the length of a path.
    """
    _make_accessible(path)
    with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as top:
        freed, pending = _unlink_files(top)
        while pending:
            name = pending.pop()
            with suppress(FileNotFoundError):
                _make_accessible(name, dir_fd=top)
                with _opened(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=top) as directory:
                    freed_here, inner = _unlink_files(directory)
                    freed += freed_here
                    pending += [_move_up(each, directory, top) for each in inner]
                os.rmdir(name, dir_fd=top)
    return freed


def _unlink_files(directory: int) -> tuple[int, list[str]]:
    """Remove all but the sub-directories; return the bytes of the files and those names."""
    freed = 0
    subdirectories = []
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                subdirectories.append(entry.name)
                continue
            with suppress(FileNotFoundError):
                status = entry.stat(follow_symlinks=False)
                os.unlink(entry.name, dir_fd=directory)
                freed += status.st_size if stat.S_ISREG(status.st_mode) else 0
    return freed, subdirectories


def _move_up(name: str, directory: int, top: int) -> str:
    moved = secrets.token_hex(16)
    with suppress(FileNotFoundError):
        _make_accessible(name, dir_fd=directory)  # moving a directory writes its `..`
        os.rename(name, moved, src_dir_fd=directory, dst_dir_fd=top)
    return moved


def _make_accessible(name: StrPath, *, dir_fd: int | None = None) -> None:
    """Give the owner every right on a directory, never on what a link of that name points to."""
    with _opened(name, os.O_PATH | os.O_DIRECTORY, dir_fd=dir_fd) as directory:
        set_mode(f"/proc/self/fd/{directory}", 0o700)


@contextmanager
def _opened(name: StrPath, flags: int, *, dir_fd: int | None = None) -> Iterator[int]:
    descriptor = os.open(name, flags | os.O_NOFOLLOW, dir_fd=dir_fd)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
