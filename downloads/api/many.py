"""Many downloads at once, and the queue, in the API. Wiring only."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field, model_validator

from downloads import queueing
from downloads.api.auth import user_of
from downloads.api.schemas import Incoming, Invalid, OrAbsent, Outgoing, Problem, SearchText
from downloads.api.sites import STAFF_ONLY
from downloads.many import MAX_AT_ONCE, Action, Refusal, act, applicable
from downloads.models import Counts, Download, Queue, user_actor
from downloads.rules.states import RUNNING, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

router = Router(by_alias=True)

REFUSED: dict[int, Any] = {**dict.fromkeys((401, 403, 413), Problem), 422: Invalid}
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]  # PostgreSQL refuses a NUL


class ManyQuery(Incoming):
    """All downloads that match, as in `GET /downloads`."""

    state: Annotated[State | None, OrAbsent] = None
    q: SearchText = ""


class Many(Incoming):
    """What to do, and with which: those that are named, or all that match."""

    action: Action
    ids: list[Text] | None = Field(None, max_length=MAX_AT_ONCE, description="Correlation ids")
    query: ManyQuery | None = None
    files: bool = Field(False, description="A deletion removes the published files as well")

    @model_validator(mode="after")
    def _names_one_way(self) -> Self:
        if (self.ids is None) == (self.query is None):
            raise ValueError("Send either `ids` or `query`.")
        return self


class DoneOut(Outgoing):
    """What an action did to many downloads."""

    done: int
    asked: int = Field(
        description="Of those the ones that still run: their worker was asked to stop them"
    )
    refused: dict[Refusal, int] = Field(description="How many were refused, by the reason")
    reason: str = Field(description="Why the first of `other` was, in words; empty: there is none")
    left: int = Field(description="Not tried yet: send the request again")


class QueueOut(Outgoing):
    paused_at: datetime | None = Field(description="null: downloads start")
    paused_by: str = Field(description="Empty: downloads start")
    waiting: int = Field(description="Of the downloads that you can see")
    running: int
    paused: int = Field(description="Of those that wait")


def act_on_many(user: "User", wish: Many) -> DoneOut:
    """Act on those that a user named or described, as far as they can see them."""
    downloads, gone = Download.objects.visible_to(user), 0
    if wish.query is not None:
        downloads = downloads.search(wish.query.q)
        if wish.query.state is not None:
            downloads = downloads.filter(state=wish.query.state)
        downloads = applicable(downloads, wish.action)
    else:
        ids = set(wish.ids or ())
        downloads = downloads.filter(correlation_id__in=ids)
        gone = len(ids) - downloads.count()
    done = act(downloads, wish.action, actor=user_actor(user), with_files=wish.files)
    if gone:
        done.refused[Refusal.GONE] += gone
    return DoneOut.model_validate(done)


@router.get("/queue", response={200: QueueOut, 401: Problem}, summary="The queue of all")
def get_queue(request: HttpRequest) -> QueueOut:
    return _queue_of(request)


@router.post("/queue/pause", response={200: QueueOut, **REFUSED}, summary="Pause the queue")
def pause_queue(request: HttpRequest) -> QueueOut | Status[Problem]:
    """Nothing new starts; what runs goes on. For staff."""
    return _change(request, queueing.pause_queue)


@router.post("/queue/resume", response={200: QueueOut, **REFUSED}, summary="Resume the queue")
def resume_queue(request: HttpRequest) -> QueueOut | Status[Problem]:
    """For staff."""
    return _change(request, queueing.resume_queue)


def _change(request: HttpRequest, change: Callable[..., Queue]) -> QueueOut | Status[Problem]:
    user = user_of(request)
    if not user.is_staff:
        return Status(403, Problem(detail=STAFF_ONLY))
    change(actor=user_actor(user))
    return _queue_of(request)


def _queue_of(request: HttpRequest) -> QueueOut:
    user, queue = user_of(request), Queue.current()
    counts = Counts.objects.visible_to(user).by_state()
    return QueueOut(
        paused_at=queue.paused_at,
        paused_by=queue.paused_by,
        waiting=counts[State.CREATED],
        running=sum(counts[state] for state in RUNNING),
        paused=Download.objects.visible_to(user).filter(paused_at__isnull=False).count(),
    )
