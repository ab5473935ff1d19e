"""The page of one download, and what may be done with it. Wiring only."""

from collections.abc import Callable
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads import actions
from downloads.many import Action
from downloads.models import Download, Listing, StreamPosition, presets, user_actor
from downloads.models.listings import became_of_lists
from downloads.waiting import Obstacles
from downloads.web.detail_view import detail_view
from downloads.web.entries import EntriesQuery
from downloads.web.entries_form import EntriesForm
from downloads.web.entries_view import listing_view
from downloads.web.many import ask
from downloads.web.requests import SignedInRequest, is_of_script, next_path, visible
from downloads.web.row_view import DownloadView


@require_safe
@never_cache
@login_required
def download(
    request: SignedInRequest, correlation_id: str, *, template: str = "downloads/download.html"
) -> HttpResponse:
    """Answer the page, or with another template its parts alone."""
    seq = StreamPosition.current()  # first, as in the dashboard
    found = find(request, correlation_id)
    return render(request, template, {"seq": seq, **context_of(request, found)})


def context_of(
    request: SignedInRequest, found: Download, *, form: EntriesForm | None = None
) -> dict[str, object]:
    """Return what the page of a download shows. `form`: one for its entries that was refused."""
    listing: Listing | None = getattr(found, "listing", None)
    became = became_of_lists([found]).get(found.pk)
    obstacles = Obstacles.around([found])
    view = DownloadView(download=found, obstacles=obstacles, viewer=request.user, became=became)
    context = detail_view(view)
    if listing and became:
        query = EntriesQuery.parse(request.GET.dict())
        form = form or EntriesForm.to_begin(found, among=presets.offered(request.user))
        context |= listing_view(listing, became, query, form)
    return context


@require_POST
@login_required
def act(
    request: SignedInRequest, correlation_id: str, *, action: Callable[..., object]
) -> HttpResponse:
    """Do one of `actions`; 409 when the state does not allow it."""
    found = find(request, correlation_id)
    try:
        action(found, actor=user_actor(request.user))
    except actions.NotAllowed as refusal:
        return _refuse(request, found, refusal)
    if is_of_script(request):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return redirect(next_path(request, default=reverse("download", args=[correlation_id])))


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def delete(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Forget a download; with `with_files` remove its files from the library as well.

    By GET ask first, or refuse at once.
    """
    found = find(request, correlation_id)
    if request.method == "GET":
        return ask(request, visible(request).filter(pk=found.pk), Action.DELETE)
    name = found.title or found.url
    try:
        actions.forget(found, with_files="with_files" in request.POST)
    except actions.NotAllowed as refusal:
        return _refuse(request, found, refusal)
    messages.success(request, f"Deleted: {name}")
    return redirect("dashboard")


def _refuse(request: SignedInRequest, found: Download, refusal: actions.NotAllowed) -> HttpResponse:
    """Answer 409, with the state that the download has now, in words."""
    context = {"download": found, "sentence": str(refusal)}
    name = "downloads/partials/refusal.html" if is_of_script(request) else "409.html"
    return render(request, name, context, status=HTTPStatus.CONFLICT)


def find(request: SignedInRequest, correlation_id: str) -> Download:
    found = visible(request).select_related(
        "worker", "owner", "progress", "entry", "listing", "listed_in", "have"
    )
    return get_object_or_404(found, correlation_id=correlation_id)
