"""The pages: the dashboard, one download, what may be done with it, and the set-up.

Wiring only: parse, call, answer. Every action works without JavaScript (POST and redirect); a
request of one of our scripts says so in a header and gets the fragment or the status alone.
"""

from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.contrib.auth.views import LoginView
from django.core.exceptions import PermissionDenied
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads import actions
from downloads.accounts import first_admin
from downloads.diagnostics import checks, stats
from downloads.models import (
    Download,
    DownloadQuerySet,
    PublishedFile,
    Site,
    StreamPosition,
    Submitted,
    TooManyWaiting,
    submissions,
    user_actor,
)
from downloads.waiting import Obstacles
from downloads.web.forms import AddForm, FirstAdminForm
from downloads.web.listing import (
    PAGE_SIZE,
    Filter,
    ListQuery,
    Sort,
    counts_by_filter,
    page_of,
)
from downloads.web.timeline import steps_of

# What live.js may ask for at once: the rows that it shows and as many that may join them.
MAX_ROWS = 2 * PAGE_SIZE
REMEMBERED_OPTIONS = "add_options"  # in the session
MAX_LOGS = 3  # on the page of a download: each may have 64 KiB; to older ones there is a link


class SignedInRequest(HttpRequest):
    """What a view behind `login_required` gets."""

    user: User


# The dashboard.


@require_safe
@never_cache
@login_required
def dashboard(request: SignedInRequest) -> HttpResponse:
    form = AddForm(initial=request.session.get(REMEMBERED_OPTIONS))
    return render(request, "downloads/dashboard.html", _dashboard_context(request, form))


