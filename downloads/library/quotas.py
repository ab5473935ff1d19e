"""Compares what users have in the library with what they may have.

Files that were removed by hand count until their entries are removed; those in the trash do not.
"""

from collections.abc import Iterable

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Sum

from downloads.library.models import Card
from downloads.models import Quota, short_transaction


def look(owners: Iterable[int | None]) -> None:
    """Note how much these users have, in a short transaction. None is nobody, who has no quota.

    One query when none of them has one.
    """
    keys = {owner for owner in owners if owner is not None}
    if not keys:
        return
    with short_transaction():
        quotas = Quota.objects.filter(user__in=keys).order_by("pk")
        if settings.VNSITE.user_quota_bytes:
            users = get_user_model().objects.filter(pk__in=keys, quota=None)
            fresh = [Quota(user=user) for user in users]
            Quota.objects.bulk_create(fresh, ignore_conflicts=True)
        # Locked before it is counted: of two who look at once, the later counts what both brought.
        rows = list(quotas.select_for_update(of=("self",)))
        if not rows:
            return
        cards = Card.objects.filter(owner__in=[row.pk for row in rows]).order_by()
        used = dict(cards.values_list("owner").annotate(Sum("size_bytes")))
        for row in rows:
            _note(row, used.get(row.pk, 0))


def look_at_all() -> None:
    """Note how much everybody has, with the quotas that hold now."""
    look([*Quota.objects.values_list("pk", flat=True), *_owners()])


def look_at_full() -> None:
    """Note whether there is room again, also by what was deleted with its download."""
    look(Quota.objects.full().values_list("pk", flat=True))


def _owners() -> Iterable[int | None]:
    if not settings.VNSITE.user_quota_bytes:
        return ()
    return Card.objects.order_by().values_list("owner", flat=True).distinct()


def _note(quota: Quota, used_bytes: int) -> None:
    """Write only what has changed: each commit wakes whoever waits."""
    is_full = 0 < quota.most_bytes <= used_bytes
    if (quota.used_bytes, quota.is_full) != (used_bytes, is_full):
        quota.used_bytes, quota.is_full = used_bytes, is_full
        quota.save(update_fields=["used_bytes", "is_full"])
