"""From a commit to a browser, what listening costs, and from a link to its file.

`.venv/bin/python -m benchmarks.latency [--count 200] [--streams 500] [--idle 10] [--downloads 40]
[--json]`

A web process without a worker over an empty data directory. This process commits and listens: a
time runs from the return of the commit to the arrival of the event at a socket. Then a site with a
worker gets small downloads, one after the other: from the beginning of the request to the arrival
of the events that it is there, and that it is COMPLETED.
"""

import argparse
import http.client
import json
import os
import queue
import random
import resource
import statistics
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from benchmarks.figures import Figures, quantile
from benchmarks.nginx import media_site
from benchmarks.processes import cpu_seconds, resident_bytes
from benchmarks.site import Site, running_site


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=200, help="transitions")
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of each idle measurement")
    parser.add_argument("--downloads", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    allow_many_connections()
    with running_site(arguments=("--no-worker",)) as site:
        figures = measure(site, options)
    with media_site() as origin, running_site(allow=origin) as site:
        download(site, origin, 4)  # warm
        figures |= download(site, origin, options.downloads)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:<32}{value:>10.3f}")


def measure(site: Site, options: argparse.Namespace) -> Figures:
    pid = site.process.pid
    figures = {"nobody_listens_cpu_percent": cpu_percent(pid, options.idle)}
    times = measure_latency(site, options.count)
    latencies = sorted(times.arrived[seq] - at for seq, at in times.committed.items())
    figures |= {
        "count": len(latencies),
        "median_seconds": statistics.median(latencies),
        "p95_seconds": latencies[int(0.95 * (len(latencies) - 1))],
        "max_seconds": latencies[-1],
        "commit_median_seconds": statistics.median(times.commits),
    }
    one = open_stream(site)
    figures["one_stream_cpu_percent"] = cpu_percent(pid, options.idle)
    before, began = resident_bytes(pid), time.perf_counter()
    streams = [open_stream(site) for _ in range(options.streams)]
    figures |= {
        "streams": len(streams),
        "open_streams_seconds": time.perf_counter() - began,
        "streams_cpu_percent": cpu_percent(pid, options.idle),
        "bytes_each_stream": (resident_bytes(pid) - before) / max(1, len(streams)),
    }
    for stream in [one, *streams]:
        stream.close()
    return figures


@dataclass
class Times:
    """Instants by seq, on the clock of this process."""

    committed: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)
    commits: list[float] = field(default_factory=list)  # how long each took


def measure_latency(site: Site, count: int) -> Times:
    times = Times()
    stream = open_stream(site)
    listening = threading.Thread(target=note_arrivals, args=(stream, times, count))
    listening.start()
    commit_transitions(site, times, count)
    listening.join()
    stream.close()
    return times


def note_arrivals(stream: http.client.HTTPResponse, times: Times, count: int) -> None:
    seq = 0
    while len(times.arrived) < count:
        line = stream.readline()
        if line.startswith(b"id: "):
            seq = int(line[4:])
        elif line == b"event: transition\n":
            times.arrived[seq] = time.perf_counter()


def commit_transitions(site: Site, times: Times, count: int) -> None:
    os.environ.update(site.environment, DJANGO_SETTINGS_MODULE="vnsite.settings")
    import django

    django.setup()
    from downloads.models import submissions
    from downloads.rules.options import DownloadOptions

    for seq in range(1, count + 1):
        # At any moment of the server's rhythm, and seldom enough that each stands alone.
        time.sleep(random.uniform(0.02, 0.2))
        began = time.perf_counter()
        wish = (f"https://example.org/{seq}", DownloadOptions())
        submissions.submit([wish], owner=None, actor="benchmark")
        times.committed[seq] = time.perf_counter()
        times.commits.append(times.committed[seq] - began)


def download(site: Site, origin: str, count: int) -> Figures:
    """Add so many small downloads, each after the end of the one before."""
    stream = open_stream(site)
    told: queue.Queue[tuple[str, str, float]] = queue.Queue()
    threading.Thread(target=note_states, args=(stream, told), daemon=True).start()
    seen, completed = [], []
    for number in range(count):
        time.sleep(random.uniform(0.0, 0.05))  # at any moment of the site's rhythm
        began = time.perf_counter()
        url = f"http://{origin}/small/alone-{count}-{number}.mp4"
        name = site.ask("/downloads", {"url": url})["correlation_id"]
        at = {}
        while "cleaned" not in at:
            whose, state, instant = told.get(timeout=30)
            if whose == name:
                at[state] = instant - began
        seen.append(at["created"])
        completed.append(at["completed"])
    return {
        "post_to_event_median_ms": 1000 * statistics.median(seen),
        "post_to_event_p95_ms": 1000 * quantile(seen, 0.95),
        "post_to_completed_median_ms": 1000 * statistics.median(completed),
        "post_to_completed_p95_ms": 1000 * quantile(completed, 0.95),
    }


def note_states(
    stream: http.client.HTTPResponse, told: "queue.Queue[tuple[str, str, float]]"
) -> None:
    """Put each transition's download, state and instant, as long as the stream lasts."""
    is_transition = False
    for line in stream:
        if line.startswith(b"event: "):
            is_transition = line == b"event: transition\n"
        elif is_transition and line.startswith(b"data: "):
            event = json.loads(line.removeprefix(b"data: "))
            told.put((event["correlation_id"], event["to"], time.perf_counter()))


def open_stream(site: Site) -> http.client.HTTPResponse:
    address = urlsplit(site.url)
    browser = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    browser.request("GET", "/events/", headers={"Authorization": f"Bearer {site.token}"})
    response = browser.getresponse()
    while response.readline() != b"event: hello\n":
        if response.closed:
            raise SystemExit(f"no stream: {response.status}")
    return response


def cpu_percent(pid: int, seconds: float) -> float:
    """Of one core, while nothing happens."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / seconds


def allow_many_connections() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))


if __name__ == "__main__":
    main()
