"""From kill -9 to a site that answers again, and to the recovery of what was running.

`.venv/bin/python -m benchmarks.restart [--count 5] [--json]`

Each time four downloads are running. First only the main process of `serve` is killed, and its
worker and children are left to end by themselves, while another `serve` is started at once on the
same port; then everything is killed. What is measured begins with the start of the new `serve`.
"""

import argparse
import json
import os
import signal
import statistics
import time
import urllib.request
from datetime import datetime
from typing import Any

from benchmarks.site import Site, media_site, running_site, wait_until
from downloads.fetch.processes import children_of

RUNNING = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {"count": options.count}
    with media_site() as origin, running_site(allow=origin) as site:
        rounds = Rounds(site, origin)
        answers = [rounds.kill(only_main=True)[0] for _ in range(options.count)]
        both = [rounds.kill(only_main=False) for _ in range(options.count)]
    figures |= {
        "main_killed_to_answer_median_seconds": statistics.median(answers),
        "main_killed_to_answer_max_seconds": max(answers),
        "all_killed_to_answer_median_seconds": statistics.median(answer for answer, _ in both),
        "all_killed_to_answer_max_seconds": max(answer for answer, _ in both),
        "all_killed_to_recovery_median_seconds": statistics.median(begun for _, begun in both),
        "all_killed_to_recovery_max_seconds": max(begun for _, begun in both),
    }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name} {value:.2f}" if isinstance(value, float) else f"{name} {value}")


class Rounds:
    """Kills of one site, one after the other."""

    def __init__(self, site: Site, origin: str) -> None:
        self.site = site
        self.origin = origin
        self.count = 0

    def kill(self, *, only_main: bool) -> tuple[float, float]:
        """Kill it and start it again; seconds to its first answer, and to the first recovery.

        The second is 0 when only the main process was killed: then the worker, which the kernel
        tells so, gives back what it has.
        """
        ids = self.add()
        pids = [self.site.process.pid] if only_main else tree(self.site.process.pid)
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.site.process.wait()

        began, began_at = time.monotonic(), time.time()
        self.site.start()
        wait_until(self.answers, seconds=60, every_seconds=0.01)
        answered = time.monotonic() - began
        self.site.wait_until_ready()
        recovered = 0.0 if only_main else self.first_recovery(ids) - began_at
        for correlation_id in ids:
            self.site.ask(f"/downloads/{correlation_id}/cancel", {}, method="POST")
        wait_until(lambda: self.states(ids) == {"cleaned"}, seconds=60)
        return answered, recovered

    def add(self) -> list[str]:
        """Downloads that are running."""
        self.count += 1
        urls = [
            f"http://{self.origin}/slow.mp4?rate=20000&round={self.count}&n={number}"
            for number in range(RUNNING)
        ]
        results = self.site.ask("/downloads/batch", {"urls": urls})["results"]
        ids = [result["correlation_id"] for result in results]
        wait_until(lambda: self.states(ids) == {"downloading"}, seconds=60)
        return ids

    def states(self, ids: list[str]) -> set[str]:
        return {self.site.ask(f"/downloads/{each}")["state"] for each in ids}

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.site.url}healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def first_recovery(self, ids: list[str]) -> float:
        """When the first of them was given back, as a time."""

        def moments() -> list[float]:
            return [
                datetime.fromisoformat(entry["at"]).timestamp()
                for each in ids
                for entry in self.site.ask(f"/downloads/{each}")["history"]
                if entry["reason"] == "worker_lost"
            ]

        wait_until(moments, seconds=60)
        return min(moments())


def tree(pid: int) -> list[int]:
    """A process and all that it started, however deep; stopped, so that it stays all."""
    found = [pid]
    for each in found:
        os.kill(each, signal.SIGSTOP)
        found += children_of(each)
    return found


if __name__ == "__main__":
    main()
