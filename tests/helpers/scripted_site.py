"""A site on loopback whose answers a test writes, and a host that must never be connected to."""

import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True, kw_only=True)
class Request:
    path: str  # with the query
    headers: dict[str, str]
    method: str = "GET"


@dataclass(frozen=True, kw_only=True)
class Answer:
    body: bytes | str = b""
    media_type: str = "text/html"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    is_chunked: bool = False  # no length is announced; one that is cut lacks the last chunk
    cut_after: int | None = None  # how many bytes are sent before the connection is closed
    hold_after: int | None = None  # how many are sent before nothing comes until the client leaves


def _chunk(content: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(content), content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_port = True  # a canary may have the same port at all other addresses
    site: "ScriptedSite"

    def handle_error(self, *_arguments: Any) -> None:
        """A client that hangs up is part of many tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        assert isinstance(self.server, _Server)
        request = Request(path=self.path, headers=dict(self.headers.items()), method=self.command)
        answer = self.server.site.answer(request)
        body = answer.body.encode() if isinstance(answer.body, str) else answer.body
        self.send_response(answer.status)
        length = {"Content-Length": str(len(body))}
        if answer.is_chunked:
            body = b"".join(map(_chunk, (body[: len(body) // 2], body[len(body) // 2 :], b"")))
            length = {"Transfer-Encoding": "chunked"}
        headers = {"Content-Type": answer.media_type, **length}
        for name, value in {**headers, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[: answer.cut_after][: answer.hold_after])
        self.close_connection = answer.cut_after is not None
        if answer.hold_after is not None:
            self.close_connection = True
            self.rfile.read(1)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_arguments: object) -> None:
        """The requests are the log."""


class ScriptedSite:
    """Serves what `serve` was told, 404 for all else; remembers every request."""

    def __init__(
        self, host: str = "127.0.0.1", port: int = 0, *, tls: ssl.SSLContext | None = None
    ) -> None:
        self.requests: list[Request] = []
        self._answers: dict[str, Answer | Callable[[Request], Answer]] = {}
        self._server = _Server((host, port), _Handler)
        self._server.site = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def origin(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def url(self, path: str) -> str:
        return f"http://{self.origin}{path}"

    def serve(self, path: str, answer: Answer | Callable[[Request], Answer]) -> str:
        """Answer requests for a path (whatever the query) so; returns its URL."""
        self._answers[path] = answer
        return self.url(path)

    def requests_of(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path.partition("?")[0] == path]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        found = self._answers.get(request.path.partition("?")[0], Answer(status=404))
        return found if isinstance(found, Answer) else found(request)


class Canary:
    """A port of this machine, for TCP and UDP on IPv4 and IPv6, that counts who comes."""

    def __init__(self) -> None:
        self._sockets: list[socket.socket] = []
        self.port = self._listen(socket.AF_INET, "127.0.0.1", 0)
        with suppress(OSError):
            self._listen(socket.AF_INET6, "::1", self.port)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        for listening in self._sockets:
            listening.close()

    def _listen(self, family: int, host: str, port: int) -> int:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            listening = socket.socket(family, kind)
            self._sockets.append(listening)
            listening.bind((host, port))
            port = int(listening.getsockname()[1])
            if kind == socket.SOCK_STREAM:
                listening.listen()
        return port

    @property
    def was_touched(self) -> bool:
        """Whether anybody connected or sent something: the kernel keeps both until it is taken."""
        return bool(select.select(self._sockets, [], [], 0)[0])
