"""What a site costs that nobody uses: CPU and memory of all its processes.

`.venv/bin/python -m benchmarks.idle [--seconds 30] [--json]`

Once right after the start, and once after a download and a page. Memory that processes share is
divided among them.
"""

import argparse
import os
import time

from benchmarks.figures import Figures, show
from benchmarks.processes import tree, tree_cpu_seconds, tree_unshared_bytes
from benchmarks.site import Site, media_site, running_site, wait_until

MEGABYTE = 1_000_000
SETTLE_SECONDS = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin) as site:
        figures = {f"fresh_{name}": value for name, value in measure(site, options.seconds).items()}
        site.browser().get(site.url).raise_for_status()
        path = site.ask("/downloads", {"url": f"http://{origin}/small/1.mp4"})["correlation_id"]
        wait_until(lambda: site.ask(f"/downloads/{path}")["state"] == "cleaned", seconds=30)
        figures |= {f"used_{name}": value for name, value in measure(site, options.seconds).items()}
    figures["load_average"] = os.getloadavg()[0]
    show(figures, as_json=options.json)


def measure(site: Site, seconds: float) -> Figures:
    """CPU in percent of one core, and memory in MB."""
    time.sleep(SETTLE_SECONDS)
    pid = site.process.pid
    before = tree_cpu_seconds(pid)
    time.sleep(seconds)
    return {
        "cpu_percent": 100 * (tree_cpu_seconds(pid) - before) / seconds,
        "memory_mb": tree_unshared_bytes(pid) / MEGABYTE,
        "processes": len(list(tree(pid))),
    }


if __name__ == "__main__":
    main()
