"""The logs of attempts: one row for each, kept as long as its download."""

from contextlib import suppress

from django.db import IntegrityError, models

from downloads.models.statements import insert
from downloads.models.transactions import database_now, short_transaction, storable
from downloads.rules.words import say


class AttemptLogQuerySet(models.QuerySet["AttemptLog"]):
    def keep(self, row: "AttemptLog") -> None:
        """Write the log of an attempt over what was written of it before.

        Only the worker of the attempt writes its row, so that a worker that lost its download
        cannot touch the log of a later attempt. Nothing is kept of a download that was deleted.
        """
        with suppress(IntegrityError), short_transaction():
            self.write(row)

    def write(self, row: "AttemptLog") -> None:
        """Write it as `keep` does, in the caller's transaction, in which its download is there."""
        row.text, row.updated_at = storable(row.text), database_now()
        insert(
            row,
            or_else="ON CONFLICT (download_id, attempt) DO UPDATE SET text = excluded.text,"
            " left_out = excluded.left_out, updated_at = excluded.updated_at",
        )


class AttemptLog(models.Model):
    """The log of one attempt: lines of its child and of its worker, redacted."""

    download = models.ForeignKey(
        "Download",
        on_delete=models.CASCADE,
        related_name="logs",
        db_index=False,  # the constraint has one
    )
    attempt = models.PositiveIntegerField()
    text = models.TextField(blank=True, default="")  # lines, oldest first
    left_out = models.PositiveIntegerField(default=0)  # how many lines are not in the text
    updated_at = models.DateTimeField()

    objects = AttemptLogQuerySet.as_manager()

    class Meta:
        ordering = ["attempt"]
        constraints = [
            models.UniqueConstraint(fields=["download", "attempt"], name="attempt_log_once")
        ]

    def __str__(self) -> str:
        return say("attempt {number}", number=self.attempt)
