"""How much of a file is fetched again when the worker is killed half way.

`.venv/bin/python -m benchmarks.resume [--mebibytes 100] [--rate 5] [--json]`

A site of its own serves a file with a strong ETag at so many MiB a second. The worker is killed
(`kill -9`) when half of it has arrived, and started again; once more while the file is exchanged
for another one of the same length. Counted is what the site sent after the kill.
"""

import argparse
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

from benchmarks.site import ROOT, Site, running_site, wait_until

PIECE_BYTES = 64 * 1024
# With these in front any bytes are an MP4 that is as long as it says: type, index, all the rest.
BEGINNING = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov\0\0\0\0mdat"


@dataclass
class File:
    body: bytes
    rate: int  # bytes a second
    sent_bytes: int = 0

    @property
    def etag(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()}"'


class Server(ThreadingHTTPServer):
    daemon_threads = True
    file: File


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        file = cast(Server, self.server).file
        start, size = self._start(file), len(file.body)
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", "video/x-matroska")
        self.send_header("ETag", file.etag)
        self.send_header("Content-Length", str(size - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
        self.end_headers()
        with suppress(ConnectionError):
            self._send(file, start)

    def _start(self, file: File) -> int:
        match = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if match is None or self.headers.get("If-Range", file.etag) != file.etag:
            return 0
        return int(match[1])

    def _send(self, file: File, start: int) -> None:
        began = time.monotonic()
        for at in range(start, len(file.body), PIECE_BYTES):
            time.sleep(max(0.0, began + (at - start) / file.rate - time.monotonic()))
            piece = file.body[at : at + PIECE_BYTES]
            self.wfile.write(piece)
            file.sent_bytes += len(piece)

    def log_message(self, *_arguments: object) -> None:
        """The counter is the log."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=100)
    parser.add_argument("--rate", type=float, default=5, help="MiB a second")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size, rate = options.mebibytes * 2**20, int(options.rate * 2**20)
    with (
        file_server(File(some_film(size), rate)) as server,
        running_site(allow=origin_of(server), arguments=("--no-worker",)) as site,
    ):
        same = share_fetched_again(site, server, changes=False)
        changed = share_fetched_again(site, server, changes=True)
    figures = {"fetched_again_share": same, "fetched_again_share_when_it_changed": changed}
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


def some_film(size: int) -> bytes:
    return BEGINNING + os.urandom(size - len(BEGINNING))


@contextmanager
def file_server(file: File) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), Handler)
    server.file = file
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def origin_of(server: Server) -> str:
    return f"127.0.0.1:{server.server_address[1]}"


def share_fetched_again(site: Site, server: Server, *, changes: bool) -> float:
    """Bytes that were sent after the kill, of the file's; what was published is compared."""
    size, rate = len(server.file.body), server.file.rate
    url = f"http://{origin_of(server)}/film.mkv?changes={changes}"
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    seconds = 60 + 2 * size / rate
    with worker_of(site) as worker:
        wait_until(lambda: fetched_bytes(site, path) >= size / 2, seconds=seconds)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    server.file = File(some_film(size) if changes else server.file.body, rate)
    with worker_of(site):
        wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=seconds)
    download = site.ask(path)
    assert download["outcome"] == "completed", download
    [published] = (site.data_dir / "media").glob(f"*{download['correlation_id']}*/*")
    assert published.read_bytes() == server.file.body
    return server.file.sent_bytes / size


def fetched_bytes(site: Site, path: str) -> int:
    progress: dict[str, Any] = site.ask(path)["progress"] or {}
    return int(progress.get("bytes", 0))


@contextmanager
def worker_of(site: Site) -> Iterator[subprocess.Popen[bytes]]:
    with Path(site.data_dir, "worker.log").open("ab") as log:
        worker = subprocess.Popen(
            [sys.executable, "manage.py", "run_downloads"],
            cwd=ROOT,
            env=site.environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(30)


if __name__ == "__main__":
    main()
