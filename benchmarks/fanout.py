"""What many listeners cost the downloads, the pages and each other.

`.venv/bin/python -m benchmarks.fanout [--listeners 200 1000] [--count 100] [--rounds 3] [--json]`

The same number of small downloads runs while nobody listens, and beside so many open streams, while
somebody opens the dashboard ten times a second; which of the two is first alternates. The listeners
live in a process of their own. Of an event the spread is the time from the first listener that has
it to the last. In the end the server is started again in the midst of downloads, and the same
listeners come back at once, each after the last event that it saw.
"""

import argparse
import threading
import time

from benchmarks.crowd import missed, spreads, streams
from benchmarks.figures import Figures, medians, quantile, show
from benchmarks.latency import allow_many_connections
from benchmarks.nginx import media_site
from benchmarks.processes import cpu_seconds, tree_cpu_seconds
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
    figures: Figures = {}
    with media_site() as origin, running_site(allow=origin, arguments=SLOTS) as site:
        downloads = Downloads(site, origin)
        downloads.run(8)  # warm
        for number in options.listeners:
            rounds = [
                compare(site, downloads, number, options.count, crowd_first=bool(turn % 2))
                for turn in range(options.rounds)
            ]
            figures |= medians(rounds)
        for number in options.listeners:
            backs = [restart(site, downloads, number) for _ in range(options.rounds)]
            figures |= medians(backs)
    show(figures, as_json=options.json)


class Downloads:
    """Small downloads, each of a link of its own."""

    def __init__(self, site: Site, origin: str) -> None:
        self._site, self._origin, self._batches = site, origin, 0

    def add(self, count: int) -> None:
        self._batches += 1
        name = f"http://{self._origin}/small/fan-{self._batches}"
        self._site.ask("/downloads/batch", {"urls": [f"{name}-{n}.mp4" for n in range(count)]})

    def run(self, count: int) -> float:
        """Add so many at once; return the seconds until the last is CLEANED."""
        before = self._cleaned()
        began = time.perf_counter()
        self.add(count)
        wait_until(lambda: self._cleaned() >= before + count, seconds=600, every_seconds=0.1)
        return time.perf_counter() - began

    def wait_until_idle(self) -> None:
        wait_until(lambda: not self._unfinished(), seconds=600, every_seconds=0.1)

    def _cleaned(self) -> int:
        return int(self._site.ask("/stats")["counts"]["cleaned"])

    def _unfinished(self) -> int:
        counts = self._site.ask("/stats")["counts"]
        return int(sum(counts.values()) - counts["cleaned"])


def compare(
    site: Site, downloads: Downloads, number: int, count: int, *, crowd_first: bool
) -> Figures:
    """Measure once without listeners and once beside so many."""
    figures: Figures = {}
    for has_crowd in (crowd_first, not crowd_first):
        if has_crowd:
            figures |= beside(site, downloads, number, count)
        else:
            figures |= alone(site, downloads, number, count)
    loss = 1 - figures[f"without_{number}_seconds"] / figures[f"with_{number}_seconds"]
    return figures | {f"loss_{number}_percent": 100 * loss}


def alone(site: Site, downloads: Downloads, number: int, count: int) -> Figures:
    cpu = Cpu(site)
    with Pages(site) as pages:
        seconds = downloads.run(count)
    return {
        f"without_{number}_seconds": seconds,
        f"page_without_{number}_p95_ms": 1000 * quantile(pages.seconds, 0.95),
        **cpu.used(f"without_{number}", seconds, count),
    }


def beside(site: Site, downloads: Downloads, number: int, count: int) -> Figures:
    with streams(site, number) as crowd:
        crowd.forget()
        cpu, crowd_before = Cpu(site), crowd.cpu_seconds
        with Pages(site) as pages:
            seconds = downloads.run(count)
        used = cpu.used(f"with_{number}", seconds, count)
        crowd_cpu = crowd.cpu_seconds - crowd_before
        time.sleep(1)
        arrivals = crowd.arrivals()
    return {
        f"with_{number}_seconds": seconds,
        f"spread_{number}_p95_ms": 1000 * quantile(spreads(arrivals), 0.95),
        f"page_{number}_p95_ms": 1000 * quantile(pages.seconds, 0.95),
        f"missed_{number}": missed(arrivals),
        f"listeners_{number}_cpu_percent": 100 * crowd_cpu / seconds,
        **used,
    }


class Cpu:
    """What the site has used since this was made."""

    def __init__(self, site: Site) -> None:
        self._pid = site.process.pid
        self._web, self._tree = cpu_seconds(self._pid), tree_cpu_seconds(self._pid)

    def used(self, name: str, seconds: float, count: int) -> Figures:
        """Return the web process's share of one core, and the CPU of all for each download."""
        web, tree = cpu_seconds(self._pid) - self._web, tree_cpu_seconds(self._pid) - self._tree
        return {
            f"web_{name}_cpu_percent": 100 * web / seconds,
            f"cpu_{name}_ms_each": 1000 * tree / count,
        }


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


def restart(site: Site, downloads: Downloads, number: int) -> Figures:
    """Stop the server while downloads run and all listen; start it, and have all come back.

    The time is from the moment when the server is ready to the last listener's greeting.
    """
    with streams(site, number) as crowd:
        crowd.forget()
        downloads.add(20)
        time.sleep(0.5)
        site.stop()
        site.start()
        site.wait_until_ready()
        with Pages(site) as pages:
            seconds = crowd.come_back()
        downloads.wait_until_idle()
        time.sleep(2)
        arrivals = crowd.arrivals()
    return {
        f"back_{number}_seconds": seconds,
        f"page_while_{number}_come_back_max_ms": 1000 * max(pages.seconds, default=0.0),
        f"missed_{number}_by_restart": missed(arrivals),
    }


if __name__ == "__main__":
    main()
