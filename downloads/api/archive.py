"""The archive in the API: a user's own, as yt-dlp's `--download-archive` writes it."""

from collections.abc import AsyncIterator, Iterator
from functools import partial

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router, Status

from downloads.api import schemas
from downloads.api.auth import user_of
from downloads.models import ArchivedMedia
from downloads.models.archive import archive
from downloads.rules.archive import InvalidArchive, media_ids_in

TEXT = {"text/plain": {"schema": {"type": "string", "examples": ["youtube dQw4w9WgXcQ\n"]}}}

router = Router(by_alias=True)


@router.get(
    "/archive",
    response={401: schemas.Problem},
    summary="The videos that you have or had",
    openapi_extra={
        "responses": {200: {"description": "A line for each, oldest first", "content": TEXT}}
    },
)
def export_archive(request: HttpRequest) -> StreamingHttpResponse:
    """For yt-dlp's `--download-archive`. It also has what was deleted since."""
    lines = ArchivedMedia.objects.of(user_of(request)).lines()
    headers = {"Content-Disposition": 'attachment; filename="archive.txt"'}
    return StreamingHttpResponse(
        _each(lines), content_type="text/plain; charset=utf-8", headers=headers
    )


async def _each(lines: Iterator[str]) -> AsyncIterator[str]:
    while text := await sync_to_async(partial(next, lines, ""))():
        yield text


@router.post(
    "/archive",
    response={
        200: schemas.ArchiveAnswer,
        **dict.fromkeys((401, 403, 413), schemas.Problem),
        422: schemas.Invalid,
    },
    summary="Add videos that you had elsewhere",
    openapi_extra={"requestBody": {"required": True, "content": TEXT}},
)
def import_archive(request: HttpRequest) -> Status[schemas.ArchiveAnswer | schemas.Invalid]:
    """The body is a text with a line for each. When one is wrong, nothing is added. Adding twice is
    adding once, so that a large archive can be sent in parts."""
    try:
        media = media_ids_in(_lines_of(request))
    except InvalidArchive as refusal:
        problems = [schemas.FieldProblem(field="body", reason=fault) for fault in refusal.faults]
        return Status(422, schemas.Invalid(detail=str(refusal), errors=problems))
    added = archive(user_of(request), media)
    return Status(200, schemas.ArchiveAnswer(added=added, present=len(media) - added))


def _lines_of(request: HttpRequest) -> list[bytes]:
    # The check for CSRF has read the body of a form with files, and it cannot be read twice.
    if request.content_type == "multipart/form-data":
        raise InvalidArchive(["Send the text itself, not a form."])
    return request.body.splitlines()
