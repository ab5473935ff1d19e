"""The stream of events without a server: in this process, where a test can shorten its minutes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async
from channels.sessions import SessionMiddlewareStack
from channels.testing import ApplicationCommunicator
from django.contrib.auth.models import User

from downloads.stream.consumer import EventStream
from tests.helpers.serving import Event, events_in, headers_of


@asynccontextmanager
async def asking_here(
    user: User | None, **headers: str
) -> AsyncIterator[tuple[ApplicationCommunicator, dict[str, Any]]]:
    """A request for the stream, and how the answer starts."""
    sent = await sync_to_async(headers_of)(user, {"Host": "localhost", **headers})
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/events/",
        "query_string": b"",
        "headers": [(key.lower().encode(), value.encode()) for key, value in sent.items()],
    }
    stream = ApplicationCommunicator(SessionMiddlewareStack(EventStream.as_asgi()), scope)
    await stream.send_input({"type": "http.request"})
    start: dict[str, Any] = await stream.receive_output(timeout=30)
    try:
        yield stream, start
    finally:
        await stream.send_input({"type": "http.disconnect"})
        await stream.wait(timeout=30)


@asynccontextmanager
async def listening_here(
    user: User | None, **headers: str
) -> AsyncIterator[ApplicationCommunicator]:
    async with asking_here(user, **headers) as (stream, start):
        assert start["status"] == 200
        yield stream


async def events_of(stream: ApplicationCommunicator) -> AsyncIterator[Event]:
    """Every event, until the stream ends."""
    message: dict[str, Any] = {"more_body": True}
    while message["more_body"]:
        message = await stream.receive_output(timeout=30)
        for event in events_in(message["body"].decode().splitlines()):
            yield event


async def hear_beats(heard: AsyncIterator[Event], count: int, *, stale: bool) -> None:
    """Go on until so many heartbeats have said whether the stream is stale."""
    async for event in heard:
        count -= event.name == "heartbeat" and event.data.get("stale") is stale
        if not count:
            return
    raise AssertionError("the stream ended")


async def hear_seqs(heard: AsyncIterator[Event], count: int) -> list[int | None]:
    """The ids of the next transitions."""
    seqs: list[int | None] = []
    async for event in heard:
        assert event.name != "resync"
        if event.name == "transition":
            seqs.append(event.seq)
        if len(seqs) == count:
            return seqs
    raise AssertionError("the stream ended")
