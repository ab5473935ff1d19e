"""The page of the library. Wiring only."""

from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from downloads.library.models import Card, CardQuerySet
from downloads.models import PublishedFile
from downloads.web.library_list import LibraryQuery, page_of
from downloads.web.library_view import library_view
from downloads.web.requests import SignedInRequest, visible

COLUMNS = (
    *("kind", "title", "sort_title", "uploader", "site", "duration_seconds", "size_bytes"),
    *("height", "added_at", "dated_at", "entry__correlation_id", "entry__path"),
    *("entry__download__correlation_id", "entry__download__have"),
    "entry__download__thumbnail__download",
)


@require_safe
@never_cache
@login_required
def library(request: SignedInRequest) -> HttpResponse:
    query = LibraryQuery.parse(request.GET.dict())
    page = page_of(for_page(Card.objects.visible_to(request.user)), query)
    context = library_view(query, page, list_title=_title_of(request, query.list))
    return render(request, "downloads/library.html", context)


def for_page(cards: CardQuerySet) -> CardQuerySet:
    """Fetch what the page shows and nothing else: the same queries for 1 entry and for 50."""
    files = PublishedFile.objects.only("entry_id", "size", "name", "role")
    joined = cards.select_related("entry__download__thumbnail").only(*COLUMNS)
    return joined.prefetch_related(Prefetch("entry__files", queryset=files))


def _title_of(request: SignedInRequest, correlation_id: str) -> str:
    """Return the title of a list that the user may see; "" when there is none."""
    if not correlation_id:
        return ""
    lists = visible(request).filter(correlation_id=correlation_id)
    return lists.values_list("title", flat=True).first() or ""
