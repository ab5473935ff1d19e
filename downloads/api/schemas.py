"""What goes over the wire of the JSON API, and how rows become that.

Names here do not change without a line in CHANGELOG.md. A response has the fields that are named
here and no others, so that a new column is not published by accident.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from django.conf import settings
from django.urls import reverse
from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    create_model,
)

from downloads.models import Download, DownloadQuerySet, Listing, PublishedFile
from downloads.models.listings import Became
from downloads.rules.errors import ErrorClass
from downloads.rules.links import MAX_LINKS
from downloads.rules.option_kinds import Option
from downloads.rules.options import OPTIONS
from downloads.rules.search import checked
from downloads.rules.states import ListKind, Outcome, Result, Role, State
from downloads.submission import check_text
from downloads.waiting import Obstacles, Waiting
from downloads.web.details import detail_of
from downloads.web.thumbnails import address_of

MAX_ID = 2**63 - 1  # what the database takes
# The columns of a download that are shown under their own name.
COLUMNS = (
    *(
        "correlation_id",
        "url",
        "title",
        "state",
        "outcome",
        "result",
        "attempt",
        "tries",
        "max_attempts",
        "remux_of",
    ),
    *("priority", "not_before", "paused_at", "created_at", "started_at", "finished_at"),
)


Link = Annotated[
    str,
    AfterValidator(check_text),
    Field(description="A link, or a text that holds one, as people share it"),
]
OrAbsent = BeforeValidator(lambda value: None if value == "" else value)


class Incoming(BaseModel):
    """What a client sends. An unknown key is refused: it may be a known one, misspelt."""

    model_config = ConfigDict(extra="forbid")


class ChosenOptions(Incoming):
    """What a client chooses of the options; whether it fits together is not judged here."""

    @property
    def chosen(self) -> dict[str, Any]:
        """The options that were sent, defaults included."""
        return {name: getattr(self, name) for name in OPTIONS if name in self.model_fields_set}


def _option_field(option: Option) -> Any:
    """Return the type and the field of an option, for `create_model`."""
    checked = Annotated[Any, PlainValidator(option.checked), WithJsonSchema(option.schema)]
    return checked, Field(option.default, title=option.label, description=option.description)


OptionsIn = create_model(
    "Options",
    __base__=ChosenOptions,
    **{name: _option_field(option) for name, option in OPTIONS.items()},
)


PresetName = Annotated[
    str | None, Field(description="Of a preset, whose options go below `options`; null: none")
]


Again = Annotated[bool, Field(description="Fetch it although you have it with the same options")]


class Wish(Incoming):
    url: Link
    preset: PresetName = None
    options: OptionsIn = OptionsIn()
    again: Again = False


class Batch(Incoming):
    # Each link is judged by itself, in its own result; each may be a text that holds one.
    urls: list[str] = Field(min_length=1, max_length=MAX_LINKS)
    preset: PresetName = None
    options: OptionsIn = OptionsIn()
    again: Again = False


class Changes(Incoming):
    options: OptionsIn = OptionsIn()


# PostgreSQL refuses a NUL in a text.
SearchText = Annotated[
    str,
    Field(
        max_length=500,
        pattern=r"^[^\x00]*$",
        description='Words and "phrases" of title and address, and `host:`, `state:`, `error:`, '
        "`id:`, `after:`, `before:`, `owner:`, `batch:`, `is:`; a `-` before one of these turns "
        "it round. All must match; see docs/search.md.",
    ),
    AfterValidator(checked),
]


class ListParameters(BaseModel):
    """The query of a list. `state=` and `cursor=` without a value mean that they are absent."""

    state: Annotated[State | None, OrAbsent] = None
    q: SearchText = ""
    limit: int = Field(50, ge=1, le=200)
    cursor: Annotated[Annotated[int, Field(ge=1, le=MAX_ID)] | None, OrAbsent] = None


class SubmissionHeaders(BaseModel):
    idempotency_key: str | None = Field(None, alias="Idempotency-Key", min_length=1, max_length=255)


class Outgoing(BaseModel):
    """What a client gets; `by_alias`, because `class` and `from` are not names in Python."""

    model_config = ConfigDict(populate_by_name=True, from_attributes=True)


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


def too_many_waiting() -> str:
    """Say why one of many was not added: as many of the user's downloads wait as may."""
    most = settings.VNSITE.user_waiting
    return (
        f"At most {most:,} of your downloads may wait. Add it again when some of them have begun."
    )


class BatchAnswer(Outgoing):
    results: list[BatchResult]


