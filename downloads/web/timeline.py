"""The life of one download as eight steps, for the graph on its page. Reads its history only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from downloads.models import Transition
from downloads.rules.states import State
from downloads.web.format import LOOKS, Look, duration


@dataclass(frozen=True, kw_only=True)
class Step:
    """One state on the way, or beside it."""

    state: State
    entered_at: datetime | None  # None: not on the present way
    seq: int | None  # of the transition into it; None: not on the present way
    seconds: float | None  # how long it lasted; None while it lasts and when it was not entered
    is_current: bool

    @property
    def is_taken(self) -> bool:
        return self.entered_at is not None

    @property
    def look(self) -> Look:
        return LOOKS[self.state]

    @property
    def lasted(self) -> str:
        return "" if self.seconds is None else duration(self.seconds)


def steps_of(history: Sequence[Transition]) -> list[Step]:
    """Return every state in the order of a life, with what the present way took of it.

    `history` is the oldest first. The present way begins where the download last became CREATED:
    by being submitted, or by being tried again. When that was pruned there are no steps.
    """
    starts = [index for index, entry in enumerate(history) if entry.to_state == State.CREATED]
    if history and not starts:
        return []
    way = history[starts[-1] if starts else 0 :]
    entered = {State(entry.to_state): entry for entry in way}
    lasted = {
        State(entry.to_state): (following.at - entry.at).total_seconds()
        for entry, following in pairwise(way)
    }
    current = way[-1].to_state if way else None
    return [
        Step(
            state=state,
            entered_at=entered[state].at if state in entered else None,
            seq=entered[state].seq if state in entered else None,
            seconds=lasted.get(state),
            is_current=state == current,
        )
        for state in State
    ]
