"""Numbers of downloads by owner, state and outcome, so that nobody counts rows.

Changed in the transaction of each move, submission and deletion, always after the counter of seqs
was locked: writers take turns there already, so that two never wait for each other here.
"""

from typing import TYPE_CHECKING, Any, Self

from django.db import connection, models
from django.db.models import Count, F, Sum, Value
from django.db.models.functions import Coalesce

from downloads.models.transactions import choices
from downloads.rules.states import Outcome, State

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

NOBODY = 0  # the owner of downloads without one; no user has this key
Group = tuple[int, str, str]  # owner or NOBODY, state, outcome or ""
Standing = tuple[str, str | None]  # state and outcome of a download


class CountsQuerySet(models.QuerySet["Counts"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Counts of a user's own downloads; of all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner_key=user.pk)

    def by_state(self) -> dict[str, int]:
        """Return the number of downloads in each state, 0 included."""
        return self.by_state_and_outcome()[0]

    def by_state_and_outcome(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return the numbers of downloads in each state and with each outcome, 0 included."""
        states, outcomes = dict.fromkeys(map(str, State), 0), dict.fromkeys(map(str, Outcome), 0)
        groups = self.values_list("state", "outcome").annotate(Sum("number"))
        for state, outcome, number in groups:
            states[state] += number
            if outcome:
                outcomes[outcome] += number
        return states, outcomes

    def waiting_by_owner(self) -> dict[int | None, int]:
        """Return how many downloads wait, by owner; None: those without one."""
        rows = self.filter(state=State.CREATED, number__gt=0).values_list("owner_key", "number")
        return {None if key == NOBODY else key: number for key, number in rows}


class Counts(models.Model):
    """The number of downloads of one owner in one state with one outcome. 0 may stay as a row."""

    pk = models.CompositePrimaryKey("owner_key", "state", "outcome")
    # Not a foreign key: its check would lock the user's row in each move.
    owner_key = models.BigIntegerField()  # of the user, or NOBODY
    state = models.CharField(max_length=16, choices=choices(State))
    outcome = models.CharField(max_length=16, blank=True, default="")  # "": it has not ended
    number = models.BigIntegerField()

    objects = CountsQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "counts"

    def __str__(self) -> str:
        return f"{self.number} {self.state} of {self.owner_key}"

    @classmethod
    def add(cls, owner_id: int | None, number: int, *, state: State, outcome: str = "") -> None:
        """Count so many more, or fewer, of one owner. The caller has locked the counter of seqs."""
        values = [owner_id or NOBODY, state.value, str(outcome), number]
        cls._add("VALUES (%s, %s, %s, %s)", values)

    @classmethod
    def move(cls, owner_id: int | None, *, before: Standing, after: Standing) -> None:
        """Count one download of an owner no longer as before a move, but as after it.

        The owner is the row's, as the move found it. The caller has locked the counter of seqs.
        """
        values = [(owner_id or NOBODY, *map(_word, each)) for each in (before, after)]
        cls._add("VALUES (%s, %s, %s, -1), (%s, %s, %s, 1)", [*values[0], *values[1]])

    @classmethod
    def remove(cls, download_id: int) -> None:
        """Stop counting a download that is about to be deleted; lock the counter of seqs first."""
        cls._add(
            f"SELECT COALESCE(owner_id, {NOBODY}), state, COALESCE(outcome, ''), -1 {_DOWNLOAD}",
            [download_id],
        )

    @classmethod
    def disown(cls, owner_id: int) -> None:
        """Count a deleted user's downloads as nobody's; lock the counter of seqs first."""
        cls._add(
            "SELECT %s, state, outcome, number FROM downloads_counts WHERE owner_key = %s",
            [NOBODY, owner_id],
        )
        cls.objects.filter(owner_key=owner_id).delete()

    @classmethod
    def _add(cls, rows: str, values: list[Any]) -> None:
        """Add each of the rows (owner, state, outcome, number) to its number, in one statement."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO downloads_counts (owner_key, state, outcome, number)"
                f" {rows} ON CONFLICT (owner_key, state, outcome)"
                " DO UPDATE SET number = downloads_counts.number + excluded.number",
                values,
            )


def _word(word: str | None) -> str:
    return str(word or "")


_DOWNLOAD = "FROM downloads_download WHERE id = %s"


def wrong_counts(downloads: models.QuerySet[Any]) -> dict[Group, tuple[int, int]]:
    """Return (counted, true) numbers of each group where they differ, as of one moment."""
    truth = (
        downloads.order_by()
        .values_list(
            Coalesce("owner_id", NOBODY), "state", Coalesce("outcome", Value("")), Value(True)
        )
        .annotate(Count("id"))
    )
    counted = Counts.objects.values_list(
        F("owner_key"), "state", "outcome", Value(False), F("number")
    )
    numbers: dict[Group, dict[bool, int]] = {}
    for owner, state, outcome, is_true, number in counted.union(truth, all=True):
        numbers.setdefault((owner, state, outcome), {})[bool(is_true)] = number
    pairs = {group: (each.get(False, 0), each.get(True, 0)) for group, each in numbers.items()}
    return {group: (was, right) for group, (was, right) in pairs.items() if was != right}
