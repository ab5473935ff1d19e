"""The web server: what it refuses, how it answers, how it stops. Real processes, real sockets."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth.models import User

from downloads.models import PublishedFile
from tests.helpers import lives
from tests.helpers.serving import Listening, Serving, headers_of, serving
from tests.helpers.worker import ROOT, worker_environment

BIG = 50 * 2**20
pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Serving]:
    with serving("--no-worker") as server:
        yield server


@pytest.fixture
def own_server(shared_db: None) -> Iterator[Serving]:
    """For tests that stop it."""
    with serving("--no-worker") as server:
        yield server


def connect(server: Serving) -> socket.socket:
    return socket.create_connection(server.address, timeout=30)


def exchange(server: Serving, text: str) -> bytes:
    """What comes back until the server ends the connection."""
    with connect(server) as browser:
        browser.sendall(text.replace("\n", "\r\n").encode())
        answer = b""
        try:
            while part := browser.recv(65536):
                answer += part
        except ConnectionResetError:
            pass
        return answer


def publish_big_file(owner: User) -> str:
    """The path of a file of BIG bytes."""
    download = lives.complete(lives.submit(owner))
    path = settings.VNSITE.media_root / download.library_path / "clip.mp4"
    os.truncate(path, BIG)
    PublishedFile.objects.update(size=BIG)
    return f"/media/{download.correlation_id}/clip.mp4"


# Answers


@pytest.mark.parametrize("path", ["/", "/login/", "/nothing", "/events/", "/media/a/b"])
def test_no_answer_names_the_server(server: Serving, path: str) -> None:
    answer = server.ask(path)

    assert "Server" not in answer.headers
    assert b"daphne" not in answer.body.lower()


def test_a_request_that_does_not_parse_gets_400(server: Serving) -> None:
    answer = exchange(server, "GET / HTTP/1.1\nHost: localhost\nBad Name: x\n\n")

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"aphne" not in answer


def test_nobody_moves_the_site_below_another_path(server: Serving) -> None:
    answer = server.ask("/", Daphne_Root_Path="/evil")

    assert answer.headers["Location"] == "/login/?next=/"


def test_requests_on_one_connection_are_answered_in_order(server: Serving, user: User) -> None:
    path = publish_big_file(user)
    cookie = headers_of(user, {})["Cookie"]
    head = f"HTTP/1.1\nHost: localhost\nCookie: {cookie}\n"
    media = f"GET {path} {head}Range: bytes=0-299999\n\n"

    answer = exchange(
        server, f"{media}GET /healthz {head}\n{media}GET /healthz {head}Connection: close\n\n"
    )

    assert re.findall(rb"HTTP/1.1 (\d+)", answer) == [b"206", b"200", b"206", b"200"]
    assert len(answer) > 600_000


def test_head_of_a_long_page_has_no_body(server: Serving, staff: User) -> None:
    for _ in range(150):
        lives.submit(staff, url=f"https://example.org/{'x' * 1500}/{next(lives.numbers)}")
    path = "/admin/downloads/download/"
    assert len(server.ask(path, user=staff).body) > 65536  # the second part is the trap
    cookie = headers_of(staff, {})["Cookie"]

    answer = exchange(
        server, f"HEAD {path} HTTP/1.1\nHost: localhost\nConnection: close\nCookie: {cookie}\n\n"
    )

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


BROKEN_SITE = """
import django; django.setup()
from vnsite.server import WebServer

