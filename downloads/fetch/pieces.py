"""Pieces of one file that a playlist asks for by range (EXT-X-BYTERANGE).

A site that ignores `Range` answers with the whole file. yt-dlp takes that for the piece: a stream
of six pieces becomes the film six times. Here each piece is cut out of the whole, which is read
once.
"""

import re
from typing import Any

from yt_dlp.networking import Request, Response

from downloads.fetch.resume import Open
from downloads.fetch.verify import Incomplete

PIECE = re.compile(r"bytes=(\d+)-(\d+)")
BLOCK_BYTES = 2**16


class Pieces:
    """Opens pieces of files, and keeps the last answer that is a whole one. One a child."""

    def __init__(self) -> None:
        self._whole: _Whole | None = None

    def open(self, request: Request, wanted: range, *, urlopen: Open) -> Response:
        """Answer a request for bytes of a file with exactly those. Raises Incomplete for others."""
        whole = self._whole
        if whole and whole.url == request.url and whole.position <= wanted.start:
            return _Piece(whole, wanted)
        response = urlopen(request)
        if response.status == 200:
            self._whole = _Whole(response, url=request.url)
            return _Piece(self._whole, wanted)
        came = str(response.headers.get("Content-Range") or _content_range(wanted))
        if not came.startswith(_content_range(wanted)):
            raise Incomplete(f"The site was asked for {_content_range(wanted)} and sent {came}")
        return response


def wanted_by(headers: Any) -> range | None:
    """Return the bytes that a request asks for; None unless it names their beginning and end."""
    match = PIECE.fullmatch(str((headers or {}).get("Range", "")))
    return range(int(match[1]), int(match[2]) + 1) if match else None


def _content_range(wanted: range) -> str:
    return f"bytes {wanted.start}-{wanted.stop - 1}/"


class _Whole:
    """A whole file that is being read, from its beginning on."""

    def __init__(self, response: Response, *, url: str) -> None:
        self.response = response
        self.url = url
        self.position = 0

    def read(self, size: int) -> bytes:
        content: bytes = self.response.read(size)
        self.position += len(content)
        return content


class _Piece(Response):  # type: ignore[misc]
    """A part of a whole file, as a site that knows ranges would answer."""

    def __init__(self, whole: _Whole, wanted: range) -> None:
        headers = {"Content-Range": f"{_content_range(wanted)}*"}
        headers["Content-Length"] = str(len(wanted))
        super().__init__(whole.response, whole.response.url, headers, status=206)
        self._whole = whole
        self._wanted = wanted

    def read(self, amt: int | None = None) -> bytes:
        """Read up to `amt` bytes, to the end of the piece at most; fewer when the file ends."""
        while self._whole.position < self._wanted.start:
            if not self._whole.read(min(BLOCK_BYTES, self._wanted.start - self._whole.position)):
                return b""
        left = self._wanted.stop - self._whole.position
        return self._whole.read(left if amt is None or amt < 0 else min(amt, left)) if left else b""

    def close(self) -> None:
        """Keep the whole open for the pieces that follow."""
