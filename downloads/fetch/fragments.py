"""Checks that every fragment of a stream is what it should be before it is appended.

An error page, meaningless bytes, or half a fragment can arrive in a fragment's place with status
200 and the announced length. In the middle of a file ffmpeg does not report them.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from downloads.disk import timing
from downloads.disk.containers import MATROSKA, MP4, TRANSPORT_STREAM, Container, container_of
from downloads.disk.endings import ends_in_the_middle
from downloads.fetch.joining import Part, join, require_fit
from downloads.fetch.pieces import Pieces, wanted_by
from downloads.fetch.timeline import Announced, Timeline
from downloads.fetch.verify import Incomplete
from downloads.rules.states import Phase

AES_BLOCK_BYTES = 16
Decrypt = Callable[[dict[str, Any], bytes | None], bytes | None]


class NotDecrypted(Incomplete):
    """A fragment is not what its key and its vector decrypt."""


class Stream:
    """What is known of a stream from the fragments that were appended."""

    def __init__(self) -> None:
        self._container: Container | None = None
        self._tracks: dict[int, timing.Track] = {}  # of an MP4
        self._last = 0  # the hash of the last fragment
        self.timeline = Timeline()
        self.parts: list[Part] = []  # that must be joined, when the stream changes its form
        self._size = 0  # of what was appended, in bytes

    def take(self, content: bytes, announced: Announced) -> bytes:
        """Return what is to be appended for a fragment. Raises Incomplete and DoesNotFit.

        In Matroska only the first fragment has a known beginning.
        """
        container = container_of(io.BytesIO(content))
        self._container = self._container or container
        if self._container and container is None and self._container.demuxer != MATROSKA.demuxer:
            raise Incomplete("In the place of a fragment came something else")
        try:
            if self._container is MP4:
                return self._take_mp4(content, announced)
            if self._container is TRANSPORT_STREAM:
                self._place(content, timing.span_of_packets(content), announced)
            elif self._container and ends_in_the_middle(
                io.BytesIO(content), self._container, size=len(content)
            ):
                raise Incomplete("A fragment ends in the middle of something")
        except timing.Malformed as cut:
            raise Incomplete(f"A fragment is cut: {cut}") from cut
        return content

    def _take_mp4(self, content: bytes, announced: Announced) -> bytes:
        """Keep one beginning, and have the times of every fragment follow those before it.

        Sites send fragments that each begin at 0, or with a beginning of their own. yt-dlp appends
        them as they are: then all of them play at once.
        """
        tracks, rest = timing.without_beginning(content)
        if tracks and self._tracks:
            is_alone = timing.stands_alone(content)
            if tracks == self._tracks and not is_alone:
                content = rest
            else:
                require_fit(self._tracks.values(), tracks.values())
                seconds = None if is_alone else self.timeline.played
                self.parts.append(Part(place=self._size, seconds=seconds))
        self._tracks = tracks or self._tracks
        runs = timing.runs_of(content, self._tracks)
        shift = self._place(content, timing.span_of(runs), announced)
        self._size += len(content)
        return timing.moved(content, runs, shift) if shift else content

    def _place(self, content: bytes, span: timing.Span | None, announced: Announced) -> float:
        """Place a fragment in time; 0 for one without. A site may send one twice for two."""
        if span is None:
            return 0.0
        last, self._last = self._last, hash(content)
        if last == self._last and not announced.begins_anew:
            raise Incomplete("The site sent the same fragment twice")
        return self.timeline.place(span, announced)


def as_announced(append: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function that appends a decrypted fragment to the file. It raises Incomplete.

    yt-dlp's own count of it is not its number: threads that fetch others count on meanwhile.
    """

    def checked(self: Any, ctx: dict[str, Any], content: bytes) -> None:
        if content:
            stream = ctx.setdefault("stream", Stream())
            place = self.appending - 1
            announced = getattr(self, "announced", [])[place : place + 1] or [Announced()]
            content = stream.take(content, announced[0])
        append(self, ctx, content)

    return checked


def finishing(finish: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap the function that is called after the last fragment. It raises Incomplete."""

    def checked(self: Any, ctx: dict[str, Any], info: dict[str, Any]) -> bool:
        stream: Stream = ctx.get("stream") or Stream()
        stream.timeline.finish()
        if stream.parts:
            self.ydl.enter(Phase.POST_PROCESSING)
            join(Path(ctx["tmpfilename"]), stream.parts)
        return finish(self, ctx, info)

    return checked


def announcing(real_download: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap yt-dlp's downloader of DASH: it knows how long each fragment should last."""

    def with_durations(self: Any, filename: str, info: dict[str, Any]) -> bool:
        fragments = info.get("fragments")
        if isinstance(fragments, list):
            self.announced = [
                Announced(
                    seconds=float(each.get("duration") or 0),
                    begins_anew=bool(each.get("begins_anew")),
                )
                for each in fragments
            ]
        return real_download(self, filename, info)

    return with_durations


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

    yt-dlp calls that for each fragment before it is appended: its number is kept as `appending`.

    RFC 8216, 4.3.2.5 wants a vector in the key of an encrypted EXT-X-MAP; without one the map is
    clear, though its playlist names the key before it. yt-dlp would decrypt it. Raises NotDecrypted
    for a fragment that AES cannot have made, and a key that is not one.
    """

    def make(self: Any, info: dict[str, Any]) -> Decrypt:
        decrypt = decrypter(self, info)

        def decrypt_or_leave(fragment: dict[str, Any], content: bytes | None) -> bytes | None:
            self.appending = fragment["frag_index"]
            is_encrypted = (fragment.get("decrypt_info") or {}).get("METHOD") == "AES-128"
            if not content or not is_encrypted or container_of(io.BytesIO(content)) is MP4:
                return content
            try:
                return decrypt(fragment, content)
            except ValueError as error:  # its length, or that of the key
                raise NotDecrypted(f"A fragment cannot be decrypted: {error}") from error

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
