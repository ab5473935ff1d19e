"""The pages of the library and of its storage. Wiring only."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.library import search
from downloads.library.models import Card, CardQuerySet, Position
from downloads.models import PublishedFile
from downloads.subscriptions.models import Subscription
from downloads.web.library_list import LibraryQuery, page_of
from downloads.web.library_view import library_view, marked_in_words, pinned_in_words
from downloads.web.requests import SignedInRequest, next_path, numbers_in, visible
from downloads.web.storage_view import Storage

COLUMNS = (
    *("kind", "title", "sort_title", "uploader", "site", "duration_seconds", "size_bytes"),
    *("height", "added_at", "dated_at", "pinned_at", "entry__correlation_id", "entry__path"),
    *("entry__download__correlation_id", "entry__download__have"),
    "entry__download__thumbnail__download",
)


@require_safe
@never_cache
@login_required
def library(request: SignedInRequest) -> HttpResponse:
    query = LibraryQuery.parse(request.GET.dict())
    page = page_of(for_page(request), query, reader=request.user)
    missing = Card.objects.visible_to(request.user).filter(missing_at__isnull=False).count()
    titles = _titles_of(request, query)
    quotes = search.quotes(page.cards, query.text)
    context = library_view(query, page, quotes=quotes, titles=titles, missing=missing)
    return render(request, "downloads/library.html", context)


@require_safe
@never_cache
@login_required
def storage(request: SignedInRequest) -> HttpResponse:
    """Show what takes the room, and what could leave."""
    found = Storage.read(request.user, for_page(request))
    return render(request, "downloads/library_storage.html", {"storage": found})


@require_POST
@login_required
def pin(request: SignedInRequest) -> HttpResponse:
    """Pin the selected entries, or take their pins away."""
    is_pinned = request.POST.get("pinned") == "1"
    count = _selected(request).pin(pinned=is_pinned)
    messages.success(request, pinned_in_words(count, is_pinned=is_pinned))
    return redirect(next_path(request, default=reverse("library")))


@require_POST
@login_required
def watched(request: SignedInRequest) -> HttpResponse:
    """Mark the selected entries as watched by the user, or as not watched."""
    is_watched = request.POST.get("watched") == "1"
    keys = _selected(request).values_list("pk", flat=True)
    count = Position.objects.mark(user=request.user, entries=keys, watched=is_watched)
    messages.success(request, marked_in_words(count, is_watched=is_watched))
    return redirect(next_path(request, default=reverse("library")))


def _selected(request: SignedInRequest) -> CardQuerySet:
    """Return the cards that the form names and the user may see."""
    return Card.objects.visible_to(request.user).filter(pk__in=numbers_in(request, "ids"))


def for_page(request: SignedInRequest) -> CardQuerySet:
    """Return what the user may see, with what a page shows and nothing else: the same queries for
    1 entry and for 50."""
    cards = Card.objects.visible_to(request.user).with_position_of(request.user)
    files = PublishedFile.objects.only("entry_id", "size", "name", "role")
    joined = cards.select_related("entry__download__thumbnail").only(*COLUMNS)
    return joined.prefetch_related(Prefetch("entry__files", queryset=files))


def _titles_of(request: SignedInRequest, query: LibraryQuery) -> dict[str, str]:
    """Return the titles of the list and the subscription that are filters, if the user may see
    them."""
    titles = {}
    if query.list:
        lists = visible(request).filter(correlation_id=query.list)
        titles["list"] = lists.values_list("title", flat=True).first() or ""
    if query.subscription:
        among = Subscription.objects.visible_to(request.user)
        titles["subscription"] = str(among.filter(pk=query.subscription).first() or "")
    return titles
