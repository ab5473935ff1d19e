"""What only the web server knows: whether its stream is late, and what browsers think of it."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client, RequestFactory

from downloads.diagnostics.serving import check_https, check_stream
from downloads.diagnostics.verdict import Level
from downloads.models import StreamPosition
from downloads.stream.cursor import Cursor
from downloads.stream.listener import STREAM, Listener
from downloads.stream.ring import News
from tests.helpers import lives
from tests.helpers.waiting import wait_for


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """The listeners' loop, which stands still unless a test lets it go on."""
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture
def news(shared_db: None, loop: asyncio.AbstractEventLoop) -> Iterator[News]:
    """What somebody who listens to this process would hear."""
    listener = Listener(Cursor(seq=0, owner_id=None, correlation_id=None))

    async def join() -> News:
        return STREAM.join(listener)

    async def leave() -> None:
        STREAM.leave(listener)

    yield loop.run_until_complete(join())
    loop.run_until_complete(leave())


def go_on(loop: asyncio.AbstractEventLoop) -> int | None:
    """Let the loop do what it has to; return what was read last."""
    loop.run_until_complete(asyncio.sleep(0.01))
    return STREAM.newest


@pytest.mark.django_db
def test_a_stream_to_which_nobody_listens_is_not_late() -> None:
    assert check_stream().level is Level.OK


def test_a_stream_is_late_while_the_newest_event_is_not_read(
    news: News, loop: asyncio.AbstractEventLoop
) -> None:
    wait_for(lambda: go_on(loop) is not None, what="the stream to begin")
    lives.submit()

    wait_for(lambda: check_stream().level is Level.WARNING, what="the stream to be late")

    wait_for(lambda: go_on(loop) == StreamPosition.current(), what="the stream to catch up")
    assert check_stream().level is Level.OK


def test_a_stream_that_waits_for_the_database_is_a_failure_and_not_ready(
    news: News, client: Client
) -> None:
    lives.make_worker()
    assert client.get("/readyz").content == b"ok"

    news.set_fresh(0)  # as the tailer does when the database does not answer

    assert check_stream().level is Level.FAILURE
    assert (client.get("/readyz").status_code, client.get("/readyz").content) == (503, b"stream")


@pytest.mark.parametrize(
    ("address", "is_secure", "level"),
    [
        ("videos.example.org", True, Level.OK),
        ("videos.example.org:8000", False, Level.NOTE),
        ("192.168.1.2:8000", False, Level.NOTE),
        ("localhost:8000", False, Level.OK),
        ("127.0.0.1", False, Level.OK),
        ("[::1]:8000", False, Level.OK),
    ],
)
def test_plain_http_is_a_note_where_a_browser_withholds_something(
    address: str, is_secure: bool, level: Level, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    request = RequestFactory().get("/", secure=is_secure, headers={"host": address})

    assert check_https(request).level is level
