"""`GET /events/` as a Channels consumer: who may listen, and for how long.

Django's middleware does not see consumers, so host, method and user are checked here. The listener
says what is sent; no channel layer is used.
"""

import asyncio
import logging
import random
import re
from collections.abc import Callable
from contextlib import aclosing, suppress
from functools import partial
from importlib import import_module
from io import BytesIO
from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.contrib.auth import get_user
from django.contrib.auth.models import User
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import Error
from django.http import HttpRequest
from django.utils import timezone

from downloads.accounts import by_proxy
from downloads.accounts.tokens import find, look_up, token_in
from downloads.models import ApiToken, Download, StreamPosition
from downloads.models.outage import in_words, is_outage
from downloads.stream import direct
from downloads.stream.budget import Budget
from downloads.stream.connection_limit import LIMIT, TooManyConnections
from downloads.stream.cursor import Cursor
from downloads.stream.events import HEARTBEAT_SECONDS, Bye, Resync, greeting, resync
from downloads.stream.listener import STREAM, Listener
from downloads.stream.together import TOGETHER
from downloads.web import refused_host
from downloads.web.middleware import RETRY_AFTER_SECONDS, SENTENCE

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 2 * HEARTBEAT_SECONDS
MAX_AGE_SECONDS = 15 * 60
# When everybody comes back at once, half of the time is left to pages.
BEGINNING = Budget(0.5, burst_seconds=0.02)
BEGINNING_CPU_SECONDS = 0.00125  # of the event loop, about
RETRY_LIMIT_SECONDS = 15  # somebody may have left by then; a page asks for its rows meanwhile
SEQ_PATTERN = re.compile(r"[0-9]{1,18}", re.ASCII)

HEADERS = [
    (b"Content-Type", b"text/event-stream"),
    # no-transform: a proxy that compresses would hold events back until its buffer is full.
    (b"Cache-Control", b"no-cache, no-transform"),
    (b"X-Accel-Buffering", b"no"),
    (b"X-Content-Type-Options", b"nosniff"),
]


