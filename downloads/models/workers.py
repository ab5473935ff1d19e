"""Who works, and with which sites one waits."""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import models

from downloads.errors import ErrorClass
from downloads.models.writing import choices


class Worker(models.Model):
    """One `run_downloads` process. It is written by its own heartbeat and by nobody else."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    # Clock ticks from boot to the start of the process: with the pid it names the process for good.
    pid_started = models.BigIntegerField(default=0)
    boot_id = models.CharField(max_length=64, default="")
    slots = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)  # None: it has not said that it stopped

    class Meta:
        indexes = [models.Index(fields=["heartbeat_at"], name="worker_heartbeat")]

    def __str__(self) -> str:
        return self.name

    def is_alive(self, now: datetime) -> bool:
        """Whether its heartbeat is younger than the lease and it has not stopped.

        `now` is that of `database_now`.
        """
        lease = timedelta(seconds=settings.VNSITE.lease_seconds)
        return self.stopped_at is None and now - self.heartbeat_at < lease


class Site(models.Model):
    """A site whose downloads failed one after another, and how long it is left alone."""

    host = models.CharField(max_length=300, primary_key=True)  # lower case, without "www."
    failures = models.PositiveIntegerField(default=0)  # in a row, without a success between
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True
    )
    waits_until = models.DateTimeField(null=True)  # None: it does not wait
    probed_by = models.BigIntegerField(null=True)  # the download that tries whether it answers
    changed_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.host
