"""What may be done with a listing: add entries, and act on all that were added. Wiring only.

And the ways from one download to another of its link: fetch it again, download what was only looked
up, read its whole list.
"""

from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext, ngettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from downloads.many import Action, act_on_list
from downloads.models import (
    Addition,
    Download,
    Listing,
    Refusal,
    TooManyWaiting,
    presets,
    submissions,
    user_actor,
)
from downloads.models.listings import add_entries_in_turns
from downloads.rules.options import DownloadOptions
from downloads.rules.words import grouped, say_number
from downloads.web.detail import find, page_of
from downloads.web.entries_form import EntriesForm
from downloads.web.many_view import sentence_about
from downloads.web.requests import SignedInRequest, next_path
from downloads.web.retry_form import RetryForm, options_of

# Why entries were not added, for one of them and for several.
REFUSALS: dict[Refusal, Any] = {
    Refusal.TOO_MANY_WAITING: ngettext_lazy(
        "%(number)s does not fit: at most %(limit)s of your downloads may wait. It stays here.",
        "%(number)s do not fit: at most %(limit)s of your downloads may wait. They stay here.",
        "number",
    ),
    Refusal.TOO_DEEP: ngettext_lazy(
        "%(number)s is a list too deep inside other lists: add its own link.",
        "%(number)s are lists too deep inside other lists: add their own links.",
        "number",
    ),
    Refusal.ITSELF: ngettext_lazy(
        "%(number)s is this list itself.", "%(number)s are this list itself.", "number"
    ),
}


@require_http_methods(["GET", "POST"])
@login_required
def entries(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Make downloads of the chosen entries, or say what is wrong with the choice."""
    found = find(request, correlation_id)
    if request.method == "GET":  # the address of a refused form, opened again
        return redirect("download", correlation_id)
    listing = _listing_of(found)
    form = EntriesForm(request.POST, among=presets.offered(request.user))
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        return page_of(request, correlation_id, entries_form=form, status=status)
    chosen = form.select(listing.entries.all(), owner=listing.download.owner)
    try:
        additions = add_entries_in_turns(
            listing, chosen, options=form.options, actor=user_actor(request.user)
        )
    except Download.DoesNotExist:  # deleted meanwhile
        raise Http404 from None
    sentence = sentence_about_entries(additions)
    if any(one.created for one in additions):
        messages.success(request, sentence)
    else:
        messages.warning(request, sentence)
    return redirect(next_path(request, default=reverse("download", args=[correlation_id])))


def sentence_about_entries(additions: list[Addition]) -> str:
    """Say how many were added, how many were there, and why others were not added."""
    added = sum(one.created for one in additions)
    present = sum(not one.created and one.refusal is None for one in additions)
    sentences = []
    if added:
        sentences.append(
            say_number("{number:,} download added.", "{number:,} downloads added.", number=added)
        )
    if present:
        sentences.append(
            say_number(
                "{number:,} was added already.", "{number:,} were added already.", number=present
            )
        )
    for refusal, sentence in REFUSALS.items():
        if refused := sum(one.refusal is refusal for one in additions):
            values = {"number": refused, "limit": grouped(settings.VNSITE.user_waiting)}
            sentences.append(sentence % values)
    return " ".join(sentences) or gettext("There is nothing to add among these.")


@require_POST
@login_required
def fetch_again(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Add the link of a download once more, to be fetched although its owner has the video."""
    found = find(request, correlation_id)
    return _add_once_more(request, found, options=options_of(found), is_again=True)


@require_POST
@login_required
def read_whole_list(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Add the link of a download that took one video of a list, now to read the list."""
    found = find(request, correlation_id)
    return _add_once_more(request, found, options=options_of(found).with_overrides(playlist="ask"))


@require_POST
@login_required
def download_checked(request: SignedInRequest, correlation_id: str) -> HttpResponse:
    """Download what was only looked up: with its options, but for those that the form sends."""
    found = find(request, correlation_id)
    form = RetryForm.of_button(found, request.POST)
    if not form.is_valid():  # no button of a page sends that
        return HttpResponseBadRequest()
    return _add_once_more(request, found, options=form.options.with_overrides(check=False))


def _add_once_more(
    request: SignedInRequest, found: Download, *, options: DownloadOptions, is_again: bool = False
) -> HttpResponse:
    wishes = [(found.url, options)]
    actor = user_actor(request.user)
    try:
        (added,) = submissions.submit(wishes, owner=found.owner, actor=actor, is_again=is_again)
    except TooManyWaiting as refusal:
        messages.error(request, str(refusal))
        return redirect("download", found.correlation_id)
    return redirect("download", added.download.correlation_id)


@require_POST
@login_required
def act_on_all(request: SignedInRequest, correlation_id: str, *, action: Action) -> HttpResponse:
    """Do an action to those downloads of a listing to which it applies."""
    listing = _listing_of(find(request, correlation_id))
    actor = user_actor(request.user)
    done = act_on_list(listing, action, viewer=request.user, actor=actor)
    level = messages.WARNING if done.refused else messages.SUCCESS
    messages.add_message(request, level, sentence_about(action, done))
    return redirect(next_path(request, default=reverse("download", args=[correlation_id])))


def _listing_of(found: Download) -> Listing:
    """Return what a download ended with, or raise Http404."""
    listing: Listing | None = getattr(found, "listing", None)
    if listing is None:
        raise Http404("There is no list.")
    return listing
