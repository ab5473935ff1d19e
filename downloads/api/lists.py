"""The entries of a listing in the API: look at them, make downloads of them, act on these."""

from datetime import datetime
from typing import Annotated, Literal, Self

from django.http import Http404, HttpRequest
from ninja import Header, Query, Router, Status
from pydantic import BaseModel, Field, PlainValidator, model_validator

from downloads import actions
from downloads.api.auth import user_of
from downloads.api.idempotency import answer_once
from downloads.api.lookup import find
from downloads.api.many import DoneOut
from downloads.api.schemas import (
    MAX_ID,
    BatchResult,
    BatchResultWord,
    Conflict,
    Incoming,
    Invalid,
    OptionsIn,
    OrAbsent,
    Outgoing,
    PresetName,
    Problem,
    SubmissionHeaders,
    too_many_waiting,
)
from downloads.many import Action, act_on_list
from downloads.models import Addition, Download, Entry, Refusal, user_actor
from downloads.models.listings import EntryQuerySet, add_entries_in_turns
from downloads.models.presets import chosen_options

router = Router(by_alias=True)

MAX_ENTRIES = 10_000  # of one request, named by their positions
MAX_POSITION = 2**31 - 1  # what the database takes
READ = {401: Problem, 404: Problem, 422: Invalid}
WRITE = {**READ, 403: Problem, 409: Conflict, 413: Problem}
REASONS = {
    Refusal.TOO_DEEP: "This list is too deep inside other lists. Add its own link.",
    Refusal.ITSELF: "This is the list itself, or one around it.",
}


class EntryParameters(BaseModel):
    """The query of the entries. `cursor=` without a value means that it is absent."""

    q: str = Field("", max_length=500, pattern=r"^[^\x00]*$")  # PostgreSQL refuses a NUL in a text
    limit: int = Field(200, ge=1, le=1000)
    cursor: Annotated[Annotated[int, Field(ge=0, le=MAX_ID)] | None, OrAbsent] = None


class EntryOut(Outgoing):
    position: int = Field(description="From 1, in the order of the site")
    extractor: str
    media_id: str
    url: str
    title: str
    duration: float | None = Field(description="Seconds; null: the site did not say")
    uploaded_at: datetime | None
    live: bool
    list: bool = Field(description="It is a list itself")
    download: str | None = Field(description="The correlation id of the one that was made of it")
    have: str | None = Field(
        description="The correlation id of a download of this video whose files you have"
    )
    archived: bool = Field(description="Your archive has it")

    @classmethod
    def of(cls, entry: Entry) -> Self:
        columns = ("position", "extractor", "media_id", "url", "title", "uploaded_at")
        return cls(
            **{name: getattr(entry, name) for name in columns},
            duration=entry.duration_seconds,
            live=entry.is_live,
            list=entry.is_list,
            download=entry.download.correlation_id if entry.download else None,
            have=entry.had_as,
            archived=entry.is_archived,
        )


class EntryPage(Outgoing):
    items: list[EntryOut]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")


def _positions(value: object) -> "list[int] | str | None":
    """Check what was sent in one place: pydantic would tell two faults of a union."""
    if value is None or value == "all":
        return "all" if value else None
    if isinstance(value, list) and len(value) <= MAX_ENTRIES and all(map(_is_position, value)):
        return value
    raise ValueError(f'Send "all", or a list of at most {MAX_ENTRIES:,} numbers from 1 on.')


def _is_position(value: object) -> bool:
    return type(value) is int and 1 <= value <= MAX_POSITION


Positions = Annotated[
    list[int] | str | None,
    PlainValidator(_positions, json_schema_input_type=list[int] | Literal["all"] | None),
]


class EntriesWish(Incoming):
    """Which entries become downloads, in exactly one of three ways, and how."""

    positions: Positions = Field(None, description="These, or all")
    first: int | None = Field(None, ge=1, le=MAX_POSITION, description="So many, from the first on")
    new: bool = Field(False, description="Those that your archive does not have")
    preset: PresetName = None
    options: OptionsIn = OptionsIn()

    @model_validator(mode="after")
    def _names_one_way(self) -> Self:
        ways = [self.positions is not None, self.first is not None, self.new]
        if ways.count(True) != 1:
            raise ValueError("Send one of `positions`, `first` and `new`.")
        return self

    def select(self, entries: EntryQuerySet, download: Download) -> EntryQuerySet:
        if self.new:
            return entries.new_to(download.owner)
        if self.first is not None:
            return entries.filter(position__lte=self.first)
        if isinstance(self.positions, list):
            return entries.filter(position__in=self.positions)
        return entries