class ArchiveAnswer(Outgoing):
    added: int
    present: int = Field(description="Of the videos that were sent, those that were there already")


class FormatOut(Outgoing):
    """One choice among what a site has of a video."""

    kind: Literal["video", "audio"]
    height: int | None = Field(None, description="Of the picture's shorter side; null: not known")
    container: str | None = Field(None, description="null: not known")
    bytes: int | None = Field(None, description="About; null: not known")


class ErrorOut(Outgoing):
    class_: ErrorClass = Field(alias="class")
    message: str
    advice: str
    formats: list[FormatOut] | None = Field(
        None,
        description="Of `format_unavailable` and `too_large`: what the site has",
    )

    @classmethod
    def of(cls, download: Download) -> Self | None:
        told = download.advice
        if told is None:
            return None
        return cls(
            class_=download.error_class,
            message=told.sentence,
            advice=told.next_step,
            formats=download.error_data.get("formats"),
        )


class ProgressOut(Outgoing):
    bytes: int = Field(validation_alias="received_bytes")
    resumed_bytes: int = Field(description="How many of them came from an earlier attempt")
    total: int | None = Field(validation_alias="total_bytes")
    speed: float | None
    eta: float | None = Field(validation_alias="eta_seconds")
    fragment: int = Field(description="The one of `fragments` that came last")
    fragments: int = Field(description="Of the file that is fetched now; 0: it has none")
    entries: int = Field(description="How many of a list are read, in the phase `listing`")
    percent: float | None


class FileOut(Outgoing):
    name: str
    size: int
    sha256: str = Field(description="Empty: not known, it was imported")
    media_type: str
    role: Role = Field(description="What it is for")
    language: str = Field(description="Of subtitles; empty for all others")
    url: str
    fault: str = Field(
        description="Why the library does not have it as it was published: missing, changed (its"
        " size), unreachable; empty when it has"
    )

    @classmethod
    def of(cls, file: PublishedFile, download: Download) -> Self:
        url = reverse("media", args=[download.correlation_id, file.name])
        columns = ("name", "size", "sha256", "media_type", "role", "language", "fault")
        return cls(url=url, **{name: getattr(file, name) for name in columns})


class MediaOut(Outgoing):
    """What the site says of the video; of a completed download, what came of it."""

    extractor: str = Field(description="yt-dlp's, in lower case")
    media_id: str = Field(description="The site's; empty where it has none of its own")
    uploader: str | None = None
    channel: str | None = None
    duration: int | None = Field(None, description="Seconds")
    uploaded_at: datetime | None = None
    width: int | None = None
    height: int | None = Field(None, description="In pixels; 0: no picture")
    format_id: str | None = Field(None, description="yt-dlp's name of what was chosen")
    video_codec: str | None = Field(None, description="Of what came; empty: no picture")
    audio_codec: str | None = Field(None, description="Of what came; empty: no sound")
    container: str | None = Field(None, description="Of what came")
    live: bool = False
    bytes: int | None = Field(None, description="Of a check: about what would come")
    formats: list[FormatOut] | None = Field(
        None,
        description="Of a check: the best picture of each quality that the site has, the sound",
    )
    thumbnail_url: str | None = Field(description="A small picture, of this site; null: none")

    @classmethod
    def of(cls, download: Download) -> Self | None:
        if not download.media:
            return None
        known = {name: value for name, value in download.media.items() if name in cls.model_fields}
        return cls(
            extractor=download.extractor,
            media_id=download.media_id,
            thumbnail_url=address_of(download),
            **known,
        )


class ListingOut(Outgoing):
    """The list that a link stands for; its entries are at `/entries`."""

    title: str
    kind: ListKind
    count: int
    complete: bool = Field(description="false: a limit ended the reading before the list did")
    added: int = Field(description="Entries of which there is a download")

    @classmethod
    def of(cls, listing: Listing, became: Became) -> Self:
        columns = {"title": listing.title, "kind": listing.kind, "count": listing.count}
        return cls(**columns, complete=listing.is_complete, added=became.added)


class TransitionOut(Outgoing):
    seq: int
    from_: Annotated[State | None, OrAbsent] = Field(
        alias="from", validation_alias=AliasChoices("from_state", "from")
    )
    to: State = Field(validation_alias="to_state")
    at: datetime
    actor: str
    reason: str
    detail: Annotated[str, BeforeValidator(detail_of)] = Field(
        validation_alias="data", description="In words; empty when there is nothing to say"
    )
    data: dict[str, str | int | list[dict[str, str | int]]] = Field(
        description="What `detail` is made of"
    )
    attempt: int


