"""The feeds of a user, and the entries of a feed: of a subscription, or of what a query of the
library lets through.
"""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.urls import reverse

from downloads.library.models import Card, CardQuerySet, Feed
from downloads.library.search import of_subscription
from downloads.models import Download
from downloads.rules.sealing import Unreadable
from downloads.rules.states import Result
from downloads.subscriptions.models import Subscription
from downloads.web.library_list import LibraryQuery

if TYPE_CHECKING:
    from django.contrib.auth.models import User

UNTITLED = "vnsite"


class NoSuchList(Exception):
    """The user may see no list with this correlation id."""


def cards_of(feed: Feed, among: CardQuerySet) -> CardQuerySet:
    """Return the cards that belong to a feed, the newest first.

    Without those that its owner may not see, and those that were removed outside vnsite.
    """
    cards = among.visible_to(feed.owner).filter(missing_at=None)
    if feed.subscription is not None:
        cards = cards.filter(of_subscription(feed.owner, feed.subscription.pk))
    selected = LibraryQuery.parse(feed.filters).select(cards, reader=feed.owner)
    return selected.order_by("-dated_at", "-entry_id")


def has_entry(feed: Feed, correlation_id: str) -> bool:
    """Return whether an entry belongs to a feed, however old it is."""
    one = Card.objects.filter(entry__correlation_id=correlation_id)
    return cards_of(feed, one).exists()


def own_feeds(user: "User") -> list[Feed]:
    """Return the user's feeds, the newest first."""
    return list(Feed.objects.filter(owner=user).select_related("subscription"))


def title_of(feed: Feed) -> str:
    """Return what podcast apps call a feed."""
    return str(feed) or UNTITLED


def address_of(feed: Feed, request: HttpRequest) -> str | None:
    """Return the absolute address; None: it was made with another secret key."""
    try:
        token = feed.token()
    except Unreadable:
        return None
    return request.build_absolute_uri(reverse("feed", args=[token]))


# States of entries, which a podcast cannot say; and what a feed has a column for.
NOT_OF_A_FEED = frozenset({"watched", "missing", "pinned", "subscription"})


def make(
    owner: "User",
    *,
    subscription: Subscription | None = None,
    query: LibraryQuery | None = None,
    is_new: bool = True,
) -> Feed:
    """Make a feed of a subscription that its owner may see, or of a query.

    Unless it has to be new, one of the same that the owner has is returned instead. Raises
    NoSuchList and TooManyFeeds.
    """
    query = query or LibraryQuery()
    filters = {"q": query.text, **query.filters}
    filters = {
        name: value for name, value in filters.items() if value and name not in NOT_OF_A_FEED
    }
    title = _title_of(owner, filters)
    if not is_new:
        same = Feed.objects.filter(owner=owner, subscription=subscription, filters=filters)
        if (found := same.first()) is not None:
            return found
    return Feed.objects.make(owner, title=title, subscription=subscription, filters=filters)


def _title_of(owner: "User", filters: dict[str, str]) -> str:
    """Say what is in it, in the words of the list and of the query."""
    words = dict(filters)
    if correlation_id := words.pop("list", ""):
        lists = Download.objects.visible_to(owner).filter(result=Result.LISTING)
        found = lists.filter(correlation_id=correlation_id).first()
        if found is None:
            raise NoSuchList
        words = {"list": found.title or found.url, **words}
    return " · ".join(words.values())
