"""What the first check of a subscription would fetch, before there is one.

The list is read by a download that only looks, as a check is; whoever asks again gets its answer.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from downloads.models import Download, Entry, submissions
from downloads.models.submissions import fingerprint
from downloads.rules.states import ACTIVE, Outcome, Result
from downloads.subscriptions.checks import LOOK, judge
from downloads.subscriptions.models import Subscription

if TYPE_CHECKING:
    from django.contrib.auth.models import User

FRESH = timedelta(hours=1)  # a list that was read no longer ago is not read again


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What a list holds, and what of it would be fetched."""

    download: Download  # that read it, or reads it now
    listed: int | None = None  # videos; None: there is no list, or not yet
    lists: int = 0  # lists within it, which a check reads as well
    entries: tuple[Entry, ...] = ()  # that would become downloads


def preview(subscription: Subscription, *, source: Download | None = None, actor: str) -> Preview:
    """Look at a subscription that is not stored, and whose filters may be.

    `source`: the list of this link that its owner has read; None: the newest one that is fresh, or
    a new download. Raises TooManyWaiting, TooSlow and InvalidFilter.
    """
    download = source or _read(subscription.owner, subscription.url, actor=actor)
    if download.result != Result.LISTING:
        return Preview(download=download)
    found = judge(subscription, [download.listing])
    lists = download.listing.entries.filter(is_list=True).count()
    return Preview(download=download, listed=found.listed, lists=lists, entries=tuple(found.take))


def _read(owner: "User", url: str, *, actor: str) -> Download:
    looks = Download.objects.filter(owner=owner, fingerprint=fingerprint(url, LOOK))
    is_fresh = {"finished_at__gte": timezone.now() - FRESH, "outcome": Outcome.COMPLETED}
    usable = looks.filter(state__in=ACTIVE) | looks.filter(**is_fresh)
    present = usable.order_by("-id").first()
    if present is not None:
        return present
    [submitted] = submissions.submit([(url, LOOK)], owner=owner, actor=actor)
    return submitted.download
