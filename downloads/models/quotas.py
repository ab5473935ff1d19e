"""How much of the library's disk users may take, and who takes as much.

`library.quotas` compares whenever an entry comes or goes; claims and pages ask for the result.
"""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q


class QuotaQuerySet(models.QuerySet["Quota"]):
    def full(self) -> Self:
        """Quotas of which nothing is left: what their users add waits."""
        return self.filter(is_full=True)


class Quota(models.Model):
    """The quota of one user. Without a row it is the site's, and there is room."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="quota"
    )
    # Of all files in the library; 0: as much as there is; None: VNSITE_USER_QUOTA_BYTES.
    limit_bytes = models.PositiveBigIntegerField(null=True, blank=True)
    # As of when an entry of the user came or went last.
    used_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    is_full = models.BooleanField(default=False, editable=False)

    objects = QuotaQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["user"], condition=Q(is_full=True), name="quota_full"),
        ]

    def __str__(self) -> str:
        return str(self.user)

    @property
    def most_bytes(self) -> int:
        """The quota that holds for the user; 0: none."""
        own = self.limit_bytes
        return settings.VNSITE.user_quota_bytes if own is None else own
