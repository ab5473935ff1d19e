"""From asking to cancel a running download to an empty disk.

`.venv/bin/python -m benchmarks.cancel [--count 20] [--json]`

Each of them fetches slowly; the time runs from the request until the download is CLEANED, its
child is gone and its directory too.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

from benchmarks.site import Site, media_site, running_site, wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin) as site:
        times = [cancel_one(site, origin, number) for number in range(options.count)]
    figures = {
        "count": len(times),
        "median_seconds": statistics.median(times),
        "max_seconds": max(times),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


def cancel_one(site: Site, origin: str, number: int) -> float:
    url = f"http://{origin}/slow.mp4?rate=50000&cancel={number}"
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    wait_until(lambda: (site.ask(path)["progress"] or {}).get("bytes", 0) > 0, seconds=30)
    children = marked_processes(site)
    began = time.monotonic()
    site.ask(f"{path}/cancel", {}, method="POST")
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=30, every_seconds=0.005)
    took = time.monotonic() - began
    assert not list((site.data_dir / "tmp").iterdir())
    assert children
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    return took


def marked_processes(site: Site) -> list[int]:
    """The processes that work in an isolated directory of this site."""
    root = str(site.data_dir / "tmp")
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and str((process / "cwd").readlink()).startswith(root):
                found.append(int(process.name))
        except OSError:
            continue
    return found


if __name__ == "__main__":
    main()
