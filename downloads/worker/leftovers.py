"""Directories of attempts that are over: found by any host, removed, or reported.

Every attempt's row names its directory, so whatever bears one of our names is that of an attempt
that needs it, of one that is over, or of none.
"""

import logging
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from downloads.disk import isolation, library
from downloads.fetch.processes import ChildFailed, Process, boot_id, end_attempt, end_attempts
from downloads.models import Attempt, Download

logger = logging.getLogger(__name__)

DIRECTORY, STAGING = "directory", "staging"
REPORTED = "reported: no attempt names it"
REMOVE = "remove"
BATCH = 500  # directories whose processes are looked for at once


@dataclass(frozen=True, kw_only=True)
class Orphan:
    """Something that a dead worker left, and what was (or would be) done about it."""

    what: str  # "download", DIRECTORY or STAGING
    correlation_id: str
    path: Path | None
    size_bytes: int
    action: str
    is_mended: bool = True  # nothing is left to do

    @property
    def was_mended(self) -> bool:
        """Whether something was done: not of what is another database's."""
        return self.is_mended and self.action != REPORTED


@dataclass(frozen=True, kw_only=True)
class Leftover:
    """A directory that bears one of our names and that no download needs."""

    what: str  # DIRECTORY, under the temp root, or STAGING, in the library
    path: Path
    correlation_id: str
    attempt: Attempt | None  # None: no row names it, and nobody may touch it
    download: Download | None  # of that correlation id

    @property
    def name(self) -> str:
        """The attempt's name for it, without the suffix of a making or a removal."""
        return isolation.final_name(self.path.name)

    @property
    def is_fault(self) -> bool:
        """True when the database should know it and does not; else it is of another database."""
        return self.attempt is None and self.download is not None


def find(*, only: frozenset[str] | None = None) -> list[Leftover]:
    """Return the directories that no download needs, in the order of their paths."""
    # The disk first: a row names its directory before that is made. So what no row needs now is
    # needed never again.
    found = [
        (what, path, correlation_id)
        for what, root in _roots()
        for path in _directories_in(root)
        if (correlation_id := isolation.parse_directory_name(path.name))
        and (only is None or correlation_id in only)
    ]
    if not found:
        return []
    needed = _needed_names()
    spare = [each for each in found if isolation.final_name(each[1].name) not in needed[each[0]]]
    attempts = Attempt.objects.of_directories(
        isolation.final_name(path.name) for _, path, _ in spare
    )
    downloads = Download.objects.filter(correlation_id__in={each[2] for each in spare})
    by_id = {download.correlation_id: download for download in downloads}
    return [
        Leftover(
            what=what,
            path=path,
            correlation_id=correlation_id,
            attempt=attempts.get(isolation.final_name(path.name)),
            download=by_id.get(correlation_id),
        )
        for what, path, correlation_id in spare
    ]


def remove(*, host: str, only: frozenset[str] | None, dry_run: bool) -> list[Orphan]:
    """Remove what attempts left that are over; return that, and what is of none."""
    orphans, found = [], find(only=only)
    for start in range(0, len(found), BATCH):
        batch = [leftover for leftover in found[start : start + BATCH] if _is_left(leftover)]
        is_ended = not dry_run and _end_all(batch, host=host)
        for leftover in batch:
            if leftover.attempt is None:
                is_mended = not leftover.is_fault
                orphans.append(_orphan(leftover, REPORTED, is_mended=is_mended))
            elif dry_run:
                orphans.append(_orphan(leftover, REMOVE))
            else:
                orphans.append(_remove_one(leftover, leftover.attempt, host, is_ended=is_ended))
    return orphans


def _is_left(leftover: Leftover) -> bool:
    """Whether it is still there, and nobody works in it."""
    if not os.path.lexists(leftover.path):
        return False  # its worker has just removed it
    is_of_attempt = leftover.attempt is not None and leftover.what == DIRECTORY
    return not (is_of_attempt and isolation.is_owned(settings.VNSITE.temp_root, leftover.name))


def _end_all(leftovers: list[Leftover], *, host: str) -> bool:
    """End the processes that may write in any of these; False when one of them survives."""
    children = {
        leftover.name: child_of(leftover.attempt, host=host)
        for leftover in leftovers
        if leftover.attempt is not None and leftover.what == DIRECTORY
    }
    try:
        end_attempts(children)
    except ChildFailed:
        return False
    return True


def child_of(attempt: Attempt, *, host: str) -> Process | None:
    """Return the attempt's child; None when its pid says nothing on this host since its boot."""
    if attempt.child_pid is None or not attempt.was_on(host, boot_id=boot_id()):
        return None
    return Process(attempt.child_pid, attempt.child_started or 0)


def forget_attempts(now: datetime, *, host: str) -> None:
    """Delete the rows of this host's attempts whose download, and all that they left, is gone."""
    for attempt in Attempt.objects.forgettable(now, host=host):
        if not isolation.is_there(settings.VNSITE.temp_root, attempt.directory):
            attempt.delete()


def _remove_one(leftover: Leftover, attempt: Attempt, host: str, *, is_ended: bool) -> Orphan:
    """Remove a directory; unless `is_ended`, look first for processes that write in it."""
    orphan = _orphan(leftover, REMOVE)
    logger.info("%s is removed: its attempt is over", leftover.path)
    try:
        if leftover.what == STAGING:
            library.discard(settings.VNSITE.media_root, leftover.path.name)
        else:
            if not is_ended:
                end_attempt(leftover.name, child_of(attempt, host=host))
            isolation.remove_directory(settings.VNSITE.temp_root, leftover.name)
    except (OSError, ChildFailed) as error:
        logger.warning("%s could not be removed: %s", leftover.path, error)
        return _orphan(leftover, f"failed: {error}", is_mended=False)
    return orphan


def _orphan(leftover: Leftover, action: str, *, is_mended: bool = True) -> Orphan:
    return Orphan(
        what=leftover.what,
        correlation_id=leftover.correlation_id,
        path=leftover.path,
        size_bytes=isolation.directory_size(leftover.path),
        action=action,
        is_mended=is_mended,
    )


def _roots() -> list[tuple[str, Path]]:
    return [
        (DIRECTORY, settings.VNSITE.temp_root),
        (STAGING, settings.VNSITE.media_root / library.STAGING),
    ]


def _directories_in(root: Path) -> list[Path]:
    try:
        with os.scandir(root) as entries:
            names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [root / name for name in names]


def _needed_names() -> dict[str, set[str]]:
    """Return the names that downloads need, by kind; staged files only while they run."""
    rows = Download.objects.exclude(directory="", carried="")
    directories = {name for row in rows.values_list("directory", "carried") for name in row}
    staged = set(Download.objects.running().values_list("directory", flat=True))
    return {DIRECTORY: directories, STAGING: staged}
