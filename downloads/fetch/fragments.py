"""Checks that every fragment of a stream is what it should be before it is appended.

An error page, or meaningless bytes, can arrive in a fragment's place with status 200 and the
announced length. In the middle of a file ffmpeg does not report them.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from downloads.disk.containers import MATROSKA, MP4, container_of
from downloads.fetch.pieces import Pieces, wanted_by
from downloads.fetch.verify import Incomplete

AES_BLOCK_BYTES = 16
Decrypt = Callable[[dict[str, Any], bytes | None], bytes | None]


class NotDecrypted(Incomplete):
    """A fragment is not what its key and its vector decrypt."""


def of_one_kind(append: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function that appends a decrypted fragment to the file.

    It raises Incomplete for a fragment that is not media when the first one was. In Matroska only
    the first fragment has a known beginning.
    """

    def checked(self: Any, ctx: dict[str, Any], content: bytes) -> None:
        if content:
            container = container_of(io.BytesIO(content))
            first = ctx.setdefault("container", container)
            is_known = first is not None and first.demuxer != MATROSKA.demuxer
            if is_known and container is None:
                number = ctx.get("fragment_index")
                raise Incomplete(f"In the place of fragment {number} came something else")
        append(self, ctx, content)

    return checked


def of_its_length(download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap the function that fetches one fragment into a file of its own.

    It raises Incomplete when a fragment that is a piece of a file has not the length of the piece.
    """

    def checked(
        self: Any, ctx: dict[str, Any], url: str, info: Any, headers: Any = None, *data: Any
    ) -> bool:
        wanted = wanted_by(headers)
        if wanted is None:
            return download(self, ctx, url, info, headers, *data)
        self.ydl.pieces = ctx.setdefault("pieces", Pieces())
        try:
            is_fetched = download(self, ctx, url, info, headers, *data)
        finally:
            self.ydl.pieces = None
        size = Path(ctx["fragment_filename_sanitized"]).stat().st_size if is_fetched else 0
        if is_fetched and size != len(wanted):
            raise Incomplete(f"{size} of {len(wanted)} bytes of a fragment came")
        return is_fetched

    return checked


def leaving_clear(decrypter: Callable[..., Decrypt]) -> Callable[..., Decrypt]:
    """Wrap the maker of the function that decrypts fragments: those that are clear stay so.

    RFC 8216, 4.3.2.5 wants a vector in the key of an encrypted EXT-X-MAP; without one the map is
    clear, though its playlist names the key before it. yt-dlp would decrypt it. Raises NotDecrypted
    for a fragment that AES cannot have made, and a key that is not one.
    """

    def make(self: Any, info: dict[str, Any]) -> Decrypt:
        decrypt = decrypter(self, info)

        def decrypt_or_leave(fragment: dict[str, Any], content: bytes | None) -> bytes | None:
            is_encrypted = (fragment.get("decrypt_info") or {}).get("METHOD") == "AES-128"
            if not content or not is_encrypted or container_of(io.BytesIO(content)) is MP4:
                return content
            if len(content) % AES_BLOCK_BYTES:
                raise NotDecrypted(f"Fragment {fragment['frag_index']} is not whole")
            try:
                return decrypt(fragment, content)
            except ValueError as error:  # of the cipher: the key or the vector has a wrong length
                raise NotDecrypted(str(error)) from error

        return decrypt_or_leave

    return make


def unpadded(content: bytes) -> bytes:
    """Remove the padding of a decrypted fragment (RFC 5652, 6.3). Raises NotDecrypted without.

    yt-dlp cuts off as many bytes as the last one says, whatever they are. Padding that is wrong
    means that the fragment's end is not the one that was encrypted, or that the key is wrong.
    """
    count = content[-1]
    if not 1 <= count <= AES_BLOCK_BYTES or content[-count:] != bytes([count]) * count:
        raise NotDecrypted("An encrypted fragment does not end as it should")
    return content[:-count]
