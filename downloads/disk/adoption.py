"""Finds films that another tool left in the library, each with what belongs to it.

File system only. Names and contents may be anybody's: no link is followed, and a film's type is
told by its first bytes. A film that shares a folder can be given one of its own, by renames.
"""

import os
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path, PurePath

from downloads.disk import library, shares
from downloads.disk.containers import container_of, looks_whole
from downloads.disk.names import LANGUAGE, MEDIA_TYPES, SUBTITLES_TYPE
from downloads.disk.streams import Streams, streams_of
from downloads.rules.states import Role

MAX_PATH_LENGTH = 255  # of an entry's row
# The pictures that media servers put beside a film, after its name and a dash.
PICTURE_OF = re.compile(r"-(?:poster|thumb|fanart|banner|landscape|cover)\.[^.]+\Z")
# What they call the same when a folder has one film.
OF_ONLY_FILM = frozenset(
    {"movie.nfo"}
    | {
        f"{name}.{suffix}"
        for name in ("poster", "thumb", "fanart", "banner", "landscape", "cover", "folder")
        for suffix in ("jpg", "jpeg", "png", "webp")
    }
)
# yt-dlp's names of half a film, and of its picture and sound before they are merged.
HALF = re.compile(r"\.(?:part|ytdl|part-Frag\d+(?:\.part)?)\Z")
PIECE = re.compile(r"\.(?:f[0-9][0-9A-Za-z_-]*|temp)\Z")
UNSTORABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})  # controls, not UTF-8, ends of lines
UNKNOWN_TYPE = "application/octet-stream"
TYPES_BESIDE: dict[str, tuple[str, Role]] = {
    ".vtt": (SUBTITLES_TYPE, Role.SUBTITLES),
    ".srt": ("application/x-subrip", Role.SUBTITLES),
    ".ass": ("text/x-ssa", Role.SUBTITLES),
    ".ssa": ("text/x-ssa", Role.SUBTITLES),
    ".ttml": ("application/ttml+xml", Role.SUBTITLES),
    ".jpg": ("image/jpeg", Role.THUMBNAIL),
    ".jpeg": ("image/jpeg", Role.THUMBNAIL),
    ".png": ("image/png", Role.THUMBNAIL),
    ".webp": ("image/webp", Role.THUMBNAIL),
    ".nfo": ("text/xml", Role.INFO),
    ".json": ("application/json", Role.INFO),
    ".description": ("text/plain", Role.INFO),
}


class Fault(StrEnum):
    """Why a film is left out."""

    SHARED = "shared"  # its folder holds other things
    SAME_NAME = "same_name"  # another film differs only in its suffix
    TAKEN = "taken"  # something else has the name of the folder that it would get
    UNFINISHED = "unfinished"  # a part of a download, or one lies beside it
    INCOMPLETE = "incomplete"  # it ends before its container says
    NOT_MEDIA = "not_media"  # neither a film nor sound, by its first bytes
    LINKED = "linked"  # of its files one is a link, has several names, or is no file
    UNREADABLE = "unreadable"
    NAME = "name"  # with characters that no row takes
    LONG = "long"
    NOT_MOVED = "not_moved"  # the file system refused
    NAMED = "named"  # a download has, or had, an entry of its name


class LeftOut(Exception):
    """A film is not adopted."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


@dataclass(frozen=True, kw_only=True)
class Film:
    """A film or a sound, and what belongs to it."""

    home: Path  # the directory that its entry is, or will be
    main: Path  # it lies in its home, or in the folder around that
    beside: Sequence[Path]  # as `main`
    entry: str  # the name of its home in the library
    fault: Fault | None = None  # what its folder alone tells

    @property
    def is_shared(self) -> bool:
        return self.main.parent != self.home

    @property
    def info(self) -> Path | None:
        """Its `.info.json`; None: there is none."""
        name = f"{self.main.stem}.info.json"
        return next((path for path in self.beside if path.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What a look at the files of a film tells."""

    files: Sequence[Mapping[str, str | int]]  # columns of its files, the film first
    streams: Streams | None  # as of `streams_of`


@dataclass(kw_only=True)
class _Folder:
    """What is directly in one folder."""

    path: Path
    films: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)


def films_in(top: Path, *, root: Path, known: Collection[str]) -> Iterator[Film | str]:
    """Yield the films in and below a folder of the library; of an entry that is known, its name.

    `root` and `top` are without links; `known` are names of entries, which are not looked into. A
    film that shares its folder says so by its fault, and its home is the folder of its own that it
    could get. Folders whose names begin with a dot, and those that cannot be read, are passed over.
    """
    pending = [top]
    while pending:
        path = pending.pop()
        name = str(path.relative_to(root))
        if name in known:
            yield name
            continue
        try:
            folder = _read(path)
        except OSError:
            continue
        films = list(_films_of(folder, root=root, known=known))
        # What an interrupted move left there was found with its film.
        begun = {film.home for film in films if film.fault is not Fault.TAKEN} - {path}
        below = [path / name for name in sorted(folder.folders, reverse=True)]
        pending += [each for each in below if each not in begun]
        yield from films


def _read(path: Path) -> _Folder:
    folder = _Folder(path=path)
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                is_hidden = entry.name.startswith(".")
                (folder.others if is_hidden else folder.folders).append(entry.name)
            elif PurePath(entry.name).suffix.lower() in MEDIA_TYPES and entry.name[0] != ".":
                folder.films.append(entry.name)
            else:
                folder.others.append(entry.name)
    return folder


