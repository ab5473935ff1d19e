"""The podcast feeds of the JSON API: each user's own."""

from datetime import datetime
from typing import Annotated, Self

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import Field, model_validator

from downloads.api.auth import user_of
from downloads.api.schemas import MAX_ID, Incoming, Invalid, Outgoing, Problem
from downloads.library.models import MAX_FEEDS, Feed, Kind, TooManyFeeds
from downloads.subscriptions.models import Subscription
from downloads.web import feed_list
from downloads.web.library_list import MAX_TEXT_LENGTH, LibraryQuery

router = Router(by_alias=True)

READ = {401: Problem}
WRITE = {**READ, 403: Problem, 404: Problem, 413: Problem, 422: Invalid}
# PostgreSQL refuses a NUL in a text.
Text = Annotated[str, Field(max_length=MAX_TEXT_LENGTH, pattern=r"^[^\x00]*$")]
SOURCES = ("subscription", "list", "query")


class FeedIn(Incoming):
    """One of `subscription`, `list` and `query`, and what narrows it."""

    subscription: int | None = Field(None, ge=1, le=MAX_ID)
    list: Annotated[Text, Field(description="The correlation id of a list")] | None = None
    query: Annotated[Text, Field(description="As `q` of the library; empty: everything")] | None = (
        None
    )
    kind: Kind | None = None
    site: Text = ""
    uploader: Text = ""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        if sum(getattr(self, name) is not None for name in SOURCES) != 1:
            raise ValueError("Say one of subscription, list and query.")
        if self.list is not None and not self.list.strip():
            raise ValueError("A list has a correlation id.")
        return self

    @property
    def library_query(self) -> LibraryQuery:
        said = {"q": self.query, "list": self.list, "kind": self.kind}
        narrowed = {**said, "site": self.site, "uploader": self.uploader}
        return LibraryQuery.parse({name: value for name, value in narrowed.items() if value})


class FeedOut(Outgoing):
    id: int
    title: str = Field(description="As podcast apps show it")
    url: str | None = Field(
        description="Whoever knows it can read the feed; null: made with another secret key"
    )
    subscription: int | None
    list: str | None
    query: str | None = Field(description="null: of a subscription or a list")
    kind: Kind | None
    site: str
    uploader: str
    created_at: datetime

    @classmethod
    def of(cls, feed: Feed, request: HttpRequest) -> Self:
        said = feed.filters
        is_of_query = feed.subscription_id is None and "list" not in said
        return cls(
            id=feed.pk,
            title=feed_list.title_of(feed),
            url=feed_list.address_of(feed, request),
            subscription=feed.subscription_id,
            list=said.get("list"),
            query=said.get("q", "") if is_of_query else None,
            kind=Kind(said["kind"]) if "kind" in said else None,
            site=said.get("site", ""),
            uploader=said.get("uploader", ""),
            created_at=feed.created_at,
        )


class FeedList(Outgoing):
    items: list[FeedOut]


@router.get("/feeds", response={200: FeedList, **READ}, summary="List podcast feeds")
def list_feeds(request: HttpRequest) -> FeedList:
    """Your own, newest first."""
    found = feed_list.own_feeds(user_of(request))
    return FeedList(items=[FeedOut.of(each, request) for each in found])


@router.post("/feeds", response={201: FeedOut, **WRITE, 409: Problem}, summary="Make a feed")
def make_feed(request: HttpRequest, wish: FeedIn) -> Status[FeedOut] | Status[Problem]:
    """Each has an address of its own, also when you have one of the same already: one for each
    device can be revoked by itself."""
    user = user_of(request)
    subscription = None
    if wish.subscription is not None:
        visible = Subscription.objects.visible_to(user)
        subscription = visible.filter(pk=wish.subscription).first()
        if subscription is None:
            return Status(404, Problem(detail="There is no such subscription."))
    try:
        feed = feed_list.make(user, subscription=subscription, query=wish.library_query)
    except feed_list.NoSuchList:
        return Status(404, Problem(detail="There is no such list."))
    except TooManyFeeds:
        return Status(409, Problem(detail=f"You have {MAX_FEEDS} feeds. Revoke one first."))
    return Status(201, FeedOut.of(feed, request))


@router.delete("/feeds/{id}", response={204: None, **WRITE}, summary="Revoke a feed")
def revoke_feed(request: HttpRequest, id: int) -> Status[Problem | None]:
    """Its address opens nothing any more. The files stay."""
    own = Feed.objects.filter(owner=user_of(request))
    found, _ = own.filter(pk=min(max(id, 0), MAX_ID)).delete()
    if not found:
        return Status(404, Problem(detail="There is no such feed."))
    return Status(204, None)
