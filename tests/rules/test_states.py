from itertools import product

import pytest

from downloads.rules.states import (
    ACTIVE,
    ENDED,
    RUNNING,
    TRANSITIONS,
    WAITING,
    Outcome,
    State,
    can_move,
)

# The table of docs/lifecycle.md, written out once more and not derived from the code.
TABLE = """
new           created
created       initializing cancelled
initializing  ready failed cancelled created
ready         downloading failed cancelled created
downloading   completed failed cancelled created
completed     cleaned
failed        cleaned created
cancelled     cleaned created
cleaned       created
"""
EDGES = {(words[0], to) for words in map(str.split, TABLE.split("\n")) for to in words[1:]}
ORIGINS = [None, *State]


@pytest.mark.parametrize(("origin", "to"), [*product(ORIGINS, State)])
def test_exactly_the_moves_of_the_table_are_allowed(origin: State | None, to: State) -> None:
    edge = ("new" if origin is None else origin.value, to.value)

    assert can_move(origin, to, outcome=Outcome.FAILED) is (edge in EDGES)


@pytest.mark.parametrize("to", State)
def test_a_cleaned_download_that_completed_never_moves_again(to: State) -> None:
    assert not can_move(State.CLEANED, to, outcome=Outcome.COMPLETED)


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_a_cleaned_download_that_did_not_complete_can_be_retried(outcome: Outcome) -> None:
    assert can_move(State.CLEANED, State.CREATED, outcome=outcome)


@pytest.mark.parametrize("outcome", [None, *Outcome])
@pytest.mark.parametrize("state", State)
def test_no_state_moves_to_itself(state: State, outcome: Outcome | None) -> None:
    assert not can_move(state, state, outcome=outcome)


def test_the_table_knows_every_state() -> None:
    assert set(TRANSITIONS) == {None, *State}


def test_every_state_is_waiting_running_ended_or_cleaned() -> None:
    groups = [WAITING, RUNNING, ENDED, frozenset({State.CLEANED})]

    assert sorted(state for group in groups for state in group) == sorted(State)
    assert ACTIVE - RUNNING == WAITING == {State.CREATED}


def test_every_ending_has_the_outcome_of_its_name() -> None:
    assert {Outcome(state) for state in ENDED} == set(Outcome)
