"""The threads in which answers are made: one request at a time in each, and the next one after it.

A thread keeps its connection to the database between requests. To start a thread and open a
connection for each request would be a third of what a short answer costs.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from asgiref.sync import ThreadSensitiveContext
from django.db import connections

IDLE_SECONDS = 5.0  # that a thread waits for its next request
MOST_IDLE = 8  # threads that wait


class RequestThreads:
    """As many threads as there are requests at once. Everything happens in one event loop."""

    def __init__(self) -> None:
        # Each with the time since when; who waits longest comes first.
        self._idle: list[tuple[float, ThreadPoolExecutor]] = []
        self._ending: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Have all calls of `sync_to_async` inside run in one thread, which nobody else uses."""
        thread = self._take()
        try:
            async with ThreadSensitiveContext(executor=thread):
                yield
        except BaseException:
            _end(thread)  # something may still run in it
            raise
        self._give_back(thread)

    def _take(self) -> ThreadPoolExecutor:
        if self._idle:
            return self._idle.pop()[1]
        return ThreadPoolExecutor(max_workers=1, thread_name_prefix="request")

    def _give_back(self, thread: ThreadPoolExecutor) -> None:
        if len(self._idle) >= MOST_IDLE:
            _end(thread)
            return
        self._idle.append((time.monotonic(), thread))
        if self._ending is None:
            self._end_later(IDLE_SECONDS)

    def _end_later(self, seconds: float) -> None:
        self._ending = asyncio.get_running_loop().call_later(seconds, self._end_idle)

    def _end_idle(self) -> None:
        """End those that have waited for too long."""
        self._ending = None
        now = time.monotonic()
        while self._idle and self._idle[0][0] + IDLE_SECONDS <= now:
            _end(self._idle.pop(0)[1])
        if self._idle:
            self._end_later(self._idle[0][0] + IDLE_SECONDS - now)


def _end(thread: ThreadPoolExecutor) -> None:
    """End a thread, and its connection, when it has done what it does. Does not wait for it."""
    thread.submit(connections.close_all)
    thread.shutdown(wait=False)