@require_safe
@never_cache
@login_required
def rows(request: SignedInRequest) -> HttpResponse:
    """The rows of `ids` as they are now, the counts and the banners, for a page that shows them.

    Rows that the filter and the search of the page would leave out are marked.
    """
    query = ListQuery.parse(request.GET.dict())
    # PostgreSQL refuses to look for a NUL.
    ids = request.GET.get("ids", "").replace("\0", "").split(",")[:MAX_ROWS]
    asked = _visible(request).filter(correlation_id__in=ids)
    matching = set(query.select(asked).values_list("pk", flat=True))
    downloads = list(_for_rows(asked).order_by("-id"))
    for_rows = [(download, download.pk in matching) for download in downloads]
    context = {"rows": for_rows, **_summary_context(request, query)}
    return render(request, "downloads/rows.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def add(request: SignedInRequest) -> HttpResponse:
    """Add all of the links that were typed, or none and say what is wrong with which."""
    if request.method == "GET":  # the address of a refused form, opened again
        return redirect("dashboard")
    form = AddForm(request.POST)
    if not form.is_valid():
        return _refuse_form(request, form)
    try:
        submitted = submissions.submit(
            [(url, form.options) for url in form.cleaned_data["urls"]],
            owner=request.user,
            actor=user_actor(request.user),
        )
    except TooManyWaiting as refusal:
        form.add_error("urls", str(refusal))
        return _refuse_form(request, form)
    _remember_options(request, form)
    sentence = _sentence_about(submitted)
    if not _is_of_script(request):
        messages.success(request, sentence)
        return redirect(_next_path(request, default=reverse("dashboard")))
    fresh = AddForm(initial=request.session[REMEMBERED_OPTIONS])
    newest = [answer.download.correlation_id for answer in submitted][-PAGE_SIZE:]
    return _render_form(request, fresh, added=sentence, added_ids=newest)


def _refuse_form(request: SignedInRequest, form: AddForm) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if _is_of_script(request):
        return _render_form(request, form, status=status)
    context = _dashboard_context(request, form)
    return render(request, "downloads/dashboard.html", context, status=status)


def _render_form(
    request: SignedInRequest, form: AddForm, *, status: int = HTTPStatus.OK, **context: Any
) -> HttpResponse:
    return render(
        request, "downloads/partials/add_form.html", {"form": form, **context}, status=status
    )


def _remember_options(request: SignedInRequest, form: AddForm) -> None:
    chosen = form.options.as_dict()
    if request.session.get(REMEMBERED_OPTIONS) != chosen:
        request.session[REMEMBERED_OPTIONS] = chosen


def _sentence_about(submitted: list[Submitted]) -> str:
    added = sum(answer.created for answer in submitted)
    present = len(submitted) - added
    sentences = []
    if added:
        sentences.append(f"{added:,} download{'s' if added != 1 else ''} added.")
    if present:
        were = "was" if present == 1 else "were"
        sentences.append(f"{present:,} {were} waiting or running already.")
    return " ".join(sentences)


def _dashboard_context(request: SignedInRequest, form: AddForm) -> dict[str, Any]:
    # Read first: what happens from here on comes by the stream, twice rather than never.
    seq = StreamPosition.current()
    query = ListQuery.parse(request.GET.dict())
    page = page_of(_for_rows(_visible(request)), query)
    return {
        "seq": seq,
        "form": form,
        "page": page,
        "rows": [(download, True) for download in page.downloads],
        "page_size": PAGE_SIZE,
        "sorts": list(Sort),
        "newest_first": replace(query.first_page, sort=Sort.NEWEST),
        "without_search": replace(query.first_page, text=""),
        **_summary_context(request, query),
    }


def _summary_context(request: SignedInRequest, query: ListQuery) -> dict[str, Any]:
    visible = _visible(request)
    obstacles = Obstacles.read()
    counts = counts_by_filter(request.user)
    return {
        "query": query,
        "filters": [
            (item, counts[item], replace(query.first_page, filter=item)) for item in Filter
        ],
        "counts": counts,
        "speed": stats.speed_of(visible),
        "free_bytes": _free_bytes(),
        "problems": checks.problems(),
        "obstacles": obstacles,
        "open_sites": obstacles.open_among(visible),
    }


def _free_bytes() -> int | None:
    """None when the disk cannot be asked; what is wrong with it is among the problems."""
    try:
        return stats.free_bytes(settings.VNSITE.media_root)
    except OSError:
        return None


# One download.


@require_safe
@never_cache
@login_required
def download(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    context = _download_context(request, correlation_id)
    return render(request, "downloads/download.html", context)


@require_safe
@never_cache
@login_required
def fragment(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """The parts of the page of one download as they are now."""
    context = _download_context(request, correlation_id)
    return render(request, "downloads/parts.html", context)


@require_POST
@login_required
def cancel(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    return _act(request, correlation_id, actions.cancel)


@require_POST
@login_required
def retry(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    return _act(request, correlation_id, actions.retry)


@require_POST
@login_required
def cleanup(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    return _act(request, correlation_id, actions.clean)


@require_POST
@login_required
def delete(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Forget a download; with `with_files` remove its files from the library as well."""
    found = _find(request, correlation_id)
    name = found.title or found.url
    try:
        actions.forget(found, with_files="with_files" in request.POST)
    except actions.NotAllowed as refusal:
        return _refuse(request, found, refusal)
    messages.success(request, f"Deleted: {name}")
    return redirect("dashboard")


@require_POST
@login_required
def try_site(request: SignedInRequest) -> HttpResponse:
    """Let the downloads of a site that waits go at once. It concerns everybody: for staff."""
    if not request.user.is_staff:
        raise PermissionDenied
    host = request.POST.get("host", "").replace("\0", "")  # PostgreSQL refuses to look for it
    if Site.objects.try_now(host):
        messages.success(request, f"{host} is tried now.")
    else:
        messages.info(request, f"{host} does not wait any more.")
    return redirect(_next_path(request, default=reverse("dashboard")))


def _act(
    request: SignedInRequest, correlation_id: str, action: Callable[..., object]
) -> HttpResponse:
    found = _find(request, correlation_id)
    try:
        action(found, actor=user_actor(request.user))
    except actions.NotAllowed as refusal:
        return _refuse(request, found, refusal)
    if _is_of_script(request):
        return HttpResponse(status=HTTPStatus.NO_CONTENT)
    return redirect(_next_path(request, default=reverse("download", args=[correlation_id])))


def _refuse(request: SignedInRequest, found: Download, refusal: actions.NotAllowed) -> HttpResponse:
    """409, with the state that the download has now, in words."""
    context = {"download": found, "sentence": str(refusal)}
    name = "downloads/partials/refusal.html" if _is_of_script(request) else "409.html"
    return render(request, name, context, status=HTTPStatus.CONFLICT)


def _download_context(request: SignedInRequest, correlation_id: str) -> dict[str, Any]:
    seq = StreamPosition.current()  # first, as in the dashboard
    found = _find(request, correlation_id)
    history = list(found.transitions.order_by("seq"))
    return {
        "seq": seq,
        "download": found,
        "history": history[::-1],
        "steps": steps_of(history),
        "files": list(found.files),
        **_logs_of(found),
        "cleanup": actions.preview_cleanup(found) if found.is_cleanable else None,
        "obstacles": Obstacles.around([found]),
    }


def _logs_of(found: Download) -> dict[str, Any]:
    """The logs of the newest attempts, oldest first, and the numbers of those before them."""
    attempts = list(found.logs.order_by("attempt").values_list("attempt", flat=True))
    shown = attempts[-MAX_LOGS:]
    return {
        "logs": list(found.logs.filter(attempt__in=shown).order_by("attempt")) if shown else [],
        "older_logs": attempts[:-MAX_LOGS],
    }


# Signing in.


class Login(LoginView):
    """Django's login, which also says what to do while there is no user at all."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(first_admin_wanted=first_admin.is_wanted(), **kwargs)


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None, credentials: Any
) -> HttpResponse:
    """The answer of django-axes to further tries after AXES_FAILURE_LIMIT wrong passwords."""
    seconds = int(settings.AXES_COOLOFF_TIME.total_seconds())
    context = {"minutes": seconds // 60}
    response = render(request, "429.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(seconds)
    return response


@require_http_methods(["GET", "POST"])
@never_cache
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first administrator, for whoever has the link that `serve` printed."""
    if not first_admin.is_wanted():
        return redirect("login")
    if not first_admin.token_is_valid(request.GET.get("token", "")):
        return render(request, "downloads/setup_expired.html", status=HTTPStatus.FORBIDDEN)
    form = FirstAdminForm(request.POST or None)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        return render(request, "downloads/setup.html", {"form": form}, status=status)
    try:
        user = first_admin.create(
            username=form.cleaned_data["username"], password=form.cleaned_data["password1"]
        )
    except first_admin.UserExists:
        return redirect("login")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("dashboard")


# What several of them need.


def _visible(request: SignedInRequest) -> DownloadQuerySet:
    return Download.objects.visible_to(request.user)


def _for_rows(downloads: DownloadQuerySet) -> DownloadQuerySet:
    """With what a row shows and without what it does not: the same queries for 1 row and 50."""
    files = PublishedFile.objects.only("entry_id", "size")
    return (
        downloads.select_related("owner", "worker", "progress", "entry")
        .defer("manifest", "error_data")
        .prefetch_related(Prefetch("entry__files", queryset=files))
    )


def _find(request: SignedInRequest, correlation_id: str) -> Download:
    found = _visible(request).select_related("worker", "owner", "progress", "entry")
    return get_object_or_404(found, correlation_id=correlation_id)


def _is_of_script(request: HttpRequest) -> bool:
    return request.headers.get("X-Requested-With") == "fetch"


def _next_path(request: HttpRequest, *, default: str) -> str:
    """Where the form wants to go back to, when that is a place on this site."""
    wanted = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else default
