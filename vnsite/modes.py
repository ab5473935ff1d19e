"""Closes vnsite's own files to other users, and opens the library as configured.

Runs before every command, and when a server imports the site. Imports nothing of Django.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote

from downloads.disk.library import PASS_THROUGH, folder_mode, make_folder
from vnsite.config import Config

OWNER_ONLY = 0o700
READABLE_BY_OTHERS = 0o044
SQLITE = "sqlite:///"

logger = logging.getLogger(__name__)


def apply(config: Config) -> list[Path]:
    """Set the umask, make the folders, and return the paths that had to be closed.

    An existing folder outside the data directory keeps its mode: it may be shared on purpose.
    Raises OSError when the data directory cannot be made.
    """
    os.umask(0o077)
    way = _way_to_the_library(config)
    data = config.data_dir.resolve()
    make_folder(data, PASS_THROUGH if data in way else OWNER_ONLY)
    closed = [
        path
        for path in (data, *_own(config))
        if _close(path, PASS_THROUGH if path in way else OWNER_ONLY)
    ]
    with suppress(OSError):  # a command that needs the library reports it
        make_folder(config.media_root, folder_mode(config.library_mode))
    return closed


def report(closed: list[Path]) -> None:
    """Log in one line what was closed. Call this after logging is configured."""
    if closed:
        paths = ", ".join(map(str, closed))
        logger.warning("Closed to other users of this machine: %s", paths)


def _way_to_the_library(config: Config) -> set[Path]:
    """Return the folders that others pass through to the library; none if it is private."""
    if not config.library_mode & READABLE_BY_OTHERS:
        return set()
    library = config.media_root
    return {path.resolve() for path in (*library.parents, *library.resolve().parents)}


def _own(config: Config) -> Iterator[Path]:
    """Yield what lies in the data directory, except the library, and SQLite's files elsewhere."""
    library = config.media_root.resolve()
    yield from (path for path in config.data_dir.resolve().iterdir() if path != library)
    if config.database_url.startswith(SQLITE):
        file = unquote(config.database_url.removeprefix(SQLITE))
        yield from (Path(file + suffix) for suffix in ("", "-wal", "-shm", "-journal"))


def _close(path: Path, most: int) -> bool:
    """Take away every right beyond `most`; return whether there was one. Follows no link."""
    with suppress(OSError):  # missing, or another user's: `doctor` warns of what matters
        mode = path.lstat().st_mode
        if not path.is_symlink() and mode & 0o777 & ~most:
            path.chmod(mode & 0o7777 & ~(0o777 & ~most))
            return True
    return False
