"""What grows with the number of downloads that have ended.

`.venv/bin/python -m benchmarks.rows [--most 100000] [--rounds 9] [--cpu] [--json]`

A site with 1,000 ended downloads, then with 100,000, and so on in tens up to `--most`: the median
milliseconds of pages, searches, answers of the API and commands, and how many times those with
1,000; with `--cpu` those of CPU, which a busy machine changes less, but a claim and a start are
always by the clock. With VNSITE_DATABASE_URL in the database that it names, which must be empty,
and whose server's CPU does not count.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile

import requests

from benchmarks import filled
from benchmarks.claim import claim_delay
from benchmarks.latency import resident_bytes
from benchmarks.site import ROOT, Site, media_site, running_site

SIZES = (1_000, 100_000, 1_000_000, 10_000_000)
FILTERS = ("active", "waiting", "completed", "failed", "cancelled", "not_cleaned")
SEARCHES = {
    "search that all match": filled.EVERY,
    "search that 3 match": filled.FEW,
    "search without a hit": "zzyzx",
    "search by site": f"host:{filled.SITES[0]}",
    "search of no site": "host:nowhere.example",
    "search by error": "error:unavailable",
    "search of two letters": "ba",
    "search of two letters, no hit": "zq",
    "search by day": "before:2020-01-01",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = list(takewhile(lambda size: size <= options.most, SIZES))
    with media_site() as origin, running_site(allow=origin) as site:
        os.environ.update(site.environment, DJANGO_SETTINGS_MODULE="vnsite.settings")
        import django

        django.setup()
        clock = partial(cpu_seconds, site) if options.cpu else time.perf_counter
        figures: dict[int, dict[str, float]] = {}
        for size in sizes:
            figures[size] = measure(site, origin, size, options.rounds, clock=clock)
            if not options.json:
                print_table(figures)
    if options.json:
        print(json.dumps(figures, indent=2))


def cpu_seconds(site: Site) -> float:
    """Of the web process, and of the commands that have ended."""
    commands = resource.getrusage(resource.RUSAGE_CHILDREN)
    web = time.clock_gettime((~site.process.pid << 3) | 2)  # clock_getcpuclockid(3)
    return web + commands.ru_utime + commands.ru_stime


def measure(
    site: Site, origin: str, size: int, rounds: int, *, clock: Callable[[], float]
) -> dict[str, float]:
    """Return milliseconds by what took them, with so many ended downloads."""
    filled.fill(size)
    site.wait_until_idle()
    return {
        **{
            name: median_of(ask, rounds, clock=clock)
            for name, ask in [*pages(site.browser(), site.url), *answers(site), *commands(site)]
        },
        "from added to claimed": 1000
        * statistics.median(claim_delay(site, origin, size + each) for each in range(rounds)),
        "web process, MiB": resident_bytes(site.process.pid) / 2**20,
        "from a start to ready": 1000 * statistics.median(site.start_again() for _ in range(5)),
    }


def pages(browser: requests.Session, url: str) -> Iterator[tuple[str, Callable[[], object]]]:
    from downloads.models import Download
    from downloads.web.order import Sort, key_of

    def page(path: str, **query: str) -> Callable[[], object]:
        return lambda: browser.get(f"{url}{path}", params=query).raise_for_status()

    middle = Download.objects.order_by("id")[Download.objects.count() // 2]
    yield "dashboard", page("")
    yield "dashboard, half way down", page("", after=key_of(middle, Sort.NOW))
    yield from ((f"filter {name}", page("", state=name)) for name in FILTERS)
    yield from ((name, page("", q=text)) for name, text in SEARCHES.items())
    yield "search by id", page("", q=middle.correlation_id)
    yield "page of a download", page(f"downloads/{middle.correlation_id}/")
    yield "admin list", page("admin/downloads/download/")
    yield "admin search without a hit", page("admin/downloads/download/", q="zzyzx")


def answers(site: Site) -> Iterator[tuple[str, Callable[[], object]]]:
    yield "API list", lambda: site.ask("/downloads")
    yield "API search without a hit", lambda: site.ask("/downloads?q=zzyzx")
    yield "API stats", lambda: site.ask("/stats")


def commands(site: Site) -> Iterator[tuple[str, Callable[[], object]]]:
    for line in ("doctor", "run_downloads --once"):
        command = [sys.executable, "manage.py", *line.split()]
        yield (
            line,
            partial(subprocess.run, command, cwd=ROOT, env=site.environment, capture_output=True),
        )


def median_of(ask: Callable[[], object], rounds: int, *, clock: Callable[[], float]) -> float:
    ask()  # the first one is slower
    return statistics.median(milliseconds_of(ask, clock=clock) for _ in range(rounds))


def milliseconds_of(ask: Callable[[], object], *, clock: Callable[[], float]) -> float:
    began = clock()
    ask()
    return 1000 * (clock() - began)


def print_table(figures: dict[int, dict[str, float]]) -> None:
    first = figures[SIZES[0]]
    print(" " * 32 + "".join(f"{size:>17,}" for size in figures))
    for name in first:
        shown = "".join(
            f"{values[name]:10.1f} x{values[name] / first[name]:5.2f}"
            for values in figures.values()
        )
        print(f"{name:<32}{shown}")


if __name__ == "__main__":
    main()
