"""One attempt at a download: the row that remembers its directory."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Self

from django.db import models

from downloads.models import statements

FORGET_AFTER = timedelta(days=1)


class AttemptQuerySet(models.QuerySet["Attempt"]):
    def of_directories(self, names: Iterable[str]) -> dict[str, "Attempt"]:
        """Return the attempts whose directories bear these names, by name."""
        found = self.filter(directory__in=list(names)).select_related("download")
        return {attempt.directory: attempt for attempt in found}

    def note_child(self, download_id: int, number: int, *, pid: int, started: int) -> None:
        """Write which process the child of an attempt is."""
        statements.ask(
            "UPDATE downloads_attempt SET child_pid = %s, child_started = %s"
            " WHERE download_id = %s AND number = %s",
            [pid, started, download_id, number],
        )

    def forgettable(self, now: datetime, *, host: str) -> Self:
        """Attempts of deleted downloads that began on this host more than a day ago."""
        return self.filter(download=None, host=host, started_at__lt=now - FORGET_AFTER)


class Attempt(models.Model):
    """One try by one worker, inserted by its claim.

    The row outlives its download when that is deleted: the directory may be on the disk of a host
    that is away, and that host recognises it by this row when it is back.
    """

    # None: the download was deleted.
    download = models.ForeignKey(
        "Download",
        null=True,
        on_delete=models.SET_NULL,
        related_name="attempts",
        db_index=False,  # the constraint has one
    )
    number = models.PositiveIntegerField()  # the epoch
    host = models.CharField(max_length=255)
    directory = models.CharField(max_length=160, unique=True)  # under the host's temp root
    started_at = models.DateTimeField()
    # Which run of the host's kernel it belongs to: a pid of an earlier one names a stranger.
    boot_id = models.CharField(max_length=64, default="")
    child_pid = models.PositiveIntegerField(null=True)  # None: no child was started
    child_started = models.BigIntegerField(null=True)  # clock ticks since boot
    # Its throughput for the chart: [seconds since started_at, bytes per second], oldest first.
    speeds = models.JSONField(default=list)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["download", "number"], name="attempt_once")]

    def __str__(self) -> str:
        return f"attempt {self.number}"

    def was_on(self, host: str, *, boot_id: str) -> bool:
        """Return whether it ran on this host since its last boot."""
        return (self.host, self.boot_id) == (host, boot_id)
