"""What many listeners cost the downloads, the pages and each other.

`.venv/bin/python -m benchmarks.fanout [--listeners 200 1000] [--count 100] [--json]`

The same number of small downloads runs while nobody listens, and beside so many open streams, while
somebody opens the dashboard ten times a second. Of an event the spread is the time from the first
listener that has it to the last. In the end the server is started again, and all come back at once.
"""

import argparse
import asyncio
import threading
import time

from benchmarks.crowd import Crowd, streams
from benchmarks.figures import Figures, medians, quantile, show
from benchmarks.latency import allow_many_connections
from benchmarks.nginx import media_site
from benchmarks.site import Site, running_site, wait_until

SLOTS = ("--concurrency", "4")
PAGE_SECONDS = 0.1  # between two beginnings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--listeners", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    allow_many_connections()
    with media_site() as origin, running_site(allow=origin, arguments=SLOTS) as site:
        downloads = Downloads(site, origin)
        downloads.seconds_for(8)  # warm
        found = [
            measure(site, downloads, options.listeners, options.count)
            for _ in range(options.rounds)
        ]
        figures = medians(found)
        for number in options.listeners:
            figures[f"back_{number}_seconds"] = seconds_until_back(site, number)
    show(figures, as_json=options.json)


class Downloads:
    """Small downloads, each of a link of its own."""

    def __init__(self, site: Site, origin: str) -> None:
        self._site, self._origin, self._batches = site, origin, 0

    def seconds_for(self, count: int) -> float:
        """Add so many at once; return the seconds until the last is CLEANED."""
        self._batches += 1
        name = f"http://{self._origin}/small/fan-{self._batches}"
        before = self._cleaned()
        began = time.perf_counter()
        self._site.ask("/downloads/batch", {"urls": [f"{name}-{n}.mp4" for n in range(count)]})
        wait_until(lambda: self._cleaned() >= before + count, seconds=600, every_seconds=0.1)
        return time.perf_counter() - began

    def _cleaned(self) -> int:
        return int(self._site.ask("/stats")["counts"]["cleaned"])


def measure(site: Site, downloads: Downloads, listeners: list[int], count: int) -> Figures:
    figures: Figures = {}
    for number in listeners:
        with Pages(site) as alone:
            without = downloads.seconds_for(count)
        with streams(site, number) as crowd, Pages(site) as beside:
            crowd.arrivals.clear()
            seconds = downloads.seconds_for(count)
            time.sleep(1)
            spreads = [max(each) - min(each) for each in list(crowd.arrivals.values())]
        figures |= {
            f"loss_{number}_percent": 100 * (1 - without / seconds),
            f"spread_{number}_p95_ms": 1000 * quantile(spreads, 0.95),
            f"page_{number}_p95_ms": 1000 * quantile(beside.seconds, 0.95),
            f"page_without_{number}_p95_ms": 1000 * quantile(alone.seconds, 0.95),
        }
    return figures


class Pages:
    """Somebody who opens the dashboard again and again."""

    def __init__(self, site: Site) -> None:
        self._url, self._browser = site.url, site.browser()
        self.seconds: list[float] = []
        self._ended = threading.Event()
        self._opening = threading.Thread(target=self._open)

    def __enter__(self) -> "Pages":
        self._opening.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._opening.join()

    def _open(self) -> None:
        while not self._ended.wait(PAGE_SECONDS):
            began = time.perf_counter()
            self._browser.get(self._url, timeout=60).raise_for_status()
            self.seconds.append(time.perf_counter() - began)


def seconds_until_back(site: Site, number: int) -> float:
    """From the moment when the server answers again to the last listener's greeting."""
    site.stop()
    site.start()
    site.wait_until_ready()

    async def come_back() -> float:
        crowd = Crowd(site)
        began = time.perf_counter()
        await crowd.connect(number)
        took = time.perf_counter() - began
        await crowd.leave()
        return took

    return asyncio.run(come_back())


if __name__ == "__main__":
    main()
