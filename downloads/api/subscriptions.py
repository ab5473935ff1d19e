"""The subscriptions of the JSON API: each user's own; staff see all."""

from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Self

from django.http import Http404, HttpRequest
from ninja import Header, Query, Router, Status
from pydantic import AfterValidator, BaseModel, Field

from downloads.api.auth import user_of
from downloads.api.idempotency import answer_once
from downloads.api.schemas import (
    MAX_ID,
    ErrorOut,
    Incoming,
    Invalid,
    Link,
    OptionsIn,
    OrAbsent,
    Outgoing,
    PresetName,
    Problem,
    SubmissionHeaders,
)
from downloads.models import Entry, user_actor
from downloads.models.presets import chosen_options, find_preset
from downloads.rules.filters import MAX_SECONDS, MAX_TEXT_LENGTH
from downloads.rules.options import DownloadOptions
from downloads.rules.schedule import (
    LEAST_INTERVAL_SECONDS,
    MOST_INTERVAL_SECONDS,
    MOST_KEPT,
    USUAL_INTERVAL_SECONDS,
    checked_first,
)
from downloads.rules.states import State
from downloads.subscriptions import checks
from downloads.subscriptions.models import MAX_NAME_LENGTH, Check, Subscription
from downloads.subscriptions.preview import preview

if TYPE_CHECKING:
    from django.contrib.auth.models import User

router = Router(by_alias=True)

READ = {401: Problem, 404: Problem, 422: Invalid}
WRITE = {**READ, 403: Problem, 413: Problem}
SHOWN_IN_PREVIEW = 50
OF_LISTS = {"playlist": DownloadOptions().playlist}  # a preset may say another one
NOT_THERE = "There is no such subscription."

Interval = Annotated[
    int,
    Field(
        ge=LEAST_INTERVAL_SECONDS,
        le=MOST_INTERVAL_SECONDS,
        description="Between two checks; up to a tenth more, so that not all are made at once",
    ),
]
First = Annotated[
    str,
    AfterValidator(checked_first),
    Field(
        description="What the first check fetches: `all`, `newest:N`, or `new` (from now on)",
    ),
]
NoNul = r"^[^\x00]*$"  # PostgreSQL refuses a NUL in a text
Pattern = Annotated[
    str,
    Field(
        max_length=MAX_TEXT_LENGTH,
        pattern=NoNul,
        description="Words with commas between them, or a /regular expression/, of the title",
    ),
]
Kept = Annotated[
    int | None,
    Field(ge=1, le=MOST_KEPT, description="Older ones leave the library; null: all stay"),
]
Seconds = Annotated[int | None, Field(ge=0, le=MAX_SECONDS)]
Name = Annotated[str, Field(max_length=MAX_NAME_LENGTH, description="Empty: the list's title")]


class SubscriptionIn(Incoming):
    url: Link
    name: Name = ""
    preset: PresetName = None
    options: OptionsIn = OptionsIn()
    interval_seconds: Interval = USUAL_INTERVAL_SECONDS
    first: First = "all"
    include: Pattern = ""
    exclude: Pattern = ""
    min_seconds: Seconds = None
    max_seconds: Seconds = None
    since: date | None = None
    shorts: bool = Field(True, description="YouTube's; else they are left")
    live: bool = Field(
        False, description="What runs or is announced; else it is fetched when it is a video"
    )
    keep_last: Kept = None
    keep_days: Kept = None


class SubscriptionChange(Incoming):
    """What is left out stays. `options` that are sent go above those of a `preset` that is sent,
    else above the present ones."""

    url: Link | None = None
    name: Name | None = None
    preset: PresetName = None
    options: OptionsIn = OptionsIn()
    interval_seconds: Interval | None = None
    include: Pattern | None = None
    exclude: Pattern | None = None
    min_seconds: Seconds = None
    max_seconds: Seconds = None
    since: date | None = None
    shorts: bool | None = None
    live: bool | None = None
    keep_last: Kept = None
    keep_days: Kept = None
    paused: bool | None = None


PLAIN = (
    *("url", "name", "interval_seconds", "first", "include", "exclude"),
    *("min_seconds", "max_seconds", "since", "shorts", "live", "keep_last", "keep_days"),
)
# null takes the filter or the rule away
NULLABLE = ("min_seconds", "max_seconds", "since", "keep_last", "keep_days")


