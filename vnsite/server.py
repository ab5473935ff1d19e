"""The web server: Daphne with back-pressure, limits, and a graceful stop.

Only `serve` imports this module: the import installs Twisted's asyncio reactor.
"""
# ruff: noqa: E402 — what is not loaded has to be known before Daphne is imported

import asyncio
import ctypes
import errno
import resource
import socket
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class NoWebSockets:
    """Stands where Daphne makes its factory of WebSockets, which the site does not have."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def setProtocolOptions(self, **options: object) -> None:
        pass


# Autobahn's WebSockets and Twisted's TLS, which is a proxy's here, would be a tenth of the memory
# and of the start. Twisted does without OpenSSL when it cannot be imported.
_without_websockets = ModuleType("daphne.ws_protocol")
_without_websockets.WebSocketFactory = NoWebSockets  # type: ignore[attr-defined]
sys.modules.setdefault("daphne.ws_protocol", _without_websockets)
sys.modules.setdefault("OpenSSL", None)  # type: ignore[arg-type]

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.server import Server, twisted_loop
from django.conf import settings
from twisted.internet import reactor as installed_reactor
from twisted.internet import tcp
from twisted.internet.error import CannotListenError
from twisted.logger import STDLibLogObserver, globalLogBeginner
from twisted.web.http import NO_BODY_CODES

from downloads.stream import direct
from downloads.stream.direct import Chunk
from downloads.stream.events import Bye
from downloads.stream.listener import STREAM
from vnsite.asgi import application

reactor: Any = installed_reactor  # its type depends on which one is installed

STOP_SECONDS = 5.0  # for answers to end when the server stops
SAY_AGAIN_SECONDS = 0.2
CANCEL_SECONDS = 2.0  # for cancelled requests to clean up
BACKLOG = 1024  # after a restart every browser connects again at once
OPEN_FILES = 65536
# A connection that broke silently is noticed after 20 + 3 · 10 seconds.
KEEPALIVE_IDLE_SECONDS, KEEPALIVE_INTERVAL_SECONDS, KEEPALIVE_PROBES = 20, 10, 3
UNACKNOWLEDGED_SECONDS = 45


# send(2) without giving up the interpreter's lock, which Python's own does: a thread that draws a
# page would take it, and keep it for 5 ms, after each of a thousand calls of 10 microseconds.
_send = ctypes.PyDLL(None).send
_send.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int)
_send.restype = ctypes.c_ssize_t


class CannotListen(Exception):
    """The address cannot be served. The message is a sentence for a person."""


class BoundedRequest(WebRequest):  # type: ignore[misc]
    """One request, and Twisted's producer: the transport pauses it when its buffer is full."""

    # Daphne's own template names Daphne.
    error_template = "<!doctype html><title>%(title)s</title><h1>%(title)s</h1><p>%(body)s</p>"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._room = asyncio.Event()
        self._room.set()
        self._received_bytes = 0

    def process(self) -> Any:
        # There are no WebSockets here: a request to upgrade is answered as an ordinary one.
        self.requestHeaders.removeHeader(b"upgrade")
        # Daphne lets anybody move the site below another path by this header.
        self.requestHeaders.removeHeader(b"daphne-root-path")
        return super().process()

    # Incoming: Daphne would write a body of any size to the disk before Django sees it.

    def gotLength(self, length: int | None) -> None:
        if length is not None and length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self._refuse_body()
            length = 0
        super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        was_too_much = self._is_too_much()
        self._received_bytes += len(data)
        if not self._is_too_much():
            super().handleContentChunk(data)
        elif not was_too_much:
            self._refuse_body()

    def _is_too_much(self) -> bool:
        return self._received_bytes > settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def _refuse_body(self) -> None:
        self._received_bytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1
        self.transport.write(
            b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        )
        self.channel.loseConnection()

    # Outgoing.

    @property
    def has_room(self) -> bool:
        return self._room.is_set() and self.channel is not None

    def write_chunk(self, chunk: Chunk) -> None:
        """Part of downloads.stream.direct.Direct. Tell the kernel at once instead of the reactor,
        which would wait until the socket can be written, write, and end waiting: four calls of the
        kernel for one."""
        if self.channel is None or self.finished:
            return
        data, transport = chunk.framed if self.chunked else chunk.body, self.transport
        is_buffering = transport.dataBuffer or transport._tempDataLen
        sent = 0 if is_buffering else _send(transport.fileno(), data, len(data), 0)
        if sent < len(data):  # -1: the reactor will find out why
            transport.write(data[max(0, sent) :])

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and self.method == b"HEAD":
            # Twisted drops only the first part of a body; Daphne would write the others.
            message = {**message, "body": b""}
        super().handle_reply(message)
        if message["type"] == "http.response.start" and self.channel is not None:
            self.registerProducer(self, True)
            if self.responseHeaders.getRawHeaders(b"content-type") == [b"text/event-stream"]:
                self._notice_a_silent_end()

    def handle_exception(self, exception: BaseException) -> None:
        if self._response_started:
            # Too late for an error page. Daphne would raise here and never again call its checker
            # of all applications.
            self.transport.abortConnection()
        else:
            super().handle_exception(exception)

    def finish(self) -> None:
        is_short = self._is_short()
        if self.producer is not None:
            self.unregisterProducer()
        self._room.set()
        super().finish()
        if is_short:
            # Else the browser waits for the rest, or takes the next answer for it.
            self.transport.abortConnection()

    def connectionLost(self, reason: Any) -> None:
        self._room.set()
        super().connectionLost(reason)

    async def wait_for_room(self) -> None:
        """Wait until the transport's buffer has room again, or the connection is closed."""
        await self._room.wait()

    def pauseProducing(self) -> None:
        self._room.clear()

    def resumeProducing(self) -> None:
        self._room.set()

    def stopProducing(self) -> None:
        self._room.set()

    def _is_short(self) -> bool:
        """Compare what was sent with the announced length."""
        announced = self.responseHeaders.getRawHeaders(b"content-length")
        has_body = self.method != b"HEAD" and self.code not in NO_BODY_CODES
        return bool(announced and has_body and self.sentLength < int(announced[0]))

    def _notice_a_silent_end(self) -> None:
        """Bound the wait for acknowledgements: meanwhile the kernel sends no keep-alive probes, and
        tries again for 15 minutes. Not for media: a paused player acknowledges nothing either."""
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            self.transport.socket.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000
            )


