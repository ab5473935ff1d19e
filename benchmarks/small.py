"""Small downloads in one batch, against what runs yt-dlp without any promise.

`.venv/bin/python -m benchmarks.small [--count 200] [--rounds 3] [--finished 0] [--json]`

In each round the same links go through one `YoutubeDL` in a loop, through a bare `os.fork` for each
(four at a time), and through vnsite with four slots: from the request to the last CLEANED. CPU is
that of all processes, per download. `--finished`: what the same costs a second site, which has so
many ended downloads, compared with the first; the two take turns.
"""

import argparse
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import NamedTuple

from benchmarks import bare
from benchmarks.figures import Figures, rounds, show
from benchmarks.nginx import media_site
from benchmarks.processes import tree_cpu_seconds
from benchmarks.site import ROOT, Site, running_site, wait_until

SLOTS = ("--concurrency", "4")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--finished", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin, arguments=SLOTS) as site:
        measure(site, origin, "warm", 8)
        figures = rounds(
            lambda number: measure(site, origin, str(number), options.count), options.rounds
        )
        if options.finished:
            with running_site(allow=origin, arguments=SLOTS) as full:
                fill(full, options.finished)
                figures |= rounds(
                    lambda number: compare(site, full, origin, f"full-{number}", options.count),
                    options.rounds,
                )
    show(figures, as_json=options.json)


def fill(site: Site, finished: int) -> None:
    command = [sys.executable, "-m", "benchmarks.filled", "--count", str(finished)]
    subprocess.run(command, cwd=ROOT, env=site.environment, check=True)
    site.wait_until_idle()


def compare(empty: Site, full: Site, origin: str, name: str, count: int) -> Figures:
    urls = [f"http://{origin}/small/{name}-{number}.mp4" for number in range(count)]
    return {"time_with_many_finished": download(full, urls).seconds / download(empty, urls).seconds}


def measure(site: Site, origin: str, name: str, count: int) -> Figures:
    urls = [f"http://{origin}/small/{name}-{number}.mp4" for number in range(count)]
    warm = f"http://{origin}/small/warm.mp4"
    loop, forks = bare.loop(warm, urls), bare.forks(warm, urls)
    browser = site.browser()
    spent = download(site, urls, show=lambda: browser.get(site.url).text)
    seconds = spent.seconds
    return {
        "accepted_seconds": spent.accepted_seconds,
        "visible_seconds": spent.visible_seconds,
        "vnsite_per_second": count / seconds,
        "loop_per_second": count / loop.seconds,
        "forks_per_second": count / forks.seconds,
        "speed_of_loop": loop.seconds / seconds,
        "speed_of_forks": forks.seconds / seconds,
        "cpu_ms_each": 1000 * spent.cpu_seconds / count,
        "loop_cpu_ms_each": 1000 * loop.cpu_seconds / count,
        "forks_cpu_ms_each": 1000 * forks.cpu_seconds / count,
        "cpu_of_loop": spent.cpu_seconds / loop.cpu_seconds,
    }


class Spent(NamedTuple):
    """What a batch took, from the request on."""

    accepted_seconds: float
    visible_seconds: float  # until the page shows its links
    seconds: float  # until all of it was CLEANED
    cpu_seconds: float


def download(site: Site, urls: list[str], *, show: Callable[[], str] | None = None) -> Spent:
    """Download a batch to its end; `show` opens the page that is to show it."""
    cleaned_before, cpu_before = counts(site)["cleaned"], tree_cpu_seconds(site.process.pid)
    began = time.monotonic()
    site.ask("/downloads/batch", {"urls": urls})
    accepted = time.monotonic() - began
    if show is not None:
        assert len(set(re.findall(r"/downloads/([0-9a-f]{12})/", show()))) >= min(len(urls), 50)
    visible = time.monotonic() - began
    wait_until(
        lambda: counts(site)["cleaned"] - cleaned_before >= len(urls),
        seconds=600,
        every_seconds=0.1,
    )
    return Spent(
        accepted_seconds=accepted,
        visible_seconds=visible,
        seconds=time.monotonic() - began,
        cpu_seconds=tree_cpu_seconds(site.process.pid) - cpu_before,
    )


def counts(site: Site) -> dict[str, int]:
    answer: dict[str, int] = site.ask("/stats")["counts"]
    return answer


if __name__ == "__main__":
    main()
