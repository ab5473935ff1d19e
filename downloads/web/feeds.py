"""The page of podcast feeds: make one, list one's own, revoke one. Wiring."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.library.models import MAX_FEEDS, Feed, TooManyFeeds
from downloads.rules.words import say
from downloads.subscriptions.models import Subscription
from downloads.web import feed_list
from downloads.web.library_list import LibraryQuery
from downloads.web.requests import SignedInRequest

MAX_PK = 2**63 - 1  # what the database takes


@require_safe
@never_cache
@login_required
def index(request: SignedInRequest) -> HttpResponse:
    """List one's own, with their addresses."""
    feeds = [
        {
            "feed": feed,
            "name": _name_of(feed),
            "kind": _kind_of(feed),
            "address": feed_list.address_of(feed, request),
        }
        for feed in feed_list.own_feeds(request.user)
    ]
    return render(request, "downloads/feeds.html", {"feeds": feeds})


@require_POST
@login_required
def make(request: SignedInRequest) -> HttpResponse:
    """Make a feed of the `subscription` or of the library's query in the form, or show the one of
    the same that there is."""
    try:
        feed = feed_list.make(
            request.user,
            subscription=_subscription(request),
            query=LibraryQuery.parse(request.POST.dict()),
            is_new=False,
        )
    except feed_list.NoSuchList:
        raise Http404("There is no such list.") from None
    except TooManyFeeds:
        sentence = say("You have {number:,} feeds. Revoke one first.", number=MAX_FEEDS)
        messages.error(request, sentence)
        return redirect("feeds")
    return redirect(f"{reverse('feeds')}#feed-{feed.pk}")


@require_POST
@login_required
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    feed = get_object_or_404(Feed, owner=request.user, pk=min(pk, MAX_PK))
    name = _name_of(feed)
    feed.delete()
    messages.success(request, say("Revoked: {name}", name=name))
    return redirect("feeds")


def _subscription(request: SignedInRequest) -> Subscription | None:
    number = request.POST.get("subscription", "")
    if not number:
        return None
    pk = int(number) if number.isascii() and number.isdigit() else 0
    return get_object_or_404(Subscription.objects.visible_to(request.user), pk=min(pk, MAX_PK))


def _name_of(feed: Feed) -> str:
    return str(feed) or gettext("The whole library")


def _kind_of(feed: Feed) -> str:
    if feed.subscription is not None:
        return gettext("Subscription")
    return gettext("List") if "list" in feed.filters else gettext("Library")
