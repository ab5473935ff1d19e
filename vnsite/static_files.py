"""Static files, collected and compressed once for each version of them."""

import logging
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.files.base import ContentFile, File
from servestatic.storage import CompressedStaticFilesStorage  # type: ignore[import-untyped]

from vnsite.as_served import as_served

logger = logging.getLogger(__name__)


def make_ready() -> None:
    """Collect the static files; where that is impossible, have them served as they lie."""
    try:
        collect()
    except OSError as error:
        logger.warning("Static files are not compressed: %s", error)
        settings.SERVESTATIC_USE_STATIC_ROOT = False
        settings.SERVESTATIC_USE_FINDERS = True


def collect() -> None:
    """Copy all static files into STATIC_ROOT, beside them their compressed forms.

    Does nothing when STATIC_ROOT is there: its name is the fingerprint of what it holds, and it
    appears by one rename. The folders of other versions are removed. Raises OSError.
    """
    root = Path(settings.STATIC_ROOT)
    if root.is_dir():
        return
    root.parent.mkdir(exist_ok=True)
    draft = Path(mkdtemp(prefix="draft-", dir=root.parent))
    try:
        _fill(draft)
        _appear(draft, root)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for other in root.parent.iterdir():
        if other != root and not other.name.startswith("draft-"):
            shutil.rmtree(other, ignore_errors=True)


def _appear(draft: Path, root: Path) -> None:
    try:
        draft.rename(root)
    except OSError:
        if not root.is_dir():  # else another process was quicker
            raise


def _as_served(source: Any, path: str) -> "File[Any]":
    """Return a file of a storage; ours are made smaller, those of others are left as they are."""
    if path.startswith("downloads/") and not path.startswith("downloads/vendor/"):
        text = as_served(Path(source.path(path)))
        if text is not None:
            return ContentFile(text)
    return File(source.open(path))


def _fill(folder: Path) -> None:
    # Its owner's, as all of vnsite but the library.
    storage = CompressedStaticFilesStorage(
        location=folder, file_permissions_mode=0o600, directory_permissions_mode=0o700
    )
    paths = {}
    for finder in finders.get_finders():
        for path, source in finder.list(None):
            if path not in paths:  # the first finder that has a path wins
                with _as_served(source, path) as file:
                    storage.save(path, file)
                paths[path] = (storage, path)
    for _, _, done in storage.post_process(paths):
        if isinstance(done, Exception):
            raise done
    for compressed in [*folder.rglob("*.br"), *folder.rglob("*.gz")]:
        compressed.chmod(0o600)
