"""The published files of a download in words, and what of them can be played."""

from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext_lazy

from downloads.disk.names import SUBTITLES_TYPE
from downloads.models import Download, PublishedFile
from downloads.rules.states import Role
from downloads.web.format import size

FILE_FAULTS = {
    "missing": gettext_lazy("It was removed outside vnsite."),
    "changed": gettext_lazy("It was changed outside vnsite after it was published."),
    "unreachable": gettext_lazy("The library cannot be read now."),
}
PLAYABLE = frozenset({"audio", "video"})
# What a file is for, in the order in which files are shown.
ROLES = {
    Role.VIDEO: gettext_lazy("Video"),
    Role.AUDIO: gettext_lazy("Audio"),
    Role.SUBTITLES: gettext_lazy("Subtitles"),
    Role.THUMBNAIL: gettext_lazy("Picture"),
    Role.INFO: gettext_lazy("Information for media servers"),
}


class File(NamedTuple):
    """One published file."""

    row: PublishedFile
    address: str
    path: str  # on the server's disk
    about: str  # what it is for, its size and its type
    player: str  # the element that plays it, "video" or "audio"; "" when neither does
    fault: str  # why it cannot be had; "" when it can
    subtitles: list[tuple[str, str]]  # of a video: language and address of each

    @property
    def is_film(self) -> bool:
        """Whether it is what the link stands for, there or not."""
        return self.row.role in (Role.VIDEO, Role.AUDIO)


def files_of(download: Download) -> list[File]:
    """Say what the files are, the video first."""
    rows = sorted(download.files, key=lambda row: list(ROLES).index(Role(row.role)))
    subtitles = [
        (row.language, _address(row, download))
        for row in rows
        if row.media_type == SUBTITLES_TYPE and not row.fault
    ]
    return [_file(row, download, subtitles) for row in rows]


def _file(row: PublishedFile, download: Download, subtitles: list[tuple[str, str]]) -> File:
    kind, fault = row.media_type.partition("/")[0], row.fault
    role = f"{ROLES[Role(row.role)]}{f' ({row.language})' if row.language else ''}"
    return File(
        row=row,
        address=_address(row, download),
        path=str(settings.VNSITE.media_root / row.entry.path / row.name),
        about=f"{role} · {size(row.size)} · {row.media_type}",
        player=kind if kind in PLAYABLE and not fault else "",
        fault=str(FILE_FAULTS.get(fault, "")),
        subtitles=subtitles if row.role == Role.VIDEO else [],
    )


def _address(row: PublishedFile, download: Download) -> str:
    return reverse("media", args=[download.correlation_id, row.name])
