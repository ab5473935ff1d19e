from datetime import UTC, datetime, timedelta

from downloads.models import Transition
from downloads.rules.states import State
from downloads.web.timeline import Step, steps_of

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def history_of(*states: State) -> list[Transition]:
    """A transition to each of the states, 1, 2, 3 … seconds after the one before."""
    at, entries = START, []
    for number, state in enumerate(states):
        at += timedelta(seconds=number)
        entries.append(Transition(seq=number + 1, to_state=state, at=at))
    return entries


def taken(steps: list[Step]) -> list[State]:
    return [step.state for step in steps if step.is_taken]


def test_every_state_has_a_step_in_the_order_of_a_life() -> None:
    assert [step.state for step in steps_of([])] == list(State)
    assert taken(steps_of([])) == []


def test_the_way_with_its_durations() -> None:
    way = (State.CREATED, State.INITIALIZING, State.READY, State.DOWNLOADING)

    steps = steps_of(history_of(*way))

    assert taken(steps) == list(way)
    assert [step.seconds for step in steps[:4]] == [1, 2, 3, None]
    assert [step.is_current for step in steps[:4]] == [False, False, False, True]


def test_a_waiting_download_that_was_cancelled_skips_the_middle() -> None:
    way = (State.CREATED, State.CANCELLED, State.CLEANED)

    assert taken(steps_of(history_of(*way))) == list(way)


def test_a_retry_begins_a_new_way() -> None:
    first = (State.CREATED, State.INITIALIZING, State.FAILED, State.CLEANED)

    steps = steps_of(history_of(*first, State.CREATED, State.INITIALIZING))

    assert taken(steps) == [State.CREATED, State.INITIALIZING]
    assert steps[0].entered_at == START + timedelta(seconds=1 + 2 + 3 + 4)


def test_a_way_whose_beginning_was_pruned_has_no_steps() -> None:
    assert steps_of(history_of(State.CLEANED)) == []
    assert steps_of(history_of(State.INITIALIZING, State.READY)) == []


def test_a_way_after_what_was_pruned_is_whole() -> None:
    way = (State.CREATED, State.INITIALIZING)

    assert taken(steps_of(history_of(State.CLEANED, *way))) == list(way)
