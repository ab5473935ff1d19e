"""yt-dlp's cache as a child has it: it reads what was learned of sites, and writes nothing.

What it learns it keeps for itself, and offers the worker what may be kept for others.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yt_dlp
from yt_dlp.cache import Cache
from yt_dlp.version import __version__

from downloads.fetch.protocol import Learned
from downloads.rules.site_memory import MAX_LEARNED, is_listed, may_be_kept


class Memory(Cache):  # type: ignore[misc]
    """In the place of a YoutubeDL's cache."""

    def __init__(self, downloader: yt_dlp.YoutubeDL) -> None:
        super().__init__(downloader)
        self.folder: Path | None = None  # of all versions; None: nothing is known
        self._learned: dict[tuple[str, str], Any] = {}

    def load(self, section: str, key: str, *args: Any, default: Any = None, **kwargs: Any) -> Any:
        if (section, key) in self._learned:
            value = self._learned[section, key]
            return default if value is None else value
        if self.folder is None or not is_listed(section, key):
            return default
        value = super().load(section, key, *args, default=None, **kwargs)
        # A file that is wrong is no more than a file that is not there.
        return value if value is not None and may_be_kept(section, key, value) else default

    def store(self, section: str, key: str, data: Any, *_: Any, **__: Any) -> None:
        self._learned[section, key] = data

    def learned(self) -> Iterator[Learned]:
        """Yield what this process learned and others may know, the newest if there is too much."""
        kept = [
            Learned(section=section, key=key, value=value, version=__version__)
            for (section, key), value in self._learned.items()
            if may_be_kept(section, key, value)
        ]
        yield from kept[-MAX_LEARNED:]

    @property
    def enabled(self) -> bool:
        return True

    def _get_root_dir(self) -> str:
        return str(self.folder / __version__) if self.folder else ""
