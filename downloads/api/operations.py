"""The operations of the JSON API. Wiring: `schemas` has the shapes, `errors` the refusals."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Header, NinjaAPI, Query, Router, Status
from ninja.responses import Response

from downloads import actions, queueing
from downloads.api import (
    archive,
    cookies,
    feeds,
    library,
    lists,
    many,
    presets,
    saved_views,
    schemas,
    sites,
    subscriptions,
)
from downloads.api.auth import PageAuth, TokenAuth, user_of
from downloads.api.errors import answer_errors
from downloads.api.idempotency import answer_once
from downloads.api.lookup import find
from downloads.diagnostics import stats
from downloads.library import remuxing
from downloads.models import AttemptLog, Counts, Download, Submitted, submissions, user_actor
from downloads.models.listings import became_of_lists
from downloads.models.presets import chosen_options
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
    default_router=Router(by_alias=True),
    auth=[TokenAuth(), PageAuth()],
    docs_url=None,  # it would load its scripts from somewhere else
    openapi_url=None,  # an operation below: this one would be open to everybody
)

MAX_ATTEMPT = 2**31 - 1  # what the database takes
REFUSALS: dict[int, Any] = dict.fromkeys((401, 404), schemas.Problem)
SUBMISSION_REFUSALS: dict[int, Any] = {
    **dict.fromkeys((401, 403, 413), schemas.Problem),
    422: schemas.Invalid,
}
REFUSED: dict[int, Any] = {**REFUSALS, 403: schemas.Problem, 409: schemas.Conflict}
ACTION: dict[int, Any] = {200: schemas.DownloadDetail, **REFUSED}


@api.post(
    "/downloads",
    response={201: schemas.DownloadDetail, 200: schemas.DownloadDetail, **SUBMISSION_REFUSALS},
    summary="Add one download",
)
def add(
    request: HttpRequest,
    wish: schemas.Wish,
    headers: Header[schemas.SubmissionHeaders],
) -> Status[schemas.DownloadDetail]:
    """201: it was added. 200: you have the same URL with the same options waiting or running, and
    the answer is that download."""
    user = user_of(request)

    def work() -> Status[schemas.DownloadDetail]:
        options = chosen_options(wish.preset, wish.options.chosen, user=user)
        (submitted,) = submissions.submit(
            [(wish.url, options)], owner=user, actor=user_actor(user), is_again=wish.again
        )
        return Status(201 if submitted.created else 200, _detail(submitted.download))

    return answer_once(
        request, work, user=user, key=headers.idempotency_key, shape=schemas.DownloadDetail
    )


@api.post(
    "/downloads/batch",
    response={200: schemas.BatchAnswer, **SUBMISSION_REFUSALS},
    summary="Add many downloads at once",
)
def add_batch(
    request: HttpRequest,
    batch: schemas.Batch,
    headers: Header[schemas.SubmissionHeaders],
) -> Status[schemas.BatchAnswer]:
    """One result for each URL, in order. What can be added is added, in one transaction."""
    user = user_of(request)

    def work() -> Status[schemas.BatchAnswer]:
        options = chosen_options(batch.preset, batch.options.chosen, user=user)
        results = _submit_all(batch.urls, options, user=user, is_again=batch.again)
        return Status(200, schemas.BatchAnswer(results=results))

    return answer_once(
        request, work, user=user, key=headers.idempotency_key, shape=schemas.BatchAnswer
    )


@api.post(
    "/downloads/many",
    response={200: many.DoneOut, **many.REFUSED},
    summary="Act on many downloads at once",
)
def act_on_many(request: HttpRequest, wish: many.Many) -> many.DoneOut:
    """Each is judged by itself. Of a `query` only those are tried to which the action applies."""
    return many.act_on_many(user_of(request), wish)


def _submit_all(
    urls: Sequence[str], options: DownloadOptions, *, user: "User", is_again: bool
) -> list[schemas.BatchResult]:
    checked = [_check(url) for url in urls]
    wishes = [(link, options) for link in checked if isinstance(link, str)]
    answers = submissions.submit_what_fits(
        wishes, owner=user, actor=user_actor(user), is_again=is_again
    )
    submitted = iter(answers)
    return [
        _result(url, link if isinstance(link, InvalidLink) else next(submitted))
        for url, link in zip(urls, checked, strict=True)
    ]


def _result(url: str, found: Submitted | InvalidLink | None) -> schemas.BatchResult:
    """None: as many of the user's downloads wait as may."""
    if found is None or isinstance(found, InvalidLink):
        reason = str(found or schemas.too_many_waiting())
        return schemas.BatchResult(url=url, result=schemas.BatchResultWord.ERROR, reason=reason)
    words = schemas.BatchResultWord
    word = words.CREATED if found.created else words.DUPLICATE
    correlation_id = found.download.correlation_id
    return schemas.BatchResult(url=url, result=word, correlation_id=correlation_id)


