"""The dashboard: the list of downloads, and adding links. Wiring only.

Every action works without JavaScript (POST and redirect); a request of one of our scripts says so
in a header and gets the fragment or the status alone.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from downloads.diagnostics import checks, stats
from downloads.models import (
    Download,
    DownloadQuerySet,
    Extractors,
    Preset,
    PublishedFile,
    StreamPosition,
    Submitted,
    TooManyWaiting,
    presets,
    submissions,
    user_actor,
)
from downloads.models.listings import became_of_lists
from downloads.rules.presets import (
    InvalidPreset,
    UnknownPreset,
    UnusablePreset,
    preset_named,
    without_link,
)
from downloads.waiting import Obstacles
from downloads.web import dashboard_view
from downloads.web.choice_form import drawn_with
from downloads.web.format import UNKNOWN, counted, size
from downloads.web.forms import AddForm, shorten
from downloads.web.listing import PAGE_SIZE, Filter, ListQuery, counts_by_filter, page_of
from downloads.web.requests import SignedInRequest, is_of_script, next_path, visible
from downloads.web.row_view import DownloadView
from downloads.web.system_view import newer_sets

# What live.js may ask for at once: the rows that it shows and as many that may join them.
MAX_ROWS = 2 * PAGE_SIZE
MAX_LEFT_OVER = 3  # texts that are not links and are repeated
LARGE = ("manifest", "media")  # columns that no row shows


@require_safe
@never_cache
@login_required
def dashboard(request: SignedInRequest) -> HttpResponse:
    form = AddForm.to_begin(request.user)
    return render(request, "downloads/dashboard.html", _dashboard_context(request, form))


@require_safe
@never_cache
@login_required
def rows(request: SignedInRequest) -> HttpResponse:
    """Answer the rows of `ids` as they are now, for a page that shows them.

    Rows that the filter and the search of the page would leave out are marked.
    """
    query = ListQuery.parse(request.GET.dict())
    # PostgreSQL refuses to look for a NUL.
    ids = request.GET.get("ids", "").replace("\0", "").split(",")[:MAX_ROWS]
    asked = visible(request).filter(correlation_id__in=ids)
    matching = set(query.select(asked).values_list("pk", flat=True))
    found = list(_for_rows(asked).order_by("-id"))
    shown = _views(request, found, obstacles=Obstacles.around(found), matching=matching)
    return render(request, "downloads/rows.html", {"rows": shown})


@require_safe
@never_cache
@login_required
def banners(request: SignedInRequest) -> HttpResponse:
    """Answer the warnings above the list as they are now."""
    context = _banners(request, obstacles=Obstacles.read(), counts=counts_by_filter(request.user))
    return render(request, "downloads/partials/banners.html", context)


@require_http_methods(["GET", "POST"])
@login_required
def add(request: SignedInRequest) -> HttpResponse:
    """Add all of the links that were typed, or none, and say which are wrong.

    A script gets the form with the options of `preset` by GET.
    """
    if request.method == "GET":
        return _form_of_preset(request)
    form = AddForm(request.POST, among=presets.offered(request.user))
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
    presets.remember(request.user, form.chosen_preset, form.options)
    sentence = _sentence_about(submitted, form.left_over)
    if not is_of_script(request):
        messages.success(request, sentence)
        return redirect(next_path(request, default=reverse("dashboard")))
    fresh = AddForm.to_begin(request.user)
    newest = [answer.download.correlation_id for answer in submitted][-PAGE_SIZE:]
    return _render_form(request, fresh, added=sentence, added_ids=newest)


@require_http_methods(["GET", "POST"])
@login_required
def save_preset(request: SignedInRequest) -> HttpResponse:
    """Save the options of the form as a preset. The links stay where they were typed."""
    if request.method == "GET":
        return redirect("dashboard")
    form = AddForm(request.POST, among=presets.offered(request.user))
    form.drop_links()
    if form.errors:
        return _refuse_form(request, form)
    preset, options = Preset(owner=request.user), without_link(form.options)
    try:
        preset.store(name=form.cleaned_data["preset_name"], options=options, is_shared=False)
    except InvalidPreset as refusal:
        form.add_error("preset_name", str(refusal))
        return _refuse_form(request, form)
    offer, links = preset.offered_to(request.user), request.POST.get("urls", "")
    presets.remember(request.user, offer, options)
    among = presets.offered(request.user)
    initial = drawn_with(offer.key, form.options) | {"urls": links}
    saved = AddForm(among=among, initial=initial)
    sentence = f"Saved as preset “{preset.name}”."
    if is_of_script(request):
        return _render_form(request, saved, added=sentence)
    context = _dashboard_context(request, saved)
    return render(request, "downloads/dashboard.html", {**context, "added": sentence})


def _form_of_preset(request: SignedInRequest) -> HttpResponse:
    """Answer the form with the options of a preset; a person is led to the dashboard."""
    if not is_of_script(request):  # the address of a refused form, opened again
        return redirect("dashboard")
    among = presets.offered(request.user)
    try:
        preset = preset_named(request.GET.get("preset", ""), among)
        initial = drawn_with(preset.key, preset.options)
        return _render_form(request, AddForm(among=among, initial=initial))
    except (UnknownPreset, UnusablePreset) as refusal:
        return HttpResponse(str(refusal), status=HTTPStatus.NOT_FOUND, content_type="text/plain")


def _refuse_form(request: SignedInRequest, form: AddForm) -> HttpResponse:
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    if is_of_script(request):
        return _render_form(request, form, status=status)
    context = _dashboard_context(request, form)
    return render(request, "downloads/dashboard.html", context, status=status)


def _render_form(
    request: SignedInRequest, form: AddForm, *, status: int = HTTPStatus.OK, **context: Any
) -> HttpResponse:
    return render(
        request, "downloads/partials/add_form.html", {"form": form, **context}, status=status
    )


def _sentence_about(submitted: list[Submitted], left_over: Sequence[str]) -> str:
    added = sum(answer.created for answer in submitted)
    present = len(submitted) - added
    sentences = [f"{counted(added, 'download')} added."] if added else []
    if present:
        verb = "was" if present == 1 else "were"
        sentences.append(f"{present:,} {verb} waiting or running already.")
    if left_over:
        shown = [f"“{shorten(words)}”" for words in left_over[:MAX_LEFT_OVER]]
        more = len(left_over) - len(shown)
        also = f" and {more:,} more" if more else ""
        sentences.append(f"Not a link: {', '.join(shown)}{also}.")
    return " ".join(sentences)


def _dashboard_context(request: SignedInRequest, form: AddForm) -> dict[str, Any]:
    # Read first: what happens from here on comes by the stream, twice rather than never.
    seq = StreamPosition.current()
    query = ListQuery.parse(request.GET.dict())
    page = page_of(_for_rows(visible(request)), query)
    speed = stats.speed_of(visible(request))
    obstacles, counts = Obstacles.read(), counts_by_filter(request.user)
    return {
        "seq": seq,
        "form": form,
        "rows": _views(request, page.downloads, obstacles=obstacles),
        "list": dashboard_view.list_view(query, page),
        "filters": dashboard_view.filter_links(query, counts),
        "speed": f"{size(speed)}/s" if speed else UNKNOWN,
        "free": size(_free_bytes()),
        "all_actions": dashboard_view.AllActions.of(counts, obstacles.queue),
        **_banners(request, obstacles=obstacles, counts=counts),
    }


def _views(
    request: SignedInRequest,
    downloads: list[Download],
    *,
    obstacles: Obstacles,
    matching: set[int] | None = None,
) -> list[DownloadView]:
    """Make the rows of downloads; `matching` None: all of them match the page's query."""
    became = became_of_lists(downloads)
    return [
        DownloadView(
            download=download,
            obstacles=obstacles,
            viewer=request.user,
            became=became.get(download.pk),
            matches=matching is None or download.pk in matching,
        )
        for download in downloads
    ]


