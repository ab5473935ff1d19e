"""How soon a waiting download is claimed, and what an idle site costs.

`.venv/bin/python -m benchmarks.worker [--count 40] [--idle-seconds 20] [--json]`

From the history: the seconds between *submitted* and *claimed* of downloads that are added one
after the other. Then, with nothing to do, the share of a core of the worker with its fork server
and of the web server.
"""

import argparse
import json
import os
import statistics
import time
from datetime import datetime
from pathlib import Path

from benchmarks.site import Site, media_site, running_site, wait_until


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--idle-seconds", type=float, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with media_site() as origin, running_site(allow=origin) as site:
        delays = [claim_delay(site, origin, number) for number in range(options.count)]
        figures = {
            "claim_median_seconds": statistics.median(delays),
            "claim_max_seconds": max(delays),
            **idle_shares(site, options.idle_seconds),
        }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        print("  ".join(f"{name} {value:.4f}" for name, value in figures.items()))


def claim_delay(site: Site, origin: str, number: int) -> float:
    url = f"http://{origin}/small/{number}.mp4?claim"
    path = f"/downloads/{site.ask('/downloads', {'url': url})['correlation_id']}"
    wait_until(lambda: site.ask(path)["state"] == "cleaned", seconds=30)
    at = {
        entry["reason"]: datetime.fromisoformat(entry["at"]) for entry in site.ask(path)["history"]
    }
    return (at["claimed"] - at["submitted"]).total_seconds()


def idle_shares(site: Site, seconds: float) -> dict[str, float]:
    """CPU seconds a second of each process, while nobody asks for anything."""
    web = site.process.pid
    worker = only_child(web)
    before = {pid: cpu_seconds(pid) for pid in (web, worker, only_child(worker))}
    time.sleep(seconds)
    used = {pid: cpu_seconds(pid) - cpu for pid, cpu in before.items()}
    return {
        "idle_worker_share": (sum(used.values()) - used[web]) / seconds,
        "idle_web_share": used[web] / seconds,
    }


def only_child(pid: int) -> int:
    children = [
        child
        for task in Path(f"/proc/{pid}/task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    return int(children[0])


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
