"""Workers, checks and failures in words."""

import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

from django.db import connection
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext, gettext_lazy

from downloads.diagnostics.stats import Health, Orphans, QueueStatus, WorkerStatus
from downloads.diagnostics.verdict import Check, Level
from downloads.models import Download
from downloads.models.schema import version_on_disk
from downloads.rules.errors import ErrorClass
from downloads.rules.redaction import redact
from downloads.rules.words import translated
from downloads.web.actors import actor_in_words
from downloads.web.format import UNKNOWN, size

# What a person can paste into a terminal, in the remedy of a check.
COMMAND = re.compile(r"manage\.py \w+(?: --[\w-]+)*|chmod \d+ \S+|timedatectl set-ntp true|bin/\w+")


class Chip(NamedTuple):
    """A health or a level, as it is drawn."""

    label: "str | Promise"
    level: str  # the class `is-<level>`


HEALTHS = {
    Health.ALIVE: Chip(gettext_lazy("Alive"), "success"),
    Health.LATE: Chip(gettext_lazy("Late"), "warning"),
    Health.LOST: Chip(gettext_lazy("Lost"), "error"),
    Health.DRAINING: Chip(gettext_lazy("Draining"), "info"),
}
LEVELS = {
    Level.OK: Chip(gettext_lazy("OK"), "success"),
    Level.NOTE: Chip(gettext_lazy("Note"), "info"),
    Level.WARNING: Chip(gettext_lazy("Warning"), "warning"),
    Level.FAILURE: Chip(gettext_lazy("Fail"), "error"),
}


@dataclass(frozen=True, kw_only=True)
class WorkerView:
    status: WorkerStatus
    name: str
    running: list[Download]  # those that the reader may see

    @classmethod
    def all_of(cls, statuses: list[WorkerStatus], *, running: Iterable[Download]) -> list[Self]:
        """Number the workers, and give each what it does."""
        names = [status.name for status in statuses]
        at: dict[str, list[Download]] = {name: [] for name in names}
        for download in running:
            if download.worker and download.worker.name in at:
                at[download.worker.name].append(download)
        return [
            cls(
                status=status,
                name=actor_in_words(f"worker:{status.name}", workers=names),
                running=at[status.name],
            )
            for status in statuses
        ]

    @property
    def look(self) -> Chip:
        return HEALTHS[self.status.health]

    @property
    def cpu(self) -> str:
        """What it uses of one core; "—" until it was measured."""
        percent = self.status.cpu_percent
        return UNKNOWN if percent is None else f"{percent:.0f} %"

    @property
    def action(self) -> str:
        """The name of the route that staff may use; "" when the worker hears nobody."""
        if self.status.health is Health.LOST:
            return ""
        return "resume_worker" if self.status.health is Health.DRAINING else "drain_worker"

    @property
    def action_label(self) -> str:
        is_draining = self.status.health is Health.DRAINING
        return gettext("Resume") if is_draining else gettext("Drain")


@dataclass(frozen=True)
class CheckView:
    check: Check

    @property
    def look(self) -> Chip:
        return LEVELS[self.check.level]

    @property
    def name(self) -> str:
        return translated(self.check.name)

    @property
    def command(self) -> str:
        """What of the remedy can be pasted into a terminal; "" when nothing can."""
        found = COMMAND.search(str(self.check.fix))
        return found[0] if found else ""


@dataclass(frozen=True)
class FailureView:
    error_class: ErrorClass
    number: int


@translation.override("en")
def report_of(
    workers: list[WorkerStatus], queue: QueueStatus, orphans: Orphans, checks: list[CheckView]
) -> str:
    """Return all of the page for whoever helps: in English, without secrets."""
    return redact(
        "\n".join(
            [
                f"vnsite {version_on_disk()} · Python {platform.python_version()}"
                f" · {connection.vendor} · {platform.system()} {platform.machine()}",
                *map(_line_of, workers),
                f"waiting: {queue.waiting}"
                + (f", since {queue.oldest_at:%Y-%m-%d %H:%M:%S} UTC" if queue.oldest_at else ""),
                f"orphans: {orphans.found} found, {orphans.mended} mended",
                *(f"failed in 7 days: {number} {name}" for name, number in queue.failures),
                *(
                    f"{check.level:8}{check.name}: {check.sentence}"
                    + (f" → {check.fix}" if check.fix else "")
                    for check in (each.check for each in checks)
                ),
            ]
        )
    )


def _line_of(worker: WorkerStatus) -> str:
    return (
        f"worker {worker.name}: {worker.health}, {worker.busy} of {worker.slots} slots,"
        f" vnsite {worker.version or '?'}, yt-dlp {worker.yt_dlp or '?'},"
        f" CPU {'?' if worker.cpu_percent is None else worker.cpu_percent} %,"
        f" memory {size(worker.memory_bytes)}, clock {worker.clock_ahead_seconds:+} s,"
        f" seen {worker.heartbeat_at:%Y-%m-%d %H:%M:%S} UTC"
    )
