"""The numbers of the whole site: for API, metrics, pages and checks. Changes nothing."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db.models import Count, Max, Min, Sum
from django.db.models.functions import Now

from downloads.models import Download, DownloadQuerySet, Progress, Worker, database_now
from downloads.rules.errors import ErrorClass
from downloads.rules.lease import heartbeat_seconds
from downloads.rules.states import Outcome, State

SPEED_MAX_AGE = timedelta(seconds=10)  # an older speed counts as none
WORKER_REMEMBERED = timedelta(days=1)
FAILURES_REMEMBERED = timedelta(days=7)
BEATS_MISSED = 2.5  # more than one may miss on a busy machine


class Health(StrEnum):
    """How a worker is, by its heartbeat and by what staff asked of it."""

    ALIVE = "alive"
    LATE = "late"  # it missed a beat or two, and its lease holds
    LOST = "lost"
    DRAINING = "draining"


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    name: str
    host: str
    pid: int
    health: Health
    alive: bool
    slots: int
    busy: int  # slots with a running download
    version: str  # of vnsite; "": it is not known
    yt_dlp: str  # version that its next attempts use; "": it is not known yet
    heartbeat_at: datetime
    cpu_percent: float | None  # of one core, with all that it started; None: not known yet
    memory_bytes: int | None  # likewise
    clock_ahead_seconds: float  # of the database's


def workers() -> list[WorkerStatus]:
    """Return the workers that have not stopped, with those lost in the last day, by name."""
    now = database_now()
    rows = Worker.objects.filter(stopped_at=None, heartbeat_at__gt=now - WORKER_REMEMBERED)
    busy: dict[int | None, int] = dict(
        Download.objects.running().order_by().values_list("worker").annotate(Count("id"))
    )
    return [
        WorkerStatus(
            name=row.name,
            host=row.host,
            pid=row.pid,
            health=_health(row, now),
            alive=row.is_alive(now),
            slots=row.slots,
            busy=busy.get(row.pk, 0),
            version=row.version,
            yt_dlp=row.yt_dlp,
            heartbeat_at=row.heartbeat_at,
            cpu_percent=row.cpu_percent,
            memory_bytes=row.memory_bytes,
            clock_ahead_seconds=row.clock_ahead_seconds,
        )
        for row in rows.order_by("name")
    ]


def _health(worker: Worker, now: datetime) -> Health:
    if not worker.is_alive(now):
        return Health.LOST
    if now - worker.heartbeat_at > BEATS_MISSED * timedelta(
        seconds=heartbeat_seconds(settings.VNSITE.lease_seconds)
    ):
        return Health.LATE
    return Health.DRAINING if worker.draining_at else Health.ALIVE


class Orphans(NamedTuple):
    """What dead workers left, as those that were seen in the last day count it."""

    mended: int
    left: int  # by the newest sweep that could not mend it

    @property
    def found(self) -> int:
        return self.mended + self.left


def orphans() -> Orphans:
    left = Worker.objects.alive().aggregate(left=Max("orphans_left"))["left"]
    return Orphans(
        mended=Worker.objects.aggregate(mended=Sum("orphans_mended"))["mended"] or 0,
        left=left or 0,
    )


@dataclass(frozen=True, kw_only=True)
class QueueStatus:
    """What waits, and what failed in FAILURES_REMEMBERED."""

    waiting: int
    oldest_at: datetime | None  # when the one that waits longest was added; None: none waits
    failures: list[tuple[ErrorClass, int]]  # the most frequent first


def queue_of(downloads: DownloadQuerySet) -> QueueStatus:
    """Look at the queue among these downloads."""
    waiting = downloads.filter(state=State.CREATED).order_by()
    since = database_now() - FAILURES_REMEMBERED
    failed = downloads.filter(outcome=Outcome.FAILED, finished_at__gt=since).order_by()
    by_class = failed.values_list("error_class").annotate(number=Count("id")).order_by("-number")
    found = waiting.aggregate(number=Count("id"), oldest_at=Min("created_at"))
    return QueueStatus(
        waiting=found["number"],
        oldest_at=found["oldest_at"],
        failures=[(ErrorClass(name), number) for name, number in by_class if name],
    )


def speed_of(downloads: DownloadQuerySet) -> float:
    """Return what these downloads receive together, in bytes per second."""
    fresh = Progress.objects.filter(updated_at__gt=Now() - SPEED_MAX_AGE)
    speeds = dict(fresh.values_list("download", "speed"))
    # Of these few alone: a subquery would read the keys of all downloads.
    of_these = downloads.order_by().filter(pk__in=speeds).values_list("pk", flat=True)
    return sum(speeds[key] or 0.0 for key in of_these)


def free_bytes(folder: Path) -> int:
    """Return the free space where a folder is, or where it will be made. May raise OSError."""
    return shutil.disk_usage(nearest_existing(folder)).free


def nearest_existing(folder: Path) -> Path:
    """Return the folder itself or, if it is missing, the innermost one around it."""
    return next(path for path in (folder, *folder.parents) if path.exists())
