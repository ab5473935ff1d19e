"""Many links pasted at once, and all of them cancelled, retried and deleted with one request each.

`.venv/bin/python -m benchmarks.many [--count 500] [--json]`

The queue is paused, so that nothing runs; each time is that of the whole answer of the API.
"""

import argparse
import json
import time
from typing import Any

from benchmarks.site import Site, running_site


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with running_site(allow="") as site:
        figures = measure(site, options.count)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


def measure(site: Site, count: int) -> dict[str, float]:
    """Return the seconds that each step took."""
    site.ask("/queue/pause", {}, method="POST")
    urls = [f"https://example.org/{number}" for number in range(count)]
    return {
        "count": count,
        "added": seconds_of(site, "/downloads/batch", {"urls": urls}),
        "cancelled": act(site, "cancel", count),
        "retried": act(site, "retry", count),
        "cancelled_again": act(site, "cancel", count),
        "deleted": act(site, "delete", count),
    }


def act(site: Site, action: str, count: int) -> float:
    began = time.monotonic()
    done, left = 0, 1
    while left:  # each request has five seconds
        answer: Any = site.ask("/downloads/many", {"action": action, "query": {}}, method="POST")
        done, left = done + answer["done"], answer["left"]
    assert done == count
    return time.monotonic() - began


def seconds_of(site: Site, path: str, body: dict[str, Any]) -> float:
    began = time.monotonic()
    site.ask(path, body)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