class RefusedListener(Exception):
    """The request gets a plain answer instead of a stream."""

    def __init__(self, status: int, sentence: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


class EventStream(AsyncHttpConsumer):  # type: ignore[misc]
    """One listener's connection. It needs the session of channels' SessionMiddleware.

    `AsyncHttpConsumer.handle` cannot stream: while it runs, nobody hears that the browser left.
    So the request starts a task that sends, and returns; the task ends with the consumer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pump: asyncio.Task[None] | None = None
        self._counted: int | None = None  # the user for whom it counts in LIMIT

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        pause = BEGINNING.seconds_left()
        BEGINNING.spend(BEGINNING_CPU_SECONDS)
        if pause:
            await asyncio.sleep(pause)
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._counted is not None:
                LIMIT.give_back(self._counted)
            if self._pump is not None:
                self._pump.cancel()
                with suppress(asyncio.CancelledError):
                    await self._pump

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Call the method for a message. Channels would first close the connections of a thread to
        the database, which costs as much as all the rest; here they close after each use."""
        await getattr(self, get_handler_name(message))(message)

    async def http_disconnect(self, message: dict[str, Any]) -> None:
        raise StopConsumer

    async def http_request(self, message: dict[str, Any]) -> None:
        if message.get("more_body"):
            return
        request = ASGIRequest(self.scope, BytesIO())
        try:
            user, cursor, first = await self._let_in(request)
        except RefusedListener as refused:
            headers = [(b"Content-Type", b"text/plain; charset=utf-8"), *refused.headers]
            await self.send_response(refused.status, str(refused).encode(), headers=headers)
            raise StopConsumer from refused
        await self.send_headers(headers=HEADERS)
        await self.send_body(first, more_body=True)
        self._pump = asyncio.create_task(self._send_events(request, user, cursor))

    async def _let_in(self, request: ASGIRequest) -> tuple[User, Cursor, bytes]:
        """Return who listens, from where, and the first bytes. Raises RefusedListener."""
        _check(request)
        away = RefusedListener(503, SENTENCE, _retry_after(RETRY_AFTER_SECONDS))
        if STREAM.is_stale:
            raise away
        try:
            user, newest = await self._look_up(request, find)
            if user is None:
                raise RefusedListener(401, "Sign in first.", (b"WWW-Authenticate", b"Bearer"))
            self._count(user)
            correlation_id = request.GET.get("download")
            if correlation_id is not None:
                is_visible = partial(_is_visible, correlation_id, user)
                if not await TOGETHER.ask(is_visible):
                    raise RefusedListener(404, "There is no such download.")
            return user, *_begin(request, user, newest=newest, correlation_id=correlation_id)
        except Error as error:
            if not is_outage(error):
                raise
            logger.error("An event stream was refused: %s", in_words(error))
            raise away from error

    async def _send_events(self, request: ASGIRequest, user: User, cursor: Cursor) -> None:
        listener = Listener(cursor, self.scope.get("extensions", {}).get(direct.EXTENSION))
        try:
            async with asyncio.TaskGroup() as tasks, aclosing(listener.follow()) as chunks:
                ending = tasks.create_task(self._end_in_time(request, user, listener))
                async for chunk in chunks:
                    await self.send_body(chunk, more_body=True)
                ending.cancel()
        except Exception:
            # The browser comes back with its last id: better than a stream that fell silent.
            logger.exception("An event stream failed")
        await self.send_body(b"")

    async def _end_in_time(self, request: ASGIRequest, user: User, listener: Listener) -> None:
        """End the stream when the user's rights have changed, or by age.

        It stays while the database is away: nobody could connect again.
        """
        now = asyncio.get_running_loop().time
        began_at = now()
        while True:
            # Those who came at once do not ask at once again.
            await asyncio.sleep(RECHECK_SECONDS * random.uniform(0.7, 1.0))  # noqa: S311
            if STREAM.is_stale or (same := await self._has_same_rights(request, user)) is None:
                continue
            if not same:
                return listener.end(Bye.SIGNED_OUT)
            if now() >= began_at + MAX_AGE_SECONDS:
                return listener.end(Bye.AGE)

    async def _has_same_rights(self, request: ASGIRequest, user: User) -> bool | None:
        """Compare the user with the rows of now; None: the database does not answer."""
        try:
            now, _ = await self._look_up(request, look_up)
        except Error as error:
            if not is_outage(error):
                raise
            return None
        return now is not None and now.pk == user.pk and now.is_staff == user.is_staff

    async def _look_up(
        self, request: ASGIRequest, find_token: Callable[[str], ApiToken | None]
    ) -> tuple[User | None, int]:
        """Return who listens and the newest seq, by what the database says now."""
        text = token_in(request)
        if text is not None:
            return await TOGETHER.ask(
                partial(_token_user, text, find_token), key=(find_token, text)
            )
        session_key = self.scope["session"].session_key
        return await TOGETHER.ask(
            partial(_session_user, session_key, self.scope),
            key=(_session_user, session_key, by_proxy.name_in(self.scope)),
        )

    def _count(self, user: User) -> None:
        configured = settings.VNSITE
        try:
            LIMIT.take(user.pk, most_of_user=configured.user_streams, most=configured.streams)
        except TooManyConnections as full:
            status = 429 if full.is_about_the_user else 503
            raise RefusedListener(status, str(full), _retry_after(RETRY_LIMIT_SECONDS)) from full
        self._counted = user.pk


def _retry_after(seconds: int) -> tuple[bytes, bytes]:
    return b"Retry-After", str(seconds).encode()


def _check(request: ASGIRequest) -> None:
    try:
        request.get_host()
    except DisallowedHost:
        sentence = refused_host.sentence(refused_host.named_by(request))
        raise RefusedListener(400, sentence) from None
    if request.method != "GET":
        raise RefusedListener(405, "Only GET.", (b"Allow", b"GET"))


def _token_user(text: str, find_token: Callable[[str], ApiToken | None]) -> tuple[User | None, int]:
    token = find_token(text)
    return token.user if token else None, StreamPosition.current()


def _session_user(session_key: str | None, scope: dict[str, Any]) -> tuple[User | None, int]:
    """Return the session's user, unless the proxy names another one, and the newest seq."""
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User):
        return None, 0
    agrees = not settings.VNSITE.auth_header or by_proxy.agrees(request.session, user, scope)
    return user if agrees else None, StreamPosition.current()


def _begin(
    request: ASGIRequest, user: User, *, newest: int, correlation_id: str | None
) -> tuple[Cursor, bytes]:
    """Return where the stream starts, and its first bytes."""
    first = greeting(seq=newest, now=timezone.now())
    # The header is newer: a browser that connects again still has the page's id in the address.
    wanted = request.headers.get("Last-Event-ID") or request.GET.get("after")
    after = newest if wanted is None else parse_seq(wanted, newest=newest)
    if after is None:
        first += resync(Resync.UNKNOWN)
    cursor = Cursor(
        seq=newest if after is None else after,
        owner_id=None if user.is_staff else user.pk,
        correlation_id=correlation_id,
    )
    return cursor, first


def _is_visible(correlation_id: str, user: User) -> bool:
    if "\0" in correlation_id:  # PostgreSQL refuses to look for it
        return False
    return Download.objects.visible_to(user).filter(correlation_id=correlation_id).exists()


def parse_seq(text: str, *, newest: int) -> int | None:
    """Return the seq that a listener has seen last; None if it is not one of this stream."""
    return int(text) if SEQ_PATTERN.fullmatch(text) and int(text) <= newest else None
