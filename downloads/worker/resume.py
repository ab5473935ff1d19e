"""Carries the proven bytes of an attempt that ended into the next one.

The directory of the ended attempt is reduced to its proven bytes and stays under its name, which
the row calls `carried` from its move to CREATED on. The next attempt moves it into its own.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from downloads import actions
from downloads.disk import isolation, partial
from downloads.models import Download, LostDownload
from downloads.rules.states import State
from downloads.worker import free_space
from downloads.worker.endings import Directory

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """The bytes that stay, as the move to CREATED writes them."""

    carried: str  # the directory; "" for none
    size_bytes: int

    @property
    def data(self) -> dict[str, int]:
        """The entry in the history."""
        return {"kept_bytes": self.size_bytes} if self.size_bytes else {}


def settle(download: Download, directory: Directory, *, is_over: bool) -> Kept:
    """Reduce, remove or leave the directory of an attempt that ended; `is_over`: see `keep`.

    Raises LostDownload when what was carried is removed and the row is not what the caller knows.
    """
    match directory:
        case Directory.REDUCE:
            return keep(download, is_over=is_over)
        case Directory.REMOVE:
            actions.remove_directory(download)
    return Kept(carried=download.carried, size_bytes=0)


def keep(download: Download, *, is_over: bool) -> Kept:
    """Reduce the directory of an attempt that will be followed by another one.

    `is_over`: nothing of it runs any more, and this machine has not been started anew. Otherwise a
    process may still write there, or the bytes may not be on the disk: the directory is removed, as
    on a disk that is too full for any download to begin, unless it holds a recording, which nobody
    can fetch again. What was carried and not taken stays.
    """
    root = settings.VNSITE.temp_root
    size_bytes = 0
    is_recording = partial.holds_recording(root, download.directory)
    if is_over and (is_recording or not free_space.obstacle_to_carry()):
        size_bytes = partial.keep(root, download.directory)
    if not size_bytes:
        isolation.remove_directory(root, download.directory)
        return Kept(carried=download.carried, size_bytes=0)
    if download.carried:
        isolation.remove_directory(root, download.carried)  # a row names one
    return Kept(carried=download.directory, size_bytes=size_bytes)


def bring(download: Download, directory: Path) -> None:
    """Move what is carried into the directory of the attempt, if it is on this machine."""
    if download.carried:
        partial.bring(settings.VNSITE.temp_root, download.carried, directory)


def make_room() -> None:
    """While their disk is too full for any download to begin, give up what waiting ones carry.

    Else they might wait for the room that they take themselves.
    """
    waiting = Download.objects.filter(state=State.CREATED).exclude(carried="")
    for download in waiting.order_by("-id"):
        obstacle = free_space.obstacle_to_carry()
        if partial.holds_recording(settings.VNSITE.temp_root, download.carried):
            continue  # nobody can fetch it again
        if obstacle and isolation.is_there(settings.VNSITE.temp_root, download.carried):
            logger.warning("%s will be fetched from the beginning: %s", download, obstacle)
            with suppress(LostDownload):  # it was claimed meanwhile
                actions.drop_carried(download)


def remove_unless_named(download: Download, name: str) -> bool:
    """Remove a directory of this download unless its row names it; return whether it did."""
    row = Download.objects.filter(pk=download.pk).first()
    if row is not None and name in (row.directory, row.carried):
        return False
    isolation.remove_directory(settings.VNSITE.temp_root, name)
    return True
