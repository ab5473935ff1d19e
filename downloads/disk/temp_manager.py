"""The isolated directories under one root, for scripts that have no rows.

File system only, and imports nothing of Django.
"""

import logging
import os
import stat
import time
from datetime import timedelta
from pathlib import Path

from downloads.disk.isolation import (
    IsolatedDownload,
    absolute_root,
    parse_directory_name,
    remove_unless_owned,
    require_correlation_id,
)
from downloads.disk.removal import StrPath

logger = logging.getLogger(__name__)


class TempManager:
    """The isolated directories under one root, found by their names alone, without any rows.

    It touches only real directories whose name parses and that belong to this user, and never one
    that is in use: whose lock a living process holds, this one included.
    """

    def __init__(self, root: StrPath | None = None) -> None:
        self.root = absolute_root(root)

    def create(self, correlation_id: str) -> IsolatedDownload:
        """A new isolated directory under this root, made when its `with` is entered."""
        return IsolatedDownload(correlation_id, self.root)

    def cleanup_by_correlation_id(self, correlation_id: str) -> bool:
        """Remove the directories of exactly this correlation id that are not in use.

        True when there was one to remove. ValueError for what is no correlation id; OSError when
        one could not be removed.
        """
        require_correlation_id(correlation_id)
        paths = [path for found, path in self._directories() if found == correlation_id]
        return sum(remove_unless_owned(path) for path in paths) > 0

    def list_active_downloads(self) -> list[str]:
        """The correlation ids that have a directory, in use or left behind; sorted, each once."""
        return sorted({correlation_id for correlation_id, _ in self._directories()})

    def cleanup_old(self, max_age: timedelta | float) -> int:
        """Remove the directories not in use whose last change is more than `max_age` ago.

        A number means seconds. Returns how many were removed; one that cannot be removed is logged
        and does not stop the others. ValueError for a negative age.
        """
        seconds = max_age.total_seconds() if isinstance(max_age, timedelta) else max_age
        if not seconds >= 0:
            raise ValueError(f"max_age must not be negative: {max_age!r}")
        return sum(self._remove_if_older(path, seconds) for _, path in self._directories())

    def _remove_if_older(self, path: Path, seconds: float) -> bool:
        try:
            return time.time() - path.lstat().st_mtime > seconds and remove_unless_owned(path)
        except FileNotFoundError:  # somebody else removed it
            return False
        except OSError as error:
            logger.error("%s could not be removed: %s", path, error)
            return False

    def _directories(self) -> list[tuple[str, Path]]:
        try:
            paths = sorted(self.root.iterdir())
        except FileNotFoundError:
            return []
        parsed = [(parse_directory_name(path.name), path) for path in paths]
        return [(found, path) for found, path in parsed if found and _is_own_directory(path)]


def cleanup_download(correlation_id: str, root: StrPath | None = None) -> bool:
    """Remove what a dead process left of a download; see TempManager.cleanup_by_correlation_id."""
    return TempManager(root).cleanup_by_correlation_id(correlation_id)


def _is_own_directory(path: Path) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
