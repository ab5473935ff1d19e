"""How much of the time some work may take."""

import pytest

from downloads.stream.budget import Budget


def test_a_burst_is_free() -> None:
    budget = Budget(0.1, burst_seconds=5.0)

    budget.spend(5.0)

    assert budget.seconds_left() == 0.0


def test_after_a_burst_work_waits_until_it_is_its_share_of_the_time() -> None:
    budget = Budget(0.1, burst_seconds=5.0)

    budget.spend(5.0)
    budget.spend(20.0)

    assert budget.seconds_left() == pytest.approx(200.0, abs=1.0)


def test_what_took_very_much_is_not_made_up_for() -> None:
    budget = Budget(0.1, burst_seconds=5.0, longest_seconds=3.0)

    budget.spend(1000.0)

    assert budget.seconds_left() == pytest.approx(3.0, abs=1.0)


def test_work_that_is_rare_is_never_waited_for() -> None:
    budget = Budget(1.0, burst_seconds=0.0)

    budget.spend(1e-9)  # earned again at once

    assert budget.seconds_left() == 0.0
