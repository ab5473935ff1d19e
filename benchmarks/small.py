"""Small downloads in one batch, against what runs yt-dlp without any promise.

`.venv/bin/python -m benchmarks.small [--count 200] [--rounds 3] [--finished 0] [--json]`

In each round the same links go through one `YoutubeDL` in a loop, through a bare `os.fork` for each
(four at a time), and through vnsite with four slots: from the request to the last CLEANED. CPU is
that of all processes, per download. `--finished` fills the site with so many ended downloads first.
"""

import argparse
import re
import subprocess
import sys
import time

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
        if options.finished:
            arguments = ("--count", str(options.finished))
            environment = {**site.environment, "DJANGO_SETTINGS_MODULE": "vnsite.settings"}
            command = [sys.executable, "-m", "benchmarks.filled", *arguments]
            subprocess.run(command, cwd=ROOT, env=environment, check=True)
        measure(site, origin, "warm", 8)
        figures = rounds(
            lambda number: measure(site, origin, str(number), options.count), options.rounds
        )
    show(figures, as_json=options.json)


def measure(site: Site, origin: str, name: str, count: int) -> Figures:
    urls = [f"http://{origin}/small/{name}-{number}.mp4" for number in range(count)]
    warm = f"http://{origin}/small/warm.mp4"
    loop, forks = bare.loop(warm, urls), bare.forks(warm, urls)
    browser = site.browser()
    cleaned_before, cpu_before = counts(site)["cleaned"], tree_cpu_seconds(site.process.pid)
    began = time.monotonic()
    site.ask("/downloads/batch", {"urls": urls})
    accepted = time.monotonic() - began
    page = browser.get(site.url).text
    visible = time.monotonic() - began
    assert len(set(re.findall(r"/downloads/([0-9a-f]{12})/", page))) >= min(count, 50)
    wait_until(
        lambda: counts(site)["cleaned"] - cleaned_before >= count, seconds=600, every_seconds=0.1
    )
    seconds = time.monotonic() - began
    cpu_seconds = tree_cpu_seconds(site.process.pid) - cpu_before
    return {
        "accepted_seconds": accepted,
        "visible_seconds": visible,
        "vnsite_per_second": count / seconds,
        "loop_per_second": count / loop.seconds,
        "forks_per_second": count / forks.seconds,
        "speed_of_loop": loop.seconds / seconds,
        "speed_of_forks": forks.seconds / seconds,
        "cpu_ms_each": 1000 * cpu_seconds / count,
        "loop_cpu_ms_each": 1000 * loop.cpu_seconds / count,
        "forks_cpu_ms_each": 1000 * forks.cpu_seconds / count,
        "cpu_of_loop": cpu_seconds / loop.cpu_seconds,
    }


def counts(site: Site) -> dict[str, int]:
    answer: dict[str, int] = site.ask("/stats")["counts"]
    return answer


if __name__ == "__main__":
    main()
