"""The library in the API: what completed downloads left, its removal, and the undo of that."""

from datetime import datetime
from typing import Annotated, Self

from django.http import HttpRequest
from django.urls import reverse
from ninja import Query, Router, Status
from pydantic import BaseModel, Field

from downloads.api.auth import user_of
from downloads.api.lookup import NoSuchEntry
from downloads.api.schemas import MAX_ID, Incoming, Invalid, OrAbsent, Outgoing, Problem
from downloads.library import removal
from downloads.library.models import Card, CardQuerySet, Kind, Position, Removal, Watched
from downloads.models import PublishedFile, user_actor
from downloads.rules.about import MAX_SECONDS
from downloads.rules.states import Role
from downloads.web.library_list import LibraryQuery, Sort, page_of
from downloads.web.thumbnails import address_of

router = Router(by_alias=True)

FIND = {401: Problem, 404: Problem}
LIST = {401: Problem, 422: Invalid}
CHANGE = {**FIND, 403: Problem, 409: Problem}
Text = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]  # as PostgreSQL takes it


class LibraryParameters(BaseModel):
    """The query of the library. `kind=` and the like without a value mean that they are absent."""

    q: Text = Field(
        "", description="Words and quoted phrases, said ones as well; host: after: before: owner:"
    )
    kind: Annotated[Kind | None, OrAbsent] = None
    site: Text = ""
    uploader: Text = ""
    list: Text = Field("", description="The correlation id of a list")
    subscription: Annotated[
        Annotated[int, Field(ge=1, le=MAX_ID)] | None,
        OrAbsent,
        Field(description="The number of a subscription: what it has fetched"),
    ] = None
    watched: Annotated[
        Watched | None, OrAbsent, Field(description="How far you are; unwatched: not to the end")
    ] = None
    missing: bool = Field(False, description="Only those of which files were removed outside")
    pinned: bool = Field(False, description="Only those that are pinned")
    sort: Sort = Sort.ADDED
    limit: int = Field(50, ge=1, le=200)
    cursor: Text = ""

    @property
    def query(self) -> LibraryQuery:
        return LibraryQuery(
            text=self.q,
            kind=self.kind or "",
            site=self.site,
            uploader=self.uploader,
            list=self.list,
            subscription=str(self.subscription or ""),
            watched=self.watched or "",
            missing="1" if self.missing else "",
            pinned="1" if self.pinned else "",
            sort=self.sort,
            after=self.cursor,
            count=self.limit,
        )


class LibraryFileOut(Outgoing):
    name: str
    size: int
    sha256: str = Field(description="Empty: not known, it was imported")
    media_type: str
    role: Role = Field(description="What it is for")
    language: str = Field(description="Of subtitles; empty for all others")
    url: str

    @classmethod
    def of(cls, file: PublishedFile, correlation_id: str) -> Self:
        url = reverse("media", args=[correlation_id, file.name])
        columns = ("name", "size", "sha256", "media_type", "role", "language")
        return cls(url=url, **{name: getattr(file, name) for name in columns})


class LibraryEntryOut(Outgoing):
    """An entry of the library as it is listed."""

    id: int
    correlation_id: str = Field(description="Of the download that left it")
    download: bool = Field(description="Whether that download is still there")
    url: str
    title: str
    kind: Kind
    uploader: str = Field(description="This and the next: empty when the site does not say")
    channel: str
    site: str
    extractor: str
    media_id: str
    list: str | None = Field(description="The correlation id of the list that it was made of")
    uploaded_at: datetime | None
    added_at: datetime
    duration: int | None = Field(description="Seconds; null: not known")
    size: int = Field(description="Bytes of all its files")
    width: int | None = Field(description="Of the picture, in pixels; null: none, or not known")
    height: int | None
    video_codec: str
    audio_codec: str
    language: str
    missing: bool = Field(description="The worker found that a file was removed outside vnsite")
    pinned: bool = Field(description="Somebody said that no rule may take it")
    owner: str | None
    thumbnail_url: str | None
    position: int | None = Field(description="Seconds that you have watched; null: not begun")
    watched: bool = Field(description="Whether you have watched all of it but its last part")

    @classmethod
    def of(cls, card: Card) -> Self:
        return cls(**_values(card))


class ChapterOut(Outgoing):
    start: float = Field(validation_alias="start_time", description="Seconds")
    title: str


class LibraryEntryDetail(LibraryEntryOut):
    """An entry with everything that is known of it."""

    description: str
    tags: list[str]
    chapters: list[ChapterOut]
    files: list[LibraryFileOut]

    @classmethod
    def of(cls, card: Card) -> Self:
        correlation_id = card.entry.correlation_id
        files = [LibraryFileOut.of(file, correlation_id) for file in card.entry.files.all()]
        about = {name: getattr(card, name) for name in ("description", "tags", "chapters")}
        return cls(**_values(card), **about, files=files)


class PositionIn(Incoming):
    seconds: float = Field(ge=0, le=MAX_SECONDS, description="From the beginning")
    duration: float = Field(
        0,
        ge=0,
        le=MAX_SECONDS,
        description="Seconds; counts where the site did not say. 0: unknown",
    )


class PinIn(Incoming):
    pinned: bool


class WatchedIn(Incoming):
    watched: bool


class LibraryPageOut(Outgoing):
    items: list[LibraryEntryOut]
    next: str | None = Field(description="The `cursor` of the next page; null on the last one")


@router.get("/library", response={200: LibraryPageOut, **LIST}, summary="List the library")
def list_library(request: HttpRequest, parameters: Query[LibraryParameters]) -> LibraryPageOut:
    """What completed downloads left: your own, for staff everybody's."""
    cards = _whole(_cards(request))
    light = cards.defer("description", "tags", "chapters")
    page = page_of(light, parameters.query, reader=user_of(request))
    return LibraryPageOut(
        items=[LibraryEntryOut.of(card) for card in page.cards],
        next=page.next.after if page.next else None,
    )