class CheckOut(Outgoing):
    download: str | None = Field(description="Its correlation id; null: it was deleted")
    begun_at: datetime
    ended_at: datetime | None = Field(description="null: it is under way")
    listed: int = Field(description="Entries that were read: all, or up to those that are known")
    added: int = Field(description="New ones that became downloads")
    left: int = Field(description="New ones that the filters left")
    not_added: int = Field(description="New ones for which there was no room; tried again")
    error: str | None = Field(description="The class of its error; null: it worked")

    @classmethod
    def of(cls, check: Check) -> Self:
        columns = ("begun_at", "ended_at", "listed", "added", "left", "not_added")
        return cls(
            **{name: getattr(check, name) for name in columns},
            download=check.download.correlation_id if check.download else None,
            error=check.error_class,
        )


class SubscriptionOut(Outgoing):
    id: int
    url: str
    name: str = Field(description="As it is shown: its own name, the title of its list, or its URL")
    title: str = Field(description="Of the list; empty before the first check")
    owner: str
    preset: str | None = Field(description="By which its options were chosen")
    options: dict[str, object] = Field(description="What differs from the defaults")
    interval_seconds: int
    first: str
    include: str
    exclude: str
    min_seconds: int | None
    max_seconds: int | None
    since: date | None
    shorts: bool
    live: bool
    keep_last: int | None = Field(description="Of the newest that stay in the library; null: all")
    keep_days: int | None = Field(description="For which they stay there; null: for ever")
    created_at: datetime
    paused: bool
    checking: bool = Field(description="A check is under way")
    checked_at: datetime | None = Field(description="When a check last worked")
    next_check_at: datetime | None = Field(description="null: paused, or a check is under way")
    failures: int = Field(description="Checks in a row that did not work")
    needs_attention: bool = Field(description="It failed three times or more")
    error: ErrorOut | None
    last_check: CheckOut | None

    @classmethod
    def of(cls, row: Subscription, last: Check | None) -> Self:
        columns = (
            *("id", "url", "title", "interval_seconds", "first", "include", "exclude"),
            *("min_seconds", "max_seconds", "since", "shorts", "live", "created_at"),
            *("keep_last", "keep_days"),
            *("checked_at", "next_check_at", "failures", "needs_attention"),
        )
        told = row.advice
        return cls(
            **{name: getattr(row, name) for name in columns},
            name=str(row),
            owner=row.owner.get_username(),
            preset=row.preset or None,
            options=dict(row.options),
            paused=row.is_paused,
            checking=row.is_checking,
            error=ErrorOut(class_=row.error_class, message=told.sentence, advice=told.next_step)
            if told
            else None,
            last_check=CheckOut.of(last) if last else None,
        )


class SubscriptionPage(Outgoing):
    items: list[SubscriptionOut]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")


class SubscriptionParameters(BaseModel):
    limit: int = Field(50, ge=1, le=200)
    cursor: Annotated[Annotated[int, Field(ge=1, le=MAX_ID)] | None, OrAbsent] = None


class PreviewEntry(Outgoing):
    url: str
    title: str
    duration: float | None
    uploaded_at: datetime | None
    live: bool

    @classmethod
    def of(cls, entry: Entry) -> Self:
        return cls(
            url=entry.url,
            title=entry.title,
            duration=entry.duration_seconds,
            uploaded_at=entry.uploaded_at,
            live=entry.is_live,
        )


class PreviewOut(Outgoing):
    download: str = Field(description="The correlation id of the download that reads the list")
    state: State
    listed: int | None = Field(description="Its videos; null: not read yet, or not a list")
    lists: int = Field(description="Lists within it, which a check reads as well")
    would_fetch: int | None = Field(description="Of its videos, by the first check")
    items: list[PreviewEntry] = Field(description="The first of them")


@router.get(
    "/subscriptions", response={200: SubscriptionPage, **READ}, summary="List subscriptions"
)
def list_subscriptions(
    request: HttpRequest, query: Query[SubscriptionParameters]
) -> SubscriptionPage:
    """Newest first."""
    rows = Subscription.objects.visible_to(user_of(request)).order_by("-pk")
    if query.cursor is not None:
        rows = rows.filter(pk__lt=query.cursor)
    found = list(rows.select_related("owner")[: query.limit + 1])
    shown = found[: query.limit]
    last = Check.objects.last_of(shown)
    return SubscriptionPage(
        items=[SubscriptionOut.of(row, last.get(row.pk)) for row in shown],
        next=str(shown[-1].pk) if len(found) > query.limit else None,
    )


