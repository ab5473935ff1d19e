"""The loopback site of the tests and benchmarks: real media over real HTTP, one path per fault.

It imports nothing of vnsite, so that it can also serve a process that is not ours (a bare yt-dlp, a
browser). Every path takes any further query: `server.url("/video.mp4?test=7")` is a URL of its own.
By hand: `python tests/helpers/media_server.py --port 8080` serves until Ctrl-C.

path                      answers                                                        file
------------------------  -------------------------------------------------------------  ---------
/video.mp4                a video of 2 s: length, strong ETag, Last-Modified, HEAD, one  video.mp4
                          Range (206, 416), If-Range
/audio.m4a                the same for sound alone                                       audio.m4a
/small/<n>.mp4            the same for a video of 10 to 50 kB, a URL for every number    small.mp4
/hls/index.m3u8           HLS on demand: /hls/segment-0.ts to /hls/segment-2.ts          hls/...
/hls-gap/index.m3u8       the same list, but /hls-gap/segment-1.ts is 404                hls/...
/page.html                a page with a title (PAGE_TITLE) and one <video>               video.mp4
/page-two.html            a page with two: /video.mp4 and /small/2.mp4
/big-title.html           a page whose title (BIG_TITLE) is é 300 times, then control    video.mp4
                          and bidi characters and path separators
/redirect                 302 to /video.mp4                                              video.mp4
/redirect-loop            302 to itself, for ever
/private-redirect?to=URL  302 to that URL, whatever it is
/slow.mp4?rate=N          several MB in small writes, N bytes a second (100000 unless    big.mp4
                          given); otherwise as /video.mp4
/stalled.mp4              headers, the first 64 KiB of big.mp4, then nothing until the
                          client leaves or the server stops
/stalled-headers.mp4      not even a status line, until the same
/truncated.mp4            announces all of video.mp4, sends its first half, closes;
                          ignores Range, so that no number of tries completes it
/truncated-nolen.mp4      the first half of video.mp4 (its index is in front, so it
                          opens), no length, closes
/chunked.mp4              complete, chunked, no length                                   video.mp4
/endless.mp4?rate=N       chunked, for ever, N bytes a second (20000000 unless given)
/html-as.mp4              a page of HTML that calls itself video/mp4
/status/<code>            that status (400 to 599) and a short page; 429 with
                          Retry-After: 1; any code with `?retry_after=VALUE`
/flaky/<key>?fails=N      503 to the first N (1) requests for the key, then /video.mp4   video.mp4
anything else             404
"""

from __future__ import annotations

import argparse
import hashlib
import html
import itertools
import re
import shutil
import signal
import socket
import socketserver
import string
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self, cast
from urllib.parse import parse_qsl, quote, urlsplit

PAGE_TITLE = "A page with a video"
BIG_TITLE = "é" * 300 + " \u202egnp.exe\u2066\u200b\x1b[31m\x07 ../../etc\\passwd"

MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".m4a": "audio/mp4",
    ".m3u8": "application/vnd.apple.mpegurl",
    ".ts": "video/mp2t",
}
SLOW_BYTES_PER_SECOND = 100_000
# Fast enough to reach any limit soon, too slow to fill a disk before a forgotten client is noticed.
ENDLESS_BYTES_PER_SECOND = 20_000_000
STALLED_AFTER_BYTES = 64 * 1024
PIECE_BYTES = 64 * 1024
STOP_SECONDS = 5


# Media


def make_media(cache_directory: Path) -> Path:
    """Makes the media with ffmpeg, once for each recipe; returns the directory that holds them.

    Several processes may ask at once: each works in a directory of its own, and the first rename
    wins. Raises `FileNotFoundError` without ffmpeg, `CalledProcessError` when it fails.
    """
    recipes = _recipes(_video_encoder())
    recipe_hash = hashlib.sha256(repr(recipes).encode()).hexdigest()[:12]
    finished = cache_directory / f"media-{recipe_hash}"
    if finished.is_dir():
        return finished
    cache_directory.mkdir(parents=True, exist_ok=True)
    working = Path(tempfile.mkdtemp(prefix="making-", dir=cache_directory))
    try:
        (working / "hls").mkdir()
        for arguments in recipes:
            _ffmpeg(*arguments, cwd=working)
        try:
            working.rename(finished)
        except OSError:
            if not finished.is_dir():
                raise
    finally:
        shutil.rmtree(working, ignore_errors=True)
    return finished