@router.get("/library/{number}", response={200: LibraryEntryDetail, **FIND}, summary="One entry")
def get_entry(request: HttpRequest, number: int) -> LibraryEntryDetail:
    """With its files, description, tags and chapters."""
    return LibraryEntryDetail.of(_find(request, number))


@router.delete("/library/{number}", response={204: None, **CHANGE}, summary="Remove an entry")
def remove_entry(request: HttpRequest, number: int) -> Status[None] | Status[Problem]:
    """Its files are kept for a day; `restore` brings them back until then."""
    user = user_of(request)
    removed = removal.remove([_find(request, number)], actor=user_actor(user))
    if removed.refused:
        return Status(409, Problem(detail="Its folder cannot be moved; it stays in the library."))
    return Status(204, None)


@router.post(
    "/library/{number}/restore",
    response={200: LibraryEntryDetail, **CHANGE},
    summary="Undo a removal",
)
def restore_entry(request: HttpRequest, number: int) -> LibraryEntryDetail | Status[Problem]:
    """At most a day after it. The entry has the id that it had; one that is there stays so."""
    removals = Removal.objects.visible_to(user_of(request))
    found = removals.filter(entry_number=_number(number)).order_by("-pk").first()
    if found is not None and found.is_undoable:
        try:
            removal.restore(found)
        except removal.NameTaken:
            return Status(409, Problem(detail="Another entry has its folder's name by now."))
        except removal.TooLate:
            return Status(409, Problem(detail="It is too late: the files are gone."))
        except OSError:
            return Status(409, Problem(detail="Its folder cannot be moved back."))
    elif found is not None and not _cards(request).filter(pk=found.entry_number).exists():
        return Status(409, Problem(detail="It is too late: the files are gone."))
    return LibraryEntryDetail.of(_find(request, number))


@router.put(
    "/library/{number}/position",
    response={204: None, **FIND, 403: Problem, 422: Invalid},
    summary="Keep how far you are",
)
def keep_position(request: HttpRequest, number: int, wish: PositionIn) -> Status[None]:
    """Your own, for all your devices; the newest wins. The player does so while it plays."""
    found = _cards(request).filter(pk=_number(number)).values_list("pk", flat=True).first()
    if found is None or not Position.objects.keep(
        user=user_of(request), entry=found, seconds=wish.seconds, duration=wish.duration
    ):
        raise NoSuchEntry
    return Status(204, None)


@router.put(
    "/library/{number}/pin",
    response={200: LibraryEntryDetail, **FIND, 403: Problem, 422: Invalid},
    summary="Pin an entry, or take its pin away",
)
def pin_entry(request: HttpRequest, number: int, wish: PinIn) -> LibraryEntryDetail:
    """No rule of a subscription takes what is pinned."""
    Card.objects.filter(pk=_find(request, number).pk).pin(pinned=wish.pinned)
    return LibraryEntryDetail.of(_find(request, number))


@router.put(
    "/library/{number}/watched",
    response={200: LibraryEntryDetail, **FIND, 403: Problem, 422: Invalid},
    summary="Mark an entry as watched, or as not watched",
)
def mark_entry(request: HttpRequest, number: int, wish: WatchedIn) -> LibraryEntryDetail:
    """For yourself. What is marked as not watched has no position any more."""
    key = _find(request, number).pk
    Position.objects.mark(user=user_of(request), entries=[key], watched=wish.watched)
    return LibraryEntryDetail.of(_find(request, number))


def _cards(request: HttpRequest) -> CardQuerySet:
    user = user_of(request)
    return Card.objects.visible_to(user).with_position_of(user)


def _find(request: HttpRequest, number: int) -> Card:
    """Return the card. Raises NoSuchEntry for an unknown and a foreign entry alike."""
    card = _whole(_cards(request)).filter(pk=_number(number)).first()
    if card is None:
        raise NoSuchEntry
    return card


def _number(number: int) -> int:
    if not 0 < number <= MAX_ID:
        raise NoSuchEntry
    return number


def _whole(cards: CardQuerySet) -> CardQuerySet:
    """Bring along what an entry shows of other tables: the same queries for 1 and for 200."""
    joined = cards.select_related("owner", "listed_in", "entry__download__thumbnail")
    large = ("manifest", "media", "options")
    unused = [f"{way}__{name}" for way in ("listed_in", "entry__download") for name in large]
    deferred = joined.defer("subtitles", "entry__download__thumbnail__content", *unused)
    return deferred.prefetch_related("entry__files")


def _values(card: Card) -> dict[str, object]:
    entry = card.entry
    same = ("title", "kind", "uploader", "channel", "site", "extractor", "media_id", "uploaded_at")
    more = ("added_at", "video_codec", "audio_codec", "language")
    return {
        **{name: getattr(card, name) for name in (*same, *more)},
        "id": card.pk,
        "correlation_id": entry.correlation_id,
        "download": entry.download is not None,
        "url": entry.url,
        "list": card.listed_in.correlation_id if card.listed_in else None,
        "duration": card.duration_seconds or None,
        "size": card.size_bytes,
        "width": card.width or None,
        "height": card.height or None,
        "missing": card.missing_at is not None,
        "pinned": card.pinned_at is not None,
        "owner": card.owner.get_username() if card.owner else None,
        "position": card.position.seconds if card.position else None,
        "watched": card.position is not None and card.position.is_watched,
        "thumbnail_url": address_of(entry.download) if entry.download else None,
    }