async def break_off(scope, receive, send):
    headers = [(b"Content-Length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"begun", "more_body": True})
    raise RuntimeError("broken")

server = WebServer("127.0.0.1", 0)
server.application = break_off
server.listen()
server.run(on_ready=lambda: print(server.url, flush=True), on_stop=lambda: None)
"""


def test_an_answer_that_breaks_off_ends_its_connection_and_no_other() -> None:
    environment = {**os.environ, **worker_environment()}
    with subprocess.Popen(
        [sys.executable, "-c", BROKEN_SITE],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        address = urlsplit(process.stdout.readline().strip()).netloc
        try:
            for _ in range(2):
                browser = http.client.HTTPConnection(address, timeout=30)
                browser.request("GET", "/")
                with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                    browser.getresponse().read()
                browser.close()
        finally:
            process.kill()


# Bodies that are too big


def test_a_body_that_is_announced_too_big_is_refused_before_it_comes(server: Serving) -> None:
    answer = exchange(
        server, f"POST /downloads/ HTTP/1.1\nHost: localhost\nContent-Length: {2**30}\n\n"
    )

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_body_that_grows_too_big_is_refused(server: Serving) -> None:
    with connect(server) as browser:
        browser.sendall(
            b"POST /downloads/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
        sent = 0
        with pytest.raises((ConnectionResetError, BrokenPipeError)):
            for _ in range(100):
                browser.sendall(chunk)
                sent += 1

    assert 4 <= sent < 100
    assert server.ask("/healthz").status == 200


def test_a_body_of_the_allowed_size_is_read(server: Serving) -> None:
    browser = server.connect()
    browser.request("POST", "/login/", body=b"x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE - 100))
    assert browser.getresponse().status == 403  # no CSRF token: it reached Django
    browser.close()


# Stopping


def test_streams_hear_that_the_server_stops(own_server: Serving, user: User) -> None:
    with own_server.listen(user=user) as first, own_server.listen(user=user) as second:
        for listening in (first, second):
            listening.next("hello")
        own_server.send(signal.SIGTERM)

        for listening in (first, second):
            assert last_event(listening) == ("bye", {"why": "shutdown"})
        assert own_server.wait() == 0


def last_event(listening: Listening) -> tuple[str, object]:
    event = list(listening)[-1]
    return event.name, event.data


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_idle_server_stops_with_code_0(own_server: Serving, number: signal.Signals) -> None:
    own_server.send(number)

    assert own_server.wait() == 0
    assert own_server.close() == ""


def test_an_answer_that_is_under_way_is_finished(own_server: Serving, user: User) -> None:
    path = publish_big_file(user)
    browser = own_server.connect()
    browser.request("GET", path, headers=headers_of(user, {}))
    response = browser.getresponse()
    received = len(response.read(1000))

    own_server.send(signal.SIGTERM)
    while part := response.read(2**20):
        received += len(part)
    browser.close()

    assert received == BIG
    assert own_server.wait() == 0


def test_a_stopping_server_takes_no_new_connections(own_server: Serving, user: User) -> None:
    with start_a_download_that_hangs(own_server, user):
        own_server.send(signal.SIGTERM)
        deadline = time.monotonic() + 30

        # Reset: it was in the queue of connections when the listening socket was closed.
        with pytest.raises((ConnectionRefusedError, ConnectionResetError)):
            while time.monotonic() < deadline:
                socket.create_connection(own_server.address).close()


def start_a_download_that_hangs(server: Serving, user: User) -> socket.socket:
    browser = connect(server)
    head = {"Host": "localhost", **headers_of(user, {})}
    lines = [f"GET {publish_big_file(user)} HTTP/1.1", *(": ".join(item) for item in head.items())]
    browser.sendall("\r\n".join([*lines, "", ""]).encode())
    assert browser.recv(12) == b"HTTP/1.1 200"
    return browser


def test_a_browser_that_does_not_read_does_not_keep_the_server(
    own_server: Serving, user: User
) -> None:
    with start_a_download_that_hangs(own_server, user):
        own_server.send(signal.SIGTERM)

        assert own_server.wait() == 0


def test_half_a_request_does_not_keep_the_server(own_server: Serving) -> None:
    with connect(own_server) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert own_server.ask("/healthz").status == 200
        own_server.send(signal.SIGTERM)

        assert own_server.wait() == 0
        assert own_server.close() == ""


def test_the_second_signal_stops_at_once(own_server: Serving, user: User) -> None:
    with start_a_download_that_hangs(own_server, user):
        own_server.send(signal.SIGINT)
        with pytest.raises((http.client.HTTPException, OSError)):  # it has begun to stop
            while True:
                own_server.ask("/healthz")
        own_server.send(signal.SIGINT)

        assert own_server.wait() == 0


# Starting


def test_a_port_in_use_is_one_line(server: Serving) -> None:
    port = server.address[1]

    answer = subprocess.run(
        [sys.executable, "manage.py", "serve", "--no-worker", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 1
    assert answer.stdout == ""
    assert answer.stderr.splitlines() == [
        f"CommandError: Port {port} is in use. Stop what uses it, or choose another by --port."
    ]


def test_an_address_of_another_machine_is_one_line() -> None:
    answer = subprocess.run(
        [sys.executable, "manage.py", "serve", "--no-worker", "--host", "192.0.2.1"],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        capture_output=True,
        text=True,
    )

    assert answer.returncode == 1
    assert answer.stderr.splitlines() == [
        "CommandError: 192.0.2.1 port 8000 cannot be served: Cannot assign requested address."
    ]


def test_it_serves_ipv6(shared_db: None) -> None:
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")
    with serving("--no-worker", "--host", "::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.ask("/healthz").status == 200


def test_twisted_runs_on_asyncio() -> None:
    script = (
        "import django; django.setup(); from vnsite.server import reactor;"
        "print(type(reactor).__name__)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        capture_output=True,
        text=True,
        check=True,
    )

    assert answer.stdout.strip() == "AsyncioSelectorReactor"
