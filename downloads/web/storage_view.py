"""What takes the room of the library's disk, in words."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db.models import Count, Sum
from django.utils.translation import gettext

from downloads.diagnostics.stats import nearest_existing
from downloads.library.models import UNDOABLE, Card, CardQuerySet, Removal
from downloads.models import Quota
from downloads.rules.words import say_number
from downloads.web.format import size
from downloads.web.library_list import LibraryQuery, Sort, page_of
from downloads.web.library_view import CardView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 20  # of the largest, of the oldest, of the uploaders


class Part(NamedTuple):
    """A part of the disk, and its place in the bar, in percent of the whole."""

    name: str  # used, kept, other or free
    label: str
    size: str
    start: str
    share: str


class Uploader(NamedTuple):
    name: str
    entries: str
    size: str
    address: str


class QuotaView(NamedTuple):
    percent: int  # that is used, at most 100
    words: str


class CardList(NamedTuple):
    heading: str
    address: str  # of the page with all of them
    cards: Sequence[CardView]


@dataclass(frozen=True, kw_only=True)
class Storage:
    """What the page of the storage says to one reader: of their own entries, to staff of all."""

    parts: list[Part]  # of the disk; none when it does not answer
    quota: QuotaView | None  # of the reader; None: they have none
    uploaders: list[Uploader]
    lists: list[CardList]

    @classmethod
    def read(cls, user: "User", cards: CardQuerySet) -> "Storage":
        """Read it. `cards`: those of the user, with all that a page shows of them."""
        sorts = {Sort.SIZE: gettext("The largest"), Sort.OLDEST: gettext("The oldest")}
        queries = [(LibraryQuery(sort=sort, count=MOST), words) for sort, words in sorts.items()]
        lists = [
            CardList(words, query.address, [CardView(card, query) for card in found])
            for query, words in queries
            if (found := page_of(cards, query, reader=user).cards)
        ]
        return cls(
            parts=_parts(),
            quota=_quota_of(user),
            uploaders=_uploaders(Card.objects.visible_to(user)),
            lists=lists,
        )


def _parts() -> list[Part]:
    """Of the whole disk, whosever files they are: it is full for everybody at once."""
    try:
        disk = shutil.disk_usage(nearest_existing(settings.VNSITE.media_root))
    except OSError:
        return []
    used = Card.objects.aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
    in_trash = Removal.objects.filter(step__in=UNDOABLE)
    kept = in_trash.aggregate(bytes=Sum("size_bytes"))["bytes"] or 0
    sizes = {
        "used": (gettext("Library"), used),
        "kept": (gettext("Removed, kept for a day"), kept),
        "other": (gettext("Other files"), max(disk.total - disk.free - used - kept, 0)),
        "free": (gettext("Free"), disk.free),
    }
    parts, start = [], 0.0
    for name, (label, count) in sizes.items():
        share = 100 * count / max(disk.total, 1)
        parts.append(Part(name, label, size(count), f"{start:.2f}", f"{share:.2f}"))
        start += share
    return parts


def _quota_of(user: "User") -> QuotaView | None:
    quota = Quota.objects.filter(pk=user.pk).first() or Quota(user=user)
    if not quota.most_bytes:
        return None
    words = gettext("{used} of your {limit} are used.")
    if quota.is_full:
        words = gettext("{used} of your {limit} are used. What you add waits until there is room.")
    words = words.format(used=size(quota.used_bytes), limit=size(quota.most_bytes))
    return QuotaView(min(100 * quota.used_bytes // quota.most_bytes, 100), words)


def _uploaders(cards: CardQuerySet) -> list[Uploader]:
    known = cards.exclude(uploader="").order_by().values("uploader")
    rows = known.annotate(bytes=Sum("size_bytes"), number=Count("pk")).order_by("-bytes")[:MOST]
    return [
        Uploader(
            name=row["uploader"],
            entries=say_number("{number:,} entry", "{number:,} entries", number=row["number"]),
            size=size(row["bytes"]),
            address=LibraryQuery(uploader=row["uploader"]).address,
        )
        for row in rows
    ]
