"""Questions that are asked at the same time, answered in one go."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User

from downloads.stream.together import MOST_AT_ONCE, Together

pytestmark = pytest.mark.usefixtures("shared_db")


class Refused(Exception):
    pass


def refuse() -> int:
    raise Refused


async def test_each_gets_the_answer_to_its_own_question() -> None:
    together = Together()
    questions: list[Callable[[], int]] = [lambda each=each: each for each in range(3)]  # type: ignore[misc]

    assert await asyncio.gather(*map(together.ask, questions)) == [0, 1, 2]


async def test_more_than_fit_at_once_are_all_answered() -> None:
    together = Together()
    number = 2 * MOST_AT_ONCE + 1

    answers = await asyncio.gather(*(together.ask(User.objects.count) for _ in range(number)))

    assert answers == [0] * number


async def test_what_a_question_raises_is_raised_where_it_was_asked_and_nowhere_else() -> None:
    together = Together()

    refused, counted = await asyncio.gather(
        together.ask(refuse), together.ask(User.objects.count), return_exceptions=True
    )

    assert isinstance(refused, Refused)
    assert counted == 0


async def test_those_who_ask_the_same_before_it_is_begun_share_the_answer() -> None:
    together = Together()
    asked: list[str] = []

    def question() -> int:
        asked.append("question")
        return len(asked)

    answers = await asyncio.gather(*(together.ask(question, key="same") for _ in range(20)))

    assert answers == [1] * 20
    assert await together.ask(question, key="same") == 2  # a later one is asked again


async def test_a_question_that_is_being_answered_is_asked_anew_by_who_comes_now() -> None:
    together = Together()
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert go_on.wait(30)
        return "old"

    first = asyncio.create_task(together.ask(slow, key="same"))
    await asyncio.to_thread(begun.wait, 30)
    second = asyncio.create_task(together.ask(lambda: "new", key="same"))
    await asyncio.sleep(0)
    go_on.set()

    assert [await first, await second] == ["old", "new"]


async def test_whoever_leaves_takes_no_answer_from_others() -> None:
    together = Together()

    leaving = asyncio.create_task(together.ask(lambda: 1, key="same"))
    staying = asyncio.create_task(together.ask(lambda: 1, key="same"))
    await asyncio.sleep(0)
    leaving.cancel()

    assert await staying == 1
