"""How much a site may say before its file comes, and how far it may lead from page to page.

yt-dlp reads a page, a manifest or a key whole, follows wherever they lead, and sorts all that they
offer. A hostile site has no end of each.
"""

import functools
from collections.abc import Callable
from typing import Any

from yt_dlp.networking import Response

MIB = 2**20
MAX_PAGE_BYTES = 16 * MIB  # of one answer that is read whole
MAX_BYTES = 128 * MIB  # of all of them
MAX_PAGES = 20  # that lead to one another
MAX_FORMATS = 5000
MAX_URL_LENGTH = 2**16  # of a page that another one leads to
MAX_TEXT_LENGTH = 10_000  # of the title, before it is made readable
BLOCK_BYTES = 2**16


class NotOneVideo(Exception):
    """The page has no video, or more than one."""


class TooLarge(Exception):
    """More bytes, or more of anything, than a download may have."""


class Pages:
    """Counts what one download reads and follows. One for each child."""

    def __init__(self) -> None:
        self._read_bytes = 0
        self._followed = 0

    def follow(self, url: str) -> None:
        """Before each page. Raises NotOneVideo when they lead on and on."""
        self._followed += 1
        if self._followed > MAX_PAGES:
            raise NotOneVideo(f"More than {MAX_PAGES} pages lead to one another without a video")
        if len(url) > MAX_URL_LENGTH:
            raise NotOneVideo("The page leads to an address that is too long")

    def limit(self, response: Response) -> Response:
        """Make an answer refuse to be read whole when it is too long. In blocks it has no end:
        that is how a file is read, which has limits of its own."""
        # Not a function in its `read`: that would hold the answer, which ends when nobody does, and
        # with it the connection.
        response.__class__ = _limited(type(response))  # type: ignore[arg-type]  # classes can be hashed
        response.pages = self
        return response

    def read(self, read: Callable[[int], bytes]) -> bytes:
        """All of an answer, which `read` gives in blocks. Raises TooLarge."""
        most_bytes = min(MAX_PAGE_BYTES, MAX_BYTES - self._read_bytes)
        content = bytearray()
        while block := read(BLOCK_BYTES):
            content += block
            if len(content) > most_bytes:
                raise TooLarge(f"The site sent a page of more than {most_bytes // MIB} MiB")
        self._read_bytes += len(content)
        return bytes(content)


@functools.cache
def _limited(kind: type[Response]) -> type[Response]:
    """A kind of answer that is read whole only within the limits of its `pages`."""

    class Limited(kind):  # type: ignore[misc]
        pages: Pages

        def read(self, amt: int | None = None) -> bytes:
            if amt is not None and amt >= 0:
                content: bytes = super().read(amt)
                return content
            return self.pages.read(super().read)

    return Limited


def refuse_too_much(info: dict[str, Any]) -> None:
    """Before a video is looked at closer. Raises TooLarge, cuts the title."""
    if len(info.get("formats") or ()) > MAX_FORMATS:
        raise TooLarge(f"The site offers more than {MAX_FORMATS} forms of the video")
    if isinstance(title := info.get("title"), str):
        info["title"] = title[:MAX_TEXT_LENGTH]
