"""The set of extractors of each host, as pages show it, and what staff asked its workers for.

The set itself, and what was tried with it, is in the host's data directory
(`downloads.updates.state`), which pages of other hosts cannot read.
"""

from enum import StrEnum
from typing import Self

from django.db import models

from downloads.models.transactions import choices, database_now


class Wanted(StrEnum):
    """What staff may ask the workers of a host for."""

    LOOK = "look"  # only find out what the newest is
    UPDATE = "update"
    ROLLBACK = "rollback"


class ExtractorsQuerySet(models.QuerySet["Extractors"]):
    def ask(self, wanted: Wanted, *, actor: str) -> int:
        """Ask the workers of these hosts; a later wish replaces one that nobody has fulfilled."""
        return self.update(wanted=wanted, wanted_at=database_now(), wanted_by=actor)

    def asked(self) -> Self:
        return self.exclude(wanted=None)


class Extractors(models.Model):
    """One host. Its workers write what is so; pages write what is wanted."""

    host = models.CharField(max_length=255, primary_key=True)
    # `State.as_dict` of its data directory, and `used`, the version that a worker uses.
    state = models.JSONField(default=dict)
    mode = models.CharField(max_length=8, default="")  # VNSITE_EXTRACTORS_UPDATE of its workers
    channel = models.CharField(max_length=8, default="")
    wanted = models.CharField(max_length=8, choices=choices(Wanted), null=True)  # noqa: DJ001
    wanted_at = models.DateTimeField(null=True)
    wanted_by = models.CharField(max_length=200, default="")

    objects = ExtractorsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "extractors"

    def __str__(self) -> str:
        return self.host

    def fulfil(self) -> None:
        """Forget the wish as it was read here; a newer one stays."""
        fulfilled = Extractors.objects.filter(pk=self.pk, wanted_at=self.wanted_at)
        fulfilled.update(wanted=None, wanted_at=None, wanted_by="")
