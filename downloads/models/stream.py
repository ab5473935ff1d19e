"""The stream of all transitions and deletions: the tables, and the counter that numbers them."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, models
from django.db.models import Q

from downloads.models.statements import ask
from downloads.models.transactions import choices, plain_values
from downloads.rules.states import State

DELETIONS_KEPT = timedelta(days=30)


class StreamPosition(models.Model):
    """The counter row: the seq of the newest transition or deletion, and of the newest pruned one.

    An ordinary row and not a sequence of the database: its lock is held until the transaction
    commits, so that seqs become visible in their order and without gaps.
    """

    value = models.BigIntegerField(default=0)
    # No transition with a higher seq was pruned: whoever is that far has missed none of them.
    pruned = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def current(cls) -> int:
        """Return the seq of the newest committed transition; 0 when there is none."""
        rows = ask("SELECT value FROM downloads_streamposition WHERE id = 1")
        return rows[0][0] if rows else 0

    @classmethod
    def newest_pruned(cls) -> int:
        """Return the highest seq that a pruned transition may have had; 0 when there is none."""
        return cls.objects.filter(pk=1).values_list("pruned", flat=True).first() or 0

    @classmethod
    def prune_to(cls, seq: int) -> None:
        """Allow to prune transitions up to this seq, before that is done; never takes it back."""
        cls.objects.filter(pk=1, pruned__lt=seq).update(pruned=seq)

    @classmethod
    def take(cls, count: int) -> int:
        """Reserve `count` seqs and return the first; locks the counter until the commit."""
        newest = cls._advance(count)
        if newest is None:
            cls.objects.get_or_create(pk=1)
            newest = cls._advance(count)
            assert newest is not None  # noqa: S101 — the row was made in this transaction
        return newest - count + 1

    @classmethod
    def hold(cls) -> None:
        """Lock the counter until the commit, without a new seq."""
        cls.take(0)

    @classmethod
    def _advance(cls, count: int) -> int | None:
        """Advance the counter in one statement and return it; None when there is no row yet."""
        table = connection.ops.quote_name(cls._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET value = value + %s WHERE id = 1 RETURNING value",  # noqa: S608
                [count],
            )
            row = cursor.fetchone()
        return int(row[0]) if row else None


class Transition(models.Model):
    """One stored change of state. The table is the event stream.

    Append-only: triggers refuse UPDATE, and DELETE unless its download goes too or `retention`
    prunes it.
    """

    seq = models.BigIntegerField(primary_key=True)
    download = models.ForeignKey("Download", on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(  # noqa: DJ001
        max_length=16, choices=choices(State), null=True
    )  # None: it was submitted
    to_state = models.CharField(max_length=16, choices=choices(State))
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=32)
    # Codes and numbers; the sentences are made when they are shown.
    data = models.JSONField(blank=True, default=dict)
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, null=True)  # noqa: DJ001
    error_class = models.CharField(max_length=32, null=True)  # noqa: DJ001

    class Meta:
        ordering = ["seq"]
        indexes = [models.Index(fields=["at"], name="transition_at")]  # the queue of the last day
        constraints = [
            models.CheckConstraint(
                condition=Q(to_state__in=plain_values(State)), name="transition_to"
            ),
            models.CheckConstraint(condition=Q(seq__gte=1), name="transition_seq"),
        ]

    def __str__(self) -> str:
        return f"{self.seq}: {self.from_state or '—'} → {self.to_state}"


class DeletionQuerySet(models.QuerySet["Deletion"]):
    def forget_old(self, now: datetime) -> int:
        """Delete those of which no page that is open needs to hear any more; return how many."""
        return self.filter(at__lt=now - DELETIONS_KEPT).delete()[0]


class Deletion(models.Model):
    """A download that is gone, as one more event of the stream: its seq is of the same counter."""

    seq = models.BigIntegerField(primary_key=True)
    correlation_id = models.CharField(max_length=64)
    # Whose it was; None: nobody's.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+"
    )
    at = models.DateTimeField()

    objects = DeletionQuerySet.as_manager()

    class Meta:
        ordering = ["seq"]

    def __str__(self) -> str:
        return f"{self.seq}: {self.correlation_id} deleted"