class EntryResult(BatchResult):
    position: int


class EntriesAnswer(Outgoing):
    results: list[EntryResult]


@router.get(
    "/downloads/{correlation_id}/entries",
    response={200: EntryPage, **READ},
    summary="The entries of a list, in its order",
)
def list_entries(
    request: HttpRequest, correlation_id: str, query: Query[EntryParameters]
) -> EntryPage:
    """None, as long as the list is not read, and of a link that is not one of a list."""
    download = find(request, correlation_id)
    entries = Entry.objects.filter(listing=download.pk).search(query.q).with_had(download.owner)
    if query.cursor is not None:
        entries = entries.filter(position__gt=query.cursor)
    rows = entries.select_related("download").defer("download__manifest").order_by("position")
    found = list(rows[: query.limit + 1])  # one more tells whether there is a next page
    shown = found[: query.limit]
    return EntryPage(
        items=[EntryOut.of(entry) for entry in shown],
        next=str(shown[-1].position) if len(found) > query.limit else None,
    )


@router.post(
    "/downloads/{correlation_id}/entries",
    response={200: EntriesAnswer, **WRITE},
    summary="Make downloads of entries",
)
def add(
    request: HttpRequest,
    correlation_id: str,
    wish: EntriesWish,
    headers: Header[SubmissionHeaders],
) -> Status[EntriesAnswer]:
    """One result for each entry, in order. What can be added is added; an entry of which a download
    waits, runs or completed keeps it."""
    user = user_of(request)
    download = _list_of(find(request, correlation_id))

    def work() -> Status[EntriesAnswer]:
        options = chosen_options(wish.preset, wish.options.chosen, user=user)
        chosen = wish.select(download.listing.entries.all(), download)
        try:
            additions = add_entries_in_turns(
                download.listing, chosen, options=options, actor=user_actor(user)
            )
        except Download.DoesNotExist:  # deleted meanwhile
            raise Http404 from None
        return Status(200, EntriesAnswer(results=[_result(one) for one in additions]))

    return answer_once(request, work, user=user, key=headers.idempotency_key, shape=EntriesAnswer)


def _result(one: Addition) -> EntryResult:
    where = {"position": one.entry.position, "url": one.entry.url}
    if one.refusal is not None:
        reason = REASONS.get(one.refusal) or too_many_waiting()
        return EntryResult(**where, result=BatchResultWord.ERROR, reason=reason)
    word = BatchResultWord.CREATED if one.created else BatchResultWord.DUPLICATE
    made = one.entry.download
    return EntryResult(**where, result=word, correlation_id=made.correlation_id if made else None)


@router.post(
    "/downloads/{correlation_id}/entries/cancel",
    response={200: DoneOut, **WRITE},
    summary="Cancel all downloads of a list",
)
def cancel_all(request: HttpRequest, correlation_id: str) -> DoneOut:
    """Those that wait or run; first those that wait."""
    return _act(request, correlation_id, Action.CANCEL)


@router.post(
    "/downloads/{correlation_id}/entries/retry",
    response={200: DoneOut, **WRITE},
    summary="Retry all failed downloads of a list",
)
def retry_all(request: HttpRequest, correlation_id: str) -> DoneOut:
    """Those that were cancelled stay so."""
    return _act(request, correlation_id, Action.RETRY)


@router.post(
    "/downloads/{correlation_id}/entries/cleanup",
    response={200: DoneOut, **WRITE},
    summary="Clean up all downloads of a list",
)
def clean_all(request: HttpRequest, correlation_id: str) -> DoneOut:
    """Those that have ended. Files in the library stay."""
    return _act(request, correlation_id, Action.CLEANUP)


def _act(request: HttpRequest, correlation_id: str, action: Action) -> DoneOut:
    user = user_of(request)
    download = _list_of(find(request, correlation_id))
    return DoneOut.model_validate(
        act_on_list(download.listing, action, viewer=user, actor=user_actor(user))
    )


def _list_of(download: Download) -> Download:
    """Return the download when it has a listing. Raises NotAllowed when it has none."""
    if not hasattr(download, "listing"):
        raise actions.NotAllowed(download, "It has no list.")
    return download
