"""The progress of running downloads."""

from typing import Any

from django.db import models

from downloads.models.statements import update
from downloads.rules.states import Phase


class ProgressManager(models.Manager["Progress"]):
    """The progress of all downloads."""

    def note(self, download_id: int, attempt: int, **columns: Any) -> bool:
        """Write the progress of an attempt; False when it has ended."""
        present = {"download": download_id, "attempt": attempt}
        return bool(update(Progress, columns, where=present, returning="download"))


class Progress(models.Model):
    """The progress of a running download: one row, overwritten, deleted with the attempt's end."""

    download = models.OneToOneField("Download", primary_key=True, on_delete=models.CASCADE)
    attempt = models.PositiveIntegerField()
    phase = models.CharField(max_length=16)
    received_bytes = models.BigIntegerField(default=0)
    resumed_bytes = models.BigIntegerField(default=0)  # of those, from an earlier attempt
    total_bytes = models.BigIntegerField(null=True)  # None: the site did not say
    speed = models.FloatField(null=True)  # bytes per second; None: not known yet
    eta_seconds = models.FloatField(null=True)
    fragment = models.PositiveIntegerField(default=0)  # came last; both 0: it comes in one piece
    fragments = models.PositiveIntegerField(default=0)  # of the file that is fetched now
    entries = models.PositiveIntegerField(default=0)  # read of a list so far
    updated_at = models.DateTimeField()

    objects = ProgressManager()

    class Meta:
        verbose_name_plural = "progress"

    def __str__(self) -> str:
        return f"{self.phase} {self.received_bytes}/{self.total_bytes}"

    @property
    def is_recording(self) -> bool:
        """Whether a live stream is recorded now."""
        return self.phase == Phase.RECORDING

    @property
    def percent(self) -> float | None:
        """The progress from 0 to 100; None when the total is not known."""
        if not self.total_bytes:
            return None
        return min(100.0, 100.0 * self.received_bytes / self.total_bytes)

    @property
    def resumed_percent(self) -> float | None:
        """The percentage at which this attempt went on; None when it began at the beginning."""
        if not self.total_bytes or not self.resumed_bytes:
            return None
        return 100.0 * self.resumed_bytes / self.total_bytes
