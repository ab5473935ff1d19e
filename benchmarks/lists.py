"""How fast a feed is read into rows, how much memory its child takes, and how fast it is added.

`.venv/bin/python -m benchmarks.lists [--items 10000] [--add 1000] [--json]`

The seconds from DOWNLOADING to COMPLETED of a feed, by its history, the memory of its child above
that of a child that fetches a small file, and how long the request takes that adds entries.
"""

import argparse
import json
import threading
import time
from datetime import datetime
from pathlib import Path

from benchmarks.cancel import marked_processes
from benchmarks.site import Site, media_site, running_site, wait_until
from tests.helpers.lists import item, rss
from tests.helpers.scripted_site import Answer, ScriptedSite

TEXT = "What this episode is about. " * 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--add", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        media_site() as media,
        ScriptedSite() as feeds,
        running_site(allow=f"{media},{feeds.origin}") as site,
    ):
        figures = measure(site, feeds, media, items=options.items, add=options.add)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("  ".join(f"{name} {value:.2f}" for name, value in figures.items()))


def measure(
    site: Site, feeds: ScriptedSite, media: str, *, items: int, add: int
) -> dict[str, float]:
    body = rss(item(feeds.url(f"/{number}.mp3"), number, text=TEXT) for number in range(items))
    url = feeds.serve("/feed", Answer(body=body, media_type="application/rss+xml"))
    _, usual_mib = ended(site, f"http://{media}/slow.mp4?rate=4000000")
    path, most_mib = ended(site, url)
    at = {entry["to"]: datetime.fromisoformat(entry["at"]) for entry in site.ask(path)["history"]}
    seconds = (at["completed"] - at["downloading"]).total_seconds()
    began = time.monotonic()
    site.ask(f"{path}/entries", {"first": add})
    return {
        "entries_per_second": items / seconds,
        "child_mib": most_mib,
        "child_mib_above_usual": most_mib - usual_mib,
        "added_seconds": time.monotonic() - began,
    }


def ended(site: Site, url: str) -> tuple[str, float]:
    """Let a download come to its end: (its path in the API, the most MiB that its child had)."""
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    is_over, most_kib = threading.Event(), [0]

    def watch() -> None:
        while not is_over.wait(0.05):
            most_kib.append(max(map(peak_kib, marked_processes(site)), default=0))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=300, every_seconds=0.2)
    finally:
        is_over.set()
        watcher.join()
    return path, max(most_kib) / 1024


def peak_kib(pid: int) -> int:
    """The most memory that a process had so far; 0 when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(found[0]) if found else 0


if __name__ == "__main__":
    main()
