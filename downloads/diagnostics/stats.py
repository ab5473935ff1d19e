"""The numbers of the whole site: for API, metrics, pages and checks. Changes nothing."""

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Count, Q, Sum
from django.db.models.functions import Now

from downloads.models import DownloadQuerySet, Progress, Worker, database_now
from downloads.rules.states import RUNNING

SPEED_MAX_AGE = timedelta(seconds=10)  # an older speed counts as none
WORKER_REMEMBERED = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class WorkerStatus:
    name: str
    host: str
    alive: bool
    slots: int
    busy: int  # slots with a running download
    yt_dlp: str  # version that its next attempts use; "": it is not known yet
    heartbeat_at: datetime


def workers() -> list[WorkerStatus]:
    """Return the workers that have not stopped, with those lost in the last day, by name."""
    now = database_now()
    rows = (
        Worker.objects.filter(stopped_at=None, heartbeat_at__gt=now - WORKER_REMEMBERED)
        .annotate(busy=Count("download", filter=Q(download__state__in=RUNNING)))
        .order_by("name")
    )
    return [
        WorkerStatus(
            name=row.name,
            host=row.host,
            alive=row.is_alive(now),
            slots=row.slots,
            busy=row.busy,
            yt_dlp=row.yt_dlp,
            heartbeat_at=row.heartbeat_at,
        )
        for row in rows
    ]


def speed_of(downloads: DownloadQuerySet) -> float:
    """Return what these downloads receive together, in bytes per second."""
    fresh = Progress.objects.filter(download__in=downloads, updated_at__gt=Now() - SPEED_MAX_AGE)
    return float(fresh.aggregate(total=Sum("speed"))["total"] or 0.0)


def free_bytes(folder: Path) -> int:
    """Return the free space where a folder is, or where it will be made. May raise OSError."""
    return shutil.disk_usage(nearest_existing(folder)).free


def nearest_existing(folder: Path) -> Path:
    """Return the folder itself or, if it is missing, the innermost one around it."""
    return next(path for path in (folder, *folder.parents) if path.exists())
