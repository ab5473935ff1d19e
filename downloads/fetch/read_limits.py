"""Limits the bytes of pages, the pages that follow one another, and the formats of a video.

yt-dlp reads pages, manifests and keys whole, follows wherever they lead, and sorts all formats that
they offer. A hostile site can send endless amounts of each.
"""

import functools
from collections.abc import Callable
from typing import Any

from yt_dlp.networking import Response
from yt_dlp.utils import KNOWN_EXTENSIONS, MEDIA_EXTENSIONS

MIB = 2**20
MAX_PAGE_BYTES = 16 * MIB  # of one response that is read whole
MAX_BYTES = 128 * MIB  # of all such responses together
MAX_LIST_BYTES = 1024 * MIB  # when they are the pages of a list, each of which is let go
MAX_PAGES = 20  # that lead from one to the next
MAX_FORMATS = 5000
MAX_URL_LENGTH = 2**16  # of a page that another one leads to
MAX_TEXT_LENGTH = 10_000  # of the title, before it is cleaned
BLOCK_BYTES = 2**16
OF_UNKNOWN = "mp4"
# None: yt-dlp has not asked for it yet, and looks at manifests by theirs.
FILE_EXTENSIONS = frozenset(
    {None, *KNOWN_EXTENSIONS, *MEDIA_EXTENSIONS.storyboards, *MEDIA_EXTENSIONS.thumbnails}
)


class NotOneVideo(Exception):
    """The page has no video, or more than one."""


class TooLarge(Exception):
    """A response or a video is over a limit."""


class Pages:
    """The count of what one download reads and follows. One a child."""

    def __init__(self) -> None:
        self._max_bytes = MAX_BYTES
        self._read_bytes = 0
        self._followed = 0

    def follow(self, url: str) -> None:
        """Count a page before it is read. Raises NotOneVideo after too many in a row."""
        self._followed += 1
        if self._followed > MAX_PAGES:
            raise NotOneVideo(f"More than {MAX_PAGES} pages lead to one another without a video")
        if len(url) > MAX_URL_LENGTH:
            raise NotOneVideo("The page leads to an address that is too long")

    def allow_a_list(self) -> None:
        """Let as much be read as the pages of a list may have together."""
        self._max_bytes = MAX_LIST_BYTES

    def limit(self, response: Response) -> Response:
        """Cap `read()` without a size. Sized reads stay unlimited: media files use them and have
        limits of their own."""
        # Not a closure as its `read`: it would keep the response, and so the connection, alive.
        response.__class__ = _limited(type(response))  # type: ignore[arg-type]  # classes can be hashed
        response.pages = self
        return response

    def read(self, read: Callable[[int], bytes]) -> bytes:
        """Read a whole response in blocks. Raises TooLarge."""
        most_bytes = min(MAX_PAGE_BYTES, self._max_bytes - self._read_bytes)
        content = bytearray()
        while block := read(BLOCK_BYTES):
            content += block
            if len(content) > most_bytes:
                raise TooLarge(f"The site sent a page of more than {most_bytes // MIB} MiB")
        self._read_bytes += len(content)
        return bytes(content)


@functools.cache
def _limited(kind: type[Response]) -> type[Response]:
    """Subclass a response so that reading it whole obeys the limits of its `pages`."""

    class Limited(kind):  # type: ignore[misc]
        pages: Pages

        def read(self, amt: int | None = None) -> bytes:
            if amt is not None and amt >= 0:
                content: bytes = super().read(amt)
                return content
            return self.pages.read(super().read)

    return Limited


def name_as_media(info: dict[str, Any]) -> None:
    """Give what would be saved as `media.php` a name that yt-dlp takes.

    A page's `<video src="stream.php">` names a program of the site, not the film. What is published
    is named by what the file holds.
    """
    for part in info.get("formats") or [info]:
        url = str(part.get("url") or "")
        if url.startswith(("http:", "https:")) and part.get("ext") not in FILE_EXTENSIONS:
            part["ext"] = OF_UNKNOWN


def refuse_too_much(info: dict[str, Any]) -> None:
    """Refuse a video with too many formats (raises TooLarge), and cut its title."""
    if len(info.get("formats") or ()) > MAX_FORMATS:
        raise TooLarge(f"The site offers more than {MAX_FORMATS} forms of the video")
    if isinstance(title := info.get("title"), str):
        info["title"] = title[:MAX_TEXT_LENGTH]