def _check(url: str) -> str | InvalidLink:
    try:
        return check_text(url)
    except InvalidLink as fault:
        return fault


@api.get(
    "/downloads",
    response={200: schemas.DownloadPage, 401: schemas.Problem, 422: schemas.Invalid},
    summary="List downloads, newest first",
)
def list_downloads(
    request: HttpRequest, query: Query[schemas.ListParameters]
) -> schemas.DownloadPage:
    """Downloads that are added meanwhile do not move the pages behind a cursor."""
    downloads = Download.objects.visible_to(user_of(request)).search(query.q).order_by("-id")
    if query.state is not None:
        downloads = downloads.filter(state=query.state)
    if query.cursor is not None:
        downloads = downloads.filter(id__lt=query.cursor)
    # One more than is shown: it says whether there is a next page.
    found = list(schemas.with_neighbours(downloads)[: query.limit + 1])
    shown = found[: query.limit]
    obstacles, became = Obstacles.around(shown), became_of_lists(shown)
    return schemas.DownloadPage(
        items=[
            schemas.DownloadOut.of(download, obstacles, became.get(download.pk))
            for download in shown
        ],
        next=str(shown[-1].pk) if len(found) > query.limit else None,
    )


@api.get(
    "/downloads/{correlation_id}",
    response={200: schemas.DownloadDetail, **REFUSALS},
    summary="One download, with history and files",
)
def get_download(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    return _detail(find(request, correlation_id))


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
) -> HttpResponse | Status[schemas.Problem]:
    """Without `attempt`: the log of the newest one. It grows every few seconds while the attempt
    runs; it is bounded, and says how many lines were left out."""
    logs = AttemptLog.objects.filter(download=find(request, correlation_id))
    log = (logs.filter(attempt=attempt) if attempt else logs).order_by("attempt").last()
    if log is None:
        return Status(404, schemas.Problem(detail="There is no log of such an attempt."))
    return HttpResponse(log.text, content_type="text/plain; charset=utf-8")


def _act(
    request: HttpRequest, correlation_id: str, action: Callable[..., object]
) -> schemas.DownloadDetail:
    """Do one of `actions` or `queueing`, and answer the download after it."""
    action(find(request, correlation_id), actor=user_actor(user_of(request)))
    return _detail(find(request, correlation_id))


