"""The film of a download's page: what is played, and where it goes on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.urls import reverse

from downloads.library.models import Position
from downloads.web.files_view import File

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, kw_only=True)
class Film:
    """What the page plays, or says to be missing."""

    file: File
    position_address: str = ""  # of the API; "": nothing is played
    resume_seconds: int = 0

    @property
    def address(self) -> str:
        """Where it begins is a part of the address: so it goes on without a script, too."""
        return self.at(self.resume_seconds) if self.resume_seconds else self.file.address

    def at(self, seconds: float) -> str:
        return f"{self.file.address}#t={seconds:g}"


def film_of(files: Sequence[File], *, viewer: "User") -> Film | None:
    """Return what is played at the top, or is missing there; None when there is no such file."""
    played = next((file for file in files if file.player), None)
    if played is None:
        missing = next((file for file in files if file.is_film), None)
        return Film(file=missing) if missing else None
    entry = played.row.entry_id
    position = Position.objects.filter(entry=entry, user=viewer).first()
    return Film(
        file=played,
        position_address=reverse("api:keep_position", args=[entry]),
        resume_seconds=position.resume_seconds if position else 0,
    )