class DownloadOut(Outgoing):
    """A download as it is listed."""

    correlation_id: str
    url: str
    title: str
    state: State
    outcome: Outcome | None
    result: Result | None = Field(description="What it completed with; null: it did not")
    listing: ListingOut | None = Field(description="null: its link is not one of a list")
    listed_in: str | None = Field(
        description="The correlation id of the list that it was made of; null: of none"
    )
    have: str | None = Field(
        description="Of a result `have_it`: the correlation id of the download with the files;"
        " null: it was deleted"
    )
    remux_of: str | None = Field(
        description="The correlation id of the download whose film it puts into another container;"
        " null: it is of its site"
    )
    phase: str | None
    error: ErrorOut | None
    attempt: int
    tries: int = Field(description="Attempts that count: not those that a stop put back")
    max_attempts: int
    priority: int
    not_before: datetime | None = Field(
        description="When it may start, or is tried again; null: at once"
    )
    waiting: Waiting | None = Field(
        description="What is in its way; null: it does not wait, or only for a free slot"
    )
    paused_at: datetime | None = Field(description="null: it was not paused")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    progress: ProgressOut | None
    owner: str | None
    worker: str | None

    @classmethod
    def of(cls, download: Download, obstacles: Obstacles, became: Became | None) -> Self:
        """From a row of `with_neighbours`; any other costs a query for each neighbour.

        `became`: of the entries of its listing; None: it has none.
        """
        return cls(**_values(download, obstacles, became))


class DownloadDetail(DownloadOut):
    """A download with everything that is known of it."""

    media: MediaOut | None = Field(description="null: the page of the video was not read yet")
    files: list[FileOut]
    history: list[TransitionOut]
    history_days: int | None = Field(
        description="Moves before the first of `history` were removed so many days after it ended;"
        " null: it is whole"
    )

    @classmethod
    def of(cls, download: Download, obstacles: Obstacles, became: Became | None) -> Self:
        return cls(
            **_values(download, obstacles, became),
            media=MediaOut.of(download),
            files=[FileOut.of(file, download) for file in download.files],
            history=list(download.transitions.all()),
            history_days=download.history_days,
        )


class DownloadPage(Outgoing):
    items: list[DownloadOut]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")


class WorkerOut(Outgoing):
    name: str
    host: str
    alive: bool
    slots: int
    busy: int = Field(description="Slots with a running download")
    yt_dlp: str = Field(description="Version that its next attempts use; empty: not known yet")
    heartbeat_at: datetime


class StatsOut(Outgoing):
    counts: dict[State, int]
    outcomes: dict[Outcome, int]
    speed: float
    free_bytes: int
    workers: list[WorkerOut]


class CookiesIn(Incoming):
    cookies: str = Field(description="A cookies.txt (Netscape), or the JSON of an extension")


class CookieOut(Outgoing):
    """A cookie without its value."""

    name: str
    domain: str
    path: str
    secure: bool
    http_only: bool
    host_only: bool = Field(description="Not sent to hosts below the domain")
    expires: datetime | None = Field(description="null: as long as the site lets it")


class SiteCookiesOut(Outgoing):
    host: str
    cookies: list[CookieOut] = Field(validation_alias="summary")
    updated_at: datetime = Field(description="When they were given, or renewed by the site")
    readable: bool = Field(
        validation_alias="is_readable",
        description="false: the secret key was changed, and they have to be given again",
    )
    left_out: str = Field("", description="What of a text that was sent is not kept, in words")


def with_neighbours(downloads: DownloadQuerySet) -> DownloadQuerySet:
    """Bring along what `DownloadOut` shows of other tables, in the same query."""
    return (
        downloads.with_thumbnail()
        .select_related(*("owner", "worker", "progress", "listing", "listed_in", "have"))
        .defer("listed_in__manifest", "have__manifest")
    )


def _values(download: Download, obstacles: Obstacles, became: Became | None) -> dict[str, Any]:
    progress = getattr(download, "progress", None)  # it has one while it runs
    return {
        **{name: getattr(download, name) for name in COLUMNS},
        "phase": progress.phase if progress else None,
        "error": ErrorOut.of(download),
        "waiting": obstacles.of(download),
        "progress": progress,
        "listing": ListingOut.of(download.listing, became) if became else None,
        "listed_in": download.listed_in.correlation_id if download.listed_in else None,
        "have": download.have.correlation_id if download.have else None,
        "owner": download.owner.get_username() if download.owner else None,
        "worker": download.worker.name if download.worker else None,
    }
