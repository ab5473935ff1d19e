"""A dead worker, whose downloads and directories others have to care for."""

import os

import pytest
from django.utils import timezone

from downloads.fetch.processes import boot_id
from downloads.models import Worker


@pytest.fixture
def dead_worker() -> Worker:
    """A worker of this host whose process is gone."""
    now = timezone.now()
    return Worker.objects.create(
        name="dead",
        host="here",
        pid=os.getpid(),
        pid_started=1,
        boot_id=boot_id(),
        slots=4,
        started_at=now,
        heartbeat_at=now,
    )
