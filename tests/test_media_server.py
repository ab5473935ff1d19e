"""What the other tests may rely on when they are served by `tests/helpers/media_server.py`."""

from __future__ import annotations

import itertools
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import requests

from tests.helpers import media_server as site
from tests.helpers.media_server import MediaServer

TIMEOUT_SECONDS = 60


@pytest.fixture
def cache_directory(media_server: MediaServer) -> Path:
    return media_server.file("video.mp4").parent.parent


@pytest.fixture
def lone_server(cache_directory: Path) -> Iterator[MediaServer]:
    """A server that no other test has connections to."""
    with MediaServer(cache_directory) as server:
        yield server


@pytest.fixture
def get(media_server: MediaServer) -> Iterator[Callable[..., requests.Response]]:
    with requests.Session() as session:
        yield lambda path, **options: session.get(
            media_server.url(path), timeout=TIMEOUT_SECONDS, **options
        )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def connect_and_ask(server: MediaServer, path: str) -> socket.socket:
    host, _, port = server.origin.partition(":")
    client = socket.create_connection((host, int(port)), TIMEOUT_SECONDS)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: {server.origin}\r\n\r\n".encode())
    return client


def documented_paths() -> set[str]:
    examples = {"<n>": "1", "<code>": "503", "<key>": "a"}
    words = (site.__doc__ or "").split()
    paths = {word.rstrip(".,;").partition("?")[0] for word in words if word.startswith("/")}
    return {re.sub(r"<\w+>", lambda match: examples[match[0]], path) for path in paths}


# Whole media


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/video.mp4", "video.mp4"),
        ("/audio.m4a", "audio.m4a"),
        ("/small/1.mp4", "small.mp4"),
        ("/small/2.mp4", "small.mp4"),
        ("/chunked.mp4", "video.mp4"),
        ("/redirect", "video.mp4"),
        ("/slow.mp4?rate=1000000000", "big.mp4"),
        ("/hls/index.m3u8", "hls/index.m3u8"),
        ("/hls/segment-2.ts", "hls/segment-2.ts"),
    ],
)
def test_media_arrive_byte_for_byte(
    media_server: MediaServer, get: Callable[..., requests.Response], path: str, name: str
) -> None:
    assert get(path).content == media_server.file(name).read_bytes()


def test_media_have_the_sizes_that_the_table_promises(media_server: MediaServer) -> None:
    def size(name: str) -> int:
        return media_server.file(name).stat().st_size

    assert 10_000 <= size("small.mp4") <= 50_000
    assert 3_000_000 <= size("big.mp4") <= 10_000_000


def test_media_are_made_once_for_a_cache_directory(
    media_server: MediaServer, cache_directory: Path
) -> None:
    made_at = media_server.file("video.mp4").stat().st_mtime_ns

    with MediaServer(cache_directory) as second:
        assert second.file("video.mp4") == media_server.file("video.mp4")
        assert second.file("video.mp4").stat().st_mtime_ns == made_at


