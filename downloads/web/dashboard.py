"""The dashboard: the list of downloads. Wiring only.

Every action works without JavaScript (POST and redirect); a request of one of our scripts says so
in a header and gets the fragment or the status alone.
"""

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import User
from django.db.models import Model, Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from downloads.diagnostics import checks, stats
from downloads.models import (
    Download,
    DownloadQuerySet,
    Extractors,
    LibraryEntry,
    PublishedFile,
    SavedView,
    StreamPosition,
    Worker,
    snapshot,
)
from downloads.models.listings import became_of_lists
from downloads.waiting import Obstacles
from downloads.web import dashboard_view
from downloads.web.add_form import AddForm
from downloads.web.first_steps import first_steps
from downloads.web.format import UNKNOWN, size
from downloads.web.listing import PAGE_SIZES, Filter, ListQuery, counts_by_filter, page_of
from downloads.web.order import Sort
from downloads.web.requests import SignedInRequest, visible
from downloads.web.row_view import DownloadView
from downloads.web.system_view import newer_sets

# What live.js may ask for at once: the rows that it shows and as many that may join them.
MAX_ROWS = 2 * max(PAGE_SIZES)
# What a row shows of the rows that belong to it.
SHOWN: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "owner": (User, ("username",)),
    "worker": (Worker, ("name",)),
    "entry": (LibraryEntry, ("download",)),
    "listed_in": (Download, ("correlation_id", "url", "title")),
    "have": (Download, ("correlation_id", "url", "title")),
}
# Columns that no row shows, its own and theirs.
NOT_READ = (
    "manifest",
    *("extractor", "media_id", "fingerprint", "batch", "list_depth", "is_again", "remux_of"),
    *("carried", "updated_at", "forgotten_at", "history_days"),
    *(
        f"{name}__{field.name}"
        for name, (model, shown) in SHOWN.items()
        for field in model._meta.concrete_fields
        if field.name not in shown and not field.primary_key
    ),
)


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
    around = Obstacles.around(found)
    shown = _views(request, found, query.sort, obstacles=around, matching=matching)
    return render(request, "downloads/rows.html", {"rows": shown})


@require_safe
@never_cache
@login_required
def banners(request: SignedInRequest) -> HttpResponse:
    """Answer the warnings above the list as they are now, and the first steps of a new user."""
    context = _banners(request, obstacles=Obstacles.read(), counts=counts_by_filter(request.user))
    return render(request, "downloads/banners.html", context)


def _dashboard_context(request: SignedInRequest, form: AddForm) -> dict[str, Any]:
    query = ListQuery.parse(request.GET.dict())
    # What happens after that instant comes by the stream.
    with snapshot():
        seq = StreamPosition.current()
        page = page_of(_for_rows(visible(request)), query)
        speed = stats.speed_of(visible(request))
        obstacles, counts = Obstacles.read(), counts_by_filter(request.user)
        rows = _views(request, page.downloads, query.sort, obstacles=obstacles)
    views = dashboard_view.view_links(query, SavedView.objects.filter(owner=request.user))
    saved = next((each for each in views if each.is_current), None)
    return {
        "seq": seq,
        "form": form,
        "form_looks_like": form.looks_like,
        "rows": rows,
        "list": dashboard_view.list_view(query, page),
        "filters": dashboard_view.filter_links(query, counts, is_saved=saved is not None),
        "views": views,
        "saved_view": saved,
        "speed": f"{size(speed)}/s" if speed else UNKNOWN,
        "free": size(_free_bytes()),
        "all_actions": dashboard_view.AllActions.of(counts, obstacles.queue),
        **_banners(request, obstacles=obstacles, counts=counts),
    }


def _views(
    request: SignedInRequest,
    downloads: list[Download],
    sort: Sort,
    *,
    obstacles: Obstacles,
    matching: set[int] | None = None,
) -> list[DownloadView]:
    """Make the rows of downloads; `matching` None: all of them match the page's query."""
    became, places = became_of_lists(downloads), obstacles.places_of(downloads)
    return [
        DownloadView(
            download=download,
            obstacles=obstacles,
            viewer=request.user,
            became=became.get(download.pk),
            matches=matching is None or download.pk in matching,
            sort=sort,
            place=places.get(download.pk),
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
    steps = first_steps(request.user, count=counts[Filter.ALL], has_worker=obstacles.has_worker)
    return {
        "banners": list(shown),
        "has_worker": obstacles.has_worker,
        "queue_word": obstacles.queue_word,
        "first_steps": steps,
    }


def _free_bytes() -> int | None:
    """Return None when the disk cannot be asked: the problems say why."""
    try:
        return stats.free_bytes(settings.VNSITE.media_root)
    except OSError:
        return None


def _for_rows(downloads: DownloadQuerySet) -> DownloadQuerySet:
    """Fetch what a row shows and defer the rest: the same queries for 1 row and for 50.

    A column that is deferred and shown costs a query for each row.
    """
    files = PublishedFile.objects.only("entry_id", "size", "name", "role")
    return (
        downloads.with_thumbnail()
        .select_related(*("owner", "worker", "progress", "entry", "listing", "listed_in", "have"))
        .defer(*NOT_READ)
        .prefetch_related(Prefetch("entry__files", queryset=files, to_attr="read_files"))
    )
