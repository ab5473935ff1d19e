"""Which cards a search lets through, and how they are found among many.

The language is that of the search for downloads (`rules.search`), with the qualifiers that make
sense here. As in `models.search`, an index is asked for the keys of what can match; when those are
not few, the walk of the page's order has a full page soon.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from downloads.disk.names import readable
from downloads.library.models import Card, CardQuerySet, Position, Watched
from downloads.models.download import Likely
from downloads.models.search import (
    FEW,
    TRIGRAM,
    few_of,
    has_trigrams,
    instant_of,
    of_host,
    owned_by,
    quoted,
)
from downloads.rules import subtitles
from downloads.rules.search import Part, Search
from downloads.rules.words import say
from downloads.subscriptions.models import SeenEntry, Subscription

if TYPE_CHECKING:
    from django.contrib.auth.models import User

TABLE = "library_search"
TEXTS = ("title", "uploader", "description", "subtitles")


def read(text: str) -> Search:
    """Read a search. A qualifier that makes no sense here has a fault, and counts for nothing."""
    return Search(parts=tuple(map(_judged, Search.parse(text).parts)))


def search(cards: CardQuerySet, text: str) -> CardQuerySet:
    """Return the cards that match all parts of a search, but for those that have a fault."""
    parts = [part for part in read(text).parts if not part.fault]
    if not parts:
        return cards
    condition = reduce(and_, map(_of, parts))
    return cards.filter(condition, _few_among(parts))


def narrow(cards: CardQuerySet, conditions: Iterable[Q]) -> CardQuerySet:
    """Return the cards that meet conditions of which an index knows.

    When they are many, that index is left aside: their rows would all be read to be sorted.
    """
    wanted = list(conditions)
    if not wanted:
        return cards
    condition = reduce(and_, wanted)
    few = few_of(cards.filter(condition))
    return cards.filter(condition, few) if few else cards.filter(Likely(condition))


def watched_by(user: "User", watched: Watched) -> Q:
    """Return the condition of the cards in which a user is so far.

    Asks the index of positions. A few are named by their keys; among many, each card is looked up.
    """
    own = Position.objects.filter(user=user)
    is_begun = Q(is_watched=False, seconds__gt=0)
    found = own.filter(is_begun if watched is Watched.BEGUN else Q(is_watched=True))
    keys = list(found.values_list("entry", flat=True)[: FEW + 1])
    are_many = len(keys) > FEW
    condition = Q(Exists(found.filter(entry=OuterRef("pk")))) if are_many else Q(pk__in=keys)
    return ~condition if watched is Watched.UNWATCHED else condition


def of_subscription(user: "User", number: int) -> Q:
    """Return the condition of the cards of what a subscription has seen, that a user may see."""
    among = Subscription.objects.visible_to(user).filter(pk=number)
    seen = SeenEntry.objects.filter(subscription__in=among, download__isnull=False)
    return Q(entry__download__in=seen.values("download"))


def quotes(cards: Iterable[Card], text: str) -> dict[int, str]:
    """Return, by their keys, what is said around words that only the subtitles of cards have."""
    words = [str(part.value) for part in read(text).parts if not part.name]
    long = [word for word in words if len(word) >= TRIGRAM]
    if not long:
        return {}
    keys = [card.pk for card in cards]
    rows = Card.objects.filter(pk__in=keys).exclude(subtitles="").order_by()
    found = {}
    for key, *beside, said in rows.values_list("pk", *TEXTS).iterator(chunk_size=10):
        if quote := subtitles.quote(long, beside="\n".join(beside), said=said):
            found[key] = readable(quote)
    return found


def _judged(part: Part) -> Part:
    if part.fault or part.name in CONDITIONS:
        return part
    known = ", ".join(f"{name}:" for name in CONDITIONS if name)
    sentence = say("“{name}:” is not known here. It takes: {known}.", name=part.name, known=known)
    return replace(part, fault=sentence)


def _few_among(parts: list[Part]) -> Q:
    for keys in _candidates(parts):
        if len(keys) <= FEW:
            return Q(pk__in=keys)
    return Q()


def _candidates(parts: list[Part]) -> Iterator[list[int]]:
    """Yield the keys that an index has for words or for a part, all of them or FEW + 1."""
    words = [str(part.value) for part in parts if not part.name and not part.is_negated]
    long = [word for word in words if len(word) >= TRIGRAM]
    # PostgreSQL chooses between its indexes by itself.
    if long and connection.vendor == "sqlite" and has_trigrams(TABLE):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rowid FROM library_search WHERE library_search MATCH %s LIMIT %s",
                [" AND ".join(f'"{quoted(word)}"' for word in long), FEW + 1],
            )
            yield [key for (key,) in cursor.fetchall()]
    for part in parts:
        if part.name in INDEXED and not part.is_negated:
            found = Card.objects.filter(CONDITIONS[part.name](part.value))
            yield list(found.order_by().values_list("pk", flat=True)[: FEW + 1])


def _of(part: Part) -> Q:
    condition = CONDITIONS[part.name](part.value)
    return ~condition if part.is_negated else condition


def _text(text: str) -> Q:
    """As `models.search` does: SQLite's LIKE knows the case of ASCII alone.

    A word that is in no index is not looked for in subtitles: all of them would be read.
    """
    is_folded = text.isascii() or connection.vendor != "sqlite"
    how, what = ("icontains", text) if is_folded else ("iregex", re.escape(text))
    texts = TEXTS if len(text) >= TRIGRAM else TEXTS[:-1]
    return reduce(or_, (Q(**{f"{name}__{how}": what}) for name in texts))


CONDITIONS: dict[str, Callable[[Any], Q]] = {
    "": _text,
    "host": of_host,
    "after": lambda value: Q(added_at__gte=instant_of(value)),
    "before": lambda value: Q(added_at__lt=instant_of(value)),
    "owner": owned_by,
}
INDEXED = frozenset({"after", "before", "owner"})
