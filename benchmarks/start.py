"""How long `serve` takes until it is ready, and until its first download has ended.

`.venv/bin/python -m benchmarks.start [--rounds 5] [--json]`

The database is there already, as on each start but the first.
"""

import argparse
import time

from benchmarks.figures import Figures, rounds, show
from benchmarks.site import Site, media_site, running_site, wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin) as site:
        figures = rounds(lambda number: measure(site, origin, number), options.rounds)
    show(figures, as_json=options.json)


def measure(site: Site, origin: str, number: int) -> Figures:
    ready_seconds = site.start_again()
    began = time.monotonic()
    url = f"http://{origin}/small/{number}.mp4?start"
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    wait_until(lambda: site.ask(path)["outcome"] == "completed", seconds=30, every_seconds=0.01)
    return {"ready_seconds": ready_seconds, "first_download_seconds": time.monotonic() - began}


if __name__ == "__main__":
    main()
