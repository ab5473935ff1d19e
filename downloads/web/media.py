"""`GET /media/<correlation id>/<name>`: a published file, whole or one range of it.

Reads the library and writes nothing. Of a file of any size one block is in memory.
"""

import asyncio
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date, parse_http_date_safe
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from downloads.accounts.tokens import token_in, user_of
from downloads.models import Download, LibraryEntry, PublishedFile

logger = logging.getLogger(__name__)

BLOCK_BYTES = 256 * 1024

HEADERS = {
    "Accept-Ranges": "bytes",
    "Cache-Control": "private, no-cache",  # a browser asks each time: it may have been deleted
    "X-Content-Type-Options": "nosniff",
    # A file that is opened by itself runs no script and reaches nobody, whatever it holds. A
    # browser's own player is a page that loads the file again, with the cookie of its origin.
    "Content-Security-Policy": "sandbox allow-same-origin; default-src 'none'; media-src 'self'",
}


class NotSatisfiable(Exception):
    """The range begins after the end of the file."""


class IsGone(Exception):
    """A published file is not what it was any more; the message is a sentence without full stop."""


@require_safe
async def media(request: HttpRequest, correlation_id: str, name: str) -> HttpResponseBase:
    """Serve one published file of a download that the user may see; else 404."""
    user = await sync_to_async(user_of)(request)
    if user is None:
        return _refuse(request)

    def find() -> PublishedFile | None:
        entries = LibraryEntry.objects.visible_to(user)
        return file_of(entries, correlation_id, name)

    try:
        return await serve(request, find)
    except IsGone as gone:
        return await sync_to_async(_say_gone)(request, correlation_id, gone)


async def serve(request: HttpRequest, find: Callable[[], PublishedFile | None]) -> HttpResponseBase:
    """Serve the file that `find` finds in the database, with ranges and conditions.

    Raises Http404 when it finds none, and IsGone.
    """
    row, file = await sync_to_async(_open)(find)
    try:
        status = os.fstat(file.fileno())
        if settings.VNSITE.accel_prefix:
            file.close()
            return _hand_to_proxy(request, row)
        response = _answer(request, row, file, status)
    except BaseException:
        file.close()
        raise
    if not response.streaming:
        file.close()
    _describe(response, request, row, status)
    return response


def file_of(
    entries: QuerySet[LibraryEntry], correlation_id: str, name: str
) -> PublishedFile | None:
    """Return the file of that name in one of the entries, with its entry; None: there is none."""
    if "\0" in name:  # PostgreSQL refuses to look for it
        return None
    files = PublishedFile.objects.select_related("entry")
    of_download = entries.filter(correlation_id=correlation_id)
    return files.filter(entry__in=of_download, name=name).first()


def _hand_to_proxy(request: HttpRequest, row: PublishedFile) -> HttpResponse:
    """Let nginx send the file, with ranges and conditions. The user may have it."""
    response = HttpResponse()
    # nginx decodes the name; an encoded one cannot break the header.
    path = quote(f"{row.entry.path}/{row.name}")
    response.headers["X-Accel-Redirect"] = settings.VNSITE.accel_prefix + path
    _describe_kind(response, request, row)
    return response


def _refuse(request: HttpRequest) -> HttpResponse:
    if token_in(request) is not None:
        return HttpResponse("The token is not valid.", status=401, content_type="text/plain")
    return redirect_to_login(request.get_full_path())


def _open(find: Callable[[], PublishedFile | None]) -> tuple[PublishedFile, BinaryIO]:
    row = find()
    if row is None:
        raise Http404("There is no such file.")
    path = Path(row.entry.path, *Path(row.name).parts)
    try:
        file = open_beneath(settings.VNSITE.media_root, path)
    except OSError as error:
        found_in = row.entry.correlation_id
        logger.warning("%s of %s cannot be opened: %s", row.name, found_in, error.strerror)
        raise IsGone(_("This file was removed outside vnsite")) from error
    if os.fstat(file.fileno()).st_size != row.size:
        file.close()
        raise IsGone(_("This file was changed outside vnsite"))
    return row, file


