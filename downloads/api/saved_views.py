"""The saved views of the JSON API: each user's own."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router, Status
from pydantic import Field

from downloads.api.auth import user_of
from downloads.api.schemas import Incoming, Invalid, Outgoing, Problem, SearchText
from downloads.models import SavedView
from downloads.rules.names import MAX_NAME_LENGTH, key_of
from downloads.rules.words import say
from downloads.web.listing import Filter, ListQuery
from downloads.web.order import Sort

router = Router(by_alias=True)

READ = {401: Problem}
WRITE = {**READ, 403: Problem, 413: Problem, 422: Invalid}
CHANGE = {**WRITE, 404: Problem}
Name = Annotated[str, Path(description="Without regard to case")]


class ViewIn(Incoming):
    """A filter, a search and an order of the dashboard, under a name."""

    name: str = Field(description="At most 60 characters, without slashes")
    state: Filter = Filter.ALL
    q: SearchText = ""
    sort: Sort = Sort.NOW

    def store(self, view: SavedView) -> "ViewOut":
        view.filter, view.text, view.sort = self.state, self.q.strip(), self.sort
        view.store(name=self.name)
        return ViewOut.of(view)


class ViewOut(Outgoing):
    key: str = Field(description="Names it in addresses; its name does too")
    name: str
    state: Filter
    q: str
    sort: Sort

    @classmethod
    def of(cls, view: SavedView) -> "ViewOut":
        query = ListQuery.of(view)
        return cls(key=view.key, name=view.name, state=query.filter, q=query.text, sort=query.sort)


class ViewList(Outgoing):
    items: list[ViewOut]


@router.get("/views", response={200: ViewList, **READ}, summary="List saved views")
def list_views(request: HttpRequest) -> ViewList:
    """Your own, by name."""
    found = SavedView.objects.filter(owner=user_of(request))
    return ViewList(items=[ViewOut.of(each) for each in found])


@router.post("/views", response={201: ViewOut, **WRITE}, summary="Save a view")
def save_view(request: HttpRequest, wish: ViewIn) -> Status[ViewOut]:
    return Status(201, wish.store(SavedView(owner=user_of(request))))


@router.put("/views/{name}", response={200: ViewOut, **CHANGE}, summary="Change a saved view")
def change_view(request: HttpRequest, name: Name, wish: ViewIn) -> ViewOut | Status[Problem | None]:
    view = _find(request, name)
    return wish.store(view) if view else _unknown(name)


@router.delete("/views/{name}", response={204: None, **CHANGE}, summary="Remove a saved view")
def remove_view(request: HttpRequest, name: Name) -> Status[Problem | None]:
    """Downloads stay as they are."""
    view = _find(request, name)
    if view is None:
        return _unknown(name)
    view.delete()
    return Status(204, None)


def _find(request: HttpRequest, name: str) -> SavedView | None:
    return SavedView.objects.filter(owner=user_of(request), key=key_of(name)).first()


def _unknown(name: str) -> Status[Problem | None]:
    return Status(
        404, Problem(detail=say("You have no view named “{name}”.", name=name[:MAX_NAME_LENGTH]))
    )
