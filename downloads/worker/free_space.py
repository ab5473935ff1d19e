"""Watches free space: whether a download may begin, and whether a running one must give way.

The temp root and the library are checked before each claim and while downloads run. The limits
differ, so that downloads are not started and put back in turns.
"""

import os
import resource
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from downloads.disk.library import folder_mode, make_folder

TEMP_MODE = 0o700
# Below VNSITE_MIN_FREE_BYTES nothing begins; below this part of it the youngest gives way.
GIVE_WAY_PART = 0.5
# A download makes a directory and some files, and a database beside it a few more.
MIN_FREE_FILES = 100
# What one attempt opens: pipe, socket, lock, a connection to the database, files to publish.
MIN_FREE_DESCRIPTORS = 16


def obstacle_to_begin() -> str:
    """Return why no download may begin now, or "". Makes the two folders if they are missing."""
    return _obstacle(settings.VNSITE.min_free_bytes) or _obstacle_in_descriptors()


def obstacle_to_carry() -> str:
    """Return why nothing may wait in the temp root for its next attempt, or "".

    A library that is full or away is none of its making.
    """
    return _obstacle_in(settings.VNSITE.temp_root, TEMP_MODE, settings.VNSITE.min_free_bytes)


def obstacle_to_go_on() -> str:
    """Return why one of the running downloads must make room now, or "".

    A folder that cannot be written does not count: nobody's giving way mends it, and the error of
    the write says more.
    """
    least_bytes = int(settings.VNSITE.min_free_bytes * GIVE_WAY_PART)
    with suppress(OSError):
        return _first(_shortage_in(root, least_bytes) for root in _roots() if _is_writable(root))
    return ""


def _obstacle(least_bytes: int) -> str:
    return _first(_obstacle_in(root, mode, least_bytes) for root, mode in _roots().items())


def _roots() -> dict[Path, int]:
    """Return the two roots, with the modes that they are made with."""
    library_mode = folder_mode(settings.VNSITE.library_mode)
    return {settings.VNSITE.temp_root: TEMP_MODE, settings.VNSITE.media_root: library_mode}


def _first(obstacles: Iterable[str]) -> str:
    return next(filter(None, obstacles), "")


def _obstacle_in(root: Path, mode: int, least_bytes: int) -> str:
    try:
        make_folder(root, mode)
        shortage = _shortage_in(root, least_bytes)
    except OSError as error:
        return f"{root} cannot be used ({error.strerror})"
    return shortage if _is_writable(root) else f"{root} cannot be written"


def _is_writable(root: Path) -> bool:
    return os.access(root, os.W_OK | os.X_OK)


def _shortage_in(root: Path, least_bytes: int) -> str:
    disk = os.statvfs(root)
    if disk.f_bavail * disk.f_frsize < least_bytes:
        return f"less than {least_bytes} bytes are free in {root}"
    if disk.f_files and disk.f_favail < MIN_FREE_FILES:  # 0 files: the file system has no limit
        return f"fewer than {MIN_FREE_FILES} files can be made in {root}"
    return ""


def _obstacle_in_descriptors() -> str:
    """Return why file descriptors are short, or "": a claim without them would waste an attempt."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        used = len(list(Path("/proc/self/fd").iterdir()))
    except OSError as error:
        return f"this process cannot open a file ({error.strerror})"
    if soft - used < MIN_FREE_DESCRIPTORS:
        return f"this process may open {soft} files and has {used} open"
    return ""
