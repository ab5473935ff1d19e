"""What goes over the wire of the JSON API, and how rows become that.

Names here do not change without a line in CHANGELOG.md. Responses are made from rows, field by
field, so that a new column is not published by accident.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from django.urls import reverse
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    create_model,
)

from downloads.models import Download, DownloadQuerySet, Progress, PublishedFile, Transition
from downloads.rules.errors import ErrorClass
from downloads.rules.links import MAX_LINKS
from downloads.rules.options import OPTIONS, Choice, DownloadOptions
from downloads.rules.states import Outcome, State
from downloads.submission import check_text
from downloads.waiting import Obstacles, Why
from downloads.web.details import detail_of

MAX_ID = 2**63 - 1  # what the database takes


def _none_if_empty(value: object) -> object:
    return None if value == "" else value


Link = Annotated[
    str,
    AfterValidator(check_text),
    Field(description="A link, or a text that holds one, as people share it"),
]


class Incoming(BaseModel):
    """What a client sends. An unknown key is refused: it may be a known one, misspelt."""

    model_config = ConfigDict(extra="forbid")


def _option_field(option: Choice) -> Any:
    """Return the type and the field of an option, for `create_model`."""
    words: Any = Literal[option.words]
    is_optional = None in option.labels
    field = Field(option.default, title=option.label, description=option.description)
    return (words | None if is_optional else words), field


OptionsIn = create_model(
    "Options",
    __base__=Incoming,
    **{name: _option_field(option) for name, option in OPTIONS.items()},
)


def _download_options(value: object) -> DownloadOptions:
    return DownloadOptions(**OptionsIn.model_validate(value).model_dump())


Options = Annotated[
    DownloadOptions, PlainValidator(_download_options, json_schema_input_type=OptionsIn)
]


class Wish(Incoming):
    url: Link
    options: Options = DownloadOptions()


class Batch(Incoming):
    # Each link is judged by itself, in its own result; each may be a text that holds one.
    urls: list[str] = Field(min_length=1, max_length=MAX_LINKS)
    options: Options = DownloadOptions()


class ListParameters(BaseModel):
    """The query of a list. `state=` and `cursor=` without a value mean that they are absent."""

    state: Annotated[State | None, BeforeValidator(_none_if_empty)] = None
    q: str = Field("", max_length=500, pattern=r"^[^\x00]*$")  # PostgreSQL refuses a NUL in a text
    limit: int = Field(50, ge=1, le=200)
    cursor: Annotated[
        Annotated[int, Field(ge=1, le=MAX_ID)] | None, BeforeValidator(_none_if_empty)
    ] = None


class SubmissionHeaders(BaseModel):
    idempotency_key: str | None = Field(None, alias="Idempotency-Key", min_length=1, max_length=255)


class Outgoing(BaseModel):
    """What a client gets; `by_alias`, because `class` and `from` are no names in Python."""

    model_config = ConfigDict(populate_by_name=True)


class Problem(Outgoing):
    detail: str = Field(description="One sentence")


class Conflict(Problem):
    state: State = Field(description="The state that the download has now")


class FieldProblem(Outgoing):
    field: str = Field(description="Path of the field: `url`, `options.quality`, `urls.3`, `limit`")
    reason: str = Field(description="One sentence")


class Invalid(Problem):
    errors: list[FieldProblem]


class BatchResultWord(StrEnum):
    CREATED = "created"
    DUPLICATE = "duplicate"
    ERROR = "error"


class BatchResult(Outgoing):
    url: str = Field(description="As it was sent")
    result: BatchResultWord
    correlation_id: str | None = None
    reason: str | None = None


class BatchAnswer(Outgoing):
    results: list[BatchResult]


class ErrorOut(Outgoing):
    class_: ErrorClass = Field(alias="class")
    message: str
    advice: str

    @classmethod
    def of(cls, download: Download) -> Self | None:
        told = download.advice
        if told is None:
            return None
        return cls(class_=download.error_class, message=told.sentence, advice=told.next_step)


class ProgressOut(Outgoing):
    bytes: int
    resumed_bytes: int = Field(description="How many of them came from an earlier attempt")
    total: int | None
    speed: float | None
    eta: float | None
    percent: float | None

    @classmethod
    def of(cls, progress: Progress) -> Self:
        return cls(
            bytes=progress.received_bytes,
            resumed_bytes=progress.resumed_bytes,
            total=progress.total_bytes,
            speed=progress.speed,
            eta=progress.eta_seconds,
            percent=progress.percent,
        )


class FileOut(Outgoing):
    name: str
    size: int
    sha256: str
    media_type: str
    url: str

    @classmethod
    def of(cls, file: PublishedFile, download: Download) -> Self:
        return cls(
            name=file.name,
            size=file.size,
            sha256=file.sha256,
            media_type=file.media_type,
            url=reverse("media", args=[download.correlation_id, file.name]),
        )


class TransitionOut(Outgoing):
    seq: int
    from_: State | None = Field(alias="from")
    to: State
    at: datetime
    actor: str
    reason: str
    detail: str = Field(description="In words; empty when there is nothing to say")
    data: dict[str, str | int] = Field(description="What `detail` is made of")
    attempt: int

    @classmethod
    def of(cls, transition: Transition) -> Self:
        return cls(
            seq=transition.seq,
            from_=State(transition.from_state) if transition.from_state else None,
            to=State(transition.to_state),
            at=transition.at,
            actor=transition.actor,
            reason=transition.reason,
            detail=detail_of(transition.data),
            data=transition.data,
            attempt=transition.attempt,
        )


class WaitingOut(Outgoing):
    """Why a download waits; null where `why` has no such thing."""

    why: Why
    site: str = Field(description="With the port where the link has one")
    until: datetime | None
    failures: int | None = Field(description="Of the site, in a row")
    error_class: ErrorClass | None = Field(description="Of the last of them")
    running: int | None
    limit: int | None


class DownloadOut(Outgoing):
    """A download as it is listed."""

    correlation_id: str
    url: str
    title: str
    state: State
    outcome: Outcome | None
    phase: str | None
    error: ErrorOut | None
    attempt: int
    tries: int = Field(description="Attempts that count: not those that a stop put back")
    max_attempts: int
    priority: int
    not_before: datetime | None = Field(description="When it is tried again; null: at once")
    waiting: WaitingOut | None = Field(
        description="What is in its way; null: it does not wait, or only for a free slot"
    )
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressOut | None
    owner: str | None
    worker: str | None

    @classmethod
    def of(cls, download: Download, obstacles: Obstacles) -> Self:
        """From a row of `with_neighbours`; any other costs a query for each neighbour."""
        return cls(**_columns(download, obstacles))


class DownloadDetail(DownloadOut):
    """A download with everything that is known of it."""

    files: list[FileOut]
    history: list[TransitionOut]

    @classmethod
    def of(cls, download: Download, obstacles: Obstacles) -> Self:
        return cls(
            **_columns(download, obstacles),
            files=[FileOut.of(file, download) for file in download.files],
            history=[TransitionOut.of(each) for each in download.transitions.all()],
        )


class DownloadPage(Outgoing):
    items: list[DownloadOut]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")


class WorkerOut(Outgoing):
    name: str
    host: str
    alive: bool
    slots: int
    busy: int
    heartbeat_at: datetime


class StatsOut(Outgoing):
    counts: dict[State, int]
    outcomes: dict[Outcome, int]
    speed: float
    free_bytes: int
    workers: list[WorkerOut]


def with_neighbours(downloads: DownloadQuerySet) -> DownloadQuerySet:
    """Bring along what `DownloadOut` shows of other tables, in the same query."""
    return downloads.select_related("owner", "worker", "progress")


def _columns(download: Download, obstacles: Obstacles) -> dict[str, Any]:
    waiting = obstacles.of(download)
    progress: Progress | None = getattr(download, "progress", None)  # it has one while it runs
    return {
        "correlation_id": download.correlation_id,
        "url": download.url,
        "title": download.title,
        "state": State(download.state),
        "outcome": Outcome(download.outcome) if download.outcome else None,
        "phase": progress.phase if progress else None,
        "error": ErrorOut.of(download),
        "attempt": download.attempt,
        "tries": download.tries,
        "max_attempts": download.max_attempts,
        "priority": download.priority,
        "not_before": download.not_before,
        "waiting": WaitingOut(**vars(waiting)) if waiting else None,
        "created_at": download.created_at,
        "started_at": download.started_at,
        "finished_at": download.finished_at,
        "progress": ProgressOut.of(progress) if progress else None,
        "owner": download.owner.get_username() if download.owner else None,
        "worker": download.worker.name if download.worker else None,
    }
