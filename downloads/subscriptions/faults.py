"""I17: checks of one subscription never overlap, and each new entry becomes one download."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from downloads.models import Download
from downloads.models.listings import IN_VAIN
from downloads.rules.states import Reason, Result
from downloads.subscriptions.models import ACTOR, Check, Key, Subscription, key_of


class Fault(NamedTuple):
    correlation_id: str  # "-": it is of no download
    sentence: str


def faults() -> Iterator[Fault]:
    """Yield what is wrong with subscriptions. A living site may change while it is read."""
    for subscription in Subscription.objects.order_by("pk"):
        checks = list(subscription.checks.order_by("pk").select_related("download"))
        yield from _of_plan(subscription, checks)
        yield from _overlaps(checks)
        yield from _doubles(checks)


def _of_plan(subscription: Subscription, checks: list[Check]) -> Iterator[Fault]:
    name, is_under_way = (
        f"Subscription {subscription.pk}",
        any(not each.ended_at for each in checks),
    )
    if subscription.is_checking != is_under_way:
        what = "has no check under way" if subscription.is_checking else "has one under way"
        yield Fault("-", f"{name} {what}, and its row says otherwise.")
    is_idle = not (subscription.is_checking or subscription.is_paused)
    if is_idle and subscription.next_check_at is None:
        yield Fault("-", f"{name} will never be checked again.")


def _overlaps(checks: list[Check]) -> Iterator[Fault]:
    for before, after in pairwise(checks):
        if before.ended_at is None or before.ended_at > after.begun_at:
            yield Fault(_name(after.download), "This check began while another was under way.")


def _doubles(checks: list[Check]) -> Iterator[Fault]:
    """Compare what checks added; people may add more of the same lists."""
    roots = [check.download_id for check in checks if check.download_id]
    lists = Download.objects.filter(listed_in__in=roots, result=Result.LISTING).values("pk")
    made = Download.objects.filter(listed_in__in=roots) | Download.objects.filter(
        listed_in__in=lists
    )
    by_checks = made.filter(transitions__reason=Reason.SUBMITTED, transitions__actor=ACTOR)
    counted = by_checks.exclude(outcome__in=IN_VAIN).exclude(options__check=True)
    first: dict[Key, Download] = {}
    for download in counted.distinct().order_by("pk"):
        other = first.setdefault(key_of(download), download)
        if other is not download:
            yield Fault(_name(download), f"Its entry became {other} as well.")


def _name(download: Download | None) -> str:
    return download.correlation_id if download else "-"
