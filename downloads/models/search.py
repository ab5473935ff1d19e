"""Which downloads each part of a search lets through."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Q
from django.utils import timezone

from downloads.rules.search import Is, Part, Search
from downloads.rules.states import Outcome, Result, State


def condition_of(search: Search) -> Q:
    """Return the condition for all parts of a search. Parts that make no sense are passed over."""
    return reduce(and_, (_of(part) for part in search.parts if not part.fault), Q())


def _of(part: Part) -> Q:
    condition = CONDITIONS[part.name](part.value)
    return ~condition if part.is_negated else condition


def _text(text: str) -> Q:
    return Q(title__icontains=text) | Q(url__icontains=text) | Q(correlation_id=text.lower())


def _host(host: str) -> Q:
    """Those of a site, of its subdomains, and with whatever port."""
    return Q(site=host) | Q(site__startswith=f"{host}:") | Q(site__endswith=f".{host}")


def _state(value: frozenset[State] | Outcome) -> Q:
    return Q(outcome=value) if isinstance(value, Outcome) else Q(state__in=value)


def _is(value: Is) -> Q:
    return {
        Is.PAUSED: Q(paused_at__isnull=False),
        Is.LIST: Q(result=Result.LISTING),
        Is.CHECKED: Q(result=Result.CHECKED),
    }[value]


def _instant(value: date | timedelta) -> datetime:
    """Return the beginning of a day, where the reader is, or the instant so long ago."""
    if isinstance(value, timedelta):
        return timezone.now() - value
    return timezone.make_aware(datetime.combine(value, time.min))


CONDITIONS: dict[str, Callable[[Any], Q]] = {
    "": _text,
    "host": _host,
    "state": _state,
    "error": lambda value: Q(error_class=value),
    "id": lambda value: Q(correlation_id__startswith=value),
    "after": lambda value: Q(created_at__gte=_instant(value)),
    "before": lambda value: Q(created_at__lt=_instant(value)),
    "owner": lambda value: Q(owner__username__iexact=value),
    "batch": lambda value: Q(batch=value),
    "is": _is,
}
