"""Many clients of the event stream at once, in a process of their own."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from benchmarks.processes import cpu_seconds
from benchmarks.site import ROOT, Site

Arrivals = list[dict[int, float]]  # of each listener that notes them: when each event came


class Crowd:
    """So many browsers of one user, none yet. Use it in a `with` block."""

    def __init__(self, site: Site) -> None:
        self.number = 0
        host, port = address_of(site)
        cookies = "; ".join(f"{name}={value}" for name, value in site.browser().cookies.items())
        lines = ("GET /events/ HTTP/1.1", "Host: 127.0.0.1", f"Cookie: {cookies}", "")
        self._address = [host, port, "\r\n".join(lines)]

    def __enter__(self) -> "Crowd":
        self._process = subprocess.Popen(
            [sys.executable, "-S", "benchmarks/listeners.py", json.dumps(self._address)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    @property
    def cpu_seconds(self) -> float:
        """CPU that the crowd itself has used."""
        return cpu_seconds(self._process.pid)

    def connect(self, number: int, *, within_seconds: float = 0.0) -> float:
        """Open so many; return the seconds until the last has been greeted."""
        self.number += number
        return float(self._ask(f"open {number} {within_seconds}"))

    def come_back(self) -> float:
        """Have all connect again at once, after the server was stopped, each with its last id;
        return the seconds until the last has been greeted."""
        return float(self._ask("again"))

    def forget(self) -> None:
        """Forget the arrivals up to now."""
        self._ask("forget")

    def arrivals(self) -> Arrivals:
        """Return what has arrived since `forget`."""
        return [{int(seq): at for seq, at in each.items()} for each in self._ask("tell")]

    def _ask(self, command: str) -> Any:
        assert self._process.stdin
        assert self._process.stdout
        print(command, file=self._process.stdin)
        answer = self._process.stdout.readline()
        if not answer:
            raise SystemExit(f"the listeners ended: {command}")
        return json.loads(answer)


def spreads(arrivals: Arrivals) -> list[float]:
    """Return the seconds from the first listener that has an event to the last, of each event."""
    at: dict[int, list[float]] = defaultdict(list)
    for each in arrivals:
        for seq, instant in each.items():
            at[seq].append(instant)
    return [max(instants) - min(instants) for instants in at.values()]


def missed(arrivals: Arrivals) -> int:
    """Count the events that a listener did not get although it got an earlier and a later one."""
    return sum(max(each) - min(each) + 1 - len(each) for each in arrivals if each)


@contextmanager
def streams(site: Site, number: int) -> Iterator[Crowd]:
    """So many open streams."""
    with Crowd(site) as crowd:
        crowd.connect(number)
        yield crowd


def address_of(site: Site) -> tuple[str, int]:
    address = urlsplit(site.url)
    assert address.hostname
    assert address.port
    return address.hostname, address.port


def request_of(site: Site, path: str) -> bytes:
    lines = (f"GET {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {site.token}")
    return "\r\n".join([*lines, "", ""]).encode()
