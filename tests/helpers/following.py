"""Subscriptions, and checks that are walked to their end as the worker does it."""

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User

from downloads import queueing
from downloads.models import Download, Entry, database_now
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.subscriptions import checks
from downloads.subscriptions.models import Check, Subscription
from tests.helpers import lives


def subscribe(owner: User, *, url: str = "", options: Any = None, **columns: Any) -> Subscription:
    """A subscription whose first check is due; each of another link unless one is given."""
    link = url or f"https://example.org/list/{next(lives.numbers)}"
    subscription = Subscription(owner=owner, url=link, **columns)
    subscription.store(options=DownloadOptions(**(options or {})))
    return subscription


def begin(subscription: Subscription) -> Download:
    """Begin a check, before all that waits."""
    download = checks.begin(subscription)
    assert download is not None
    queueing.first(download, actor="test")
    download.refresh_from_db()
    return download


def check(subscription: Subscription, *entries: Entry, code: str = "") -> Check:
    """A check that finds these entries, from its beginning to its end."""
    lives.list_up(begin(subscription), *entries, code=code)
    return end(subscription)


def fail(subscription: Subscription, error_class: ErrorClass = ErrorClass.UNAVAILABLE) -> Check:
    """A check that fails."""
    lives.fail(begin(subscription), error_class)
    return end(subscription)


def end(subscription: Subscription) -> Check:
    under_way = subscription.checks.under_way().get()
    assert checks.end_if_over(under_way.pk)
    under_way.refresh_from_db()
    subscription.refresh_from_db()
    return under_way


def make_due(subscription: Subscription) -> None:
    """Let the time of its next check come."""
    rows = Subscription.objects.filter(pk=subscription.pk).exclude(next_check_at=None)
    assert rows.update(next_check_at=database_now() - timedelta(seconds=1))
    subscription.refresh_from_db()


def added(subscription: Subscription) -> list[str]:
    """The links of the downloads that its checks made, in order."""
    roots = subscription.checks.values("download")
    made = Download.objects.filter(listed_in__in=roots) | Download.objects.filter(
        listed_in__listed_in__in=roots
    )
    return list(made.exclude(check_of__isnull=False).order_by("pk").values_list("url", flat=True))