@router.post(
    "/subscriptions", response={201: SubscriptionOut, **WRITE}, summary="Subscribe to a list"
)
def subscribe(
    request: HttpRequest, wish: SubscriptionIn, headers: Header[SubmissionHeaders]
) -> Status[SubscriptionOut]:
    """Its first check is due at once."""
    user = user_of(request)

    def work() -> Status[SubscriptionOut]:
        subscription, options = _wished(wish, user)
        subscription.store(options=options)
        return Status(201, _shown(subscription))

    return answer_once(request, work, user=user, key=headers.idempotency_key, shape=SubscriptionOut)


@router.post(
    "/subscriptions/preview",
    response={200: PreviewOut, **WRITE},
    summary="See what a first check would fetch",
)
def preview_subscription(request: HttpRequest, wish: SubscriptionIn) -> PreviewOut:
    """The list is read by a download of its own, which fetches nothing. Ask again until `listed` is
    there, or the download has ended otherwise. A list that was read within the last hour counts."""
    user = user_of(request)
    subscription, _ = _wished(wish, user)
    subscription.check_filters()
    seen = preview(subscription, actor=user_actor(user))
    return PreviewOut(
        download=seen.download.correlation_id,
        state=State(seen.download.state),
        listed=seen.listed,
        lists=seen.lists,
        would_fetch=None if seen.listed is None else len(seen.entries),
        items=[PreviewEntry.of(entry) for entry in seen.entries[:SHOWN_IN_PREVIEW]],
    )


@router.get(
    "/subscriptions/{id}", response={200: SubscriptionOut, **READ}, summary="One subscription"
)
def get_subscription(request: HttpRequest, id: int) -> SubscriptionOut | Status[Problem]:
    row = _find(request, id)
    return _shown(row) if row else _missing()


@router.patch(
    "/subscriptions/{id}", response={200: SubscriptionOut, **WRITE}, summary="Change a subscription"
)
def change_subscription(
    request: HttpRequest, id: int, wish: SubscriptionChange
) -> SubscriptionOut | Status[Problem]:
    """What it has fetched and seen stays, also when its link is another one."""
    row = _find(request, id)
    if row is None:
        return _missing()
    for name in PLAIN:
        if name in wish.model_fields_set:
            value = getattr(wish, name)
            if value is not None or name in NULLABLE:
                setattr(row, name, value)
    options = row.download_options()
    if wish.preset is not None:
        row.preset = find_preset(wish.preset, user=row.owner).key
        options = chosen_options(wish.preset, OF_LISTS, user=row.owner)
    row.store(options=options.with_overrides(**wish.options.chosen))
    if wish.paused is not None:
        row.pause() if wish.paused else row.resume()
    return _shown(row)


@router.delete("/subscriptions/{id}", response={204: None, **WRITE}, summary="Unsubscribe")
def delete_subscription(request: HttpRequest, id: int) -> Status[Problem | None]:
    """What it fetched stays. A check under way is cancelled."""
    row = _find(request, id)
    if row is None:
        return Status(404, Problem(detail=NOT_THERE))
    checks.unsubscribe(row, actor=user_actor(user_of(request)))
    return Status(204, None)


@router.post(
    "/subscriptions/{id}/check", response={200: SubscriptionOut, **WRITE}, summary="Check now"
)
def check_subscription(request: HttpRequest, id: int) -> SubscriptionOut | Status[Problem]:
    """When a check is under way already, that is the answer. A paused one stays paused."""
    row = _find(request, id)
    if row is None:
        return _missing()
    checks.begin(row, actor=user_actor(user_of(request)), priority=0)
    return _shown(row)


def _shown(row: Subscription) -> SubscriptionOut:
    row.refresh_from_db()
    return SubscriptionOut.of(row, Check.objects.last_of([row]).get(row.pk))


def _wished(wish: SubscriptionIn, user: "User") -> tuple[Subscription, DownloadOptions]:
    values: dict[str, Any] = {name: getattr(wish, name) for name in PLAIN}
    preset = "" if wish.preset is None else find_preset(wish.preset, user=user).key
    options = chosen_options(wish.preset, {**OF_LISTS, **wish.options.chosen}, user=user)
    return Subscription(owner=user, preset=preset, **values), options


def _find(request: HttpRequest, id: int) -> Subscription | None:
    if not 0 < id <= MAX_ID:
        raise Http404
    rows = Subscription.objects.visible_to(user_of(request)).select_related("owner")
    return rows.filter(pk=id).first()


def _missing() -> Status[Problem]:
    return Status(404, Problem(detail=NOT_THERE))
