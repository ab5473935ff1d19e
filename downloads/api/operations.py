"""The operations of the JSON API.

Wiring: shapes are in `schemas`, refusals in `errors`, what an action does is in `actions`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from ninja import Header, NinjaAPI, Query, Status
from ninja.responses import Response

from downloads import actions
from downloads.api.auth import PageAuth, TokenAuth, user_of
from downloads.api.errors import answer_errors
from downloads.api.idempotency import answer_once
from downloads.api.schemas import (
    Batch,
    BatchAnswer,
    BatchResult,
    BatchResultWord,
    Conflict,
    DownloadDetail,
    DownloadOut,
    DownloadPage,
    Invalid,
    ListParameters,
    Problem,
    StatsOut,
    SubmissionHeaders,
    Wish,
    with_neighbours,
)
from downloads.diagnostics import stats
from downloads.models import AttemptLog, Counts, Download, Site, submissions, user_actor
from downloads.rules.links import InvalidLink
from downloads.rules.options import DownloadOptions
from downloads.submission import check_text
from downloads.waiting import Obstacles

if TYPE_CHECKING:
    from django.contrib.auth.models import User


api = NinjaAPI(
    title="vnsite",
    version="1",
    description="Downloads and their whole life. Send `Authorization: Bearer TOKEN`.",
    urls_namespace="api",
    auth=[TokenAuth(), PageAuth()],
    docs_url=None,  # it would load its scripts from somewhere else
    openapi_url=None,  # an operation below: this one would be open to everybody
)

TOO_MANY = "At most {:,} of your downloads may wait. Add it again when some of them have begun."

REFUSALS: dict[int, Any] = {401: Problem, 404: Problem}
SUBMISSION_REFUSALS: dict[int, Any] = {401: Problem, 403: Problem, 413: Problem, 422: Invalid}
MAX_ATTEMPT = 2**31 - 1  # what the database takes
ACTION: dict[int, Any] = {200: DownloadDetail, **REFUSALS, 403: Problem, 409: Conflict}


@api.post(
    "/downloads",
    response={201: DownloadDetail, 200: DownloadDetail, **SUBMISSION_REFUSALS},
    by_alias=True,
    summary="Add one download",
)
def add(
    request: HttpRequest,
    wish: Wish,
    headers: Header[SubmissionHeaders],
) -> Status[DownloadDetail]:
    """201 when it was added; 200 with the one that is there when you have the same URL with the
    same options waiting or running."""
    user = user_of(request)

    def work() -> Status[DownloadDetail]:
        (submitted,) = submissions.submit(
            [(wish.url, wish.options)], owner=user, actor=user_actor(user)
        )
        return Status(201 if submitted.created else 200, _detail(submitted.download))

    return answer_once(request, work, user=user, key=headers.idempotency_key, shape=DownloadDetail)


@api.post(
    "/downloads/batch",
    response={200: BatchAnswer, **SUBMISSION_REFUSALS},
    by_alias=True,
    summary="Add many downloads at once",
)
def add_batch(
    request: HttpRequest,
    batch: Batch,
    headers: Header[SubmissionHeaders],
) -> Status[BatchAnswer]:
    """One result for each URL, in order. What can be added is added, in one transaction."""
    user = user_of(request)

    def work() -> Status[BatchAnswer]:
        results = _submit_all(batch.urls, batch.options, user=user)
        return Status(200, BatchAnswer(results=results))

    return answer_once(request, work, user=user, key=headers.idempotency_key, shape=BatchAnswer)


def _submit_all(
    urls: Sequence[str], options: DownloadOptions, *, user: "User"
) -> list[BatchResult]:
    checked = [_check(url) for url in urls]
    wishes = [(link, options) for link in checked if isinstance(link, str)]
    answers = submissions.submit_what_fits(wishes, owner=user, actor=user_actor(user))
    submitted = iter(answers)
    results = []
    for url, link in zip(urls, checked, strict=True):
        if isinstance(link, InvalidLink):
            results.append(BatchResult(url=url, result=BatchResultWord.ERROR, reason=str(link)))
            continue
        one = next(submitted)
        if one is None:
            reason = TOO_MANY.format(settings.VNSITE.user_waiting)
            results.append(BatchResult(url=url, result=BatchResultWord.ERROR, reason=reason))
            continue
        word = BatchResultWord.CREATED if one.created else BatchResultWord.DUPLICATE
        results.append(
            BatchResult(url=url, result=word, correlation_id=one.download.correlation_id)
        )
    return results


def _check(url: str) -> str | InvalidLink:
    try:
        return check_text(url)
    except InvalidLink as fault:
        return fault


@api.get(
    "/downloads",
    response={200: DownloadPage, 401: Problem, 422: Invalid},
    by_alias=True,
    summary="List downloads, newest first",
)
def list_downloads(request: HttpRequest, query: Query[ListParameters]) -> DownloadPage:
    """What is added meanwhile does not move the pages behind a cursor."""
    downloads = Download.objects.visible_to(user_of(request)).search(query.q).order_by("-id")
    if query.state is not None:
        downloads = downloads.filter(state=query.state)
    if query.cursor is not None:
        downloads = downloads.filter(id__lt=query.cursor)
    # One more than is shown: it says whether there is a next page.
    found = list(with_neighbours(downloads)[: query.limit + 1])
    shown = found[: query.limit]
    obstacles = Obstacles.around(shown)
    return DownloadPage(
        items=[DownloadOut.of(download, obstacles) for download in shown],
        next=str(shown[-1].pk) if len(found) > query.limit else None,
    )


@api.get(
    "/downloads/{correlation_id}",
    response={200: DownloadDetail, **REFUSALS},
    by_alias=True,
    summary="One download, with history and files",
)
def get_download(request: HttpRequest, correlation_id: str) -> DownloadDetail:
    return _detail(_find(request, correlation_id))


@api.get(
    "/downloads/{correlation_id}/log",
    response=REFUSALS,
    summary="The log of one attempt",
    openapi_extra={
        "responses": {
            200: {
                "description": "Lines of the worker and of yt-dlp, oldest first",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        }
    },
)
def get_log(
    request: HttpRequest,
    correlation_id: str,
    attempt: Annotated[int | None, Query(ge=1, le=MAX_ATTEMPT)] = None,
) -> HttpResponse | Status[Problem]:
    """Without `attempt` that of the newest one. While the attempt runs it grows, at most every few
    seconds; it is bounded, and says how many lines it lacks."""
    logs = AttemptLog.objects.filter(download=_find(request, correlation_id))
    log = (logs.filter(attempt=attempt) if attempt else logs).order_by("attempt").last()
    if log is None:
        return Status(404, Problem(detail="There is no log of such an attempt."))
    return HttpResponse(log.text, content_type="text/plain; charset=utf-8")


@api.post("/downloads/{correlation_id}/cancel", response=ACTION, by_alias=True, summary="Cancel")
def cancel(request: HttpRequest, correlation_id: str) -> DownloadDetail:
    """A running download is asked to stop; it is cancelled when its processes are gone."""
    actions.cancel(_find(request, correlation_id), actor=user_actor(user_of(request)))
    return _detail(_find(request, correlation_id))


@api.post("/downloads/{correlation_id}/keep", response=ACTION, by_alias=True, summary="Keep")
def keep(request: HttpRequest, correlation_id: str) -> DownloadDetail:
    """Stop recording a live stream, and publish what is there."""
    actions.stop_and_keep(_find(request, correlation_id), actor=user_actor(user_of(request)))
    return _detail(_find(request, correlation_id))


@api.post("/downloads/{correlation_id}/retry", response=ACTION, by_alias=True, summary="Retry")
def retry(request: HttpRequest, correlation_id: str) -> DownloadDetail:
    actions.retry(_find(request, correlation_id), actor=user_actor(user_of(request)))
    return _detail(_find(request, correlation_id))


@api.post("/downloads/{correlation_id}/cleanup", response=ACTION, by_alias=True, summary="Clean up")
def clean_up(request: HttpRequest, correlation_id: str) -> DownloadDetail:
    """Remove the directory that was kept of a download that has ended."""
    actions.clean(_find(request, correlation_id), actor=user_actor(user_of(request)))
    return _detail(_find(request, correlation_id))


@api.delete(
    "/downloads/{correlation_id}",
    response={204: None, **REFUSALS, 403: Problem, 409: Conflict},
    summary="Forget a download",
)
def forget(request: HttpRequest, correlation_id: str, files: bool = False) -> Status[None]:
    """With `files=true` its published files are removed too."""
    actions.forget(_find(request, correlation_id), with_files=files)
    return Status(204, None)


@api.get("/stats", response={200: StatsOut, 401: Problem}, summary="How the site is doing")
def get_stats(request: HttpRequest) -> StatsOut:
    """Counts and speed are of the downloads that you can see."""
    user = user_of(request)
    downloads, counts = Download.objects.visible_to(user), Counts.objects.visible_to(user)
    return StatsOut(
        counts=counts.by_state(),
        outcomes=counts.by_outcome(),
        speed=stats.speed_of(downloads),
        free_bytes=stats.free_bytes(settings.VNSITE.media_root),
        workers=stats.workers(),
    )


@api.post(
    "/sites/{host}/try",
    response={204: None, 401: Problem, 403: Problem, 404: Problem},
    summary="Try a site that waits",
)
def try_site(request: HttpRequest, host: str) -> Status[Problem | None]:
    """For staff. Its downloads go at once, until the next failure."""
    if not user_of(request).is_staff:
        return Status(403, Problem(detail="Only staff may do this."))
    # PostgreSQL refuses to look for a NUL.
    if "\0" in host or not Site.objects.try_now(host):
        return Status(404, Problem(detail="This site does not wait."))
    return Status(204, None)


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> HttpResponse:
    return Response(api.get_openapi_schema())


def _detail(download: Download) -> DownloadDetail:
    return DownloadDetail.of(download, Obstacles.around([download]))


def _find(request: HttpRequest, correlation_id: str) -> Download:
    """Http404 for an unknown, a malformed and a foreign id alike: nobody learns which it is."""
    downloads = with_neighbours(Download.objects.visible_to(user_of(request)))
    if "\0" in correlation_id:  # PostgreSQL refuses to look for it
        raise Http404
    download = downloads.select_related("entry").filter(correlation_id=correlation_id).first()
    if download is None:
        raise Http404
    return download


answer_errors(api)
