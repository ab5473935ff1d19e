"""Waiting for conditions, with a deadline: no test sleeps for a fixed time."""

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

# Nobody waits for so long; a machine that is busy with other things may need it to start a process.
DEADLINE_SECONDS = 90.0


def wait_for(
    condition: Callable[[], Result],
    *,
    seconds: float = DEADLINE_SECONDS,
    what: str = "the condition",
) -> Result:
    """The first true value of `condition`; AssertionError when there is none in time."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}; last: {value!r}")
        time.sleep(0.02)
