"""A process with a guard that tries every way of Python to every host it is given.

Run by `test_python.py` as `python -m tests.egress.guarded`, with the hosts as lines of the input.
Prints which ways there are, and which was not refused for which host.
"""

import asyncio
import ftplib
import http.client
import json
import socket
import sys
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests
import websockets.asyncio.client
import websockets.sync.client
from yt_dlp.networking import Request

from downloads.fetch import downloader as downloading
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard

SECONDS = 2.0
PORT = 80

Way = Callable[[str], Any]


def handlers() -> dict[str, Way]:
    """yt-dlp's own: each of its handlers, for each kind of URL that it takes."""
    downloader = downloading.build()
    found: dict[str, Way] = {}
    for key, handler in downloader._request_director.handlers.items():
        handler.timeout = SECONDS
        for scheme in set(handler._SUPPORTED_URL_SCHEMES) - {"data"}:  # data: connects nowhere
            found[f"{key} {scheme}"] = lambda host, handler=handler, scheme=scheme: handler.send(
                Request(f"{scheme}://{host}:{PORT}/secret.mp4")
            )
    return found


def bare(host: str) -> str:
    return host.strip("[]")


def numeric(host: str) -> tuple[Any, ...]:
    """The address behind a host, as another library may have found it out before."""
    return socket.getaddrinfo(bare(host), PORT, type=socket.SOCK_STREAM)[0][4]


def family_of(address: tuple[Any, ...]) -> int:
    return socket.AF_INET6 if len(address) == 4 else socket.AF_INET


def connected(method: str, kind: int = socket.SOCK_STREAM) -> Way:
    def way(host: str) -> None:
        address = numeric(host)
        with socket.socket(family_of(address), kind) as connecting:
            connecting.settimeout(SECONDS)
            getattr(connecting, method)(address)

    return way


def sent(host: str) -> None:
    address = numeric(host)
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sending:
        sending.sendto(b"secret", address)


def sent_as_message(host: str) -> None:
    address = numeric(host)
    with socket.socket(family_of(address), socket.SOCK_DGRAM) as sending:
        sending.sendmsg([b"secret"], [], 0, address)


def sent_with_the_first_packet(host: str) -> None:
    address = numeric(host)
    with socket.socket(family_of(address)) as sending:
        sending.settimeout(SECONDS)
        sending.sendto(b"secret", socket.MSG_FASTOPEN, address)


async def connected_by_the_loop(host: str) -> None:
    address = numeric(host)
    with socket.socket(family_of(address)) as connecting:
        connecting.setblocking(False)
        await asyncio.wait_for(
            asyncio.get_running_loop().sock_connect(connecting, address), SECONDS
        )


async def connected_by_websockets(host: str) -> None:
    """As yt-dlp's WebSocketFragmentFD does."""
    url = f"ws://{host}:{PORT}/"
    async with websockets.asyncio.client.connect(url, open_timeout=SECONDS):
        pass


async def datagram_of_the_loop(host: str) -> None:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        asyncio.DatagramProtocol, remote_addr=(bare(host), PORT)
    )
    transport.sendto(b"secret")


OTHERS: dict[str, Way] = {
    "create_connection": lambda host: socket.create_connection((bare(host), PORT), SECONDS),
    "connect": connected("connect"),
    "connect_ex": connected("connect_ex"),
    "connect of datagrams": connected("connect", socket.SOCK_DGRAM),
    "sendto": sent,
    "sendmsg": sent_as_message,
    "the first packet": sent_with_the_first_packet,
    "sock_connect": lambda host: asyncio.run(connected_by_the_loop(host)),
    "open_connection": lambda host: asyncio.run(
        asyncio.wait_for(asyncio.open_connection(bare(host), PORT), SECONDS)
    ),
    "datagrams of asyncio": lambda host: asyncio.run(datagram_of_the_loop(host)),
    "http.client": lambda host: http.client.HTTPConnection(host, timeout=SECONDS).request(
        "GET", "/"
    ),
    "urllib": lambda host: urllib.request.urlopen(f"http://{host}/", timeout=SECONDS),
    "requests": lambda host: requests.get(f"http://{host}/", timeout=SECONDS),
    "ftplib": lambda host: ftplib.FTP(timeout=SECONDS).connect(bare(host), PORT),
    "asynchronous websockets": lambda host: asyncio.run(connected_by_websockets(host)),
    "websockets": lambda host: websockets.sync.client.connect(
        f"ws://{host}:{PORT}/", open_timeout=SECONDS
    ),
}


def main() -> None:
    ways = {**handlers(), **OTHERS}
    guard = Guard(AllowedHosts(), programs=[])
    guard.install()
    passed = []
    for host in sys.stdin.read().splitlines():
        for name, way in ways.items():
            before = len(guard.refusals)
            with suppress(BaseException):
                way(host)
            if len(guard.refusals) == before:
                passed.append([name, host])
    json.dump({"ways": sorted(ways), "passed": passed}, sys.stdout)


if __name__ == "__main__":
    main()
