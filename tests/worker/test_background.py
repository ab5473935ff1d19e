"""Steps that a worker repeats: in threads of their own, on connections that they keep."""

import threading
from collections.abc import Iterator
from contextlib import nullcontext

import pytest
from django.db import connection

from downloads.worker.background import Background
from tests.helpers.waiting import wait_for

OFTEN_SECONDS = 0.01


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background(guard=nullcontext, worker="box")
    yield background
    background.end()


def test_a_step_that_is_not_needed_is_left_out(background: Background) -> None:
    needed, done, others = threading.Event(), [], []
    background.start(lambda: done.append(1), seconds=OFTEN_SECONDS, needed=needed)
    background.start(lambda: others.append(1), seconds=OFTEN_SECONDS)
    wait_for(lambda: len(others) > 5, what="other steps")
    assert done == []

    needed.set()

    wait_for(lambda: done, what="the step that is needed now")


def test_the_end_does_not_wait_for_a_need(background: Background) -> None:
    done: list[int] = []
    background.start(lambda: done.append(1), seconds=0, needed=threading.Event())

    background.end()

    assert done == []


@pytest.mark.both_databases
@pytest.mark.usefixtures("shared_db")
def test_a_step_keeps_its_connection_until_it_breaks(background: Background) -> None:
    seen: list[object] = []

    def step() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        seen.append(connection.connection)
        if len(seen) == 2:
            raise RuntimeError("this step breaks")

    background.start(step, seconds=OFTEN_SECONDS)
    wait_for(lambda: len(seen) >= 3, what="three steps")

    assert seen[0] is seen[1]
    assert seen[2] is not seen[1]
