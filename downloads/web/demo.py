"""The built-in demo: a short video that `serve` itself offers, so that a first try needs no site.

It is served on a port of its own, on loopback, below a secret of this process. A child may connect
to that port for this one link only.
"""

import secrets
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from downloads.models import TooManyWaiting, submissions, user_actor
from downloads.rules.options import DownloadOptions
from downloads.web.requests import SignedInRequest

SITE = Path(__file__).parent / "demo_site"
# What is served, and how. The film is 12 s long; how it was made: demo_site/README.md.
FILES = {
    "": ("page.html", "text/html; charset=utf-8"),
    "film.mp4": ("film.mp4", "video/mp4"),
    "poster.jpg": ("poster.jpg", "image/jpeg"),
}
BYTES_PER_SECOND = 32 * 1024  # of the film: slow enough to be watched
BLOCKS_PER_SECOND = 8


class DemoSite(ThreadingHTTPServer):
    """The server of the demo; it ends with its process."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.secret = secrets.token_urlsafe(16)
        self.url = f"http://127.0.0.1:{self.server_port}/{self.secret}/"
        self._is_serving = False

    def start(self) -> None:
        """Begin to serve, in a thread; a second call does nothing."""
        if self._is_serving:
            return
        self._is_serving = True
        # Nobody calls `shutdown`, for which it would look twice a second.
        forever = {"poll_interval": 24 * 3600}
        threading.Thread(
            target=self.serve_forever, kwargs=forever, name="demo", daemon=True
        ).start()


class _Handler(BaseHTTPRequestHandler):
    server: DemoSite

    def do_GET(self) -> None:
        _, _, rest = self.path.partition("/")
        secret, _, name = rest.partition("/")
        is_right = secrets.compare_digest(secret.encode(), self.server.secret.encode())
        if not is_right or name not in FILES:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        file_name, media_type = FILES[name]
        content = (SITE / file_name).read_bytes()
        start, stop = self._part_of(len(content))
        self.send_response(HTTPStatus.PARTIAL_CONTENT if start else HTTPStatus.OK)
        headers = {
            "Content-Type": media_type,
            "Content-Length": str(stop - start),
            "Accept-Ranges": "bytes",
            "ETag": f'"{name}-1"',
            **({"Content-Range": f"bytes {start}-{stop - 1}/{len(content)}"} if start else {}),
        }
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        if self.command == "GET":
            self._send(content[start:stop], is_slow=media_type == "video/mp4")

    do_HEAD = do_GET

    def _part_of(self, size: int) -> tuple[int, int]:
        """Return start and stop of the rest that is asked for; the whole for any other range."""
        # All of werkzeug comes with it, which only a file that is asked for needs.
        from werkzeug.http import parse_range_header

        wanted = parse_range_header(self.headers.get("Range"))
        part = wanted.range_for_length(size) if wanted else None
        return part if part and part[1] == size else (0, size)

    def _send(self, content: bytes, *, is_slow: bool) -> None:
        size = BYTES_PER_SECOND // BLOCKS_PER_SECOND if is_slow else len(content)
        try:
            for start in range(0, len(content), size):
                self.wfile.write(content[start : start + size])
                if is_slow:
                    time.sleep(1 / BLOCKS_PER_SECOND)
        except OSError:
            self.close_connection = True  # whoever asked has left

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the download has a log of its own."""


_open: list[DemoSite] = []


def reserve() -> str:
    """Take the address of the demo's site, unless that is done; returns the link of its video."""
    if not _open:
        _open.append(DemoSite())
    return _open[0].url


def open_demo() -> str:
    """Start the site of the demo, unless it is there; returns the link of its video."""
    url = reserve()
    _open[0].start()
    return url


def leave() -> None:
    """Let go of the address, in a process that was forked from the one that has the site."""
    while _open:
        _open.pop().server_close()


def link() -> str:
    """Return the link of the demo's video; "" when this process offers none."""
    return _open[0].url if _open else ""


@require_POST
@login_required
def try_demo(request: SignedInRequest) -> HttpResponse:
    """Add the demo's video as a download like any other; 404 when there is no demo."""
    if not link():
        raise Http404("This server has no demo.")
    actor = user_actor(request.user)
    try:
        submissions.submit([(link(), DownloadOptions())], owner=request.user, actor=actor)
    except TooManyWaiting as refusal:
        messages.error(request, str(refusal))
    return redirect("dashboard")
