"""What takes the room of the library's disk, in words."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from django.conf import settings
from django.db.models import Case, Count, Sum, When
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from downloads.diagnostics.stats import nearest_existing
from downloads.library.models import UNDOABLE, Card, CardQuerySet, Removal
from downloads.models import Quota
from downloads.models.search import instant_of
from downloads.rules.words import say_number
from downloads.subscriptions.models import SeenEntry, Subscription
from downloads.web.format import size
from downloads.web.library_list import LibraryQuery, Sort, page_of
from downloads.web.library_view import CardView

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MOST = 20  # of the largest, of the oldest, and of each kind of group
# With the days that the oldest of them is in the library; 0: as long as there is a library.
AGES = (
    (gettext_noop("The last 7 days"), 7),
    (gettext_noop("8 to 30 days"), 30),
    (gettext_noop("31 days to a year"), 365),
    (gettext_noop("More than a year"), 0),
)


class Part(NamedTuple):
    """A part of the disk, and its place in the bar, in percent of the whole."""

    name: str  # used, kept, other or free
    label: str
    size: str
    start: str
    share: str


class Group(NamedTuple):
    """Entries that have something in common."""

    name: str
    entries: str  # how many, in words
    size: str
    address: str  # of the page with all of them


class Sums(NamedTuple):
    number: int
    total_bytes: int


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
    groups: list[tuple[str, list[Group]]]  # each with its heading
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
            groups=[(heading, groups) for heading, groups in _groups(user) if groups],
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


def _groups(user: "User") -> list[tuple[str, list[Group]]]:
    cards = Card.objects.visible_to(user).order_by()
    return [
        (gettext("By uploader"), _uploaders(cards)),
        (gettext("By subscription"), _subscriptions(user)),
        (gettext("By age"), _ages(cards)),
    ]


def _uploaders(cards: CardQuerySet) -> list[Group]:
    named = cards.exclude(uploader="").values_list("uploader")
    rows = named.annotate(number=Count("*"), total=Sum("size_bytes")).order_by("-total")[:MOST]
    return [_group(name, Sums(*sums), LibraryQuery(uploader=name)) for name, *sums in rows]


def _subscriptions(user: "User") -> list[Group]:
    """What two subscriptions have seen counts for both; what one fetches is its owner's."""
    own = Subscription.objects.visible_to(user)
    seen = SeenEntry.objects.filter(subscription__in=own, download__entry__card__isnull=False)
    total = Sum("download__entry__card__size_bytes")
    sums = seen.order_by().values_list("subscription").annotate(number=Count("pk"), total=total)
    rows = list(sums.order_by("-total")[:MOST])
    names = own.in_bulk([key for key, *_ in rows])
    return [
        _group(str(names[key]), Sums(*sums), LibraryQuery(subscription=str(key)))
        for key, *sums in rows
        if key in names  # it was deleted meanwhile
    ]


def _ages(cards: CardQuerySet) -> list[Group]:
    """Group entries by how long they are in the library; days begin as those of the search do."""
    today = timezone.localdate()
    days = [today - timedelta(days=days) for _, days in AGES if days]
    of_age = [When(added_at__gte=instant_of(day), then=number) for number, day in enumerate(days)]
    ages = cards.annotate(age=Case(*of_age, default=len(days))).values_list("age")
    sums = {
        age: Sums(number, total)
        for age, number, total in ages.annotate(number=Count("*"), total=Sum("size_bytes"))
    }
    found = []
    for age, (label, _) in enumerate(AGES):
        after = [f"after:{days[age]}"] if age < len(days) else []
        before = [f"before:{days[age - 1]}"] if age else []
        query = LibraryQuery(text=" ".join(after + before), sort=Sort.OLDEST)
        if age in sums:
            found.append(_group(gettext(label), sums[age], query))
    return found


def _group(name: str, sums: Sums, query: LibraryQuery) -> Group:
    entries = say_number("{number:,} entry", "{number:,} entries", number=sums.number)
    return Group(name, entries, size(sums.total_bytes), query.address)
