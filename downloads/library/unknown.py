"""Finds what is in the library's folder and belongs to no download.

A person or another tool left it there. It can be adopted (`library.importing`) or removed
(`library.removal`).
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from django.conf import settings

from downloads.disk.isolation import directory_size
from downloads.models import Download, LibraryEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from downloads.library.importing import Imported

MOST = 100  # that are listed


@dataclass(frozen=True, kw_only=True)
class Unknown:
    """A file or a folder, with all that is in it."""

    path: str  # in the library
    size_bytes: int


class NotUnknown(Exception):
    """There is nothing of that name that no download knows."""


def unknown() -> list[Unknown]:
    """Return the first MOST, in order of their paths. A folder is there as one, unless entries are
    in it. Raises OSError when the library cannot be read."""
    root = settings.VNSITE.media_root
    if not root.exists():  # nothing was fetched yet
        return []
    return [_measured(root, path) for path in islice(_found(root), MOST)]


def adopt(path: str, *, owner: "User", actor: str) -> "Imported":
    """Make entries of the films in a folder, or of a film, which gets a folder of its own.

    Raises NotUnknown, OSError, and what the database raises.
    """
    # With it comes yt-dlp, 14 MB that no other page needs.
    from downloads.library.importing import Import

    root = settings.VNSITE.media_root.resolve()
    found = root / require(path).path
    work = Import(
        owner=owner,
        actor=actor,
        own_folders=True,
        only=None if found.is_dir() else found,
    )
    return work.run(found if found.is_dir() else found.parent)


def require(path: str) -> Unknown:
    """Return what has this path. Raises NotUnknown, OSError."""
    root = settings.VNSITE.media_root
    if path not in set(_found(root)):
        raise NotUnknown(path)
    return _measured(root, path)


def _found(root: Path) -> Iterator[str]:
    known = set(LibraryEntry.objects.values_list("path", flat=True))
    # Of what is being published the row comes after the folder.
    known |= set(Download.objects.exclude(library_path="").values_list("library_path", flat=True))
    around = {str(folder) for path in known for folder in PurePosixPath(path).parents}
    return _beside(root, "", known, around)


def _beside(root: Path, folder: str, known: set[str], around: set[str]) -> Iterator[str]:
    with os.scandir(root / folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path = f"{folder}/{entry.name}" if folder else entry.name
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name.startswith(".") or path in known or not _is_text(entry.name):
            continue
        if is_folder and path in around:
            yield from _beside(root, path, known, around)
        elif is_folder or entry.is_file(follow_symlinks=False):
            yield path


def _is_text(name: str) -> bool:
    """Say whether a form can send it, and a row have it."""
    return name.isprintable()


def _measured(root: Path, path: str) -> Unknown:
    whole = root / path
    size_bytes = directory_size(whole) if whole.is_dir() else whole.lstat().st_size
    return Unknown(path=path, size_bytes=size_bytes)
