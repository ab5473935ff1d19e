"""How long it takes from a commit to a browser, and what listening costs.

    .venv/bin/python benchmarks/latency.py [--transitions N] [--streams N] [--idle SECONDS]

A real `manage.py serve --no-worker` over an empty data directory. This process commits and listens:
the time is from the return of the commit to the arrival of the event at a socket. Prints a table,
and then the same as one line of JSON.
"""

import argparse
import http.client
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
MEBIBYTE = 2**20


@contextmanager
def serving() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    server = subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--no-worker", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    ready = next(line for line in server.stdout if line.startswith("Ready: "))
    try:
        yield server, ready.removeprefix("Ready: ").strip()
    finally:
        server.terminate()
        server.wait()


def open_stream(url: str, cookie: str) -> http.client.HTTPResponse:
    address = urlsplit(url)
    browser = http.client.HTTPConnection(str(address.hostname), address.port, timeout=30)
    browser.request("GET", "/events/", headers={"Cookie": cookie})
    response = browser.getresponse()
    assert response.status == 200, response.status
    while response.readline() != b"event: hello\n":
        pass
    return response


@dataclass
class Times:
    """By seq, on the clock of this process."""

    committed: dict[int, float] = field(default_factory=dict)
    arrived: dict[int, float] = field(default_factory=dict)
    commit_seconds: list[float] = field(default_factory=list)

    def latencies(self) -> list[float]:
        return [self.arrived[seq] - at for seq, at in self.committed.items()]


def note_arrivals(stream: http.client.HTTPResponse, times: Times, count: int) -> None:
    seq = 0
    while len(times.arrived) < count:
        line = stream.readline()
        if line.startswith(b"id: "):
            seq = int(line[4:])
        elif line == b"event: transition\n":
            times.arrived[seq] = time.perf_counter()


def commit_transitions(times: Times, count: int) -> None:
    from downloads.models import Download
    from downloads.options import DownloadOptions

    for number in range(1, count + 1):
        # At any moment of the server's rhythm, and seldom enough that each stands alone.
        time.sleep(random.uniform(0.02, 0.2))
        began = time.perf_counter()
        Download.objects.submit(
            [(f"https://example.org/{number}", DownloadOptions())], owner=None, actor="benchmark"
        )
        times.committed[number] = time.perf_counter()
        times.commit_seconds.append(times.committed[number] - began)


def measure_latency(url: str, cookie: str, count: int) -> Times:
    times = Times()
    stream = open_stream(url, cookie)
    listening = threading.Thread(target=note_arrivals, args=(stream, times, count))
    listening.start()
    commit_transitions(times, count)
    listening.join()
    stream.close()
    return times


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_percent(pid: int, seconds: float) -> float:
    """Of one core, while nothing happens."""
    before = cpu_seconds(pid)
    time.sleep(seconds)
    return 100 * (cpu_seconds(pid) - before) / seconds


def resident_mebibytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def sign_in() -> str:
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.test import Client

    client = Client()
    client.force_login(User.objects.create_superuser("benchmark"))
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 1)


def measure(arguments: argparse.Namespace) -> dict[str, float]:
    with serving() as (server, url):
        cookie = sign_in()
        result = {"idle_nobody_cpu_percent": cpu_percent(server.pid, arguments.idle)}
        times = measure_latency(url, cookie, arguments.transitions)
        latencies = sorted(times.latencies())
        result |= {
            "transitions": len(latencies),
            "latency_median_ms": milliseconds(statistics.median(latencies)),
            "latency_p95_ms": milliseconds(latencies[int(0.95 * (len(latencies) - 1))]),
            "latency_max_ms": milliseconds(latencies[-1]),
            "commit_median_ms": milliseconds(statistics.median(times.commit_seconds)),
        }
        one = open_stream(url, cookie)
        result["idle_one_stream_cpu_percent"] = cpu_percent(server.pid, arguments.idle)
        before = resident_mebibytes(server.pid)
        began = time.perf_counter()
        streams = [open_stream(url, cookie) for _ in range(arguments.streams)]
        result["streams"] = arguments.streams
        result["open_streams_seconds"] = round(time.perf_counter() - began, 2)
        result["idle_streams_cpu_percent"] = cpu_percent(server.pid, arguments.idle)
        grown = resident_mebibytes(server.pid) - before
        result["kibibytes_each_stream"] = round(1024 * grown / max(1, arguments.streams), 1)
        for stream in [one, *streams]:
            stream.close()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--transitions", type=int, default=200)
    parser.add_argument("--streams", type=int, default=500)
    parser.add_argument("--idle", type=float, default=10.0, help="seconds of each idle measurement")
    arguments = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 65536)), hard))
    with tempfile.TemporaryDirectory(prefix="vnsite-latency-") as directory:
        os.environ["VNSITE_DATA_DIR"] = directory
        os.environ["DJANGO_SETTINGS_MODULE"] = "vnsite.settings"
        sys.path.insert(0, str(ROOT))
        import django

        django.setup()
        result = measure(arguments)
    for name, value in result.items():
        print(f"{name:<30}{value:>12.1f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
