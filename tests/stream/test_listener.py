"""Listeners with a connection that is written to at once, as the web server offers it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from django.contrib.auth.models import User
from django.db import connection

from downloads.models import Download
from downloads.stream import tailer
from downloads.stream.budget import Budget
from downloads.stream.cursor import CHUNK_BYTES, Cursor
from downloads.stream.direct import Chunk
from downloads.stream.events import Bye, bye
from downloads.stream.frames import Frame, read_frames
from downloads.stream.listener import STREAM, Listener
from tests.helpers import lives
from tests.helpers.waiting import DEADLINE_SECONDS

pytestmark = pytest.mark.usefixtures("shared_db")


class Connection:
    """What was written at once, and what came by `follow`."""

    def __init__(self) -> None:
        self.has_room = True
        self.chunks: list[Chunk] = []
        self.in_one_go: list[int] = []  # how many chunks
        self.followed = b""

    def write_chunk(self, chunk: Chunk) -> None:
        if not self.in_one_go or self.in_one_go[-1] == 0:
            self.in_one_go.append(0)
            asyncio.get_running_loop().call_soon(lambda: self.in_one_go.append(0))
        self.in_one_go[-1] += 1
        self.chunks.append(chunk)

    @property
    def direct(self) -> bytes:
        return b"".join(chunk.body for chunk in self.chunks)


@asynccontextmanager
async def listening(*owners: int | None) -> AsyncIterator[list[Connection]]:
    """One listener for each owner, which have all heard the first stats."""
    connections = [Connection() for _ in owners]
    listeners = [
        Listener(Cursor(seq=0, owner_id=owner), connection)
        for owner, connection in zip(owners, connections, strict=True)
    ]

    async def follow(listener: Listener, connection: Connection) -> None:
        async with aclosing(listener.follow()) as chunks:
            async for chunk in chunks:
                connection.followed += chunk

    async with asyncio.TaskGroup() as tasks:
        for pair in zip(listeners, connections, strict=True):
            tasks.create_task(follow(*pair))
        await until(lambda: all(b"event: waiting" in heard(each) for each in connections))
        try:
            yield connections
        finally:
            STREAM.end(Bye.SHUTDOWN)


def heard(connection: Connection) -> bytes:
    return connection.followed + connection.direct


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 — bytes come without an event
            await asyncio.sleep(0.01)


def submit(owner: User | None = None) -> Download:
    """In a thread, which leaves no connection to the database behind."""
    try:
        return lives.submit(owner)
    finally:
        connection.close()


async def test_those_who_see_the_same_get_the_same_bytes_made_once() -> None:
    async with listening(None, None) as (one, other):
        download = await asyncio.to_thread(submit)
        name = download.correlation_id.encode()
        await until(lambda: name in one.direct and name in other.direct)

        assert any(mine is theirs for mine in one.chunks for theirs in other.chunks)
        assert name not in one.followed


async def test_more_than_one_chunk_is_written_at_once() -> None:
    def submit_many() -> list[Download]:
        try:
            return lives.submit_many(450)
        finally:
            connection.close()

    async with listening(None) as (one,):
        *_, last = await asyncio.to_thread(submit_many)
        await until(lambda: last.correlation_id.encode() in one.direct)

        assert max(len(chunk.body) for chunk in one.chunks) > CHUNK_BYTES
        assert max(one.in_one_go) == 2
        assert b"event: transition" not in one.followed


async def test_rows_are_read_no_more_often_than_they_can_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    readings: list[int] = []

    def read(*, after: int) -> list[Frame]:
        readings.append(after)
        return read_frames(after=after)

    budget = Budget(0.5, burst_seconds=0.01)
    monkeypatch.setattr(STREAM, "_budget", budget)
    async with listening(None):
        monkeypatch.setattr(tailer, "read_frames", read)
        budget.spend(1000.0)  # as if there were very many listeners
        for _ in range(5):
            await asyncio.to_thread(submit)
            await asyncio.sleep(0.05)

    assert len(readings) <= 1  # one may have begun before


async def test_a_user_gets_other_bytes_than_staff(user: User, staff: User) -> None:
    async with listening(user.pk, None) as (own, all_of_them):
        foreign = await asyncio.to_thread(submit, staff)
        mine = await asyncio.to_thread(submit, user)
        last = mine.correlation_id.encode()
        await until(lambda: last in own.direct and last in all_of_them.direct)

        assert foreign.correlation_id.encode() in all_of_them.direct
        assert foreign.correlation_id.encode() not in heard(own)


async def test_a_full_connection_is_left_to_whoever_waits_for_room() -> None:
    async with listening(None) as (connection,):
        connection.has_room = False
        before = connection.direct
        download = await asyncio.to_thread(submit)
        await until(lambda: download.correlation_id.encode() in connection.followed)

        assert connection.direct == before


async def test_the_last_word_comes_after_all_that_was_written_at_once() -> None:
    async with listening(None) as (connection,):
        await asyncio.to_thread(submit)
        await until(lambda: b"event: transition" in connection.direct)

    assert connection.followed.endswith(bye(Bye.SHUTDOWN))


def test_a_chunk_is_framed_as_http_wants_it() -> None:
    assert Chunk(b"event: x\n\n").framed == b"a\r\nevent: x\n\n\r\n"
