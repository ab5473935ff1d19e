"""What an open dashboard costs its browser, and how long after a commit a row shows it.

`.venv/bin/python -m benchmarks.tab [--seconds 20] [--pairs 30] [--downloads 500] [--json]`

A web process without a worker, whose part this process plays: 50 rows, 8 of them running. A real
Chromium shows them. Needs the test group (Playwright).
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from benchmarks.site import USER, Site, running_site

if TYPE_CHECKING:
    from downloads.models import Download

ROWS = 50
RUNNING = 8
PROGRESS_SECONDS = 0.5
SETTLE_SECONDS = 2.0
WATCHES = """
    window.seen = {};
    window.longest = 0;
    new PerformanceObserver((list) => {
        for (const task of list.getEntries()) longest = Math.max(longest, task.duration);
    }).observe({ type: "longtask" });
    const look = () => {
        for (const row of document.querySelectorAll("#rows [data-row]")) {
            seen[`${row.dataset.row} ${row.dataset.state}`] ??= Date.now();
        }
    };
    look();
    new MutationObserver(look).observe(document.getElementById("rows"),
        { childList: true, subtree: true, attributes: true, attributeFilter: ["data-state"] });
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="of the measurement of CPU")
    parser.add_argument("--pairs", type=int, default=30, help="of transitions, at most 42")
    parser.add_argument("--downloads", type=int, default=500, help="that come and end")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright runs a loop in this thread
    with running_site(arguments=("--no-worker",)) as site:
        os.environ.update(site.environment, DJANGO_SETTINGS_MODULE="vnsite.settings")
        import django

        django.setup()
        with opened(site) as page:
            figures = measure(page, options)
    figures["load_average"] = os.getloadavg()[0]
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<32}{value:>10.1f}")


@contextmanager
def opened(site: Site) -> Iterator[Page]:
    """The dashboard with its rows, live."""
    fill()
    with sync_playwright() as playwright:
        path = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(base_url=site.url, viewport={"width": 1280, "height": 900})
        for cookie in site.browser().cookies:
            page.context.add_cookies(
                [{"name": cookie.name, "value": str(cookie.value), "url": site.url}]
            )
        page.goto("/?sort=newest")
        page.locator("#chip[data-state=live]").wait_for()
        page.evaluate(WATCHES)
        yield page
        browser.close()


def measure(page: Page, options: argparse.Namespace) -> dict[str, float]:
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})
    figures = {"cpu_percent": measure_cpu(devtools, options.seconds)}
    page.evaluate("window.longest = 0")
    firsts, seconds = measure_latency(page, options.pairs)
    for name, times in {"first": firsts, "second": seconds}.items():
        figures[f"{name}_p50_ms"] = statistics.median(times)
        figures[f"{name}_p95_ms"] = sorted(times)[int(0.95 * (len(times) - 1))]
    before = heap(devtools)
    come_and_end(options.downloads)
    page.wait_for_timeout(1000 * SETTLE_SECONDS)
    after = heap(devtools)
    figures |= {f"{name}_before": before[name] for name in before}
    figures |= {f"{name}_after": after[name] for name in after}
    return figures | {"longest_task_ms": page.evaluate("window.longest")}


def measure_cpu(devtools: CDPSession, seconds: float) -> float:
    """The time of the page's main thread, in percent of one core, while eight are running."""
    ended = threading.Event()
    working = threading.Thread(target=report_progress, args=(ended,))
    working.start()
    time.sleep(SETTLE_SECONDS)
    before, began = metric(devtools, "TaskDuration"), time.perf_counter()
    time.sleep(seconds)
    took = time.perf_counter() - began
    used = metric(devtools, "TaskDuration") - before
    ended.set()
    working.join()
    return 100 * used / took


