"""Going on with what is here: within the body of one file, and where an earlier attempt ended.

yt-dlp's own resume asks for the rest by `Range` and appends whatever comes; when the file changed
in between, that splices two versions with exit code 0. Here the site must prove that it is the same
body: same length, same strong ETag (or same Last-Modified), and the last bytes that are here are
fetched again and compared. Within an attempt a body without such a validator goes on as well, if
the bytes that are fetched again are the same; then the caller has to read the finished file
through. Otherwise the whole is asked for.

Only for the one file of a download over HTTP. Fragments, merged formats and files that a site wants
to be asked for in chunks are not followed.
"""

import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

from yt_dlp.networking import Request, Response
from yt_dlp.networking.exceptions import HTTPError

from downloads.disk.library import RefusedFile, open_finished
from downloads.disk.partial import CARRIED, LEAST_BYTES, PROOF, Finished, Proof, is_file_name
from downloads.fetch.protocol import Fetched, ManifestFile

OVERLAP_BYTES = 64 * 1024

Open = Callable[[Request], Response]


def take_finished(directory: Path) -> Fetched | None:
    """Take what an earlier attempt finished and could not publish; None when there is no such."""
    carried = directory / CARRIED
    finished = Finished.read(carried)
    if finished is None:
        return None
    with suppress(OSError, RefusedFile, TypeError):
        files = [ManifestFile(**file) for file in finished.files]
        if finished.gather(carried, to=directory):
            return Fetched(
                title=finished.title,
                files=files,
                data=finished.data,
                media=finished.media,
                about=finished.about,
            )
    return None


