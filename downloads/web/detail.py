"""The page of one download, and what may be done with it. Wiring only."""

from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads import actions
from downloads.library import remuxing
from downloads.many import Action
from downloads.models import Download, Listing, StreamPosition, presets, user_actor
from downloads.models.listings import became_of_lists
from downloads.rules.words import say
from downloads.waiting import Obstacles
from downloads.web.detail_view import detail_view
from downloads.web.entries import EntriesQuery
from downloads.web.entries_form import EntriesForm
from downloads.web.entries_view import listing_view
from downloads.web.many import ask
from downloads.web.requests import SignedInRequest, is_of_script, next_path, visible
from downloads.web.retry_form import RetryForm
from downloads.web.row_view import DownloadView

PAGE = "downloads/download.html"


@require_safe
@never_cache
@login_required
def download(
    request: SignedInRequest, correlation_id: str, *, template: str = PAGE
) -> HttpResponse:
    """Answer the page, or with another template its parts alone."""
    return page_of(request, correlation_id, template=template)


def page_of(
    request: SignedInRequest,
    correlation_id: str,
    *,
    template: str = PAGE,
    status: HTTPStatus = HTTPStatus.OK,
    retry_form: RetryForm | None = None,
    entries_form: EntriesForm | None = None,
) -> HttpResponse:
    """Answer what the page of a download shows; the forms are those that were refused."""
    seq = StreamPosition.current()  # first, as in the dashboard
    found = find(request, correlation_id)
    query = query_of(request)
    here = f"{reverse('download', args=[correlation_id])}{'?' if query else ''}{query.urlencode()}"
    context: dict[str, object] = {"seq": seq, "back": back_to(query), "here": here}
    listing: Listing | None = getattr(found, "listing", None)
    became = became_of_lists([found]).get(found.pk)
    obstacles = Obstacles.around([found])
    view = DownloadView(download=found, obstacles=obstacles, viewer=request.user, became=became)
    context |= detail_view(view)
    if found.is_retryable:
        context |= {"retry_form": retry_form or RetryForm(found)}
    if listing and became:
        entries = EntriesQuery.parse(request.GET.dict())
        form = entries_form or EntriesForm.to_begin(found, among=presets.offered(request.user))
        context |= listing_view(listing, became, entries, form)
    return render(request, template, context, status=status)


@require_safe
@never_cache
@login_required
def menu(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Answer what the menu of a row holds: a list asks for it when one is opened."""
    found = get_object_or_404(visible(request), correlation_id=correlation_id)
    view = DownloadView(download=found, obstacles=Obstacles(), viewer=request.user)
    return render(request, "downloads/partials/row_menu.html", {"view": view})


def query_of(request: SignedInRequest) -> QueryDict:
    """Return the query of the page, also when one of its forms was posted.

    Its `from` is the query of the list that the reader comes from.
    """
    if request.method == "POST":
        return QueryDict(urlsplit(request.POST.get("next", "")).query)
    query, referrer = request.GET.copy(), urlsplit(request.headers.get("Referer", ""))
    is_list = (referrer.netloc, referrer.path) == (request.get_host(), reverse("dashboard"))
    if is_list and referrer.query:
        query.setdefault("from", referrer.query)
    return query


def back_to(query_of_page: QueryDict) -> str:
    """Return the address of the list as it was left: `from` in the page's query is the list's."""
    query = urlencode(parse_qsl(str(query_of_page.get("from", ""))))
    return f"{reverse('dashboard')}{'?' if query else ''}{query}"


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
        return refuse(request, found, refusal)
    if is_of_script(request):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return redirect(next_path(request, default=reverse("download", args=[correlation_id])))


@require_POST
@login_required
def remux(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Have a film put into a container that browsers play, and go to that download."""
    found = find(request, correlation_id)
    try:
        made = remuxing.remux(found, actor=user_actor(request.user))
    except actions.NotAllowed as refusal:
        return refuse(request, found, refusal)
    return redirect("download", made.download.correlation_id)


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def delete(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Forget a download; with `with_files` remove its files from the library as well.

    By GET ask first, or refuse at once.
    """
    found = find(request, correlation_id)
    if request.method == "GET":
        one, way_back = visible(request).filter(pk=found.pk), back_to(query_of(request))
        return ask(request, one, Action.DELETE, way_back=way_back)
    name, with_files = found.title or found.url, "with_files" in request.POST
    stays = not with_files and found.files.exists()
    try:
        actions.forget(found, with_files=with_files)
    except actions.NotAllowed as refusal:
        return refuse(request, found, refusal)
    said = say("Deleted: {name}", name=name)
    if stays:
        said = say("Deleted: {name}. Its files stay in the library.", name=name)
    messages.success(request, said)
    return redirect(back_to(query_of(request)))


def refuse(request: SignedInRequest, found: Download, refusal: actions.NotAllowed) -> HttpResponse:
    """Answer 409, with the state that the download has now, in words."""
    context = {"download": found, "sentence": str(refusal)}
    name = "downloads/partials/refusal.html" if is_of_script(request) else "409.html"
    return render(request, name, context, status=HTTPStatus.CONFLICT)


def find(request: SignedInRequest, correlation_id: str) -> Download:
    found = visible(request).select_related(
        "worker", "owner", "progress", "entry", "listing", "listed_in", "have"
    )
    return get_object_or_404(found.with_thumbnail(), correlation_id=correlation_id)
