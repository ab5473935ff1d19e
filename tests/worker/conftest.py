"""A dead worker, whose downloads and directories others have to care for; a site with lists, and a
worker that does all that there is to do."""

import os
from collections.abc import Callable

import pytest
from django.utils import timezone

from downloads.fetch.processes import boot_id
from downloads.models import Worker
from tests.helpers.lists import Catalogue
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.worker import running_worker


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


@pytest.fixture
def catalogue(scripted_site: ScriptedSite, media_server: MediaServer) -> Catalogue:
    return Catalogue(scripted_site, media_server.file("small.mp4").read_bytes())


@pytest.fixture
def run(scripted_site: ScriptedSite) -> Callable[[], None]:
    """Let a worker do all that there is to do."""

    def run() -> None:
        with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin) as worker:
            assert worker.wait() == 0

    return run
