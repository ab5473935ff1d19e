"""A real site for a benchmark: `manage.py serve` over a data directory that goes away."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.processes import tree_cpu_seconds

ROOT = Path(__file__).resolve().parent.parent
USER = "bench"


class Site:
    """A running site with one administrator and a token of theirs."""

    def __init__(
        self,
        data_dir: Path,
        *,
        allow: str,
        arguments: tuple[str, ...] = (),
        python: Path = Path(sys.executable),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`settings`: variables of its environment, besides those that each benchmark needs."""
        self.data_dir = data_dir
        self._python = str(python)
        self._password = secrets.token_urlsafe()
        self.environment = {
            **os.environ,
            "VNSITE_DATA_DIR": str(data_dir),
            "VNSITE_ALLOW_PRIVATE_HOSTS": allow,
            "VNSITE_ADMIN_USER": USER,
            "VNSITE_ADMIN_PASSWORD": self._password,
            "VNSITE_MIN_FREE_BYTES": "0",
            "VNSITE_USER_WAITING": "0",  # all that a benchmark does is one user's
            "VNSITE_USER_STREAMS": "0",
            "VNSITE_STREAMS": "0",
            **(settings or {}),
        }
        self._arguments = arguments
        self._log = (data_dir / "serve.log").open("wb")
        self._port = 0  # any, the first time
        self.start()
        self.wait_until_ready()
        self.token = self.manage("create_token", USER).split()[-1]

    def start(self) -> None:
        """Start `serve`, the second time on the port that it had."""
        self.process = subprocess.Popen(
            [self._python, "manage.py", "serve", "--port", str(self._port), *self._arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("Ready: "):
                self.url = line.removeprefix("Ready: ").strip()
                self._port = int(self.url.rstrip("/").rpartition(":")[2])
                return
        raise SystemExit(f"serve did not start:\n{(self.data_dir / 'serve.log').read_text()}")

    def start_again(self) -> float:
        """Stop it and start it; return the seconds from the start until it is ready."""
        self.stop()
        began = time.monotonic()
        self.start()
        self.wait_until_ready()
        return time.monotonic() - began

    def wait_until_idle(self) -> None:
        """Wait until it does nothing: its worker looks at all that a benchmark has added."""
        wait_until(self._is_idle, seconds=1800, every_seconds=0)

    def _is_idle(self, *, for_seconds: float = 2.0) -> bool:
        before = tree_cpu_seconds(self.process.pid)
        time.sleep(for_seconds)
        return tree_cpu_seconds(self.process.pid) - before < 0.05 * for_seconds

    def manage(self, *arguments: str) -> str:
        """What a command prints."""
        finished = subprocess.run(
            [self._python, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return finished.stdout.strip()

    def ask(self, path: str, body: Any = None, *, method: str | None = None) -> Any:
        """A request to the API; the answer's JSON, None when it has no body."""
        request = urllib.request.Request(
            f"{self.url}api/v1{path}",
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Authorization": f"Bearer {self.token}",
                "Content-Type": "application/json",
            },
            method=method,
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def browser(self) -> requests.Session:
        """A browser that is signed in."""
        browser = requests.Session()
        form = {"username": USER, "password": self._password}
        page = browser.get(f"{self.url}login/")
        page.raise_for_status()
        form["csrfmiddlewaretoken"] = browser.cookies["csrftoken"]
        browser.post(page.url, form, headers={"Referer": page.url}).raise_for_status()
        return browser

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def close(self) -> None:
        self.stop()
        self._log.close()


@contextmanager
def running_site(*, allow: str = "", **options: Any) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="vnsite-benchmark-") as directory:
        site = Site(Path(directory), allow=allow, **options)
        try:
            yield site
        finally:
            site.close()


@contextmanager
def media_site() -> Iterator[str]:
    """The loopback site of the tests, in a process of its own; its HOST:PORT."""
    process = subprocess.Popen(
        [sys.executable, "tests/helpers/media_server.py"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        with process.stdout:
            served = next(line for line in process.stdout if line.startswith("Serving at "))
            yield served.split("://", 1)[1].split("/")[0].strip()
    finally:
        process.terminate()
        process.wait(10)


def wait_until(condition: Any, *, seconds: float, every_seconds: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"gave up after {seconds} s")
        time.sleep(every_seconds)