def _say_gone(request: HttpRequest, correlation_id: str, gone: IsGone) -> HttpResponse:
    """Answer 404 with the sentence: a page for people, a line for a program with a token."""
    if token_in(request) is not None:
        return HttpResponse(f"{gone}.", status=404, content_type="text/plain; charset=utf-8")
    has_page = Download.objects.filter(correlation_id=correlation_id).exists()
    context = {"sentence": str(gone), "correlation_id": correlation_id if has_page else ""}
    return render(request, "downloads/gone.html", context, status=404)


def open_beneath(root: Path, path: Path) -> BinaryIO:
    """Open a regular file below `root` for reading, following no symbolic link on the way.

    Raises OSError when it is not there or is something else.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not block
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts:
            if part == os.pardir or os.path.isabs(part):  # noqa: PTH117
                raise FileNotFoundError(path)
            inner = os.open(part, flags, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise IsADirectoryError(path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def _answer(
    request: HttpRequest, row: PublishedFile, file: BinaryIO, status: os.stat_result
) -> HttpResponseBase:
    size = status.st_size
    modified = int(status.st_mtime)
    conditional = get_conditional_response(request, _etag(row, status), modified)
    if conditional is not None:
        return conditional
    try:
        part = wanted_part(request, etag=_etag(row, status), modified=modified, size=size)
    except NotSatisfiable:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    start, stop = part or (0, size)
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse()
    else:
        response = StreamingHttpResponse(Blocks(file, start, stop))
    response.headers["Content-Length"] = str(stop - start)
    if part:
        response.status_code = 206
        response.headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return response


def wanted_part(
    request: HttpRequest, *, etag: str, modified: int, size: int
) -> tuple[int, int] | None:
    """Return start and stop of the one range that is asked for; None for the whole file.

    Ignores what RFC 9110 lets a server ignore: several ranges, other units, what does not parse,
    and a range of another version of the file (If-Range). Raises NotSatisfiable.
    """
    # All of werkzeug comes with it, which only a file that is asked for needs.
    from werkzeug.http import parse_range_header

    wanted = parse_range_header(request.headers.get("Range"))
    if wanted is None or wanted.units != "bytes" or len(wanted.ranges) != 1:
        return None
    condition = request.headers.get("If-Range", etag)
    if condition != etag and parse_http_date_safe(condition) != modified:
        return None
    start, stop = wanted.ranges[0]
    if start < 0:
        start = max(0, size + start)
    if start >= size:
        raise NotSatisfiable
    return start, size if stop is None else min(stop, size)


def _etag(row: PublishedFile, status: os.stat_result) -> str:
    """Return its hash, or of an imported file what a change would change."""
    return f'"{row.sha256 or f"{status.st_size:x}-{status.st_mtime_ns:x}"}"'


def _describe(
    response: HttpResponseBase, request: HttpRequest, row: PublishedFile, status: os.stat_result
) -> None:
    _describe_kind(response, request, row)
    response.headers["ETag"] = _etag(row, status)
    response.headers["Last-Modified"] = http_date(status.st_mtime)


def _describe_kind(response: HttpResponseBase, request: HttpRequest, row: PublishedFile) -> None:
    for header, value in HEADERS.items():
        response.headers[header] = value
    response.headers["Content-Type"] = row.media_type
    as_attachment = request.GET.get("download") == "1"
    disposition = content_disposition_header(as_attachment, Path(row.name).name)
    response.headers["Content-Disposition"] = disposition or "inline"


class Blocks:
    """A part of a file, block by block, each read in a thread. Django closes it with the response.

    It is not a generator: one that was never started does not run its `finally`, so a browser that
    left early would leave the file open.
    """

    def __init__(self, file: BinaryIO, start: int, stop: int) -> None:
        self._file = file
        self._left = stop - start
        file.seek(start)

    def __aiter__(self) -> "Blocks":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        block = await asyncio.to_thread(self._file.read, min(BLOCK_BYTES, self._left))
        if not block:
            # The server ends the connection, because fewer bytes came than were announced.
            logger.warning("%s became shorter while it was served", self._file.name)
            raise StopAsyncIteration
        self._left -= len(block)
        return block

    def close(self) -> None:
        """Close the file. The file object's own lock waits for a block that is being read."""
        self._file.close()
