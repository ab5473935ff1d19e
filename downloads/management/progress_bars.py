"""Progress bars on a terminal, by rich. What is no terminal gets plain lines from the commands."""

import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Self, TextIO

from django.db import DatabaseError, connection
from django.template.defaultfilters import filesizeformat

from downloads.models import Download, Progress
from downloads.rules.redaction import escape

if TYPE_CHECKING:
    from django.core.management.base import OutputWrapper
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

NAME_LENGTH = 40
LOOK_SECONDS = 0.5


class Bars:
    """One bar for each download, below a line about all of them; gone when the `with` ends."""

    def __init__(self, terminal: "TextIO | OutputWrapper") -> None:
        """`terminal`: a command's own `stdout` would end each piece of a drawing with a newline."""
        plain: Any = getattr(terminal, "_out", terminal)
        self._progress = _rich_progress(plain)
        self._tasks: dict[int, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def show(self, downloads: Sequence[Download], *, headline: str = "") -> None:
        """Draw these downloads, and no others any more."""
        wanted = {download.pk for download in downloads}
        for key in self._tasks.keys() - wanted - {0}:
            self._progress.remove_task(self._tasks.pop(key))
        if headline:
            self._draw(0, headline, told="", total=None)
        for download in downloads:
            progress: Progress | None = getattr(download, "progress", None)
            self._draw(
                download.pk,
                escape(download.title or download.url)[:NAME_LENGTH],
                told=told(download),
                total=progress.total_bytes if progress else None,
                completed=progress.received_bytes if progress else 0,
            )
        self._progress.refresh()

    def _draw(self, key: int, name: str, *, told: str, **values: Any) -> None:
        if key not in self._tasks:
            self._tasks[key] = self._progress.add_task(name, told=told)
        self._progress.update(self._tasks[key], description=name, told=told, **values)


def told(download: Download) -> str:
    """Return the phase, the percentage and the speed; the state of one without progress."""
    progress: Progress | None = getattr(download, "progress", None)
    if progress is None:
        return download.state
    percent = "" if progress.percent is None else f" {progress.percent:.0f} %"
    speed = "" if progress.speed is None else f" {filesizeformat(progress.speed)}/s"
    return f"{progress.phase}{percent}{speed}"


class BarsOfThisWorker(threading.Thread):
    """Draws what the worker in this process runs, until the `with` ends.

    Log lines appear above the bars. Nothing is drawn while the database does not answer.
    """

    def __init__(self) -> None:
        super().__init__(name="progress bars", daemon=True)
        self._ending = threading.Event()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self.join()

    def run(self) -> None:
        with Bars(sys.stderr) as bars, _logging_above_bars(), closing(connection):
            while not self._ending.wait(LOOK_SECONDS):
                try:
                    running = Download.objects.running().filter(
                        worker__pid=os.getpid(), worker__stopped_at=None
                    )
                    bars.show(list(running.select_related("progress").order_by("pk")))
                except DatabaseError:
                    connection.close()


@contextmanager
def pulse(terminal: TextIO, name: str) -> "Iterator[PulseBar]":
    """Draw one bar without a known end, for work that counts what it finds."""
    progress = _rich_progress(terminal)
    with progress:
        yield PulseBar(progress, name)


class PulseBar:
    """A bar that says how many were found so far."""

    def __init__(self, progress: "RichProgress", name: str) -> None:
        self._progress = progress
        self._count = 0
        self._task = progress.add_task(name, total=None, told="")
        progress.refresh()

    def count(self, _found: object) -> None:
        self._count += 1
        self._progress.update(self._task, told=f"{self._count}")
        self._progress.refresh()


def _rich_progress(terminal: TextIO) -> "RichProgress":
    from rich.console import Console  # takes 60 ms, which only a terminal has to pay
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as RichProgress

    return RichProgress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[told]}", markup=False),
        console=Console(file=terminal, force_terminal=True),
        auto_refresh=False,
        transient=True,
    )


@contextmanager
def _logging_above_bars() -> Iterator[None]:
    """Let log lines pass through rich's stand-in for stderr, which draws the bars below them."""
    handlers = [each for each in logging.root.handlers if isinstance(each, logging.StreamHandler)]
    before = [handler.setStream(sys.stderr) for handler in handlers]
    try:
        yield
    finally:
        for handler, stream in zip(handlers, before, strict=True):
            if stream is not None:
                handler.setStream(stream)