def _video_encoder() -> tuple[str, ...]:
    if " libx264 " in _ffmpeg("-encoders"):
        return ("libx264", "-preset", "ultrafast")  # the default takes 5 s more for big.mp4
    return ("mpeg4",)


def _recipes(encoder: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The ffmpeg arguments of every file. Noise keeps big.mp4 big: a test card compresses away."""

    def source(seconds: int, size: str, *, noise: str = "") -> tuple[str, ...]:
        picture = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25{noise}")
        sound = ("-f", "lavfi", "-i", "sine=frequency=440")
        # yuv420p, or no browser plays it; a key frame a second, so that HLS can cut there.
        codecs = ("-c:v", *encoder, "-pix_fmt", "yuv420p", "-g", "25", "-c:a", "aac", "-b:a", "64k")
        return (*picture, *sound, "-t", str(seconds), *codecs)

    faststart = ("-movflags", "+faststart")
    playlist = ("-f", "hls", "-hls_time", "1", "-hls_playlist_type", "vod")
    segments = ("-hls_segment_filename", "hls/segment-%d.ts")
    return [
        (*source(2, "320x180"), *faststart, "video.mp4"),
        (*source(1, "160x90"), "-b:v", "150k", *faststart, "small.mp4"),
        (*source(5, "640x360", noise=",noise=alls=60:allf=t"), "-b:v", "8M", *faststart, "big.mp4"),
        ("-f", "lavfi", "-i", "sine=frequency=440", "-t", "2", "-c:a", "aac", "audio.m4a"),
        (*source(3, "320x180"), *playlist, *segments, "hls/index.m3u8"),
    ]


def _ffmpeg(*arguments: str, cwd: Path | None = None) -> str:
    command = ("ffmpeg", "-hide_banner", "-nostdin", "-loglevel", "error", *arguments)
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True).stdout


@dataclass(frozen=True, kw_only=True)
class Media:
    """One file, held in memory so that a benchmark measures its client and not this server."""

    path: Path
    body: bytes
    media_type: str
    etag: str  # strong: the hash of the body
    last_modified: str

    @classmethod
    def read(cls, path: Path) -> Self:
        body = path.read_bytes()
        return cls(
            path=path,
            body=body,
            media_type=MEDIA_TYPES[path.suffix],
            etag=f'"{hashlib.sha256(body).hexdigest()}"',
            last_modified=formatdate(path.stat().st_mtime, usegmt=True),
        )


# Pure parts of the answers


def byte_range(header: str, size: int) -> range | None:
    """The bytes that a Range header asks for: None means all, an empty range means 416.

    Like most servers it ignores what it cannot read and lists of ranges (RFC 9110, 14.2).
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)


def pieces_of(body: bytes, piece_bytes: int) -> Iterator[bytes]:
    return (body[at : at + piece_bytes] for at in range(0, len(body), piece_bytes))


def paced(
    pieces: Iterable[bytes], *, bytes_per_second: int, stopping: threading.Event
) -> Iterator[bytes]:
    """The pieces, no faster than that; ends early when `stopping` is set."""
    begun, sent_bytes = time.monotonic(), 0
    for piece in pieces:
        due = begun + sent_bytes / bytes_per_second
        if stopping.wait(max(0.0, due - time.monotonic())):
            return
        yield piece
        sent_bytes += len(piece)


def page(title: str, *videos: str) -> bytes:
    players = "".join(f'<video controls src="{html.escape(video)}"></video>' for video in videos)
    head = f'<meta charset="utf-8"><title>{html.escape(title)}</title>'
    return f"<!doctype html><html><head>{head}</head><body>{players}</body></html>".encode()


def header_value(text: str) -> str:
    """Text from a query as a header can carry it: percent-encoded outside printable ASCII."""
    return quote(text, safe=string.punctuation + " ")