@api.post("/downloads/{correlation_id}/cancel", response=ACTION, summary="Cancel")
def cancel(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """A running download is asked to stop; it is cancelled when its processes are gone."""
    return _act(request, correlation_id, actions.cancel)


@api.post("/downloads/{correlation_id}/keep", response=ACTION, summary="Keep")
def keep(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """Stop recording a live stream, and publish what is there."""
    return _act(request, correlation_id, actions.stop_and_keep)


@api.post("/downloads/{correlation_id}/retry", response=ACTION, summary="Retry")
def retry(
    request: HttpRequest, correlation_id: str, changes: schemas.Changes | None = None
) -> schemas.DownloadDetail:
    """Try it again; `options` that are sent replace those that it had."""
    found = find(request, correlation_id)
    chosen = changes.options.chosen if changes else {}
    options = DownloadOptions.from_mapping({**found.options, **chosen}) if chosen else None
    actions.retry(found, actor=user_actor(user_of(request)), options=options)
    return _detail(find(request, correlation_id))


@api.post(
    "/downloads/{correlation_id}/remux",
    response={201: schemas.DownloadDetail, **ACTION},
    summary="Remux for browsers",
)
def remux(request: HttpRequest, correlation_id: str) -> Status[schemas.DownloadDetail]:
    """201: a download was added that copies the streams of the film into a container that browsers
    play; nothing is fetched or encoded. 200: there is one already. The answer is that download."""
    found = find(request, correlation_id)
    made = remuxing.remux(found, actor=user_actor(user_of(request)))
    detail = _detail(find(request, made.download.correlation_id))
    return Status(201 if made.created else 200, detail)


@api.post("/downloads/{correlation_id}/cleanup", response=ACTION, summary="Clean up")
def clean_up(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """Remove the directory that was kept of a download that has ended."""
    return _act(request, correlation_id, actions.clean)


@api.post("/downloads/{correlation_id}/pause", response=ACTION, summary="Pause")
def pause(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """Keep a waiting download from starting."""
    return _act(request, correlation_id, queueing.pause)


@api.post("/downloads/{correlation_id}/resume", response=ACTION, summary="Resume")
def resume(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    return _act(request, correlation_id, queueing.resume)


@api.post("/downloads/{correlation_id}/first", response=ACTION, summary="Start next")
def first(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """Before all others of its owner that wait; a paused one is resumed."""
    return _act(request, correlation_id, queueing.first)


@api.post("/downloads/{correlation_id}/up", response=ACTION, summary="Move up")
def up(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """By one place in its owner's queue."""
    return _act(request, correlation_id, queueing.up)


@api.post("/downloads/{correlation_id}/down", response=ACTION, summary="Move down")
def down(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """By one place in its owner's queue."""
    return _act(request, correlation_id, queueing.down)


@api.post("/downloads/{correlation_id}/last", response=ACTION, summary="Move last")
def last(request: HttpRequest, correlation_id: str) -> schemas.DownloadDetail:
    """Behind all others of its owner that wait."""
    return _act(request, correlation_id, queueing.last)


@api.delete(
    "/downloads/{correlation_id}",
    response={204: None, **REFUSED},
    summary="Forget a download",
)
def forget(request: HttpRequest, correlation_id: str, files: bool = False) -> Status[None]:
    """With `files=true` its published files are removed too."""
    actions.forget(find(request, correlation_id), with_files=files)
    return Status(204, None)


@api.get(
    "/stats",
    response={200: schemas.StatsOut, 401: schemas.Problem},
    summary="How the site is doing",
)
def get_stats(request: HttpRequest) -> schemas.StatsOut:
    """Counts and speed include the downloads that you can see."""
    user = user_of(request)
    downloads, counts = Download.objects.visible_to(user), Counts.objects.visible_to(user)
    states, outcomes = counts.by_state_and_outcome()
    return schemas.StatsOut(
        counts=states,
        outcomes=outcomes,
        speed=stats.speed_of(downloads),
        free_bytes=stats.free_bytes(settings.VNSITE.media_root),
        workers=stats.workers(),
    )


@api.get("/openapi.json", include_in_schema=False)
def openapi(request: HttpRequest) -> HttpResponse:
    return Response(api.get_openapi_schema())


def _detail(download: Download) -> schemas.DownloadDetail:
    became = became_of_lists([download]).get(download.pk)
    return schemas.DownloadDetail.of(download, Obstacles.around([download]), became)


api.add_router("", archive.router)
api.add_router("", cookies.router)
api.add_router("", feeds.router)
api.add_router("", library.router)
api.add_router("", lists.router)
api.add_router("", many.router)
api.add_router("", presets.router)
api.add_router("", saved_views.router)
api.add_router("/sites", sites.router)
api.add_router("", subscriptions.router)
answer_errors(api)
