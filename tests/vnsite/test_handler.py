"""Where Django makes an answer: in one thread, which it enters once."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from pytest_django import Settings

from vnsite import request_threads
from vnsite.handler import Handler

seen: list[int] = []  # the threads in which middleware and views were, in this order
connections_seen: list[Any] = []  # and what they were connected to the database by


class First(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> None:
        seen.append(threading.get_ident())

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        seen.append(threading.get_ident())
        return response


class Second(First):
    pass


def plain(request: HttpRequest) -> HttpResponse:
    seen.append(threading.get_ident())
    return HttpResponse("plain")


async def coroutine(request: HttpRequest) -> HttpResponse:
    seen.append(threading.get_ident())
    return HttpResponse("coroutine")


def connected(request: HttpRequest) -> HttpResponse:
    connection.ensure_connection()
    connections_seen.append(connection.connection)
    return HttpResponse("connected")


urlpatterns = [
    path("plain", plain),
    path("coroutine", coroutine),
    path("connected", connected),
]


@pytest.fixture
def handler(settings: Settings) -> Handler:
    seen.clear()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.First", f"{__name__}.Second"]
    return Handler()


def ask(
    handler: Handler, name: str, *, times: int = 1, rest_seconds: float = 0
) -> tuple[int, bytes]:
    """Return the status and the body of the last answer; rest after it in the event loop."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "GET", "path": name, "headers": [], "query_string": b""}

    async def exchange() -> None:
        for _ in range(times):
            sent.clear()
            asked = asyncio.Queue[dict[str, Any]]()
            asked.put_nowait({"type": "http.request", "body": b""})

            async def send(message: dict[str, Any]) -> None:
                sent.append(message)

            await handler(scope, asked.get, send)
        await asyncio.sleep(rest_seconds)

    asyncio.run(exchange())
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_middleware_and_view_are_in_the_same_thread(handler: Handler) -> None:
    assert ask(handler, "/plain") == (200, b"plain")
    assert len(seen) == 5
    assert len(set(seen)) == 1
    assert seen[0] != threading.get_ident()


def test_the_thread_is_entered_as_often_whatever_middleware_there_is(
    handler: Handler, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    entered: list[object] = []
    enter: Callable[..., Any] = SyncToAsync.__call__

    async def entering(self: Any, *args: Any, **kwargs: Any) -> Any:
        entered.append(self)
        return await enter(self, *args, **kwargs)

    monkeypatch.setattr(SyncToAsync, "__call__", entering)
    ask(handler, "/plain")
    with_two = len(entered)
    entered.clear()
    settings.MIDDLEWARE = [f"{__name__}.First"] * 20
    ask(Handler(), "/plain")

    assert (with_two, len(entered)) == (with_two, with_two)


def test_a_coroutine_is_in_the_event_loop_while_the_thread_waits(handler: Handler) -> None:
    assert ask(handler, "/coroutine") == (200, b"coroutine")
    assert seen[2] == threading.get_ident()
    assert set(seen) - {seen[2]} == {seen[0]}


@pytest.mark.django_db(transaction=True)
def test_requests_that_follow_each_other_have_one_connection(
    handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_threads, "IDLE_SECONDS", 0.1)
    connections_seen.clear()

    ask(handler, "/connected", times=3, rest_seconds=0.5)  # until the thread has ended

    assert len({id(each) for each in connections_seen}) == 1
