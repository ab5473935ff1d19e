"""What was learned of sites, in files that yt-dlp's cache reads: `<version>/<section>/<key>.json`.

Only the worker writes here. `rules.site_memory` says what may be kept.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import quote

from downloads.rules.site_memory import MAX_TOTAL_BYTES, VERSION, may_be_kept

SUFFIX = ".json"


def keep(root: Path, section: str, key: str, value: Any, *, version: str) -> bool:
    """Keep a value for the children of this version of yt-dlp; None: forget what was kept.

    False, and nothing is written, when it is none that may be kept. Older values go when all
    together are too large. Raises OSError.
    """
    if not (VERSION.fullmatch(version) and may_be_kept(section, key, value)):
        return False
    path = path_of(root, section, key, version=version)
    if value is None:
        path.unlink(missing_ok=True)
        return True
    for folder in (root, path.parent.parent, path.parent):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=path.parent, delete=False) as draft:
        json.dump({"yt-dlp_version": version, "data": value}, draft)
    Path(draft.name).replace(path)
    _shrink(root)
    return True


def path_of(root: Path, section: str, key: str, *, version: str) -> Path:
    """Return the file of a value, named as yt-dlp names it."""
    return root / version / section / f"{quote(key, safe='').replace('%', ',')}{SUFFIX}"


def _shrink(root: Path) -> None:
    """Remove the oldest values until all together fit, and drafts that a crash left."""
    left = MAX_TOTAL_BYTES
    for _, size, path in sorted(_files(root), reverse=True):
        left -= size
        if left < 0 or path.suffix != SUFFIX:
            path.unlink(missing_ok=True)


def _files(root: Path) -> Iterator[tuple[int, int, Path]]:
    """Yield when each was written (ns), its size and its path."""
    for path in root.glob("*/*/*"):
        with suppress(FileNotFoundError):  # another worker removed it
            entry = path.stat()
            yield entry.st_mtime_ns, entry.st_size, path