def _banners(
    request: SignedInRequest, *, obstacles: Obstacles, counts: dict[Filter, int]
) -> dict[str, Any]:
    shown = dashboard_view.banners(
        obstacles=obstacles,
        waiting=counts[Filter.WAITING],
        problems=checks.problems(),
        sites=obstacles.open_among(visible(request)),
        newer_sets=newer_sets(
            Extractors.objects.all() if request.user.is_staff else (), today=timezone.now().date()
        ),
        is_for_staff=request.user.is_staff,
    )
    return {
        "banners": list(shown),
        "has_worker": obstacles.has_worker,
        "queue_word": obstacles.queue_word,
    }


def _free_bytes() -> int | None:
    """Return None when the disk cannot be asked: the problems say why."""
    try:
        return stats.free_bytes(settings.VNSITE.media_root)
    except OSError:
        return None


def _for_rows(downloads: DownloadQuerySet) -> DownloadQuerySet:
    """Fetch what a row shows and defer the rest: the same queries for 1 row and for 50."""
    files = PublishedFile.objects.only("entry_id", "size")
    return (
        downloads.with_thumbnail()
        .select_related(*("owner", "worker", "progress", "entry", "listing", "listed_in", "have"))
        .defer(*(f"{whose}{column}" for whose in ("", "listed_in__", "have__") for column in LARGE))
        .prefetch_related(Prefetch("entry__files", queryset=files))
    )
