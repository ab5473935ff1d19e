"""Where Django makes an answer: in one thread, which it enters once."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import SyncToAsync
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.deprecation import MiddlewareMixin
from pytest_django import Settings

from vnsite.handler import Handler

seen: list[int] = []  # the threads in which middleware and views were, in this order


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


urlpatterns = [path("plain", plain), path("coroutine", coroutine)]


@pytest.fixture
def handler(settings: Settings) -> Handler:
    seen.clear()
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.First", f"{__name__}.Second"]
    return Handler()


def ask(handler: Handler, name: str) -> tuple[int, bytes]:
    """Return the status and the body of an answer."""
    sent: list[dict[str, Any]] = []
    scope = {"type": "http", "method": "GET", "path": name, "headers": [], "query_string": b""}

    async def exchange() -> None:
        asked = asyncio.Queue[dict[str, Any]]()
        asked.put_nowait({"type": "http.request", "body": b""})

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await handler(scope, asked.get, send)

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
