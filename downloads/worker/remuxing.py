"""What a download that remuxes is made of: files of an entry in the library."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from django.conf import settings

from downloads.disk.names import name_before
from downloads.models import Download, LibraryEntry
from downloads.rules.about import about_of
from downloads.rules.states import Role


class SourceGone(Exception):
    """The film that was to be remuxed is not in the library any more."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of the entry. Paths are absolute."""

    film: Path
    beside: tuple[dict[str, str], ...]  # as `Job.beside`
    about: dict[str, Any]  # what the site said of the video; see `rules.about`

    @classmethod
    def of(cls, download: Download) -> Self:
        """Look up what a download is to be made of. Raises SourceGone.

        A file beside the film that is not there any more is left out.
        """
        entries = LibraryEntry.objects.filter(correlation_id=download.remux_of)
        entry = entries.select_related("download").first()
        files = [file for file in entry.files.all() if not file.fault] if entry else []
        film = next((file for file in files if file.role == Role.VIDEO), None)
        if entry is None or film is None:
            raise SourceGone("The film is not in the library any more")
        folder = settings.VNSITE.media_root / entry.path
        beside = [
            {
                "path": str(folder / file.name),
                "name": name,
                "media_type": file.media_type,
                "role": file.role,
                "language": file.language,
            }
            for number, file in enumerate(files)
            if (name := name_before(file.name, media_type=file.media_type, number=number))
        ]
        manifest = entry.download.manifest if entry.download else None
        about = about_of((manifest or {}).get("about", {}))
        return cls(film=folder / film.name, beside=tuple(beside), about=about)
