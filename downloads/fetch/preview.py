"""Fetches the small picture of a video beside it, for its row. Nothing of it costs the video.

It is fetched in a thread of the child while the video is, and sent by the child's main thread: two
threads would mix their messages.
"""

import threading
import time
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

from yt_dlp.networking import Request, Response

from downloads.fetch.pictures import SmallPicture, small_in, small_picture
from downloads.fetch.protocol import Pictured, Send
from downloads.sandbox.guard import Guard

MAX_READ_BYTES = 256 * 1024
BLOCK_BYTES = 2**14
LEAST_WIDTH = 160
MAX_TRIED = 3  # of the pictures that a site offers
SILENCE_SECONDS = 5.0
LONGEST_SECONDS = 10.0  # of all together
# For which a video, or a list, that is finished waits for its picture at most.
WAIT_SECONDS = 1.0


class Opener(Protocol):
    """The part of our Downloader that is used here."""

    def open_beside(self, request: Request) -> Response: ...


class Preview:
    """The small picture of one download. Belongs to one child."""

    def __init__(self, opener: Opener, guard: Guard, directory: Path, *, send: Send) -> None:
        self._opener = opener
        self._guard = guard
        self._directory = directory
        self._send = send
        self._thread: threading.Thread | None = None
        self._ends_at = 0.0
        self._found: SmallPicture | None = None
        self._is_sent = False

    def begin(self, info: Mapping[str, Any], *, kept: Path | None) -> None:
        """Begin to fetch it; the second call does nothing.

        `kept` is a picture that was fetched to be kept, which is not fetched twice; None: none was.
        """
        if self._thread is not None or self._found is not None:
            return
        if kept is not None:
            made = small_in(self._directory)
            self._found = made or small_picture(kept.read_bytes(), directory=self._directory)
        sources = [] if self._found else smallest_first(info)[:MAX_TRIED]
        if sources:
            self._ends_at = time.monotonic() + LONGEST_SECONDS
            self._thread = threading.Thread(target=self._fetch, args=[sources], daemon=True)
            self._thread.start()

    def send_if_there(self) -> None:
        """Send it, once. For the main thread."""
        if self._found is not None and not self._is_sent:
            self._is_sent = True
            content = b64encode(self._found.content).decode()
            self._send(Pictured(media_type=self._found.media_type, content=content))

    def finish(self) -> None:
        """Wait for it a moment, and send it if it is there."""
        if self._thread is not None:
            self._thread.join(WAIT_SECONDS)
        self.send_if_there()

    def _fetch(self, sources: list[Mapping[str, Any]]) -> None:
        with self._guard.aside():
            for source in sources:
                # Whatever a site sends instead of a picture, the video is not the worse for it.
                with suppress(Exception):
                    content = self._read(source)
                    self._found = small_picture(content, directory=self._directory)
                if self._found is not None or time.monotonic() > self._ends_at:
                    return

    def _read(self, source: Mapping[str, Any]) -> bytes:
        """Read a whole picture. Raises ValueError when it is too large, TimeoutError when slow."""
        timeout = {"timeout": SILENCE_SECONDS}
        headers = source.get("http_headers") or {}
        request = Request(source["url"], headers=headers, extensions=timeout)
        content = bytearray()
        with self._opener.open_beside(request) as response:
            while block := response.read(BLOCK_BYTES):
                content += block
                if len(content) > MAX_READ_BYTES:
                    raise ValueError("the picture is too large")
                if time.monotonic() > self._ends_at:
                    raise TimeoutError
        return bytes(content)


def smallest_first(info: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the pictures that a site offers of a video, that which suits a row best first.

    That is the smallest of at least 160 px. What does not say how wide it is comes after those, the
    best first, and what is too small last.
    """
    only = {"url": info.get("thumbnail")}  # that is all there is before yt-dlp has looked at it
    offered = [each for each in info.get("thumbnails") or [only] if _is_of_web(each)]
    wide = [each for each in offered if _width_of(each) >= LEAST_WIDTH]
    unknown = [each for each in offered if not _width_of(each)]
    narrow = [each for each in offered if 0 < _width_of(each) < LEAST_WIDTH]
    narrow.sort(key=_width_of, reverse=True)
    return [*sorted(wide, key=_width_of), *reversed(unknown), *narrow]


def _is_of_web(source: object) -> bool:
    url = source.get("url") if isinstance(source, Mapping) else None
    return isinstance(url, str) and url.startswith(("http:", "https:"))


def _width_of(source: Mapping[str, Any]) -> int:
    """Return the width that a site says, in pixels; 0 when it says none."""
    width = source.get("width")
    return width if isinstance(width, int) and width > 0 else 0
