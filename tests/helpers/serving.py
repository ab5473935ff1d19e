"""`manage.py serve` as a process of its own, and a client that listens to its events.

It works on the tests' database, so that what a test commits here is heard there.
"""

import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from tests.helpers.processes import descendants, open_files
from tests.helpers.waiting import DEADLINE_SECONDS
from tests.helpers.worker import ROOT, worker_environment


class Serving:
    """One `serve` on a free port."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self.lines: list[str] = []  # of stdout, until it was ready
        self.url = ""
        # A pipe that nobody reads would block a server that says much.
        self._log = (settings.VNSITE.data_dir / f"serve.{secrets.token_hex(4)}.log").open("wb")
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", "0", "--skip-checks", *arguments],
            cwd=ROOT,
            env={**os.environ, **worker_environment(), **environment},
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            start_new_session=True,
        )

    def said(self) -> str:
        """What it has said so far on stderr, its worker included."""
        return Path(self._log.name).read_text()

    def wait_until_ready(self) -> None:
        self.url = self.wait_until_it_says("Ready: ").removeprefix("Ready: ")

    def wait_until_it_says(self, beginning: str) -> str:
        """The next line of stdout that begins so."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.strip())
            if line.startswith(beginning):
                return line.strip()
        raise AssertionError(f"serve ended: {self.lines}")

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(*self.address, timeout=DEADLINE_SECONDS)

    def ask(
        self, path: str, *, method: str = "GET", user: User | None = None, **headers: str
    ) -> "Answer":
        """One request. A header's name is written with underscores."""
        browser = self.connect()
        browser.request(method, path, headers=headers_of(user, headers))
        answer = Answer.of(browser.getresponse())
        browser.close()
        return answer

    def listen(self, query: str = "", *, user: User | None = None, **headers: str) -> "Listening":
        return Listening(self.connect(), f"/events/{query}", headers_of(user, headers))

    def database_files(self) -> list[str]:
        """What the process has open of the database. Nothing, when nobody asks and listens."""
        database = connection.settings_dict["NAME"]
        return [name for name in open_files(self.process.pid) if name.startswith(database)]

    def thread_count(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        return self.process.wait(DEADLINE_SECONDS)

    def close(self) -> str:
        """End it and all that it started, whatever they do; once more is no harm.

        What it said on stderr. By itself its worker would let a running download finish.
        """
        if not self._log.closed:
            for pid in (self.process.pid, *descendants(self.process.pid)):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.communicate()
            self._log.close()
        return self.said()


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: http.client.HTTPResponse) -> Self:
        """Without the body of a stream of events, which would never end."""
        is_stream = response.headers.get_content_type() == "text/event-stream"
        with response:
            body = b"" if is_stream else response.read()
        return cls(response.status, dict(response.getheaders()), body)


@dataclass(frozen=True)
class Event:
    name: str
    seq: int | None  # its `id:`
    data: Any


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """The events that these lines of a stream are, as soon as each is whole."""
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.rstrip("\n").partition(": ")
        if name:
            fields[name] = value
            continue
        if "event" in fields:
            seq = fields.get("id")
            yield Event(fields["event"], int(seq) if seq else None, json.loads(fields["data"]))
        fields = {}


class Listening:
    """A stream of events that was asked for. Reading past the deadline is a TimeoutError."""

    def __init__(
        self, browser: http.client.HTTPConnection, path: str, headers: dict[str, str]
    ) -> None:
        self.browser = browser
        browser.request("GET", path, headers=headers)
        self.response = browser.getresponse()
        self.status = self.response.status

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Event]:
        """Every event, until the stream ends."""
        return events_in(line.decode() for line in iter(self.response.readline, b""))

    def next(self, *names: str) -> Event:
        """The next event of one of these names; of any without. Others do not put the end of the
        waiting off: a stream is never silent for longer than its heartbeat."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        for event in self:
            if not names or event.name in names:
                return event
            assert time.monotonic() < deadline, f"waited {DEADLINE_SECONDS} s for {names}"
        raise AssertionError(f"the stream ended before {names or 'an event'}")

    def transitions(self, count: int) -> list[Event]:
        return [self.next("transition") for _ in range(count)]

    def close(self) -> None:
        self.response.close()
        self.browser.close()


def headers_of(user: User | None, headers: dict[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return named if user is None else {**named, "Cookie": sign_in(user)}


def sign_in(user: User) -> str:
    """A session's cookie."""
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[Serving]:
    """A `serve` that is ready; ended at the end, whatever happened.

    When the test fails, what it said is shown.
    """
    server = Serving(*arguments, **environment)
    try:
        server.wait_until_ready()
        yield server
    except BaseException:
        sys.stderr.write(server.said())
        raise
    finally:
        server.close()
