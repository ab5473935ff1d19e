"""Writes what the child reports of its progress to the row, at most twice a second."""

import logging
import math
import time
from base64 import b64decode
from dataclasses import asdict
from typing import Any

from django.db import InterfaceError, OperationalError, connection

from downloads.fetch.protocol import (
    Advance,
    Listed,
    Message,
    Metadata,
    PhaseBegan,
    Pictured,
    Resumed,
)
from downloads.models import Download, Progress, Thumbnail, database_now, short_transaction
from downloads.models.outage import in_words
from downloads.rules.states import Phase
from downloads.worker.speeds import Speeds

logger = logging.getLogger(__name__)

PROGRESS_INTERVAL_SECONDS = 0.5
SPEEDS_INTERVAL_SECONDS = 5.0  # the chart of what runs comes by the stream
# Other phases receive no bytes: their silence is not a stall.
MAY_STALL = frozenset({Phase.EXTRACTING, Phase.LISTING, Phase.FETCHING, Phase.RECORDING})


class ProgressReport:
    """The latest progress of one attempt, and when it is written."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._phase = Phase.EXTRACTING
        self._advance = Advance(received_bytes=0)
        self._resumed_bytes = 0
        self._known: dict[str, Any] = {}  # columns of the row
        self._entries = 0  # of a list
        self.thumbnail: Thumbnail | None = None  # that is not written yet
        self._is_recorded = False
        self._is_new = False
        self._began_at = self._written_at = self._speeds_at = time.monotonic()
        self._speeds = Speeds()
        self._has_new_speeds = False

    @property
    def may_stall(self) -> bool:
        return self._phase in MAY_STALL

    @property
    def fetched_bytes(self) -> int | None:
        """Bytes received so far; None while nothing is fetched."""
        return self._advance.received_bytes if self._phase is Phase.FETCHING else None

    @property
    def media_id(self) -> tuple[str, str]:
        """Extractor and media id of the video; "" until its page was read, and of a list."""
        return self._known.get("extractor", ""), self._known.get("media_id", "")

    @property
    def is_recorded(self) -> bool:
        """Whether it is, or was, the recording of a live stream."""
        return self._is_recorded

    @property
    def has_recorded(self) -> bool:
        """Whether it records, and got further than the attempts before."""
        is_further = self._advance.received_bytes > self._resumed_bytes
        return self._phase is Phase.RECORDING and is_further

    def take(self, message: Message) -> None:
        match message:
            case Metadata():
                self._known = {name: value for name, value in asdict(message).items() if value}
            case Pictured():
                content = b64decode(message.content)
                self.thumbnail = Thumbnail(
                    download=self._download, media_type=message.media_type, content=content
                )
            case PhaseBegan():
                self._is_recorded |= message.phase == Phase.RECORDING
                self._phase = Phase(message.phase)
            case Resumed():
                self._resumed_bytes = message.received_bytes
                self._written_at = (
                    -math.inf
                )  # written at once: the history needs it even if the end comes soon
            case Advance():
                self._advance = message
                if self._phase in (Phase.FETCHING, Phase.RECORDING):
                    seconds = time.monotonic() - self._began_at
                    self._has_new_speeds |= self._speeds.take(
                        message.received_bytes, seconds=seconds
                    )
            case Listed():
                self._entries += len(message.entries)
        self._is_new = True

    def enter(self, phase: Phase) -> None:
        self.take(PhaseBegan(phase=phase))
        self.write_if_due()

    def known(self) -> dict[str, Any]:
        """Return columns for the move that ends the attempt, in case they are not written yet."""
        return self._known

    def unwritten(self) -> dict[str, Any]:
        """Return those of the known columns that the row does not have yet."""
        known = self.known().items()
        return {name: value for name, value in known if getattr(self._download, name) != value}

    def resumed(self) -> dict[str, int]:
        """Return for the history how many bytes came from an earlier attempt."""
        return {"resumed_bytes": self._resumed_bytes} if self._resumed_bytes else {}

    def due_in_seconds(self) -> float:
        """Seconds until something new may be written; one second when nothing is new."""
        if not self._is_new:
            return 1.0
        return max(0.0, self._written_at + PROGRESS_INTERVAL_SECONDS - time.monotonic())

    def write_if_due(self) -> None:
        """Write what is new, if it is time. Raises LostDownload when the row is not ours any more.

        When the database does not answer, one report is lost; the next one supersedes it.
        """
        if not self._is_new or self.due_in_seconds() > 0:
            return
        try:
            self._write()
        except (OperationalError, InterfaceError) as error:
            logger.info("%s: its progress was not written: %s", self._download, in_words(error))
            connection.close()
        else:
            self._is_new = False
        self._written_at = time.monotonic()

    def _write(self) -> None:
        if unwritten := self.unwritten():
            self._download.note(**unwritten)
        columns = {
            "phase": self._phase,
            "received_bytes": self._advance.received_bytes,
            "resumed_bytes": self._resumed_bytes,
            "total_bytes": self._advance.total_bytes,
            "speed": self._advance.speed,
            "eta_seconds": self._advance.eta_seconds,
            "fragment": self._advance.fragment,
            "fragments": self._advance.fragments,
            "entries": self._entries,
            "updated_at": database_now(),
        }
        with short_transaction():
            is_ours = Progress.objects.note(self._download.pk, self._download.attempt, **columns)
            if is_ours and self.thumbnail is not None:
                Thumbnail.objects.keep(self.thumbnail)
        self.thumbnail = None
        if time.monotonic() - self._speeds_at >= SPEEDS_INTERVAL_SECONDS:
            self._write_speeds()

    def finish(self, *, is_published: bool) -> None:
        """Write what is not written yet of the speeds and, unless it `is_published` next, which
        writes it, of the thumbnail. It is lost when the database is away."""
        try:
            if self.thumbnail is not None and not is_published:
                self._write()
            self._write_speeds()
        except (OperationalError, InterfaceError) as error:
            logger.info("%s: its rest was not written: %s", self._download, in_words(error))
            connection.close()

    def _write_speeds(self) -> None:
        """Write the speeds, if there are new ones. An attempt's row is its worker's alone."""
        if not self._has_new_speeds:
            return
        present = self._download.attempts.filter(number=self._download.attempt)
        present.update(speeds=self._speeds.points)
        self._speeds_at, self._has_new_speeds = time.monotonic(), False
