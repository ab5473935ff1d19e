"""Entries that left the library and can still come back: `.trash/` on its file system.

File system only. An entry is moved there and back by one rename. Rows say what belongs there: who
looks at a row and moves its entry does both within `locked`.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from downloads.disk import library, shares

TRASH = library.TRASH
LOCK = ".lock"
PRIVATE = 0o700
# How file systems without locks answer; then two removals of one entry at a time may meet.
WITHOUT_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EINVAL})


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Keep every other process of the machine from moving entries to the trash or back."""
    library.make_folder(root / TRASH, PRIVATE)
    descriptor = os.open(root / TRASH / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            if error.errno not in WITHOUT_LOCKS:
                raise
        yield
    finally:
        os.close(descriptor)


def put_away(root: Path, name: str, key: str) -> None:
    """Move an entry, or a file that is none, into the trash, durably, unless it is there already or
    nowhere.

    Raises OSError when the file system does not move directories.
    """
    entry, kept = library.entry_path(root, name), _kept(root, key)
    if os.path.lexists(kept) or not (entry.is_dir() or entry.is_file()) or entry.is_symlink():
        return
    shares.rename_without_replacing(entry, kept)
    shares.sync_directory(kept.parent)
    shares.sync_directory(entry.parent)
    library.remove_empty_folders(root, entry)


def bring_back(root: Path, name: str, key: str, *, mode: int) -> None:
    """Move an entry back to its name, durably; nothing when it is not in the trash.

    `mode` is that of folders which have to be made. Raises FileExistsError when the name is taken.
    """
    entry, kept = library.entry_path(root, name), _kept(root, key)
    if not os.path.lexists(kept):
        return
    library.make_folder(entry.parent, mode)
    shares.rename_without_replacing(kept, entry)
    shares.sync_directory(entry.parent)
    shares.sync_directory(kept.parent)


def remove(root: Path, key: str) -> None:
    """Remove what is in the trash, for good."""
    kept = _kept(root, key)
    if kept.is_dir() and not kept.is_symlink():
        shutil.rmtree(kept)
    else:
        kept.unlink(missing_ok=True)


def _kept(root: Path, key: str) -> Path:
    if key in ("", ".", "..", LOCK) or "/" in key or "\0" in key:
        raise ValueError(f"not a key of the trash: {key!r}")
    return root / TRASH / key
