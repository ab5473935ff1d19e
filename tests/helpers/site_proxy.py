"""A proxy on loopback for HTTP, CONNECT and SOCKS5, which knows where names lead and who came."""

import base64
import socket
import socketserver
import ssl
import struct
import threading
from contextlib import suppress
from typing import Any, Self

SOCKS_VERSION = 5


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    proxy: "SiteProxy"


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        with suppress(OSError):
            is_plain = not isinstance(self.request, ssl.SSLSocket)
            first = self.request.recv(1, socket.MSG_PEEK) if is_plain else b"h"
            if first == bytes([SOCKS_VERSION]):
                self.socks()
            elif first:
                self.http()

    def socks(self) -> None:
        _, count = self._read(2)
        methods = self._read(count)
        if self.server.proxy.credentials:
            if 2 not in methods:
                self.request.sendall(b"\x05\xff")
                return
            self.request.sendall(b"\x05\x02")
            user = self._read(self._read(2)[1]).decode()
            password = self._read(self._read(1)[0]).decode()
            is_known = f"{user}:{password}" == self.server.proxy.credentials
            self.request.sendall(b"\x01\x00" if is_known else b"\x01\x01")
            if not is_known:
                return
        else:
            self.request.sendall(b"\x05\x00")
        *_, kind = self._read(4)
        if kind == 3:
            host = self._read(self._read(1)[0]).decode()
        else:
            host = socket.inet_ntop(
                *{1: (socket.AF_INET, self._read(4)), 4: (socket.AF_INET6, b"")}[kind]
            )
        (port,) = struct.unpack("!H", self._read(2))
        self.request.sendall(b"\x05\x00\x00\x01" + bytes(6))
        self._relay(host, port)

    def http(self) -> None:
        """Serve one request; the next one comes by a connection of its own."""
        lines = _head(self.request)
        method, target, version = lines[0].decode().split(" ")
        wanted = base64.b64encode(self.server.proxy.credentials.encode())
        if self.server.proxy.credentials and b"Proxy-Authorization: Basic " + wanted not in lines:
            self.request.sendall(
                b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
            )
            return
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            self.request.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self._relay(host, int(port))
            return
        authority, _, path = target.removeprefix("http://").partition("/")
        host, _, port = authority.partition(":")
        first = f"{method} /{path} {version}".encode()
        with self._connect(host, int(port or 80)) as site:
            site.sendall(_one_time(first, lines))
            answer = _head(site)
            self.request.sendall(_one_time(answer[0], answer))
            _pump(site, self.request)

    def _connect(self, host: str, port: int) -> socket.socket:
        self.server.proxy.asked.append(f"{host}:{port}")
        return socket.create_connection(self.server.proxy.leads[host])

    def _relay(self, host: str, port: int) -> None:
        with self._connect(host, port) as site:
            threading.Thread(target=_pump, args=(self.request, site), daemon=True).start()
            _pump(site, self.request)

    def _read(self, size: int) -> bytes:
        content: bytes = self.request.recv(size, socket.MSG_WAITALL)
        return content


def _head(connection: socket.socket) -> list[bytes]:
    """Read the lines of a head, without what follows it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (byte := connection.recv(1)):
            raise ConnectionError
        head += byte
    return head.removesuffix(b"\r\n\r\n").split(b"\r\n")


def _one_time(first: bytes, lines: list[bytes]) -> bytes:
    """Write a head anew: of a connection that ends with its answer."""
    kept = [line for line in lines[1:] if not line.startswith((b"Proxy-", b"Connection:"))]
    return b"\r\n".join([first, b"Connection: close", *kept, b"", b""])


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


class SiteProxy:
    """Leads from names to addresses; remembers what it was asked for."""

    def __init__(
        self,
        *,
        leads: dict[str, tuple[str, int]],
        credentials: str = "",
        host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`credentials`: "user:password" that it wants; "": none. `tls`: of the proxy itself."""
        self.leads = leads
        self.credentials = credentials
        self.asked: list[str] = []
        self._server = _Server((host, 0), _Handler)
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.proxy = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}
        )
        self._thread.start()

    @property
    def endpoint(self) -> str:
        host, port = self._server.server_address[:2]
        return f"{host!s}:{port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: Any) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