class BoundedRequestFactory(HTTPFactory):  # type: ignore[misc]
    # There is no log of requests, whose date Twisted would write anew every second.

    def _updateLogDateTime(self) -> None:
        pass

    def log(self, request: Any) -> None:
        pass

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = BoundedRequest
        return protocol


class WebServer(Server):  # type: ignore[misc]
    """Serves the site on one address: `listen`, then `run` until `stop`."""

    def __init__(self, host: str, port: int) -> None:
        """`port` 0: any that is free."""
        # This class listens by itself, but without an endpoint Daphne would end the process.
        super().__init__(application, endpoints=["listen"], signal_handlers=False, server_name="")
        self.connections: dict[BoundedRequest, dict[str, Any]] = {}
        self._host = host
        self._port = port
        self._listener: Any = None
        self._stops = 0
        self._stopping: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The site's address for a browser on this machine, after `listen`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self._listener.getHost().port}/"

    def listen(self) -> None:
        """Take the address. Connections wait until `run`. Raises CannotListen."""
        log: Any = STDLibLogObserver("twisted")
        globalLogBeginner.beginLoggingTo([log], redirectStandardIO=False, discardBuffer=True)
        self._allow_many_connections()
        host = self._host.strip("[]")
        try:
            self._listener = reactor.listenTCP(
                self._port, BoundedRequestFactory(self), backlog=BACKLOG, interface=host
            )
        except CannotListenError as error:
            raise CannotListen(self._explain(error.socketError)) from error
        self._keep_alive()

    def run(self, *, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        """Answer requests until `stop`. Both callbacks run in the event loop and must not block."""
        self._on_stop = on_stop
        asyncio.set_event_loop(twisted_loop)
        reactor.callLater(1, self.application_checker)
        reactor.callWhenRunning(on_ready)
        reactor.run(installSignalHandlers=False)
        twisted_loop.run_until_complete(_cancel_tasks())

    def stop(self) -> None:
        """Make `run` say goodbye to streams, let other answers end, and return; a second call makes
        it return at once. Safe in threads and signal handlers."""
        self._stops += 1
        twisted_loop.call_soon_threadsafe(self._begin_to_stop)

    def _begin_to_stop(self) -> None:
        if self._stopping is None:
            self._on_stop()
            self._stopping = twisted_loop.create_task(self._stop_gracefully())
        elif self._stops > 1 and reactor.running:
            reactor.stop()

    async def _stop_gracefully(self) -> None:
        ends_at = twisted_loop.time() + STOP_SECONDS
        await self._listener.stopListening().asFuture(twisted_loop)
        while (answers := self._applications()) and twisted_loop.time() < ends_at:
            STREAM.end(Bye.SHUTDOWN)  # those, too, that were just being let in
            await asyncio.wait(answers, timeout=SAY_AGAIN_SECONDS)
        # Stopping the reactor would drop what is still in the buffers.
        for transport in _transports():
            transport.loseConnection()  # type: ignore[no-untyped-call]
        # No event says that all have closed.
        while _transports() and twisted_loop.time() < ends_at:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        if reactor.running:
            reactor.stop()

    def create_application(self, protocol: BoundedRequest, scope: dict[str, Any]) -> Any:
        extensions = {direct.EXTENSION: protocol}
        return super().create_application(protocol, {**scope, "extensions": extensions})

    async def handle_reply(self, protocol: BoundedRequest, message: dict[str, Any]) -> None:
        await super().handle_reply(protocol, message)
        await protocol.wait_for_room()

    def _applications(self) -> "list[asyncio.Task[None]]":
        tasks = (details.get("application_instance") for details in self.connections.values())
        return [task for task in tasks if task is not None and not task.done()]

    def _keep_alive(self) -> None:
        """Set the probes on the listening socket: accepted connections inherit them."""
        listener = self._listener.socket
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (
            ("TCP_KEEPIDLE", KEEPALIVE_IDLE_SECONDS),
            ("TCP_KEEPINTVL", KEEPALIVE_INTERVAL_SECONDS),
            ("TCP_KEEPCNT", KEEPALIVE_PROBES),
        ):
            if hasattr(socket, name):
                listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    @staticmethod
    def _allow_many_connections() -> None:
        """Raise the limit of open files: the usual 1,024 are too few for 1,000 streams."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def _explain(self, error: OSError) -> str:
        if error.errno == errno.EADDRINUSE:
            return f"Port {self._port} is in use. Stop what uses it, or choose another by --port."
        if error.errno == errno.EACCES:
            return f"Port {self._port} is not allowed for this user. Choose one from 1024 up."
        return f"{self._host} port {self._port} cannot be served: {error.strerror}."


async def _cancel_tasks() -> None:
    """Cancel all tasks. The garbage collector of the ending interpreter would tear them down, and
    crashed (Python 3.11.7) on a request of Django inside `Queue.get`."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=CANCEL_SECONDS)


def _transports() -> list[tcp.Server]:
    """Return the open connections."""
    selectables = {*reactor.getReaders(), *reactor.getWriters()}
    return [selectable for selectable in selectables if isinstance(selectable, tcp.Server)]
