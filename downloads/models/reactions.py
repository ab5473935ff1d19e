"""Reactions to transitions: subscribers of the stream, each with a cursor on seq.

The cursor moves in the transaction that writes the effects. So each transition has its effects
once, whatever is killed, and whatever number of workers there are.
"""

from collections.abc import Callable, Sequence

from django.db import models

from downloads.models.stream import StreamPosition, Transition
from downloads.models.transactions import short_transaction

BATCH = 200  # transitions of one transaction

# Writes the effects of transitions, in their order, in the transaction of the caller.
React = Callable[[Sequence[Transition]], None]


class Reaction(models.Model):
    """The cursor of one subscriber."""

    name = models.CharField(max_length=40, primary_key=True)
    seq = models.BigIntegerField()  # of the newest transition that has its effects; 0: of none

    def __str__(self) -> str:
        return f"{self.name}: {self.seq}"

    @classmethod
    def begin(cls, name: str) -> None:
        """Make the cursor at the end of the stream, unless there is one."""
        cls.objects.get_or_create(name=name, defaults={"seq": StreamPosition.current()})

    @classmethod
    def step(cls, name: str, react: React, *, batch: int = BATCH) -> bool:
        """Let a subscriber react to the next transitions; return whether there are more.

        In one transaction, which locks the cursor: another worker waits for its end. Raises
        Reaction.DoesNotExist before `begin`, and what `react` raises; nothing is written then.
        """
        with short_transaction():
            cursor = cls.objects.select_for_update().get(name=name)
            # Read first: every transition up to it is committed and can be seen.
            newest = StreamPosition.current()
            if newest <= cursor.seq:
                return False
            following = Transition.objects.filter(seq__gt=cursor.seq, seq__lte=newest)
            moves = list(following.order_by("seq")[:batch])
            if moves:
                react(moves)
            has_more = len(moves) == batch
            # The seqs behind the last transition are those of deletions.
            cursor.seq = moves[-1].seq if has_more else newest
            cursor.save(update_fields=["seq"])
        return has_more
