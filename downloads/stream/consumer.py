"""`GET /events/` as a Channels consumer: who may listen, and for how long.

Consumers stand outside of Django's middleware, so host, method and user are checked here. What is
sent comes from `downloads.stream.tailer`; no channel layer is used.
"""

import asyncio
import logging
import re
from contextlib import aclosing, suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any

from channels.auth import get_user
from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.http import AsyncHttpConsumer
from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import Error
from django.utils import timezone

from downloads.accounts.tokens import token_in, user_of_token
from downloads.models import Download, StreamPosition
from downloads.models.outage import in_words, is_outage
from downloads.stream.connection_limit import ConnectionLimit, TooManyConnections
from downloads.stream.frames import HEARTBEAT_SECONDS, Bye, Resync, bye, greeting, resync
from downloads.stream.tailer import STREAM, Cursor, Listener
from downloads.web.middleware import RETRY_AFTER_SECONDS, SENTENCE

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

RECHECK_SECONDS = 2 * HEARTBEAT_SECONDS
MAX_AGE_SECONDS = 15 * 60
SEATS = ConnectionLimit()
# Seats become free when somebody leaves; a page asks by itself in the meantime.
RETRY_SEAT_SECONDS = 15
AGAIN = ((b"Retry-After", str(RETRY_AFTER_SECONDS).encode()),)
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

    def __init__(
        self, status: int, sentence: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.headers = headers


def end_streams() -> None:
    """Say goodbye to all listeners of this process, because the server stops."""
    STREAM.end(Bye.SHUTDOWN)


class EventStream(AsyncHttpConsumer):  # type: ignore[misc]
    """One listener's connection. It needs the session of channels' SessionMiddleware.

    `AsyncHttpConsumer.handle` cannot stream: while it runs, nobody hears that the browser left.
    So the request starts a task that sends, and returns; the task ends with the consumer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._pump: asyncio.Task[None] | None = None
        self._seat: int | None = None  # of which user it has one

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            if self._seat is not None:
                SEATS.give_back(self._seat)
            if self._pump is not None:
                self._pump.cancel()
                with suppress(asyncio.CancelledError):
                    await self._pump

    async def http_request(self, message: dict[str, Any]) -> None:
        if message.get("more_body"):
            return
        request = ASGIRequest(self.scope, BytesIO())
        try:
            _check(request)
            user = await self._user(request)
            if user is None:
                raise RefusedListener(401, "Sign in first.", ((b"WWW-Authenticate", b"Bearer"),))
            self._take_seat(user)
            cursor, first = await database_sync_to_async(_admit)(request, user)
        except RefusedListener as refused:
            await self._refuse(refused)
            raise StopConsumer from refused
        except Error as error:
            if not is_outage(error):
                raise
            logger.error("No stream of events: %s", in_words(error))
            await self._refuse(RefusedListener(503, SENTENCE, AGAIN))
            raise StopConsumer from error
        await self.send_headers(headers=HEADERS)
        await self.send_body(first, more_body=True)
        self._pump = asyncio.create_task(self._send_events(request, user, cursor))

    async def _send_events(self, request: ASGIRequest, user: "User", cursor: Cursor) -> None:
        try:
            await self._send_until_the_end(request, user, cursor)
        except Exception:
            # The browser comes back with its last id: better than a stream that fell silent.
            logger.exception("A stream of events failed")
        await self.send_body(b"")

    async def _send_until_the_end(self, request: ASGIRequest, user: "User", cursor: Cursor) -> None:
        now = asyncio.get_running_loop().time
        ends_at = now() + MAX_AGE_SECONDS
        recheck_at = now() + RECHECK_SECONDS
        async with aclosing(Listener(cursor).follow()) as chunks:
            async for chunk in chunks:
                if now() >= recheck_at:
                    recheck_at = now() + RECHECK_SECONDS
                    if not _same_rights(user, await self._user(request)):
                        await self.send_body(bye(Bye.SIGNED_OUT), more_body=True)
                        return
                await self.send_body(chunk, more_body=True)
                if now() >= ends_at:
                    await self.send_body(bye(Bye.AGE), more_body=True)
                    return

    async def _user(self, request: ASGIRequest) -> "User | None":
        """Who listens, by what the database says now and not by what was once loaded."""
        token = token_in(request)
        user: User | None
        if token is not None:
            user = await database_sync_to_async(user_of_token)(token)
            return user
        session = self.scope["session"]
        user = await get_user({"session": session.__class__(session.session_key)})
        return user if user and user.is_authenticated else None

    def _take_seat(self, user: "User") -> None:
        configured = settings.VNSITE
        try:
            SEATS.take(user.pk, most_of_user=configured.user_streams, most=configured.streams)
        except TooManyConnections as full:
            status = 429 if full.is_about_the_user else 503
            later = ((b"Retry-After", str(RETRY_SEAT_SECONDS).encode()),)
            raise RefusedListener(status, str(full), later) from full
        self._seat = user.pk

    async def _refuse(self, refused: RefusedListener) -> None:
        headers = [(b"Content-Type", b"text/plain; charset=utf-8"), *refused.headers]
        await self.send_response(refused.status, str(refused).encode(), headers=headers)


def _check(request: ASGIRequest) -> None:
    try:
        request.get_host()
    except DisallowedHost:
        raise RefusedListener(400, "This host name is not served here.") from None
    if request.method != "GET":
        raise RefusedListener(405, "Only GET.", ((b"Allow", b"GET"),))


def _admit(request: ASGIRequest, user: "User") -> tuple[Cursor, bytes]:
    """Where the stream starts, and its first bytes. Refused for what the user may not see."""
    correlation_id = request.GET.get("download")
    if correlation_id is not None and not _is_visible(correlation_id, user):
        raise RefusedListener(404, "There is no such download.")
    newest = StreamPosition.current()
    first = greeting(seq=newest, now=timezone.now())
    # The header is newer: when a browser reconnects, the address still has the id of the page.
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


def _is_visible(correlation_id: str, user: "User") -> bool:
    if "\0" in correlation_id:  # PostgreSQL refuses to look for it
        return False
    return Download.objects.visible_to(user).filter(correlation_id=correlation_id).exists()


def parse_seq(text: str, *, newest: int) -> int | None:
    """The seq that a listener has seen last; None when it is no seq of this stream."""
    if not SEQ_PATTERN.fullmatch(text):
        return None
    seq = int(text)
    return seq if seq <= newest else None


def _same_rights(user: "User", now: "User | None") -> bool:
    return now is not None and now.pk == user.pk and now.is_staff == user.is_staff
