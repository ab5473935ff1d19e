"""Imports films that another tool left in the library: each becomes an entry, as if fetched here.

Files stay where they are, or are moved into a folder of their own by renames. Some films at a time:
first all that touches the disk, then one short transaction. Whoever is killed in between finds the
rest the next time, because a film without a row is a film to import.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings

from downloads.disk import adoption, library
from downloads.disk.adoption import Fault, Film, LeftOut, Looked
from downloads.disk.names import readable
from downloads.fetch import info_file
from downloads.fetch.info_file import Info, NotInfo
from downloads.models import Download, LibraryEntry
from downloads.models.batches import Adopted, adopt
from downloads.models.download import MAX_TITLE_LENGTH
from downloads.rules.fetched_names import link_of, title_and_id
from downloads.rules.media_id import media_id_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH = 50  # films of one transaction: other writers wait for it


@dataclass(kw_only=True)
class Imported:
    """What an import did, or would do."""

    entries: list[str] = field(default_factory=list)  # names in the library
    moved: list[str] = field(default_factory=list)  # those of them that got a folder of their own
    known: int = 0
    left_out: dict[Fault, list[str]] = field(default_factory=lambda: defaultdict(list))  # paths
    unread: list[str] = field(default_factory=list)  # each `.info.json` that was of no use


@dataclass(frozen=True, kw_only=True)
class Import:
    """One run over a folder of the library."""

    owner: "User | None"
    actor: str
    extractor: str = ""  # whose ids names end with, in lower case; "": nobody knows
    own_folders: bool = False  # give one to each film that shares a folder
    only: Path | None = None  # the one film that is wanted; None: all
    dry_run: bool = False
    on_found: Callable[[object], None] | None = None  # told of each film
    done: Imported = field(default_factory=Imported)

    def run(self, top: Path) -> Imported:
        """Import what is in and below `top`, which is in the library; neither is a link.

        Raises OSError when a folder does not become durable, and what the database raises; what
        was imported until then stays, and another run goes on.
        """
        root = settings.VNSITE.media_root.resolve()
        films = self._wanted(top, root)
        while batch := list(islice(films, BATCH)):
            self._adopt(list(self._judged(batch, root)))
        return self.done

    def _wanted(self, top: Path, root: Path) -> Iterator[Film]:
        known = set(LibraryEntry.objects.values_list("path", flat=True))
        # Of an entry that was removed the download may be there: its name is not given twice.
        named = set(
            Download.objects.exclude(library_path="").values_list("library_path", flat=True)
        )
        for film in adoption.films_in(top, root=root, known=known):
            if self.only and not (isinstance(film, Film) and film.main == self.only):
                continue
            if self.on_found:
                self.on_found(film)
            if isinstance(film, str):
                self.done.known += 1
            elif fault := self._fault_of(film, named):
                self._leave_out(film, fault, root)
            else:
                yield film

    def _fault_of(self, film: Film, named: set[str]) -> Fault | None:
        fault = film.fault
        if fault in (Fault.SHARED, Fault.TAKEN) and not self.own_folders:
            return Fault.SHARED
        if fault is Fault.SHARED:
            fault = None
        return fault or (Fault.NAMED if film.entry in named else None)

    def _judged(self, films: list[Film], root: Path) -> Iterator[tuple[Film, Adopted]]:
        mode = library.folder_mode(settings.VNSITE.library_mode)
        for film in films:
            try:
                adopted = self._described(film, adoption.look(film), root)
                if film.is_shared and not self.dry_run:
                    adoption.give_folder(film, mode=mode)
            except LeftOut as refusal:
                self._leave_out(film, refusal.fault, root)
            else:
                yield film, adopted

    def _described(self, film: Film, looked: Looked, root: Path) -> Adopted:
        info = self._info_of(film, root)
        told = info_file.told_by(info, streams=looked.streams, path=film.main)
        title, site_id = title_and_id(film.main.stem, extractor=self.extractor)
        extractor, media_id, url = told.extractor, told.media_id, told.url
        if not media_id and self.extractor and site_id:
            url = url or link_of(self.extractor, site_id)
            extractor, media_id = media_id_of(self.extractor, site_id, link=url)
        return Adopted(
            path=film.entry,
            title=told.title or readable(title)[:MAX_TITLE_LENGTH] or film.entry,
            url=url,
            extractor=extractor,
            media_id=media_id,
            media=told.media,
            about=told.about,
            files=looked.files,
        )

    def _info_of(self, film: Film, root: Path) -> Info:
        if film.info is None:
            return {}
        try:
            return info_file.read(film.info)
        except NotInfo:
            self.done.unread.append(str(film.info.relative_to(root)))
            return {}

    def _adopt(self, judged: list[tuple[Film, Adopted]]) -> None:
        moved = [film for film, _ in judged if film.is_shared]
        written = {film.entry for film, _ in judged}
        if not self.dry_run:
            adoption.sync_folders(moved)
            found = [adopted for _, adopted in judged]
            written = adopt(found, owner=self.owner, actor=self.actor)
        self.done.known += len(judged) - len(written)
        self.done.entries += sorted(written)
        self.done.moved += sorted(written & {film.entry for film in moved})

    def _leave_out(self, film: Film, fault: Fault, root: Path) -> None:
        self.done.left_out[fault].append(str(film.main.relative_to(root)))
