"""The queue of all: whether anything new may start."""

from django.db import models


class Queue(models.Model):
    """The one row of the queue; without it the queue is open."""

    paused_at = models.DateTimeField(null=True)  # None: it is open
    paused_by = models.CharField(max_length=200, blank=True, default="")  # an actor

    def __str__(self) -> str:
        return "paused" if self.paused_at else "open"