def _films_of(folder: _Folder, *, root: Path, known: Collection[str]) -> Iterator[Film]:
    by_stem: dict[str, list[str]] = defaultdict(list)
    for name in sorted(folder.films):
        by_stem[PurePath(name).stem].append(name)
    beside: dict[str, list[str]] = defaultdict(list)
    strange = list(folder.folders)
    for name in sorted(folder.others):
        stem = _stem_of(name, by_stem)
        if stem is None and len(folder.films) == 1 and name.lower() in OF_ONLY_FILM:
            stem = next(iter(by_stem))
        if stem is None:
            strange.append(name)
        else:
            beside[stem].append(name)
    is_entry = len(folder.films) == 1 and not strange and folder.path != root
    for stem, names in by_stem.items():
        home = folder.path if is_entry else folder.path / stem
        there = [] if is_entry else _begun(home)
        entry = str(home.relative_to(root))
        fault = None if is_entry else Fault.SHARED
        if len(names) > 1:
            fault = Fault.SAME_NAME
        elif PIECE.search(stem) or any(map(HALF.search, beside[stem])):
            fault = Fault.UNFINISHED
        elif not is_entry and (there is None or entry in known):
            fault = Fault.TAKEN
        for name in names:
            paths = [folder.path / each for each in beside[stem]]
            yield Film(
                home=home,
                main=folder.path / name,
                beside=[*paths, *(there or ())],
                entry=entry,
                fault=fault or _fault_of_name(entry, [name, *beside[stem]]),
            )


def _stem_of(name: str, stems: Collection[str]) -> str | None:
    """Return the longest of the stems to whose film a file belongs; None: to no film."""
    stem = PICTURE_OF.sub("", name)
    if stem in stems and stem != name:
        return stem
    while "." in name:
        name = name.rpartition(".")[0]
        if name in stems:
            return name
    return None


def _begun(home: Path) -> list[Path] | None:
    """Return what an interrupted `give_folder` moved; None: something else has that name."""
    try:
        names = [path.name for path in home.iterdir()]
    except FileNotFoundError:
        return []
    except OSError:
        return None
    is_ours = not home.is_symlink() and all(
        _stem_of(name, {home.name}) and PurePath(name).suffix.lower() not in MEDIA_TYPES
        for name in names
    )
    return [home / name for name in sorted(names)] if is_ours else None


def _fault_of_name(entry: str, names: Sequence[str]) -> Fault | None:
    if UNSTORABLE & {unicodedata.category(each) for each in "".join([entry, *names])}:
        return Fault.NAME
    return Fault.LONG if max(map(len, [entry, *names])) > MAX_PATH_LENGTH else None


def look(film: Film) -> Looked:
    """Judge the files of a film by their contents. Raises LeftOut."""
    try:
        main, streams = _look_at_film(film.main)
        beside = [_look_beside(path, stem=film.main.stem) for path in film.beside]
    except library.RefusedFile:
        raise LeftOut(Fault.LINKED) from None
    except OSError:
        raise LeftOut(Fault.UNREADABLE) from None
    return Looked(files=[main, *beside], streams=streams)


def _look_at_film(path: Path) -> tuple[dict[str, str | int], Streams | None]:
    with library.open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
        container = container_of(file)
        if container is None:
            raise LeftOut(Fault.NOT_MEDIA)
        if looks_whole(file, container, size=size) is False:
            raise LeftOut(Fault.INCOMPLETE)
        streams = streams_of(file, size=size)
    suffix = path.suffix.lower()
    media_type = MEDIA_TYPES[suffix if suffix in container.suffixes else container.suffixes[0]]
    is_sound = media_type.startswith("audio/") or (streams and not streams.video_codec)
    role = Role.AUDIO if is_sound else Role.VIDEO
    return _columns(path.name, size, media_type, role), streams


def _look_beside(path: Path, *, stem: str) -> dict[str, str | int]:
    with library.open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
    media_type, role = TYPES_BESIDE.get(path.suffix.lower(), (UNKNOWN_TYPE, Role.INFO))
    language = path.stem.removeprefix(stem).removeprefix(".") if role is Role.SUBTITLES else ""
    is_known = LANGUAGE.fullmatch(language) is not None
    return _columns(path.name, size, media_type, role, language if is_known else "")


def _columns(
    name: str, size: int, media_type: str, role: Role, language: str = ""
) -> dict[str, str | int]:
    return {
        "name": name,
        "size": size,
        "sha256": "",
        "media_type": media_type,
        "role": role,
        "language": language,
    }


def give_folder(film: Film, *, mode: int) -> None:
    """Move a film and what belongs to it into its home, a folder with `mode`.

    The film comes last: killed before, it is still found where it was, and the same call goes on.
    Replaces nothing. Durable after `sync_folders`. Raises LeftOut.
    """
    try:
        library.make_folder(film.home, mode)
        for path in (*film.beside, film.main):
            if path.parent != film.home:
                shares.rename_without_replacing(path, film.home / path.name)
    except FileExistsError:
        raise LeftOut(Fault.TAKEN) from None
    except OSError:
        raise LeftOut(Fault.NOT_MOVED) from None


def sync_folders(films: Collection[Film]) -> None:
    """Make the moves of `give_folder` durable. Raises OSError."""
    for folder in {film.home for film in films} | {film.home.parent for film in films}:
        shares.sync_directory(folder)
