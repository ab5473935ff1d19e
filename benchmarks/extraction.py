"""What a page costs beside its bytes: the first video of a site, and those after it.

`.venv/bin/python -m benchmarks.extraction [--rounds 5] [--late 50] [--json]`

A site on loopback answers each request so many milliseconds late. Its signatures are put in order
by the script of its player: an extractor fetches that and has deno run it, as yt-dlp does for
YouTube, and remembers the order, as yt-dlp does. Each round has a player of its own, of which two
videos are fetched; beside them one film without a page, and both videos by the `yt-dlp` command,
which has a cache of its own.
"""

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import cast

from benchmarks.bare import run
from benchmarks.figures import Figures, rounds, show
from benchmarks.processes import tree_cpu_seconds
from benchmarks.site import Site, running_site, wait_until
from downloads.sandbox.programs import runtime_of
from tests.helpers.environment import Environment

FILM = Path("downloads/fetch/trial_site/film.mp4").read_bytes()
ORDER = [7, 2, 5, 0, 3, 6, 1, 4]
PAGE = '<title>A film</title><p data-s="zlvrhuwm">'  # its characters in ORDER are ANSWER
ANSWER = "mvuzrwlh"
SCRIPT = f"console.log(JSON.stringify({ORDER}))"
PACKAGE = "vnsite-benchmark"
EXTRACTOR = r"""
import json
import subprocess

from yt_dlp.extractor.common import InfoExtractor
from yt_dlp.utils import Popen

FLAGS = ("--no-prompt", "--no-remote", "--no-lock", "--no-config")


class ChallengedIE(InfoExtractor):
    _VALID_URL = r"(?P<site>http://127\.0\.0\.1:\d+)/watch/(?P<player>\w+)/(?P<id>\w+)"

    def _real_extract(self, url):
        site, player, name = self._match_valid_url(url).group("site", "player", "id")
        page = self._download_webpage(url, name)
        order = self.cache.load("youtube-sigfuncs", player)
        if not order:
            order = self._solve(self._download_webpage(f"{site}/player/{player}.js", name))
            self.cache.store("youtube-sigfuncs", player, order)
        signature = self._search_regex(r'data-s="(\w+)"', page, "signature")
        answer = "".join(signature[place] for place in order)
        return {"id": name, "title": name, "url": f"{site}/film.mp4?{answer}", "ext": "mp4"}

    def _solve(self, script):
        deno = self._downloader._js_runtimes["deno"].info.path
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        said, _, _ = Popen.run([deno, "run", *FLAGS, "-"], text=True, input=script, **pipes)
        return json.loads(said)
"""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    late_seconds = 0.0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(cast(Server, self.server).late_seconds)
        path, _, query = self.path.partition("?")
        if path == "/film.mp4":
            is_right = query in (ANSWER, "plain")
            self._answer("video/mp4", FILM, status=200 if is_right else 403)
        elif path.endswith(".js"):
            self._answer("text/javascript", SCRIPT.encode())
        else:
            self._answer("text/html", PAGE.encode())

    def _answer(self, media_type: str, body: bytes, *, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--late", type=float, default=50, help="milliseconds of each answer")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    deno = runtime_of(None)
    if deno is None:
        raise SystemExit("deno is needed, which bin/setup installs")
    with (
        challenging_site(options.late / 1000) as origin,
        tempfile.TemporaryDirectory(prefix="vnsite-environment-") as folder,
    ):
        environment = Environment(Path(folder, "env"))
        environment.install(PACKAGE, {"benchmark": EXTRACTOR})
        environment.python.with_name("deno").symlink_to(deno)
        plugins = {"VNSITE_EXTRACTOR_PLUGINS": PACKAGE}
        with running_site(allow=origin, python=environment.python, settings=plugins) as site:
            fetch(site, f"http://{origin}/watch/warm/video")
            figures = rounds(
                lambda number: {
                    **by_vnsite(site, origin, number),
                    **by_command(environment.python, deno, Path(folder), origin, number),
                },
                options.rounds,
            )
    show(figures, as_json=options.json)


@contextmanager
def challenging_site(late_seconds: float) -> Iterator[str]:
    server = Server(("127.0.0.1", 0), Handler)
    server.late_seconds = late_seconds
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def by_vnsite(site: Site, origin: str, number: int) -> Figures:
    """Fetch a film without a page and two of one player; the ratio is of what their pages cost."""
    player = f"http://{origin}/watch/player{number}"
    links = {
        "plain": f"http://{origin}/film.mp4?plain#{number}",
        "first": f"{player}/first{number}",
        "second": f"{player}/second{number}",
    }
    figures: Figures = {}
    for name, link in links.items():
        before = tree_cpu_seconds(site.process.pid)
        figures[f"{name}_seconds"] = fetch(site, link)
        figures[f"{name}_cpu_ms"] = 1000 * (tree_cpu_seconds(site.process.pid) - before)
    first, second = (figures[f"{name}_seconds"] for name in ("first", "second"))
    plain = figures["plain_seconds"]
    return figures | {
        "second_of_first": second / first,
        "second_page_of_first_page": (second - plain) / (first - plain),
    }


def by_command(python: Path, deno: Path, folder: Path, origin: str, number: int) -> Figures:
    options = ("--quiet", "--cache-dir", str(folder / "cache"), "--js-runtimes", f"deno:{deno}")
    command = ("env", "-u", "YTDLP_NO_PLUGINS", str(python), "-m", "yt_dlp", *options)
    player = f"http://{origin}/watch/player{number}"
    return {
        f"command_{name}_seconds": run(*command, f"{player}/{name}{number}").seconds
        for name in ("first", "second")
    }


def fetch(site: Site, link: str) -> float:
    """Return the seconds from the POST until it is cleaned; SystemExit when it fails."""
    began = time.monotonic()
    path = f"/downloads/{site.ask('/downloads', {'url': link})['correlation_id']}"
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=60, every_seconds=0.01)
    seconds, ended = time.monotonic() - began, site.ask(path)
    if ended["outcome"] != "completed":
        raise SystemExit(json.dumps(ended["error"]))
    return seconds


if __name__ == "__main__":
    main()