class Resume:
    """Follows one body from answer to answer. Belongs to one child and its directory."""

    def __init__(self, directory: Path, *, on_resumed: Callable[[int], None]) -> None:
        """`on_resumed` is told how many bytes of an earlier attempt count, and 0 if they do no
        longer."""
        self._directory = directory
        self._on_resumed = on_resumed
        self._url = ""  # of the body that is followed
        self._name = ""
        self._format_id = ""
        self._proof: Proof | None = None  # of the bytes that are here; None: nothing is known
        self._is_carried = False  # they are of an earlier attempt, which the site did not confirm
        self._has_told = False
        self._tags: tuple[str | None, str | None] = (None, None)  # of the whole answer, weak or not
        self.is_doubtful = False  # it went on without a validator

    def begin(self, name: str, info: Mapping[str, Any]) -> None:
        """yt-dlp is about to fetch a file: follow it if it is the one, with what was carried."""
        self._url, self._proof, self.is_doubtful = "", None, False
        if is_file_name(name) and _is_one_body(info):
            self._url = Request(info["url"]).url
            self._name, self._format_id = name, str(info.get("format_id") or "")
            with suppress(OSError, RefusedFile):
                self._proof = self._take_carried()
            self._is_carried = self._proof is not None
        # Before a byte of this attempt is written: what stays there is taken for proven.
        shutil.rmtree(self._directory / CARRIED, ignore_errors=True)

    def _take_carried(self) -> Proof | None:
        carried = self._directory / CARRIED
        proof = Proof.read(carried)
        if proof is None or (proof.name, proof.format_id) != (self._name, self._format_id):
            return None
        with open_finished(carried / proof.part_name) as part:
            size = os.fstat(part.fileno()).st_size
        if size >= proof.total_bytes:
            # yt-dlp takes an answer without a byte for an error.
            os.truncate(carried / proof.part_name, proof.total_bytes - 1)
        (carried / proof.part_name).replace(self._directory / proof.part_name)
        (carried / PROOF).replace(self._directory / PROOF)
        return proof

    def follows(self, request: Request) -> bool:
        return bool(self._url) and request.url == self._url

    def open(self, request: Request, *, start: int, urlopen: Open) -> Response:
        """Answer yt-dlp's request for the body from byte `start` on.

        Either with exactly that, of the same body, or with the whole: then yt-dlp begins again.
        """
        response = self._go_on(request, start, urlopen) if start else None
        if response is None:
            whole = request.copy()
            if "Range" in whole.headers:
                del whole.headers["Range"]
            response = urlopen(whole)
        if response.status != 206:
            self._begin_again(response)
        return response

    def forget(self) -> None:
        """What is here must not be carried: it is wrong, or about to be changed."""
        (self._directory / PROOF).unlink(missing_ok=True)

    def _go_on(self, request: Request, start: int, urlopen: Open) -> Response | None:
        """The rest from `start`, proven; the whole when the site sends it instead; or None."""
        proof = self._proof
        if proof is None or start >= proof.total_bytes:
            return None
        first = max(start // 2, start - OVERLAP_BYTES)
        if not proof.etag and start - first < OVERLAP_BYTES:
            return None  # a date alone, and too little to compare
        rest = request.copy()
        rest.headers["Range"] = f"bytes={first}-"
        if validator := proof.etag or proof.last_modified:
            rest.headers["If-Range"] = validator
        try:
            response = urlopen(rest)
        except HTTPError as error:
            if error.status != 416:
                raise
            error.close()
            return None  # it is shorter now
        if response.status != 206:
            return response
        is_same = bool(validator) or _tags_of(response) == self._tags
        is_same = is_same and _is_of(proof, response, first=first)
        if not is_same or not self._overlaps(response, first, start):
            # A site that does not know If-Range sent the rest of another file.
            response.close()
            return None
        self.is_doubtful |= not validator
        _pretend(response, start=start, total_bytes=proof.total_bytes)
        if self._is_carried:
            self._is_carried, self._has_told = False, True
            self._on_resumed(start)
        return response

    def _overlaps(self, response: Response, first: int, start: int) -> bool:
        """Whether the answer begins with the last bytes that are here."""
        with open_finished(self._directory / f"{self._name}.part") as part:
            part.seek(first)
            expected = part.read(start - first)
        return len(expected) == start - first and _read(response, len(expected)) == expected

    def _begin_again(self, response: Response) -> None:
        """A whole body comes. What is here may be of another one: its proof goes, then the bytes.

        In this order, so that a process that is killed meanwhile never leaves bytes of one body
        with the proof of another.
        """
        self.forget()
        (self._directory / f"{self._name}.part").unlink(missing_ok=True)
        self._is_carried = self.is_doubtful = False
        if self._has_told:
            self._has_told = False
            self._on_resumed(0)
        self._tags = _tags_of(response)
        proof = self._proof = self._proof_of(response)
        if proof and (proof.etag or proof.last_modified) and proof.total_bytes >= LEAST_BYTES:
            proof.write(self._directory)

    def _proof_of(self, response: Response) -> Proof | None:
        """What a whole answer says of its body; None without a length to compare."""
        headers = response.headers
        length = str(headers.get("Content-Length") or "")
        is_plain = headers.get("Content-Encoding", "identity") == "identity"
        if response.status != 200 or not is_plain or not length.isdecimal() or not int(length):
            return None
        return Proof(
            name=self._name,
            format_id=self._format_id,
            total_bytes=int(length),
            etag=strong_etag(headers),
            last_modified=strong_date(headers),
        )

    def received_bytes(self) -> int:
        """How much of the followed body is here."""
        try:
            return (self._directory / f"{self._name}.part").stat().st_size
        except OSError:
            return 0


def _tags_of(response: Response) -> tuple[str | None, str | None]:
    return response.headers.get("ETag"), response.headers.get("Last-Modified")


def strong_etag(headers: Any) -> str:
    """The strong ETag of an answer, or ""  (RFC 9110, 8.8.3)."""
    etag = str(headers.get("ETag") or "")
    return "" if etag.startswith("W/") else etag


def strong_date(headers: Any) -> str:
    """Last-Modified as `If-Range` may carry it, or "".

    Only when it is older than the answer: what changes twice in one second has one date for two
    bodies (RFC 9110, 8.8.2.2).
    """
    last_modified = str(headers.get("Last-Modified") or "")
    try:
        age = parsedate_to_datetime(str(headers.get("Date"))) - parsedate_to_datetime(last_modified)
    except (ValueError, TypeError):
        return ""
    return last_modified if age >= timedelta(seconds=1) else ""


def _is_one_body(info: Mapping[str, Any]) -> bool:
    """Whether yt-dlp asks for the file by one request for the whole of it."""
    headers = {name.lower() for name in info.get("http_headers") or {}}
    options = info.get("downloader_options") or {}
    return (
        info.get("protocol") in ("http", "https")
        and not info.get("requested_formats")
        and not info.get("request_data")
        and not options.get("http_chunk_size")
        and "range" not in headers
    )


def _is_of(proof: Proof, response: Response, *, first: int) -> bool:
    """Whether a 206 is of the proven body, from `first` to its end."""
    headers, total = response.headers, proof.total_bytes
    is_it = (
        strong_etag(headers) == proof.etag
        if proof.etag
        else headers.get("Last-Modified") == proof.last_modified or not proof.last_modified
    )
    is_plain = headers.get("Content-Encoding", "identity") == "identity"
    return (
        is_it and is_plain and headers.get("Content-Range") == f"bytes {first}-{total - 1}/{total}"
    )


def _read(response: Response, size: int) -> bytes:
    """`size` bytes of the answer; fewer when it ends before. Raises yt-dlp's TransportError."""
    content = b""
    while len(content) < size and (block := response.read(size - len(content))):
        content += block
    return content


def _pretend(response: Response, *, start: int, total_bytes: int) -> None:
    """Have an answer whose beginning was read away look as if it had been asked for from there."""
    for name, value in (
        ("Content-Range", f"bytes {start}-{total_bytes - 1}/{total_bytes}"),
        ("Content-Length", str(total_bytes - start)),
    ):
        del response.headers[name]
        response.headers[name] = value
