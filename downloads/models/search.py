"""Which downloads each part of a search lets through, and how they are found among a million.

A condition alone says what matches. Beside it, `few_among` asks the indexes for the keys of what
can match: with a few keys nothing else is read. When there are more, so many match that the page
is full soon after the walk of the list's order has begun.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from downloads.rules.search import Is, Part, Search
from downloads.rules.states import Outcome, Result, State

# As many rows are read by their keys in a few milliseconds; of a million downloads, the order is
# walked as long when one of a thousand matches.
FEW = 1000
TRIGRAM = 3  # characters: shorter words are in no index


def condition_of(search: Search) -> Q:
    """Return the condition for all parts of a search. Parts that make no sense are passed over."""
    return reduce(and_, map(_of, _sensible(search)), Q())


def few_among(downloads: QuerySet[Any], search: Search) -> Q:
    """Return the condition that names the keys of what a search can match, if they are few.

    `downloads` are all downloads. Asks an index for each part until one finds few.
    """
    for keys in _candidates(downloads, _sensible(search)):
        if len(keys) <= FEW:
            return Q(pk__in=keys)
    return Q()


def few_of(rows: QuerySet[Any]) -> Q:
    """Return the condition that names the keys of these rows, if they are few."""
    keys = _keys(rows)
    return Q(pk__in=keys) if len(keys) <= FEW else Q()


def _keys(rows: QuerySet[Any]) -> list[int]:
    return list(rows.order_by().values_list("pk", flat=True)[: FEW + 1])


def _sensible(search: Search) -> list[Part]:
    return [part for part in search.parts if not part.fault]


def _candidates(downloads: QuerySet[Any], parts: list[Part]) -> Iterator[list[int]]:
    """Yield the keys that an index has for a part, all of them or FEW + 1."""
    words = [str(part.value) for part in parts if not part.name]
    if long := [word for word in words if len(word) >= TRIGRAM]:
        yield from _with_trigrams_of(long)
    for part in parts:
        if part.name in INDEXED and not part.is_negated:
            yield _keys(downloads.filter(INDEXED[part.name](part.value)))


def _with_trigrams_of(words: list[str]) -> Iterator[list[int]]:
    """Yield the keys of downloads that have all words, or one of them as their correlation id.

    PostgreSQL knows how frequent words are, and chooses between its indexes by itself.
    """
    if connection.vendor != "sqlite" or not has_trigrams():
        return
    places = ", ".join(["%s"] * len(words))
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rowid FROM downloads_search WHERE downloads_search MATCH %s UNION ALL"  # noqa: S608
            f" SELECT id FROM downloads_download WHERE correlation_id IN ({places}) LIMIT %s",
            [" AND ".join(f'"{quoted(word)}"' for word in words), *map(str.lower, words), FEW + 1],
        )
        yield [key for (key,) in cursor.fetchall()]


def has_trigrams(table: str = "downloads_search") -> bool:
    """Return whether the database could make an index of words: see `migrations._search`."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT to_regclass(%s)"
            if connection.vendor == "postgresql"
            else "SELECT MAX(name) FROM sqlite_master WHERE name = %s",
            [table],
        )
        return cursor.fetchone()[0] is not None


def quoted(word: str) -> str:
    """Return a word as it stands in a phrase of FTS5, where nothing else has a meaning."""
    return word.replace('"', '""')


def _of(part: Part) -> Q:
    condition = CONDITIONS[part.name](part.value)
    return ~condition if part.is_negated else condition


def _text(text: str) -> Q:
    """Case does not matter: SQLite's LIKE knows that of ASCII alone, and its REGEXP is Python's."""
    is_folded = text.isascii() or connection.vendor != "sqlite"
    how, what = ("icontains", text) if is_folded else ("iregex", re.escape(text))
    in_texts = Q(**{f"title__{how}": what}) | Q(**{f"url__{how}": what})
    return in_texts | Q(correlation_id=text.lower())


def of_host(host: str) -> Q:
    """Those of a site, of its subdomains, and with whatever port."""
    return Q(site=host) | Q(site__startswith=f"{host}:") | Q(site__endswith=f".{host}")


def _sites_of(host: str) -> Q:
    """As `of_host`, by the names of the sites that there are."""
    with connection.cursor() as cursor:
        cursor.execute(SITES)
        sites = [site for (site,) in cursor.fetchall() if site is not None]
    ends = f".{host}"
    is_of = [site == host or site.startswith(f"{host}:") or site.endswith(ends) for site in sites]
    return Q(site__in=[site for site, fits in zip(sites, is_of, strict=True) if fits])


# Each step looks for the next site in the index: DISTINCT would read all of it.
SITES = """
    WITH RECURSIVE sites (site) AS (
        SELECT MIN(site) FROM downloads_download
        UNION ALL
        SELECT (SELECT MIN(site) FROM downloads_download WHERE site > sites.site)
        FROM sites WHERE site IS NOT NULL
    )
    SELECT site FROM sites
"""


def _id(start: str) -> Q:
    """Correlation ids that begin so, as a range: SQLite uses no index for a prefix."""
    if connection.vendor != "sqlite":
        return Q(correlation_id__startswith=start)
    return Q(correlation_id__gte=start, correlation_id__lt=f"{start}{chr(0x10FFFF)}")


def owned_by(name: str) -> Q:
    owners = get_user_model().objects.filter(username__iexact=name)
    return Q(owner__in=list(owners.values_list("pk", flat=True)))


def _state(value: frozenset[State] | Outcome) -> Q:
    return Q(outcome=value) if isinstance(value, Outcome) else Q(state__in=value)


def _is(value: Is) -> Q:
    return {
        Is.PAUSED: Q(paused_at__isnull=False),
        Is.LIST: Q(result=Result.LISTING),
        Is.CHECKED: Q(result=Result.CHECKED),
    }[value]


def instant_of(value: date | timedelta) -> datetime:
    """Return the beginning of a day, where the reader is, or the instant so long ago."""
    if isinstance(value, timedelta):
        return timezone.now() - value
    return timezone.make_aware(datetime.combine(value, time.min))


CONDITIONS: dict[str, Callable[[Any], Q]] = {
    "": _text,
    "host": of_host,
    "state": _state,
    "error": lambda value: Q(error_class=value),
    "id": _id,
    "after": lambda value: Q(created_at__gte=instant_of(value)),
    "before": lambda value: Q(created_at__lt=instant_of(value)),
    "owner": owned_by,
    "batch": lambda value: Q(batch=value),
    "is": _is,
}

# What is asked of an index for a part, where that can be done.
INDEXED: dict[str, Callable[[Any], Q]] = {
    **{
        name: CONDITIONS[name]
        for name in ("state", "error", "id", "after", "before", "owner", "is")
    },
    "host": _sites_of,
}
