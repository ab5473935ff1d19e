"""Threads that make one answer after the other."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from tests.helpers.waiting import wait_for
from vnsite import request_threads
from vnsite.request_threads import RequestThreads


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads end soon, and none is left."""
    before = set(threading.enumerate())
    monkeypatch.setattr(request_threads, "IDLE_SECONDS", 0.05)
    yield
    wait_for(lambda: set(threading.enumerate()) <= before, what="the end of its threads")


def live(scenario: Coroutine[Any, Any, None]) -> None:
    """Carry out a scenario, and let the threads that are idle end."""

    async def whole() -> None:
        await scenario
        await asyncio.sleep(0.2)

    asyncio.run(asyncio.wait_for(whole(), 30))


async def thread_of_a_request(
    threads: RequestThreads, *, beside: asyncio.Barrier | None = None
) -> threading.Thread:
    """Return the thread of a request that lasts until those `beside` it are there."""
    async with threads.one():
        thread = await sync_to_async(threading.current_thread)()
        if beside is not None:
            await beside.wait()
        assert await sync_to_async(threading.current_thread)() is thread
        return thread


async def break_off(threads: RequestThreads) -> threading.Thread | None:
    """Return the thread of a request that did not come to its end."""
    thread = None
    with suppress(ZeroDivisionError):
        async with threads.one():
            thread = await sync_to_async(threading.current_thread)()
            raise ZeroDivisionError
    return thread


async def the_end_of(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join)


def test_requests_that_follow_each_other_have_one_thread_which_ends_when_none_follows() -> None:
    async def scenario() -> None:
        threads = RequestThreads()
        first = await thread_of_a_request(threads)
        assert first is not threading.current_thread()
        assert await thread_of_a_request(threads) is first
        await the_end_of(first)
        assert await thread_of_a_request(threads) is not first

    live(scenario())


def test_requests_at_the_same_time_have_a_thread_each_and_few_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(request_threads, "MOST_IDLE", 2)
    monkeypatch.setattr(request_threads, "IDLE_SECONDS", 60)

    async def scenario() -> None:
        threads, four = RequestThreads(), asyncio.Barrier(4)
        used = await asyncio.gather(*(thread_of_a_request(threads, beside=four) for _ in range(4)))
        assert len(set(used)) == 4
        await asyncio.to_thread(
            wait_for, lambda: sum(each.is_alive() for each in used) == 2, what="the end of two"
        )
        both = asyncio.Barrier(2)
        again = await asyncio.gather(*(thread_of_a_request(threads, beside=both) for _ in range(2)))
        assert set(again) == {each for each in used if each.is_alive()}
        await break_off(threads)
        await break_off(threads)

    live(scenario())


def test_the_thread_of_a_request_that_was_broken_off_is_not_used_again() -> None:
    async def scenario() -> None:
        threads = RequestThreads()
        broken = await thread_of_a_request(threads)
        assert await break_off(threads) is broken
        assert await thread_of_a_request(threads) is not broken

    live(scenario())


@pytest.mark.both_databases
@pytest.mark.django_db(transaction=True)
def test_a_thread_keeps_its_connection_and_closes_it_at_its_end() -> None:
    def connected() -> Any:
        connection.ensure_connection()
        return connection.connection

    async def scenario() -> None:
        threads = RequestThreads()
        async with threads.one():
            first = await sync_to_async(connected)()
        async with threads.one():
            assert await sync_to_async(connected)() is first
            thread = await sync_to_async(threading.current_thread)()
        await the_end_of(thread)
        with pytest.raises(Exception, match="closed"):
            first.cursor()

    live(scenario())