def measure_latency(page: Page, pairs: int) -> tuple[list[float], list[float]]:
    """Milliseconds from the return of a commit to the row: of a claim, and of what follows it."""
    commits: list[tuple[str, float, bool]] = []
    for _ in range(pairs):
        download = claim(1)[0]
        commits.append((f"{download.correlation_id} initializing", time.time(), True))
        time.sleep(random.uniform(0.05, 0.2))
        begin(download)
        commits.append((f"{download.correlation_id} downloading", time.time(), False))
        time.sleep(random.uniform(0.3, 1.0))
        end(download)
        time.sleep(random.uniform(0.3, 1.0))
    page.wait_for_timeout(1000 * SETTLE_SECONDS)
    seen = page.evaluate("seen")
    times = [(seen.get(key, 0.0) - 1000 * at, is_first) for key, at, is_first in commits]
    shown = [(after, is_first) for after, is_first in times if after > 0]
    if len(shown) < len(times):  # it was drawn when the next state was there
        print(f"{len(times) - len(shown)} of {len(times)} states were passed over", file=sys.stderr)
    return [each for each, is_first in shown if is_first], [
        each for each, is_first in shown if not is_first
    ]


def heap(devtools: CDPSession) -> dict[str, float]:
    devtools.send("HeapProfiler.collectGarbage")
    return {
        "heap_kib": metric(devtools, "JSHeapUsedSize") / 1024,
        "nodes": metric(devtools, "Nodes"),
        "listeners": metric(devtools, "JSEventListeners"),
    }


def metric(devtools: CDPSession, name: str) -> float:
    found: list[dict[str, Any]] = devtools.send("Performance.getMetrics")["metrics"]
    return float(next(each["value"] for each in found if each["name"] == name))


# The part of a worker.


def fill() -> None:
    from django.utils import timezone

    from downloads.models import Worker

    submit(ROWS)
    now = timezone.now()
    Worker.objects.create(
        name="bench", host="bench", pid=os.getpid(), slots=100, started_at=now, heartbeat_at=now
    )
    for download in claim(RUNNING):
        begin(download)


def submit(count: int) -> None:
    from django.contrib.auth.models import User

    from downloads.models import submissions
    from downloads.rules.options import DownloadOptions

    owner = User.objects.get(username=USER)
    links = [f"https://example.org/{random.getrandbits(64)}" for _ in range(count)]
    wishes = [(link, DownloadOptions()) for link in links]
    submissions.submit(wishes, owner=owner, actor="benchmark")


def claim(slots: int) -> "list[Download]":
    from downloads.models import Worker, claims

    return claims.claim(Worker.objects.get(name="bench"), slots=slots)


def begin(download: "Download") -> None:
    from downloads.models.transactions import short_transaction
    from downloads.rules.states import Reason, State

    with short_transaction():
        download.move(State.READY, actor="benchmark", reason=Reason.DIRECTORY_MADE)
        download.move(State.DOWNLOADING, actor="benchmark", reason=Reason.CHILD_STARTED)


def end(download: "Download") -> None:
    from downloads.rules.states import Reason, State

    download.move(State.CANCELLED, actor="benchmark", reason=Reason.CANCELLED)


def come_and_end(count: int) -> None:
    from downloads.models import Download
    from downloads.rules.states import State

    for _ in range(count // ROWS):
        submit(ROWS)
        time.sleep(SETTLE_SECONDS / 2)
        for download in Download.objects.filter(state=State.CREATED):
            end(download)
        time.sleep(SETTLE_SECONDS / 2)


def report_progress(ended: threading.Event) -> None:
    from django.db import connection
    from django.utils import timezone

    from downloads.models import Progress

    received = 0
    while not ended.wait(PROGRESS_SECONDS):
        received += 3_000_000
        for number, progress in enumerate(Progress.objects.order_by("pk"), start=1):
            Progress.objects.filter(pk=progress.pk).update(
                phase="fetching",
                received_bytes=received + number * 1_000_000,
                total_bytes=1_000_000_000,
                speed=5e6 + 1e5 * number,
                eta_seconds=100.0,
                updated_at=timezone.now(),
            )
    connection.close()


if __name__ == "__main__":
    main()
