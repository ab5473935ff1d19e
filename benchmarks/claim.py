"""How soon a waiting download is claimed.

`.venv/bin/python -m benchmarks.claim [--count 40] [--json]`

From the history: the seconds between *submitted* and *claimed* of downloads that are added one
after the other.
"""

import argparse
import os
import statistics
from datetime import datetime

from benchmarks.figures import show
from benchmarks.site import Site, media_site, running_site, wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin) as site:
        delays = [claim_delay(site, origin, number) for number in range(options.count)]
    figures = {
        "claim_median_seconds": statistics.median(delays),
        "claim_max_seconds": max(delays),
        "load_average": os.getloadavg()[0],
    }
    show(figures, as_json=options.json)


def claim_delay(site: Site, origin: str, number: int) -> float:
    url = f"http://{origin}/small/{number}.mp4?claim"
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=30)
    at = {
        entry["reason"]: datetime.fromisoformat(entry["at"]) for entry in site.ask(path)["history"]
    }
    return (at["claimed"] - at["submitted"]).total_seconds()


if __name__ == "__main__":
    main()
