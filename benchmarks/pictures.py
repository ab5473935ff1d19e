"""Make the pictures of the README from the real pages: `.venv/bin/python -m benchmarks.pictures`.

A site of films on loopback, some of them slow, one gone, and a feed; a real `serve`; a real
Chromium, light and dark. Writes docs/dashboard-light.png and docs/dashboard-dark.png. Needs the
test group (Playwright) and ffmpeg.
"""

import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.site import Site, running_site

DOCS = Path(__file__).resolve().parent.parent / "docs"
SIZE = {"width": 1280, "height": 800}
TITLES = (
    "A walk along the dunes in November",
    "How a lock keeper reads the river",
    "Baking rye bread without a scale",
    "The last ferry before the bridge",
    "Repairing a music box from 1890",
    "Stars over the salt flats, four hours in four minutes",
)
SLOW_PARTS, SLOW_SECONDS = 120, 0.25
SOURCES = ("mandelbrot", "testsrc2", "life", "gradients", "cellauto", "smptehdbars")
PAGE = """<html><head><title>{title}</title><meta property="og:title" content="{title}">
<meta property="og:image" content="/{number}.jpg"></head>
<body><video src="/{number}.mp4{slow}" poster="/{number}.jpg"></video></body></html>"""


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as directory,
        films(Path(directory)) as origin,
        running_site(allow=origin.removeprefix("http://")) as site,
    ):
        fill(site, origin)
        for scheme in ("light", "dark"):
            photograph(site, scheme)


def fill(site: Site, origin: str) -> None:
    """Let some be done, one fail, and others run and wait."""
    done = [f"{origin}/page{number}" for number in range(len(TITLES))]
    site.ask("/downloads/batch", {"urls": [*done, f"{origin}/gone.mp4"]})
    while site.ask("/stats")["counts"]["cleaned"] < len(done) + 1:
        time.sleep(0.2)
    slow = [f"{origin}/page{number}?slow={copy}" for copy in (1, 2) for number in range(6)]
    site.ask("/downloads/batch", {"urls": slow})
    time.sleep(6)


def photograph(site: Site, scheme: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page: Page = browser.new_page(base_url=site.url, viewport=SIZE, color_scheme=scheme)
        for cookie in site.browser().cookies:
            page.context.add_cookies(
                [{"name": cookie.name, "value": str(cookie.value), "url": site.url}]
            )
        page.goto("/")
        page.locator("#chip[data-state=live]").wait_for()
        page.wait_for_timeout(2_000)
        page.screenshot(path=DOCS / f"dashboard-{scheme}.png")
        browser.close()


@contextmanager
def films(folder: Path) -> Iterator[str]:
    """Serve a film for each title, and its picture; `?slow` takes its time. Yields the origin."""
    for number, source in enumerate(SOURCES):
        make_film(folder / f"{number}.mp4", source)
        run_ffmpeg("-i", folder / f"{number}.mp4", "-frames:v", "1", folder / f"{number}.jpg")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            if path.startswith("/page"):
                number = int(path.removeprefix("/page"))
                slow = f"?{query}" if query else ""
                page = PAGE.format(title=TITLES[number], number=number, slow=slow)
                self.answer(page.encode(), "text/html")
            elif (file := folder / path.lstrip("/")).is_file():
                kind = "image/jpeg" if file.suffix == ".jpg" else "video/mp4"
                self.answer(file.read_bytes(), kind, is_slow="slow" in query)
            else:
                self.send_error(404)

        def answer(self, body: bytes, kind: str, *, is_slow: bool = False) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            step = len(body) // SLOW_PARTS if is_slow else len(body)
            with suppress(OSError):  # the site stops before the slow ones are done
                for start in range(0, len(body), step):
                    self.wfile.write(body[start : start + step])
                    time.sleep(SLOW_SECONDS if is_slow else 0)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def make_film(path: Path, source: str) -> None:
    sound = ("-f", "lavfi", "-i", "sine=d=6")
    picture = ("-f", "lavfi", "-i", f"{source}=s=1280x720:r=4,format=yuv420p")
    run_ffmpeg(*picture, *sound, "-t", "6", "-shortest", "-movflags", "+faststart", path)


def run_ffmpeg(*arguments: object) -> None:
    command = ["ffmpeg", "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
