"""Fetches the segments of a live stream one by one, and puts them on the disk.

Through yt-dlp's connections, and so under the guard like all else.
"""

import hashlib
import io
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from yt_dlp.aes import aes_cbc_decrypt_bytes
from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import RequestError

from downloads.disk.containers import container_of
from downloads.disk.recording import Recording
from downloads.fetch.protocol import Job, Wishes
from downloads.fetch.read_limits import MIB, TooLarge
from downloads.fetch.verify import Incomplete, is_text
from downloads.rules import playlist
from downloads.rules.playlist import BadPlaylist, Playlist, ProtectedByDRM, Resource, Segment
from downloads.rules.states import Stop

BLOCK_BYTES = 2**16
MAX_PLAYLIST_BYTES = 16 * MIB
MAX_SEGMENT_BYTES = 128 * MIB  # it is decrypted in memory
TRIES = 3  # of a segment that the playlist still lists
LONGEST_WAIT_SECONDS = 10.0
SHORTEST_WAIT_SECONDS = 0.1
# Of VNSITE_MAX_BYTES: while it is finished, a recording is there up to three times.
SIZE_SHARE = 0.6

Headers = Mapping[str, str]
Open = Callable[[Request], Response]


# A site may send such things for a while; what was recorded before is not their fault.
FAILURES = (RequestError, BadPlaylist, ProtectedByDRM, Incomplete, TooLarge, TimeoutError)


class Stopped(Exception):
    """The recording was stopped while something was fetched for it."""


@dataclass(kw_only=True)
class Source:
    """One playlist that is recorded: all of a stream, or its picture, or its sound."""

    number: int
    url: str
    headers: Headers
    next_sequence: int = -1
    failures: int = 0  # of the segment that is next
    is_ended: bool = False
    target_seconds: float = 0.0
    has_changed: bool = False  # at the last look
    given_up: set[str] = field(default_factory=set)  # marks of segments that could not be had
    # The last ones: a stream has few at a time, and many in a day.
    key: tuple[str, bytes] = ("", b"")
    initialization: tuple[Resource | None, bytes] = (None, b"")


