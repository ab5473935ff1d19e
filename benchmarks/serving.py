"""What clients that do not read, that are many, and that come back at once cost the server.

`.venv/bin/python -m benchmarks.serving [--streams 500] [--reconnects 1000] [--json]`

The memory is that of the web process, read from the kernel; a page is the dashboard with 50 rows.
"""

import argparse
import json
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import requests

from benchmarks.crowd import Crowd, address_of, request_of, streams
from benchmarks.latency import allow_many_connections
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.site import Site, media_site, running_site

FILE_BYTES = 400 * 2**20
UNREAD_SECONDS = 10.0
BATCHES, BATCH = 20, 1000  # more events than the kernel's buffers and the server's ring hold
PAGES = 20
STORM_SECONDS = 1.0
MEBIBYTE = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--reconnects", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    allow_many_connections()
    # No worker, so that nothing but the clients has anything done.
    with media_site() as media, running_site(allow=media, arguments=("--no-worker",)) as site:
        figures = measure(site, media, options)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<40}{value:>10.3f}")


def measure(site: Site, media: str, options: argparse.Namespace) -> dict[str, float]:
    path = publish_big_file(site, media)
    browser = site.browser()
    page_seconds(site, browser)  # the first page of a process is slower
    figures = {"unread_file_growth_mib": growth_of_unread_file(site, path)}
    add(site, 2)  # so that what a batch itself leaves in memory is not counted
    figures["unread_stream_growth_mib"] = growth_of_unread_stream(site)
    with streams(site, options.streams) as opened:
        figures["streams"] = opened.number
        figures |= named("page_beside_streams", page_times(site, browser, PAGES))
    figures |= storm(site, browser, options.reconnects)
    return figures


def publish_big_file(site: Site, media: str) -> str:
    """The path of a file of 400 MiB, of which the disk holds little."""
    added = site.ask("/downloads", {"url": f"http://{media}/video.mp4"})
    site.manage("run_downloads", "--once")
    [file] = site.ask(f"/downloads/{added['correlation_id']}")["files"]
    for place in (site.data_dir / "media").rglob(file["name"]):
        os.truncate(place, FILE_BYTES)
    return str(urlsplit(file["url"]).path)


def growth_of_unread_file(site: Site, path: str) -> float:
    before = resident_bytes(site.process.pid)
    with unread(site, path):
        return most_growth(site, before, seconds=UNREAD_SECONDS)


def growth_of_unread_stream(site: Site) -> float:
    before = resident_bytes(site.process.pid)
    with unread(site, "/events/"):
        adding = threading.Thread(target=add, args=(site, BATCHES))
        adding.start()
        most = 0.0
        while adding.is_alive():
            most = max(most, most_growth(site, before, seconds=0.2))
        adding.join()
        return most


def most_growth(site: Site, before: int, *, seconds: float) -> float:
    """In MiB, while nothing is read."""
    ends_at, most = time.monotonic() + seconds, 0
    while time.monotonic() < ends_at:
        most = max(most, resident_bytes(site.process.pid) - before)
        time.sleep(0.05)
    return most / MEBIBYTE


@contextmanager
def unread(site: Site, path: str) -> Iterator[None]:
    """A client that asks, reads the first line and then nothing more."""
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(30)
        client.connect(address_of(site))
        client.sendall(request_of(site, path))
        if b" 200 " not in client.recv(64):
            raise SystemExit(f"{path} was refused")
        yield


def add(site: Site, batches: int) -> None:
    for _ in range(batches):
        urls = [f"https://video.example/{time.monotonic_ns()}-{number}" for number in range(BATCH)]
        site.ask("/downloads/batch", {"urls": urls})


def page_seconds(site: Site, browser: requests.Session) -> float:
    began = time.perf_counter()
    browser.get(site.url, timeout=60).raise_for_status()
    return time.perf_counter() - began


def page_times(site: Site, browser: requests.Session, number: int) -> list[float]:
    return [page_seconds(site, browser) for _ in range(number)]


def named(name: str, times: list[float]) -> dict[str, float]:
    return {f"{name}_median_seconds": statistics.median(times), f"{name}_max_seconds": max(times)}


def storm(site: Site, browser: requests.Session, number: int) -> dict[str, float]:
    """All come back within a second, while somebody opens pages."""
    pages: list[float] = []
    ended = threading.Event()

    def open_pages() -> None:
        while not ended.is_set():
            pages.append(page_seconds(site, browser))

    opening = threading.Thread(target=open_pages)
    opening.start()
    with Crowd(site) as crowd:
        cpu_before = cpu_seconds(site.process.pid)
        took = crowd.connect(number, within_seconds=STORM_SECONDS)
        cpu_used = cpu_seconds(site.process.pid) - cpu_before
    ended.set()
    opening.join()
    return {
        "reconnects": number,
        "reconnects_all_greeted_seconds": took,
        "reconnects_server_cpu_seconds": cpu_used,
        "pages_beside_reconnects": len(pages),
        **named("page_beside_reconnects", pages),
    }


if __name__ == "__main__":
    main()
