"""Closes vnsite's own files to others, whatever the umask, and opens the library as configured.

Runs before every command. Imports nothing of Django.
"""

import os
from contextlib import suppress
from pathlib import Path

from downloads.disk.library import folder_mode, make_folder
from vnsite.config import Config

OWNER_ONLY = 0o700
# Others may pass through the data directory to a library inside it, but not list it.
PASS_THROUGH = 0o711
READABLE_BY_OTHERS = 0o044


def apply(config: Config) -> None:
    """Set the umask, make the folders, and close what an earlier version left open.

    A folder that was there before and lies outside the data directory keeps its mode: it may be
    shared on purpose. Raises OSError when the data directory cannot be made.
    """
    os.umask(0o077)
    is_inside = config.media_root.is_relative_to(config.data_dir)
    is_open = is_inside and bool(config.library_mode & READABLE_BY_OTHERS)
    mode = PASS_THROUGH if is_open else OWNER_ONLY
    make_folder(config.data_dir, mode)
    _close(config.data_dir, mode)
    for path in config.data_dir.iterdir():
        if path != config.media_root:
            _close(path, OWNER_ONLY)
    with suppress(OSError):  # a command that needs the library says so
        make_folder(config.media_root, folder_mode(config.library_mode))


def _close(path: Path, most: int) -> None:
    """Take away every right beyond `most`; never follows a link."""
    with suppress(OSError):  # somebody else's: `doctor` warns of what matters
        mode = path.lstat().st_mode
        if not path.is_symlink() and mode & 0o777 & ~most:
            path.chmod(mode & 0o7777 & ~(0o777 & ~most))
