"""Questions to the database that are asked at the same time, answered in one go.

After a restart every browser connects again: a thread and a connection for each of them would cost
ten times as much as what they ask. Knows neither streams nor users.
"""

import asyncio
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connection

MOST_AT_ONCE = 50  # the others wait: whoever was first is answered soon

Answer = TypeVar("Answer")


class Together:
    """Collects questions while others are answered. Everything happens in one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, tuple[Callable[[], Any], asyncio.Future[Any]]] = {}
        self._answering: asyncio.Task[None] | None = None

    async def ask(self, question: Callable[[], Answer], *, key: Hashable = None) -> Answer:
        """Return what `question` returns, or raise what it raises. It runs in a thread.

        Those who ask with the same key before the question is begun share its answer.
        """
        key = object() if key is None else key
        if key not in self._waiting:
            self._waiting[key] = question, asyncio.get_running_loop().create_future()
        _, answer = self._waiting[key]
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer_all())
        found: Answer = await asyncio.shield(answer)
        return found

    async def _answer_all(self) -> None:
        while self._waiting:
            keys = list(self._waiting)[:MOST_AT_ONCE]
            batch = [self._waiting.pop(key) for key in keys]
            questions = [question for question, _ in batch]
            outcomes = await sync_to_async(_answers_to)(questions)
            for (_, answer), (found, error) in zip(batch, outcomes, strict=True):
                if error is None:
                    answer.set_result(found)
                else:
                    answer.set_exception(error)
                    answer.exception()  # whoever asked may have left


def _answers_to(questions: list[Callable[[], Any]]) -> list[tuple[Any, Exception | None]]:
    """Answer with a new connection: the thread's last one may be from before an outage."""
    outcomes: list[tuple[Any, Exception | None]] = []
    connection.close()
    try:
        for question in questions:
            try:
                outcomes.append((question(), None))
            except Exception as error:  # it is raised where the question was asked
                outcomes.append((None, error))
                connection.close()
        return outcomes
    finally:
        connection.close()


TOGETHER = Together()
