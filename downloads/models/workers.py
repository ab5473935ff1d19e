"""The worker processes."""

from datetime import datetime, timedelta
from typing import Self

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from downloads.models.transactions import database_now


class WorkerQuerySet(models.QuerySet["Worker"]):
    def alive(self) -> Self:
        """Workers whose heartbeat is younger than the lease and that have not stopped."""
        lease = timedelta(seconds=settings.VNSITE.lease_seconds)
        return self.filter(stopped_at=None, heartbeat_at__gt=database_now() - lease)

    def let_drain(self, name: str) -> bool:
        """Have a worker claim nothing more until `let_claim`; False when there is none."""
        rows = self.filter(name=name, stopped_at=None)
        rows.filter(draining_at=None).update(draining_at=Now())
        return rows.exists()

    def let_claim(self, name: str) -> bool:
        """Have a worker claim again; False when there is none of this name."""
        return bool(self.filter(name=name, stopped_at=None).update(draining_at=None))


class Worker(models.Model):
    """One `run_downloads` process. Its own heartbeat writes it; staff write `draining_at`."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    # Clock ticks from boot to the start of the process: with the pid it names the process for good.
    pid_started = models.BigIntegerField(default=0)
    boot_id = models.CharField(max_length=64, default="")
    slots = models.PositiveIntegerField()
    version = models.CharField(max_length=64, default="")  # of vnsite; "": it is not known
    yt_dlp = models.CharField(max_length=64, default="")  # version of its next attempts; "": none
    # What it and all that it started use, between two measurements and at the last of them. None:
    # it is not known yet.
    cpu_percent = models.FloatField(null=True)  # of one core
    memory_bytes = models.BigIntegerField(null=True)
    clock_ahead_seconds = models.FloatField(default=0.0)  # its clock, compared with the database's
    orphans_mended = models.PositiveIntegerField(default=0)  # since it began
    orphans_left = models.PositiveIntegerField(default=0)  # by its last sweep
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)  # None: it has not said that it stopped
    draining_at = models.DateTimeField(null=True)  # None: it may claim; else asked for by staff

    objects = WorkerQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["heartbeat_at"], name="worker_heartbeat")]

    def __str__(self) -> str:
        return self.name

    @property
    def actor(self) -> str:
        """Its name in the history."""
        return f"worker:{self.name}"

    def is_alive(self, now: datetime) -> bool:
        """Return whether its heartbeat is younger than the lease and it has not stopped.

        `now` is that of `database_now`.
        """
        lease = timedelta(seconds=settings.VNSITE.lease_seconds)
        return self.stopped_at is None and now - self.heartbeat_at < lease
