"""Rehearses a download in the fork server, so that a child finds ready what it shares.

What is imported, compiled and remembered when something is done for the first time, each child
would do again, and the kernel would copy the memory that it writes to. The film is our own; another
process serves it on loopback for as long as the rehearsal lasts.
"""

import os
import select
import shutil
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

from downloads.fetch import hot_code
from downloads.fetch import job as jobs
from downloads.fetch.downloader import Downloader
from downloads.fetch.lending import Lending
from downloads.fetch.log import Voice
from downloads.fetch.protocol import Job, Lent, Outbox, Wishes
from downloads.fetch.read_limits import Pages
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard

FILM = (Path(__file__).parent / "trial_site" / "film.mp4").read_bytes()
# Python rewrites the code of a function in place when it was called for the eighth time.
TIMES = 8
LONGEST_SECONDS = 5.0  # of one, which takes 20 ms; the worker waits 10 s for an answer
MAX_BYTES = 2**20
HEAD = b"""HTTP/1.1 200 OK\r
Date: Thu, 01 Jan 2026 00:00:00 GMT\r
Content-Type: video/mp4\r
Content-Length: %d\r
Last-Modified: Mon, 01 Dec 2025 00:00:00 GMT\r
ETag: "rehearsal"\r
Accept-Ranges: bytes\r
\r
""" % len(FILM)


class TooSlow(Exception):
    """A rehearsal did not come to its end in time."""


def rehearse(downloader: Downloader) -> Iterator[None]:
    """Fetch our own film as a child does, again and again; yield after each time.

    The first makes most of the difference. The second notes what code is called, which is put side
    by side; then Python learns that code again. For a process with one thread. `downloader` is
    after each as it was, but for what it remembers. An error ends it: then a child does itself what
    is left.
    """
    with suppress(Exception):
        _rehearse(downloader)
        yield
        with hot_code.noted() as called:
            _rehearse(downloader)
        hot_code.gather(called)
        yield
        for _ in range(TIMES):
            _rehearse(downloader)
            yield


def _rehearse(downloader: Downloader) -> None:
    with TemporaryDirectory(prefix="vnsite-rehearsal-") as folder, _serving(folder) as origin:
        directory = Path(folder, "download")
        with _patience(), _working_in(directory), _as_it_was(downloader):
            _fetch(downloader, f"http://{origin}/film.mp4", directory, allowed=origin)


def _fetch(downloader: Downloader, url: str, directory: Path, *, allowed: str) -> None:
    job = Job(
        url=url,
        options={},
        directory=str(directory),
        max_bytes=MAX_BYTES,
        stall_seconds=LONGEST_SECONDS,
        allow_private_hosts=(allowed,),
        max_seconds=LONGEST_SECONDS,
        min_free_bytes=0,
        is_last_try=False,
        max_entries=1,
        fragments_at_once=1,
        may_list=False,
        wants_preview=True,
    )
    job = Job.from_json(asdict(job))
    lending = Lending(Lent())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        guard = Guard(AllowedHosts.parse(job.allow_private_hosts), programs=(), proxy=lending.proxy)
        outbox = Outbox(ours)
        downloader.before_waiting = outbox.flush
        send = lending.discreet(outbox.send)
        jobs.fulfil(downloader, job, guard, lending, send=send, wishes=Wishes(ours))


@contextmanager
def _as_it_was(downloader: Downloader) -> Iterator[None]:
    """Let the downloader be set as a child's is, and take all of that back."""
    values = downloader.__dict__
    before = values.copy()
    containers = {
        name: value.copy() for name, value in values.items() if isinstance(value, dict | list | set)
    }
    values.update(containers, pages=Pages())
    downloader.params["logger"] = Voice()
    try:
        yield
    finally:
        values.clear()
        values.update(before)
        downloader.close_connections()


@contextmanager
def _working_in(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    directory.mkdir()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def _patience() -> Iterator[None]:
    """Raise TooSlow, wherever it is, after some seconds."""

    def on_alarm(_signal: int, _frame: object) -> None:
        raise TooSlow

    signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


@contextmanager
def _serving(folder: str) -> Iterator[str]:
    """Have another process serve the film meanwhile; its host and port.

    At the end, or when this process is killed, the other one removes `folder` and ends.
    """
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.create_server(("127.0.0.1", 0)) as listening:
        pid = os.fork()
        if pid == 0:
            _serve(listening, theirs, folder)
        theirs.close()
        try:
            yield f"127.0.0.1:{listening.getsockname()[1]}"
        finally:
            ours.close()
            os.waitpid(pid, 0)


def _serve(listening: socket.socket, parent: socket.socket, folder: str) -> NoReturn:
    """The life of the process that serves, until `parent` is at its end."""
    try:
        _close_all_but(listening, parent)
        waiting = select.poll()
        for each in (listening, parent):
            waiting.register(each, select.POLLIN)
        while parent.fileno() not in dict(waiting.poll()):
            connection, _ = listening.accept()
            threading.Thread(target=_answer, args=[connection], daemon=True).start()
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os._exit(0)


def _close_all_but(*kept: socket.socket) -> None:
    """Close what was inherited: whoever is at the other end would wait for this process as well."""
    start = 3
    for number in sorted(each.fileno() for each in kept):
        os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))


def _answer(connection: socket.socket) -> None:
    with connection, connection.makefile("rb") as asked:
        while asked.readline():
            while asked.readline().strip():
                pass
            connection.sendall(HEAD + FILM)