class BadQuery(ValueError):
    """A part of the query is missing or out of range: 400, with this as the title."""


# The server


class Handler(BaseHTTPRequestHandler):
    """One connection. A method per kind of answer; ROUTES, below, says which path gets which."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    query: dict[str, str]

    @property
    def site(self) -> MediaServer:
        return cast(Listener, self.server).site

    def log_message(self, *_arguments: object) -> None:
        """Says nothing: the hits are the log."""

    def handle(self) -> None:
        # A client that hangs up is what many tests are about, and no error of this server.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self.site.record(self.command, self.path)
        target = urlsplit(self.path)
        self.query = dict(parse_qsl(target.query))
        answer, groups = _route(target.path)
        try:
            answer(self, *groups)
        except BadQuery as error:
            self.send_html(400, page(str(error)))

    do_HEAD = do_GET

    # What answers are made of

    def begin(self, status: int, headers: dict[str, str]) -> bool:
        """Sends status and headers. Whether a body may follow: none does after HEAD."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        return self.command != "HEAD"

    def send_html(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        length = {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))}
        if self.begin(status, length | (headers or {})):
            self.wfile.write(body)

    def send_media(self, name: str, *, bytes_per_second: int | None = None) -> None:
        media = self.site.media[name]
        headers = {
            "Content-Type": media.media_type,
            "Accept-Ranges": "bytes",
            "ETag": media.etag,
            "Last-Modified": media.last_modified,
        }
        size = len(media.body)
        wanted = self.wanted_range(media)
        if wanted is None:
            status, body = 200, media.body
        elif len(wanted) == 0:
            return self.send_html(416, page("416"), {"Content-Range": f"bytes */{size}"})
        else:
            status, body = 206, media.body[wanted.start : wanted.stop]
            headers["Content-Range"] = f"bytes {wanted.start}-{wanted.stop - 1}/{size}"
        if not self.begin(status, {**headers, "Content-Length": str(len(body))}):
            return None
        if bytes_per_second is None:
            self.wfile.write(body)
            return None
        # Twenty writes a second look like a slow line; one write a second looks like a stall.
        pieces = pieces_of(body, min(PIECE_BYTES, max(1, bytes_per_second // 20)))
        for piece in self.paced(pieces, bytes_per_second):
            self.wfile.write(piece)
        return None

    def wanted_range(self, media: Media) -> range | None:
        if self.command != "GET" or "Range" not in self.headers:
            return None
        if self.headers.get("If-Range", media.etag) not in (media.etag, media.last_modified):
            return None
        return byte_range(self.headers["Range"], len(media.body))

    def send_cut(self, headers: dict[str, str]) -> None:
        """The first half of video.mp4 with these headers, then the end of the connection."""
        body = self.site.media["video.mp4"].body
        self.close_connection = True
        if self.begin(200, {"Content-Type": "video/mp4", **headers}):
            self.wfile.write(body[: len(body) // 2])

    def send_chunks(self, pieces: Iterable[bytes]) -> None:
        headers = {"Content-Type": "video/mp4", "Transfer-Encoding": "chunked"}
        if not self.begin(200, headers):
            return
        for piece in pieces:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")

    def paced(self, pieces: Iterable[bytes], bytes_per_second: int) -> Iterator[bytes]:
        return paced(pieces, bytes_per_second=bytes_per_second, stopping=self.site.stopping)

    def wait_until_the_client_leaves(self) -> None:
        # The server that stops shuts the socket down, and that too ends the reading.
        self.close_connection = True
        while self.rfile.read1(PIECE_BYTES):
            pass

    def number(self, name: str, default: int, *, minimum: int) -> int:
        text = self.query.get(name, str(default))
        if not re.fullmatch(r"\d{1,12}", text) or int(text) < minimum:
            raise BadQuery(f"{name} must be a whole number from {minimum}, not {text!r}")
        return int(text)

    # The answers

    def video(self) -> None:
        self.send_media("video.mp4")

    def audio(self) -> None:
        self.send_media("audio.m4a")

    def small(self) -> None:
        self.send_media("small.mp4")

    def hls(self, name: str) -> None:
        if f"hls/{name}" in self.site.media:
            self.send_media(f"hls/{name}")
        else:
            self.nothing()

    def page_with_one(self) -> None:
        self.send_html(200, page(PAGE_TITLE, "/video.mp4"))

    def page_with_two(self) -> None:
        self.send_html(200, page("A page with two videos", "/video.mp4", "/small/2.mp4"))

    def page_with_big_title(self) -> None:
        self.send_html(200, page(BIG_TITLE, "/video.mp4"))

    def redirect(self) -> None:
        self.send_html(302, b"", {"Location": "/video.mp4"})

    def redirect_loop(self) -> None:
        self.send_html(302, b"", {"Location": self.path})

    def private_redirect(self) -> None:
        if "to" not in self.query:
            raise BadQuery("to must be given")
        self.send_html(302, b"", {"Location": header_value(self.query["to"])})

    def slow(self) -> None:
        rate = self.number("rate", SLOW_BYTES_PER_SECOND, minimum=1)
        self.send_media("big.mp4", bytes_per_second=rate)

    def stalled(self) -> None:
        body = self.site.media["big.mp4"].body
        headers = {"Content-Type": "video/mp4", "Content-Length": str(len(body))}
        if self.begin(200, headers):
            self.wfile.write(body[:STALLED_AFTER_BYTES])
            self.wait_until_the_client_leaves()

    def stalled_headers(self) -> None:
        self.wait_until_the_client_leaves()

    def truncated(self) -> None:
        announced = len(self.site.media["video.mp4"].body)
        self.send_cut({"Content-Length": str(announced)})

    def truncated_without_length(self) -> None:
        self.send_cut({"Connection": "close"})

    def chunked(self) -> None:
        self.send_chunks(pieces_of(self.site.media["video.mp4"].body, 8192))

    def endless(self) -> None:
        rate = self.number("rate", ENDLESS_BYTES_PER_SECOND, minimum=1)
        pieces = itertools.cycle(pieces_of(self.site.media["big.mp4"].body, PIECE_BYTES))
        self.send_chunks(self.paced(pieces, rate))

    def html_as_video(self) -> None:
        self.send_html(200, page("Not a video"), {"Content-Type": "video/mp4"})

    def status(self, code: str) -> None:
        headers = {"Retry-After": "1"} if code == "429" else {}
        if "retry_after" in self.query:
            headers["Retry-After"] = header_value(self.query["retry_after"])
        self.send_html(int(code), page(f"Status {code}"), headers)

    def flaky(self, key: str) -> None:
        if self.site.fails_again(key, self.number("fails", 1, minimum=0)):
            self.send_html(503, page("Not yet"))
        else:
            self.video()

    def nothing(self) -> None:
        self.send_html(404, page("Not found"))


ROUTES: tuple[tuple[str, Callable[..., None]], ...] = (
    (r"/video\.mp4", Handler.video),
    (r"/audio\.m4a", Handler.audio),
    (r"/small/\d+\.mp4", Handler.small),
    (r"/hls/([^/]+)", Handler.hls),
    (r"/hls-gap/segment-1\.ts", Handler.nothing),
    (r"/hls-gap/([^/]+)", Handler.hls),
    (r"/page\.html", Handler.page_with_one),
    (r"/page-two\.html", Handler.page_with_two),
    (r"/big-title\.html", Handler.page_with_big_title),
    (r"/redirect", Handler.redirect),
    (r"/redirect-loop", Handler.redirect_loop),
    (r"/private-redirect", Handler.private_redirect),
    (r"/slow\.mp4", Handler.slow),
    (r"/stalled\.mp4", Handler.stalled),
    (r"/stalled-headers\.mp4", Handler.stalled_headers),
    (r"/truncated\.mp4", Handler.truncated),
    (r"/truncated-nolen\.mp4", Handler.truncated_without_length),
    (r"/chunked\.mp4", Handler.chunked),
    (r"/endless\.mp4", Handler.endless),
    (r"/html-as\.mp4", Handler.html_as_video),
    (r"/status/([45]\d\d)", Handler.status),
    (r"/flaky/([^/]+)", Handler.flaky),
)


def _route(path: str) -> tuple[Callable[..., None], tuple[str, ...]]:
    for pattern, answer in ROUTES:
        if match := re.fullmatch(pattern, path):
            return answer, match.groups()
    return Handler.nothing, ()


class Listener(socketserver.ThreadingTCPServer):
    """The listening socket and its open connections.

    Not an `HTTPServer`, which asks the resolver for the name of its host before it serves.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 1024  # socketserver's 5 makes a batch of clients wait for SYN again

    def __init__(self, address: tuple[str, int], site: MediaServer) -> None:
        self.site = site
        self.connections: set[socket.socket] = set()
        self.connections_changed = threading.Condition()
        super().__init__(address, Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self.connections_changed:
            self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self.connections_changed:
            self.connections.discard(request)
            self.connections_changed.notify_all()

    def hang_up(self) -> None:
        """Ends every connection and waits for its thread, so that no socket outlives the server."""
        with self.connections_changed:
            for connection in self.connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self.connections_changed.wait_for(lambda: not self.connections, STOP_SECONDS)


class MediaServer:
    """The site, serving from the moment it is made until `close()` or the end of its `with` block.

    Its media stay in `cache_directory` for the next one (see `make_media`, also for what is raised
    without ffmpeg). Port 0 takes a free one.
    """

    def __init__(self, cache_directory: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        directory = make_media(cache_directory)
        self.media = {
            str(path.relative_to(directory)): Media.read(path) for path in directory.rglob("*.*")
        }
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._hits: list[tuple[str, str]] = []
        self._flaky_hits: Counter[str] = Counter()
        self._listener = Listener((host, port), self)
        self._thread = threading.Thread(
            target=self._listener.serve_forever,
            kwargs={"poll_interval": 0.05},  # how long close() may wait for it
            name="media-server",
            daemon=True,
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every connection, stalled ones too, and frees the port. May be called twice."""
        self.stopping.set()
        self._listener.shutdown()
        self._thread.join()
        self._listener.hang_up()
        self._listener.server_close()

    @property
    def origin(self) -> str:
        """`host:port`, as VNSITE_ALLOW_PRIVATE_HOSTS takes it."""
        host, port = self._listener.server_address[:2]
        return f"{host!s}:{port}"

    def url(self, path: str) -> str:
        return f"http://{self.origin}{path}"

    def file(self, name: str) -> Path:
        """The bytes behind an answer, by the table's last column. `KeyError` if there is none."""
        return self.media[name].path

    @property
    def hits(self) -> list[tuple[str, str]]:
        """(method, path with query) of every request so far, in order of arrival. A copy."""
        with self._lock:
            return list(self._hits)

    def hits_of(self, path: str, method: str | None = None) -> int:
        """How many requests came for a path: with any query, or with exactly the one given."""
        return sum(
            path in (target, target.partition("?")[0])
            for used, target in self.hits
            if method in (None, used)
        )

    @property
    def open_connections(self) -> int:
        return len(self._listener.connections)

    # For the handlers

    def record(self, method: str, path: str) -> None:
        with self._lock:
            self._hits.append((method, path))

    def fails_again(self, key: str, fails: int) -> bool:
        """Counts one request for that key; whether it is among the first `fails`."""
        with self._lock:
            self._flaky_hits[key] += 1
            return self._flaky_hits[key] <= fails


def main() -> None:
    parser = argparse.ArgumentParser(description="Serves the faulty site until Ctrl-C.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "vnsite-media-server",
        help="where the media are made and kept (default: %(default)s)",
    )
    arguments = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # who starts it may ignore Ctrl-C
    with (
        MediaServer(arguments.cache, arguments.host, arguments.port) as server,
        suppress(KeyboardInterrupt),
    ):
        sys.stdout.write(f"{__doc__}\nServing at {server.url('/')}\n")
        sys.stdout.flush()
        threading.Event().wait()


if __name__ == "__main__":
    main()
