"""Keeps the log of one attempt: lines of its child and its worker, bounded, written as it runs."""

import logging
import time
from collections import deque
from datetime import UTC, datetime

from django.db import DatabaseError, InterfaceError, connection

from downloads.fetch.protocol import Said
from downloads.models import AttemptLog, Download
from downloads.models.outage import in_words
from downloads.rules.redaction import MAX_LINE_LENGTH, safe_line

logger = logging.getLogger(__name__)
child_logger = logging.getLogger("downloads.fetch")  # the child has no logger of its own

# A site can make yt-dlp log without end: the beginning and the newest lines are kept.
FIRST_LINES, FIRST_BYTES = 100, 16 * 1024
NEWEST_LINES, NEWEST_BYTES = 399, 47 * 1024
WRITE_SECONDS = 3.0
AWAY_SECONDS = 60.0  # a try may block SQLite, and so the attempt, for 20 s


class BoundedLines:
    """The first and the newest lines, and the number of lines between them."""

    def __init__(self) -> None:
        self.left_out = 0
        self._first: list[str] = []
        self._newest: deque[str] = deque()
        self._first_bytes = self._newest_bytes = 0

    def add(self, text: str) -> None:
        size_bytes = _size(text)
        is_beginning = not self._newest and len(self._first) < FIRST_LINES
        if is_beginning and self._first_bytes + size_bytes <= FIRST_BYTES:
            self._first.append(text)
            self._first_bytes += size_bytes
            return
        self._newest.append(text)
        self._newest_bytes += size_bytes
        while len(self._newest) > NEWEST_LINES or self._newest_bytes > NEWEST_BYTES:
            self._newest_bytes -= _size(self._newest.popleft())
            self.left_out += 1

    def text(self) -> str:
        gap = [f"… {self.left_out} lines left out …"] if self.left_out else []
        return "".join(f"{each}\n" for each in [*self._first, *gap, *self._newest])


class LogKeeper:
    """Writes the lines of one attempt to its row, every few seconds and on demand.

    A crash of the worker loses the lines since the last write.
    """

    def __init__(self, download: Download) -> None:
        self._download = download
        self._attempt = download.attempt
        self._lines = BoundedLines()
        self._is_new = False
        self._is_away = False  # the last write failed
        self._due_at = time.monotonic() + WRITE_SECONDS

    def take(self, said: Said) -> None:
        """Add a line of the child, which has redacted it."""
        child_logger.debug("%s: %s", said.level, said.text)
        self._add(said.level, said.text[:MAX_LINE_LENGTH])

    def note(self, text: str, *, level: str = "info") -> None:
        """Add a line of the worker."""
        self._add(level, safe_line(text))

    def write_if_due(self) -> None:
        if time.monotonic() >= self._due_at:
            self.write()

    def write_unless_away(self) -> None:
        """Write before a state changes, so that whoever hears of it finds the log.

        Skipped when the last write failed: then the state comes first."""
        if not self._is_away:
            self.write()

    def unwritten(self) -> AttemptLog | None:
        """Return the row to write with a move, or None: nothing is new. Then call `was_written`."""
        return self._row() if self._is_new else None

    def was_written(self) -> None:
        """Say that the row of `unwritten` is in the database now."""
        self._is_new = self._is_away = False

    def write(self) -> None:
        """Write what is new. A failure is logged, not raised: the attempt matters more.

        What is not written now is written the next time.
        """
        if not self._is_new:
            return
        try:
            AttemptLog.objects.keep(self._row())
        except (DatabaseError, InterfaceError) as error:
            logger.warning("%s: its log was not written: %s", self._download, in_words(error))
            connection.close()
            self._is_away = True
        else:
            self.was_written()
        self._due_at = time.monotonic() + (AWAY_SECONDS if self._is_away else WRITE_SECONDS)

    def _row(self) -> AttemptLog:
        return AttemptLog(
            download_id=self._download.pk,
            attempt=self._attempt,
            text=self._lines.text(),
            left_out=self._lines.left_out,
        )

    def _add(self, level: str, text: str) -> None:
        self._lines.add(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {level:7} {text}")
        self._is_new = True


def _size(text: str) -> int:
    return len(text.encode(errors="replace")) + 1
