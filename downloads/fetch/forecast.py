"""Foretells how many bytes a download has and how long it takes, over all of its files.

Picture and sound often come as two files, one after the other. yt-dlp reports each by itself: 100 %
before the sound has begun, and a time left that is the picture's.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from downloads.fetch.protocol import Advance

# Before this the first packets would decide: 772 s for what takes three.
LEAST_SECONDS = 1.0
LEAST_LEFT_SECONDS = (
    0.1  # what came may be more than the site stated: then 0 s would be left for long
)


class Forecast:
    """The forecast of one download. `now` is a clock in seconds."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._parts: dict[str, int | None] = {}  # bytes by format id; None: the site did not say
        self._received: dict[str, int] = {}
        self._began_at: float | None = None
        self._began_with = 0  # bytes of an earlier attempt

    def expect(self, formats: Sequence[Mapping[str, Any]]) -> None:
        """Take the formats that will be fetched, with the sizes that the site stated."""
        self._parts = {str(part.get("format_id")): _size_of(part) for part in formats}

    def advance(self, report: Mapping[str, Any]) -> Advance:
        """Return the progress of the whole download after a report of yt-dlp on one of its files.

        Without a total if one file's size is not known. The time left is that of all files at
        their mean speed so far.
        """
        part = str((report.get("info_dict") or {}).get("format_id"))
        self._received[part] = int(report.get("downloaded_bytes") or 0)
        is_finished = report.get("status") == "finished"
        stated = report.get("total_bytes") or report.get("total_bytes_estimate")
        size = int(stated) if stated else self._parts.get(part)
        self._parts[part] = self._received[part] if is_finished else size
        received = sum(self._received.values())
        if self._began_at is None:
            self._began_at, self._began_with = self._now(), received
        sizes = [size for size in self._parts.values() if size]
        total = max(sum(sizes), received) if len(sizes) == len(self._parts) else None
        return Advance(
            received_bytes=received,
            total_bytes=total,
            speed=report.get("speed"),
            eta_seconds=self._seconds_left(received, total),
            fragment=int(report.get("fragment_index") or 0),
            fragments=int(report.get("fragment_count") or 0),
        )

    def _seconds_left(self, received: int, total: int | None) -> float | None:
        seconds = self._now() - (self._began_at or 0)
        fetched = received - self._began_with
        if total is None or seconds < LEAST_SECONDS or fetched <= 0:
            return None
        left_seconds = (total - received) * seconds / fetched
        return left_seconds if left_seconds >= LEAST_LEFT_SECONDS else None


def _size_of(part: Mapping[str, Any]) -> int | None:
    size = part.get("filesize") or part.get("filesize_approx")
    return int(size) if size else None
