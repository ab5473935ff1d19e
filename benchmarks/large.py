"""One large file, against the `yt-dlp` command, curl and aria2c.

`.venv/bin/python -m benchmarks.large [--mebibytes 1024] [--rounds 3] [--json]`

The time of vnsite runs from the request to COMPLETED, with the file hashed and in the library.
"""

import argparse
import time

from benchmarks import bare
from benchmarks.figures import Figures, rounds, show
from benchmarks.nginx import media_site
from benchmarks.processes import tree_cpu_seconds
from benchmarks.site import Site, running_site, wait_until

MEBIBYTE = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mebibytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    size = options.mebibytes * MEBIBYTE
    with media_site(large_bytes=size) as origin, running_site(allow=origin) as site:
        fetch(site, f"http://{origin}/small/warm.mp4")
        figures = rounds(
            lambda number: compare(site, f"http://{origin}/large.mp4?{number}"), options.rounds
        )
    show(figures, as_json=options.json)


def compare(site: Site, url: str, *options: str) -> Figures:
    """Fetch it by the command and its rivals, then by vnsite."""
    command = bare.command(url, *options)
    ours = fetch(site, url)
    figures = {
        "seconds": ours.seconds,
        "yt_dlp_seconds": command.seconds,
        "speed_of_yt_dlp": command.seconds / ours.seconds,
        "cpu_seconds": ours.cpu_seconds,
        "yt_dlp_cpu_seconds": command.cpu_seconds,
        "cpu_of_yt_dlp": ours.cpu_seconds / command.cpu_seconds,
    }
    for name in ("curl", "aria2c"):
        rival = bare.tool(name, url)
        if rival is not None:
            figures[f"{name}_seconds"] = rival.seconds
    return figures


def fetch(site: Site, url: str) -> bare.Cost:
    """Download it, and delete it with its file."""
    before, began = tree_cpu_seconds(site.process.pid), time.monotonic()
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    wait_until(lambda: site.ask(path)["outcome"] is not None, seconds=600, every_seconds=0.05)
    seconds = time.monotonic() - began
    answer = site.ask(path)
    if answer["outcome"] != "completed":
        raise SystemExit(f"{url}: {answer['outcome']}, {answer['error']}")
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=60)
    cpu_seconds = tree_cpu_seconds(site.process.pid) - before
    site.ask(f"{path}?files=true", method="DELETE")
    return bare.Cost(seconds=seconds, cpu_seconds=cpu_seconds)


if __name__ == "__main__":
    main()
