"""Entries that leave the library: the question, the deed, the record, the undo. Wiring only."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.html import format_html
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.library import removal
from downloads.library.models import UNDOABLE, Card, Removal
from downloads.models import user_actor
from downloads.rules.words import say, say_number
from downloads.web.format import size
from downloads.web.library_view import RemovalView
from downloads.web.requests import MAX_NUMBER, SignedInRequest, next_path, numbers_in

PAGE_SIZE = 50


@require_POST
@never_cache
@login_required
def remove(request: SignedInRequest) -> HttpResponse:
    """Say what would be removed; once that is confirmed, do it."""
    way_back = next_path(request, default=reverse("library"))
    cards = _selected(request)
    if not cards:
        messages.warning(request, gettext("Nothing is selected."))
        return redirect(way_back)
    if "confirm" not in request.POST:
        context = {
            "cards": cards,
            "count": len(cards),
            "size": size(sum(card.size_bytes for card in cards)),
            "folder": settings.VNSITE.media_root,
            "next": way_back,
        }
        return render(request, "downloads/library_remove.html", context)
    removed = removal.remove(cards, actor=user_actor(request.user))
    _tell(request, removed)
    return redirect(way_back)


def _selected(request: SignedInRequest) -> list[Card]:
    """Return the cards that the form names and the user may see."""
    visible = Card.objects.visible_to(request.user).filter(pk__in=numbers_in(request, "ids"))
    return list(visible.only("title", "size_bytes").order_by("pk"))


def _tell(request: SignedInRequest, removed: removal.Removed) -> None:
    if removed.count:
        sentence = say_number(
            "{number:,} entry ({size}) is removed from the library. Its files are kept for a day.",
            "{number:,} entries ({size}) are removed from the library. Their files are kept for a"
            " day.",
            number=removed.count,
            size=size(removed.size_bytes),
        )
        link = format_html('<a href="{}">{}</a>', reverse("library_removed"), gettext("Undo"))
        messages.success(request, format_html("{} {}", sentence, link))
    for title in removed.refused:
        sentence = say("“{title}” stays: its folder cannot be moved.", title=title)
        messages.error(request, sentence)


@require_safe
@never_cache
@login_required
def removed(request: SignedInRequest) -> HttpResponse:
    """List what was removed, the last first: who wanted it, and whether it can be undone."""
    removals = Removal.objects.visible_to(request.user)
    before = request.GET.get("before", "")
    if before.isascii() and before.isdigit() and int(before) <= MAX_NUMBER:
        removals = removals.filter(pk__lt=int(before))
    found = list(removals.defer("contents")[: PAGE_SIZE + 1])
    kept = Removal.objects.visible_to(request.user).filter(step__in=UNDOABLE)
    context = {
        "removals": [RemovalView(each) for each in found[:PAGE_SIZE]],
        "next": found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        "kept": size(sum(kept.values_list("size_bytes", flat=True))) if kept.exists() else "",
    }
    return render(request, "downloads/library_removed.html", context)


@require_POST
@login_required
def restore(request: SignedInRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(Removal.objects.visible_to(request.user), pk=min(pk, MAX_NUMBER))
    try:
        removal.restore(found)
    except (removal.NotRestored, OSError) as error:
        messages.error(request, refusal_to_restore(error))
    else:
        messages.success(request, say("“{title}” is in the library again.", title=found.title))
    return redirect("library_removed")


def refusal_to_restore(error: Exception) -> str:
    """Say why a removal cannot be undone."""
    if isinstance(error, removal.TooLate):
        return gettext("It is too late: the files are gone, or the entry is back already.")
    if isinstance(error, removal.NameTaken):
        return gettext("Another entry has its folder's name by now.")
    return gettext("Its folder cannot be moved back.")


@require_POST
@login_required
def empty(request: SignedInRequest) -> HttpResponse:
    """Remove the files of all that the user may see for good, without waiting for a day."""
    freed = removal.empty(Removal.objects.visible_to(request.user))
    messages.success(request, say("{size} are free again.", size=size(freed)))
    return redirect("library_removed")