class Recorder:
    """Records the stream of one download, or goes on with what an earlier attempt recorded."""

    def __init__(
        self, job: Job, *, urlopen: Open, wishes: Wishes, on_recorded: Callable[[int], None]
    ) -> None:
        """`on_recorded` is told the bytes so far, often; its silence means that nothing is done."""
        self.recording = Recording.open(Path(job.directory))
        self._job = job
        self._urlopen = urlopen
        self._wishes = wishes
        self._on_recorded = on_recorded
        self._began_at = self._came_at = time.monotonic()
        self._sources: list[Source] = []
        self._is_full = False

    @property
    def has_recorded(self) -> bool:
        return self.recording.size_bytes > 0

    def record(self, urls: list[tuple[str, Headers]]) -> None:
        """Record these playlists together until there is a reason to stop.

        Raises Incomplete when nothing came at all, ProtectedByDRM, and what the first look at the
        site raises.
        """
        self._came_at = time.monotonic()
        self._sources = [
            Source(number=number, url=url, headers=headers, next_sequence=self._next_of(number))
            for number, (url, headers) in enumerate(urls)
        ]
        while not (why := self.recording.stopped or self._why_stop()):
            with suppress(Stopped):
                for source in self._sources:
                    self._look(source)
            if not self._why_stop():
                self._pause()
        if not self.has_recorded:
            raise Incomplete("The live stream delivered nothing")
        if not self.recording.stopped:
            self.recording.stop(why)

    def _next_of(self, number: int) -> int:
        last = self.recording.track(number).last
        return last.sequence + 1 if last else -1

    def _why_stop(self) -> str:
        """Why to stop now, or ""."""
        now = time.monotonic()
        if all(source.is_ended for source in self._sources):
            return Stop.ENDED
        longest_target = max(source.target_seconds for source in self._sources)
        if now - self._came_at > max(self._job.stall_seconds, 3 * longest_target):
            return Stop.SILENT
        return self._why_cut() if self.has_recorded else ""

    def _why_cut(self) -> str:
        """Why to stop although more would come, or ""."""
        ran_seconds = time.monotonic() - self._began_at
        if self._wishes.is_keep_asked():
            return Stop.ASKED
        if max(self.recording.seconds, ran_seconds) >= self._job.max_seconds:
            return Stop.TIME
        if self._is_full:
            return Stop.SIZE
        disk = os.statvfs(self._job.directory)
        needed_bytes = self._job.min_free_bytes + self.recording.size_bytes
        return Stop.SPACE if disk.f_bavail * disk.f_frsize < needed_bytes else ""

    def _pause(self) -> None:
        """Wait until it is time for the next look (RFC 8216, 6.3.4)."""
        seconds = min(
            source.target_seconds * (1 if source.has_changed else 0.5)
            for source in self._sources
            if not source.is_ended
        )
        longest = min(LONGEST_WAIT_SECONDS, self._job.stall_seconds / 2)
        seconds = min(max(seconds, SHORTEST_WAIT_SECONDS), longest)
        if self._wishes.is_keep_asked(within_seconds=seconds) and not self.has_recorded:
            time.sleep(seconds)  # there is nothing to keep yet

    # One look

    def _look(self, source: Source) -> None:
        """Look what is new in a playlist, and fetch it."""
        source.has_changed = False
        if source.is_ended:
            return
        try:
            listed = self._playlist(source)
        except FAILURES:
            source.failures = 0  # nothing can be had: it is not the segment's fault
            if not self.has_recorded:
                raise
            return
        source.target_seconds = listed.target_seconds
        before = {segment.sequence: segment for segment in listed.segments}
        for segment in self._new(source, listed):
            if self._why_stop() or not self._take(source, segment, before):
                return
        source.is_ended = listed.is_ended

    def _playlist(self, source: Source) -> Playlist:
        content, url = self._get(
            Resource(url=source.url), source.headers, most_bytes=MAX_PLAYLIST_BYTES
        )
        return playlist.read(content.decode("utf-8", "replace"), url)

    def _new(self, source: Source, listed: Playlist) -> list[Segment]:
        """The segments that were not recorded or given up yet."""
        new = [each for each in listed.segments if each.sequence >= source.next_sequence]
        track = self.recording.track(source.number)
        if new or not listed.segments or track.last is None:
            return new
        known = track.marks | source.given_up
        is_behind = listed.segments[-1].sequence < track.last.sequence
        if is_behind and known.isdisjoint(_mark(each) for each in listed.segments):
            return list(listed.segments)  # the site counts anew
        return []  # an old playlist, of a cache

    def _take(self, source: Source, segment: Segment, listed: Mapping[int, Segment]) -> bool:
        """Fetch a segment and record it; False to look at the playlist again first."""
        try:
            if segment.is_missing:
                raise Incomplete("The site does not have this segment")
            content = self._content(source, segment)
            start = self._start_of(source, segment)
        except FAILURES:
            source.failures += 1
            if source.failures < TRIES and not segment.is_missing:
                return False
            source.given_up.add(_mark(segment))
        else:
            self._add(source, segment, content, start, listed)
        source.failures = 0
        source.next_sequence = segment.sequence + 1
        source.has_changed = True
        return True

    def _add(
        self,
        source: Source,
        segment: Segment,
        content: bytes,
        start: bytes,
        listed: Mapping[int, Segment],
    ) -> None:
        begins = _digest(start) if start else ""
        run, is_new = self._run_of(source, segment, begins, listed)
        content = start + content if is_new else content
        most_bytes = self._job.max_bytes * SIZE_SHARE
        if self.has_recorded and self.recording.size_bytes + len(content) > most_bytes:
            self._is_full = True
            raise Stopped
        self.recording.add(
            content,
            track=source.number,
            run=run,
            sequence=segment.sequence,
            discontinuity=segment.discontinuity,
            milliseconds=round(segment.seconds * 1000),
            mark=_mark(segment),
            begins=begins,
        )
        self._came_at = time.monotonic()
        self._on_recorded(self.recording.size_bytes)

    def _run_of(
        self, source: Source, segment: Segment, begins: str, listed: Mapping[int, Segment]
    ) -> tuple[int, bool]:
        """The run that a segment belongs to, and whether it begins with it.

        Of a picture and its sound in two playlists the clocks keep them together: a gap in one of
        them stays a gap.
        """
        last = self.recording.track(source.number).last
        if last is None:
            return 0, True
        previous = listed.get(segment.sequence - 1)
        # A site that does not count its discontinuities says them only while they are listed.
        timeline = previous.discontinuity if previous else last.discontinuity
        follows = segment.sequence == last.sequence + 1
        is_gap = not follows and (len(self._sources) == 1 or segment.sequence <= last.sequence)
        is_new = is_gap or begins != last.begins or timeline != segment.discontinuity
        return last.run + is_new, is_new

    # What is fetched

    def _content(self, source: Source, segment: Segment) -> bytes:
        """The media of a segment, decrypted. Raises Incomplete for what is not media."""
        content = self._fetch(source, segment.media, sequence=segment.sequence)
        if is_text(content) or container_of(io.BytesIO(content)) is None:
            raise Incomplete(f"In the place of segment {segment.sequence} came something else")
        return content

    def _start_of(self, source: Source, segment: Segment) -> bytes:
        """What a file of such segments begins with; b"" for segments that stand for themselves."""
        if segment.initialization is None:
            return b""
        if source.initialization[0] != segment.initialization:
            content = self._fetch(source, segment.initialization, sequence=segment.sequence)
            source.initialization = (segment.initialization, content)
        return source.initialization[1]

    def _fetch(self, source: Source, resource: Resource, *, sequence: int) -> bytes:
        content, _ = self._get(resource, source.headers, most_bytes=MAX_SEGMENT_BYTES)
        if resource.key is None:
            return content
        if source.key[0] != resource.key.url:
            key, _ = self._get(Resource(url=resource.key.url), source.headers, most_bytes=MIB)
            source.key = (resource.key.url, key)
        return _decrypted(content, source.key[1], resource.key.iv or sequence.to_bytes(16))

    def _get(self, resource: Resource, headers: Headers, *, most_bytes: int) -> tuple[bytes, str]:
        """The bytes of a resource, and the address that they came from in the end.

        Raises yt-dlp's RequestError, Incomplete, TooLarge, TimeoutError, and Stopped when it is
        asked to stop meanwhile.
        """
        # The worker takes a child that says nothing for so long for stalled.
        patience_seconds = self._job.stall_seconds / 2
        request = Request(
            resource.url, headers=dict(headers), extensions={"timeout": min(20, patience_seconds)}
        )
        start, length = resource.start, resource.length
        if length is not None:
            request.headers["Range"] = f"bytes={start}-{start + length - 1}"
        self._on_recorded(self.recording.size_bytes)
        with self._urlopen(request) as response:
            content = self._read(response, most_bytes, deadline=time.monotonic() + patience_seconds)
        if length is not None:
            content = content if response.status == 206 else content[start : start + length]
            if len(content) != length:
                raise Incomplete(f"{len(content)} bytes came instead of {length}")
        return content, response.url

    def _read(self, response: Response, most_bytes: int, *, deadline: float) -> bytes:
        content = bytearray()
        while block := response.read(BLOCK_BYTES):
            content += block
            if len(content) > most_bytes:
                raise TooLarge(f"The site sent a segment of more than {most_bytes // MIB} MiB")
            if self.has_recorded and self._wishes.is_keep_asked():
                raise Stopped
            if time.monotonic() > deadline:
                raise TimeoutError("The segment took too long")
        return bytes(content)


def _mark(segment: Segment) -> str:
    """Recognises a segment, whatever its number; sites put passing tokens into the query."""
    return _digest(f"{urlsplit(segment.media.url).path} {segment.media.start}".encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _decrypted(content: bytes, key: bytes, iv: bytes) -> bytes:
    """Decrypt AES-128-CBC and take off its padding. Raises Incomplete where that is not right."""
    if len(key) != 16 or not content or len(content) % 16:
        raise Incomplete("A segment could not be decrypted")
    plain: bytes = aes_cbc_decrypt_bytes(content, key, iv)
    padding = plain[-1]
    if not 1 <= padding <= 16 or plain[-padding:] != bytes([padding]) * padding:
        raise Incomplete("A segment could not be decrypted")
    return plain[:-padding]