def test_head_is_get_without_the_body(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    head = requests.head(media_server.url("/video.mp4"), timeout=TIMEOUT_SECONDS)
    whole = get("/video.mp4")

    assert head.content == b""
    for name in ("Content-Length", "Content-Type", "ETag", "Last-Modified", "Accept-Ranges"):
        assert head.headers[name] == whole.headers[name]


# Ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(0, 1)),
        ("bytes=10-", range(10, 100)),
        ("bytes=90-500", range(90, 100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-500", range(0, 100)),
        ("bytes=100-", range(0)),
        ("bytes=-0", range(0)),
        ("bytes=5-4", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("pages=1-2", None),
    ],
)
def test_a_range_header_is_read_as_the_rfc_says(header: str, expected: range | None) -> None:
    assert site.byte_range(header, 100) == expected


def test_a_range_is_206_with_those_bytes(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    body = media_server.file("video.mp4").read_bytes()

    answer = get("/video.mp4", headers={"Range": "bytes=100-199"})

    assert (answer.status_code, answer.content) == (206, body[100:200])
    assert answer.headers["Content-Range"] == f"bytes 100-199/{len(body)}"


def test_a_range_past_the_end_is_416(get: Callable[..., requests.Response]) -> None:
    answer = get("/video.mp4", headers={"Range": "bytes=999999999-"})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"].startswith("bytes */")


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_if_range_with_what_the_server_said_gives_the_range(
    get: Callable[..., requests.Response], validator: str
) -> None:
    known = get("/video.mp4").headers[validator]

    answer = get("/video.mp4", headers={"Range": "bytes=1-2", "If-Range": known})

    assert answer.status_code == 206


def test_if_range_with_something_else_gives_the_whole(
    get: Callable[..., requests.Response],
) -> None:
    answer = get("/video.mp4", headers={"Range": "bytes=1-2", "If-Range": '"older"'})

    assert answer.status_code == 200


# Faults


@pytest.mark.parametrize("code", [403, 404, 410, 429, 500, 503])
def test_a_status_is_what_its_path_says(get: Callable[..., requests.Response], code: int) -> None:
    answer = get(f"/status/{code}")

    assert answer.status_code == code
    assert answer.headers.get("Retry-After") == ("1" if code == 429 else None)


@pytest.mark.parametrize("value", ["5", "-3", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_can_be_anything(get: Callable[..., requests.Response], value: str) -> None:
    answer = get("/status/503", params={"retry_after": value})

    assert answer.headers["Retry-After"] == value


@pytest.mark.parametrize(
    "path", ["/nothing", "/hls/nothing.ts", "/hls-gap/segment-1.ts", "/status/999"]
)
def test_an_unknown_path_and_the_gap_are_404(
    get: Callable[..., requests.Response], path: str
) -> None:
    assert get(path).status_code == 404


@pytest.mark.parametrize(
    "path", ["/slow.mp4?rate=0", "/slow.mp4?rate=x", "/flaky/a?fails=-1", "/private-redirect"]
)
def test_a_wrong_query_is_400(get: Callable[..., requests.Response], path: str) -> None:
    assert get(path).status_code == 400


def test_a_truncated_body_is_shorter_than_announced(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    body = media_server.file("video.mp4").read_bytes()

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get("/truncated.mp4")
    answer = get("/truncated.mp4", stream=True, headers={"Range": "bytes=1000-"})

    assert answer.status_code == 200
    assert answer.headers["Content-Length"] == str(len(body))
    answer.close()


def test_a_truncated_body_without_length_looks_complete(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    body = media_server.file("video.mp4").read_bytes()

    answer = get("/truncated-nolen.mp4")

    assert "Content-Length" not in answer.headers
    assert answer.content == body[: len(body) // 2]


def test_a_slow_body_comes_in_many_small_writes(get: Callable[..., requests.Response]) -> None:
    with get("/slow.mp4?rate=20000", stream=True) as answer:
        first = answer.raw.read1(1_000_000)

    assert len(first) <= 2_000


@pytest.mark.parametrize("rate", [1, 1_000_000_000])
def test_pieces_are_paced_until_the_server_stops(rate: int) -> None:
    stopping = threading.Event()
    pieces = site.paced([b"12", b"34"], bytes_per_second=rate, stopping=stopping)

    first = next(pieces)
    stopping.set()

    assert first == b"12"
    assert list(pieces) == []


def test_an_endless_body_outlasts_the_file_it_repeats(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    size = media_server.file("big.mp4").stat().st_size

    with get("/endless.mp4?rate=1000000000", stream=True) as answer:
        body = answer.raw.read(2 * size)

    assert body == media_server.file("big.mp4").read_bytes() * 2


def test_html_can_call_itself_a_video(get: Callable[..., requests.Response]) -> None:
    answer = get("/html-as.mp4")

    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.text.startswith("<!doctype html>")


def test_a_flaky_path_fails_so_often_for_each_key(get: Callable[..., requests.Response]) -> None:
    def statuses(key: str, count: int) -> list[int]:
        return [get(f"/flaky/{key}?fails=2").status_code for _ in range(count)]

    assert statuses("first", 4) == [503, 503, 200, 200]
    assert statuses("second", 3) == [503, 503, 200]


def test_a_redirect_loop_never_ends(get: Callable[..., requests.Response]) -> None:
    with pytest.raises(requests.exceptions.TooManyRedirects):
        get("/redirect-loop")


@pytest.mark.parametrize("url", ["http://10.0.0.1/a?b=1&c=%2F#d", "file:///etc/passwd", "//host/x"])
def test_a_redirect_leads_wherever_it_is_told(
    get: Callable[..., requests.Response], url: str
) -> None:
    answer = get("/private-redirect", params={"to": url}, allow_redirects=False)

    assert (answer.status_code, answer.headers["Location"]) == (302, url)


def test_the_big_title_arrives_as_it_is_written(get: Callable[..., requests.Response]) -> None:
    answer = get("/big-title.html")
    answer.encoding = "utf-8"

    assert f"<title>{site.BIG_TITLE}</title>" in answer.text
    assert {"\u202e", "\x1b", "/"} <= set(site.BIG_TITLE)


# Clients that hang up, servers that stop


def test_a_stalled_body_begins_and_frees_its_connection_when_the_client_leaves(
    lone_server: MediaServer,
) -> None:
    with closing(connect_and_ask(lone_server, "/stalled.mp4")) as client:
        begun = client.recv(12)
        assert lone_server.open_connections == 1

    assert begun == b"HTTP/1.1 200"
    wait_until(lambda: lone_server.open_connections == 0)


def test_clients_that_hang_up_leave_no_traceback(
    lone_server: MediaServer, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in ("/slow.mp4?rate=2000000000", "/endless.mp4", "/stalled.mp4", "/small/1.mp4"):
        client = connect_and_ask(lone_server, path)
        client.recv(1)
        # Unread bytes make this a reset, the rudest way to leave.
        client.close()

    wait_until(lambda: lone_server.open_connections == 0)
    assert capfd.readouterr().err == ""


def test_closing_ends_stalled_clients_and_frees_the_port(
    cache_directory: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = ["/stalled.mp4", "/stalled-headers.mp4", "/slow.mp4?rate=1", "/endless.mp4"]

    with MediaServer(cache_directory) as server:
        port = int(server.origin.partition(":")[2])
        clients = [connect_and_ask(server, path) for path in paths]
        wait_until(lambda: len(server.hits) == len(paths))
    for client in clients:
        while client.recv(1_000_000):
            pass
        client.close()

    assert server.open_connections == 0
    with MediaServer(cache_directory, port=port) as successor:
        assert successor.origin == server.origin
    assert capfd.readouterr().err == ""


# Hits


def test_hits_are_counted_by_path_query_and_method(
    media_server: MediaServer, get: Callable[..., requests.Response]
) -> None:
    get("/small/77.mp4?test=hits")
    get("/small/77.mp4")
    requests.head(media_server.url("/small/77.mp4"), timeout=TIMEOUT_SECONDS)

    assert media_server.hits_of("/small/77.mp4") == 3
    assert media_server.hits_of("/small/77.mp4", "HEAD") == 1
    assert media_server.hits_of("/small/77.mp4?test=hits") == 1
    assert ("GET", "/small/77.mp4?test=hits") in media_server.hits


# The table


def test_every_documented_path_is_served() -> None:
    unserved = {path for path in documented_paths() if site._route(path)[0] is site.Handler.nothing}

    assert unserved == {"/hls-gap/segment-1.ts"}


def test_every_served_path_is_documented() -> None:
    paths = documented_paths()

    for pattern, _answer in site.ROUTES:
        assert any(re.fullmatch(pattern, path) for path in paths), pattern


# yt-dlp


def yt_dlp(url: str, directory: Path) -> bytes:
    """The one file that yt-dlp makes of this URL, before any repair of its container."""
    options = ("--ignore-config", "--no-playlist", "--fixup", "never", "--quiet", "--no-warnings")
    command = (sys.executable, "-m", "yt_dlp", *options, "--output", "%(title)s.%(ext)s", url)
    subprocess.run(command, cwd=directory, check=True, timeout=60)
    (file,) = directory.iterdir()
    return file.read_bytes()


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/video.mp4", ["video.mp4"]),
        ("/page.html", ["video.mp4"]),
        ("/hls/index.m3u8", [f"hls/segment-{number}.ts" for number in range(3)]),
    ],
)
def test_yt_dlp_downloads_mp4_page_and_hls(
    media_server: MediaServer, tmp_path: Path, path: str, names: list[str]
) -> None:
    expected = b"".join(media_server.file(name).read_bytes() for name in names)

    assert yt_dlp(media_server.url(path), tmp_path) == expected


def test_by_hand_it_prints_its_paths_and_its_url_and_ends_by_ctrl_c(
    cache_directory: Path,
) -> None:
    command = (sys.executable, site.__file__, "--cache", str(cache_directory))

    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        printed = list(itertools.takewhile(lambda line: "Serving at" not in line, lines))
        process.send_signal(signal.SIGINT)

    assert any(line.startswith("/video.mp4") for line in printed)
    assert process.returncode == 0
