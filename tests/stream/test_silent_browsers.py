"""Browsers that are gone without a word, as when a cable is cut: the server lets go of them.

Their sockets drop whatever comes, so that nothing is acknowledged and no probe is answered. The
times are shorter than the server's own, which are asked for as well.
"""

import ctypes
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User

from downloads.stream.events import HEARTBEAT_SECONDS
from tests.helpers import lives
from tests.helpers.processes import open_files
from tests.helpers.serving import headers_of
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, worker_environment

SERVER = """
import django; django.setup()
from vnsite import server

print(
    server.UNACKNOWLEDGED_SECONDS,
    server.KEEPALIVE_IDLE_SECONDS + server.KEEPALIVE_INTERVAL_SECONDS * server.KEEPALIVE_PROBES,
)
server.UNACKNOWLEDGED_SECONDS = 3
server.KEEPALIVE_IDLE_SECONDS = server.KEEPALIVE_INTERVAL_SECONDS = 1
web = server.WebServer("127.0.0.1", 0)
web.listen()
web.run(on_ready=lambda: print(web.url, flush=True), on_stop=lambda: None)
"""
SO_ATTACH_FILTER = 26  # socket(7); Python does not name it
DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # "return 0" (linux/bpf_common.h)

pytestmark = [
    pytest.mark.sqlite,  # a server of a database would have sockets as well
    pytest.mark.usefixtures("shared_db"),
    pytest.mark.skipif(sys.platform != "linux", reason="Linux filters sockets"),
]


class Server:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        self.pid = process.pid
        self.unacknowledged_seconds, self.idle_seconds = map(int, process.stdout.readline().split())
        parts = urlsplit(process.stdout.readline().strip())
        self.address = (parts.hostname, parts.port)

    def connection_count(self) -> int:
        return sum(name.startswith("socket:") for name in open_files(self.pid))


@pytest.fixture
def server() -> Iterator[Server]:
    with subprocess.Popen(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield Server(process)
        finally:
            process.kill()


def fall_silent(browser: socket.socket) -> None:
    """From now on the kernel drops what comes for this socket, before TCP sees it."""
    instructions = ctypes.create_string_buffer(DROP_ALL)
    program = struct.pack("@HP", 1, ctypes.addressof(instructions))
    browser.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def test_a_listener_who_is_gone_without_a_word_is_noticed(server: Server, user: User) -> None:
    """Something is always under way to a listener: probes rest meanwhile, and it is sent again
    and again."""
    before = server.connection_count()
    head = {"Host": "localhost", **headers_of(user, {})}
    with closing(socket.create_connection(server.address, timeout=30)) as browser:
        lines = ["GET /events/ HTTP/1.1", *(": ".join(item) for item in head.items()), "", ""]
        browser.sendall("\r\n".join(lines).encode())
        received = b""
        while b"event: stats" not in received:
            part = browser.recv(65536)
            assert part, received
            received += part
        assert server.connection_count() > before
        fall_silent(browser)
        lives.submit(user)

        wait_for(lambda: server.connection_count() == before, seconds=45, what="the end of it")

    assert server.unacknowledged_seconds + HEARTBEAT_SECONDS <= 60


def test_an_idle_browser_that_is_gone_without_a_word_is_noticed(server: Server) -> None:
    before = server.connection_count()
    with closing(socket.create_connection(server.address, timeout=30)) as browser:
        wait_for(lambda: server.connection_count() > before, what="the connection")
        fall_silent(browser)

        wait_for(lambda: server.connection_count() == before, seconds=45, what="the end of it")

    assert server.idle_seconds <= 60
