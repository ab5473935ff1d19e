"""How soon the dashboard is on the screen, and how many bytes that takes.

`.venv/bin/python -m benchmarks.paint [--rows 50] [--times 5] [--json]`

A real Chromium against `serve --no-worker`. A time runs from the navigation to the browser's own
first-contentful-paint. Bytes are those on the wire, headers included, without the stream of events.
"""

import argparse
import json
import shutil
import statistics
from dataclasses import dataclass

from playwright.sync_api import Browser, CDPSession, sync_playwright

from benchmarks.site import Site, running_site

SLOW_3G = {"latency": 400, "downloadThroughput": 400_000 / 8, "uploadThroughput": 400_000 / 8}
PAINTED = """() => new Promise((resolve) => {
  const look = () => {
    const [entry] = performance.getEntriesByName("first-contentful-paint");
    if (entry) resolve(entry.startTime); else setTimeout(look, 10);
  };
  look();
})"""


@dataclass(frozen=True, kw_only=True)
class Visit:
    seconds: float
    size_bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=50)
    parser.add_argument("--times", type=int, default=5, help="how often each is measured")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with running_site(arguments=("--no-worker",)) as site, sync_playwright() as playwright:
        urls = [f"https://video.example/watch/{number}" for number in range(options.rows)]
        site.ask("/downloads/batch", {"urls": urls})
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        figures = measure(site, chromium, options.times)
        chromium.close()
    if options.json:
        print(json.dumps(figures, indent=2))
        return
    for name, value in figures.items():
        print(f"{name:<28}{value:>10.2f}")


def measure(site: Site, chromium: Browser, times: int) -> dict[str, float]:
    """Measure each visit some times, and keep the medians."""
    fast = [visits(site, chromium) for _ in range(times)]
    slow = [visits(site, chromium, network=SLOW_3G) for _ in range(times)]
    figures = {}
    for name, found in (
        ("cold", [first for first, _ in fast]),
        ("warm", [later for _, later in fast]),
        ("slow_3g_cold", [first for first, _ in slow]),
        ("slow_3g_warm", [later for _, later in slow]),
    ):
        figures[f"{name}_paint_seconds"] = statistics.median(visit.seconds for visit in found)
        figures[f"{name}_kb"] = statistics.median(visit.size_bytes / 1000 for visit in found)
    return figures


def visits(
    site: Site, chromium: Browser, *, network: dict[str, float] | None = None
) -> tuple[Visit, Visit]:
    """Visit the dashboard for the first time, and once more."""
    context = chromium.new_context(service_workers="block")  # its requests are not the page's
    cookies = site.browser().cookies
    context.add_cookies(
        [{"name": name, "value": value, "url": site.url} for name, value in cookies.items()]
    )
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    if network:
        wire.send("Network.emulateNetworkConditions", {"offline": False, **network})
    received = count_bytes(wire)
    found = []
    for _ in range(2):
        received[0] = 0
        page.goto(site.url, wait_until="load")
        seconds = page.evaluate(PAINTED) / 1000
        page.wait_for_timeout(500)  # for what is asked for after the load
        found.append(Visit(seconds=seconds, size_bytes=received[0]))
    context.close()
    return found[0], found[1]


def count_bytes(wire: CDPSession) -> list[int]:
    """Return a counter of the bytes of requests that have ended."""
    received = [0]

    def add(event: dict[str, float]) -> None:
        received[0] += int(event["encodedDataLength"])

    wire.on("Network.loadingFinished", add)
    return received


if __name__ == "__main__":
    main()
