"""Live streams with real workers: stopped and kept, killed, and what the history says of them."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from django.conf import settings

from downloads import actions
from downloads.models import Download
from downloads.rules.states import State
from tests.fetch.test_live import pictures
from tests.helpers.live_site import Footage, Live, footage
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    child_of,
    running_worker,
    staged_entries,
    submit,
    temp_entries,
    wait_for_state,
)
from tests.worker.test_resumption import data_of, no_breach

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Footage:
    return footage("ts", tmp_path_factory.getbasetemp().parent / "live")


class Broadcast:
    """A stream on the air, and a download of it."""

    def __init__(self, site: ScriptedSite, film: Footage) -> None:
        self.live = Live(film=film, window=8, ends=True, hold_at=2)
        self.download = submit(self.live.on(site))
        self.allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": site.origin}

    def wait_until_recorded(self, segments: int) -> None:
        """Wait until the row says that so many are recorded; the site shows no more."""
        self.live.hold_at = segments
        size = sum(map(len, self.live.film.segments[:segments]))

        def is_recorded() -> bool:
            self.download.refresh_from_db()
            progress = getattr(self.download, "progress", None)
            return progress is not None and progress.received_bytes >= size

        try:
            wait_for(is_recorded, what=f"{segments} segments")
        except AssertionError as late:
            moves = self.download.transitions.order_by("seq")
            told = list(moves.values_list("to_state", "reason", "attempt", "data"))
            progress = getattr(self.download, "progress", None)
            received = progress and progress.received_bytes
            raise AssertionError(
                f"{late}; {received} of {size} bytes, {self.live.shown} shown; {told}"
            ) from late

    def published(self) -> Path:
        self.download.refresh_from_db()
        [file] = self.download.files.all()
        path: Path = settings.VNSITE.media_root / self.download.library_path / file.name
        return path


@pytest.fixture
def broadcast(scripted_site: ScriptedSite, film: Footage) -> Broadcast:
    return Broadcast(scripted_site, film)


@pytest.mark.parametrize("segments", [1, 7])
def test_stop_and_keep_publishes_what_is_there(broadcast: Broadcast, segments: int) -> None:
    with running_worker(**broadcast.allowed):
        broadcast.wait_until_recorded(segments)
        actions.stop_and_keep(broadcast.download, actor="user:anna")
        actions.stop_and_keep(broadcast.download, actor="user:otto")
        wait_for_state(broadcast.download, State.CLEANED)

    assert broadcast.download.outcome == "completed"
    assert pictures(broadcast.published()) == pictures(broadcast.live.film.source)[: 25 * segments]
    assert data_of(broadcast.download, "published") == {
        "recorded_seconds": segments,
        "stopped": "asked",
        "asked_by": "user:anna",
    }
    assert temp_entries() == staged_entries() == []
    assert no_breach()


def test_a_cancel_removes_what_was_recorded(broadcast: Broadcast) -> None:
    with running_worker(**broadcast.allowed):
        broadcast.wait_until_recorded(3)
        actions.cancel(broadcast.download, actor="user:anna")
        wait_for_state(broadcast.download, State.CLEANED)

    assert broadcast.download.outcome == "cancelled"
    assert temp_entries() == staged_entries() == []
    assert not broadcast.download.files.exists()


def kill_worker(worker: WorkerProcess, broadcast: Broadcast) -> None:
    worker.send(signal.SIGKILL)
    worker.wait()


def kill_all(worker: WorkerProcess, broadcast: Broadcast) -> None:
    child = child_of(broadcast.download)
    worker.send(signal.SIGKILL)
    with suppress(ProcessLookupError):  # it dies with its worker
        os.kill(child.pid, signal.SIGKILL)
    worker.wait()


def stop(worker: WorkerProcess, broadcast: Broadcast) -> None:
    worker.send(signal.SIGTERM)
    worker.send(signal.SIGINT)
    worker.wait()


def kill_child(worker: WorkerProcess, broadcast: Broadcast) -> None:
    os.kill(child_of(broadcast.download).pid, signal.SIGKILL)
    attempt = broadcast.download.attempt
    wait_for(
        lambda: Download.objects.get(pk=broadcast.download.pk).attempt > attempt,
        what="the next attempt",
    )


def test_every_segment_is_there_once_after_six_kills(broadcast: Broadcast) -> None:
    kills: list[Callable[[WorkerProcess, Broadcast], None]]
    kills = [kill_worker, kill_child, kill_all, stop, kill_worker, kill_all]
    for segments, kill in enumerate(kills, start=1):
        with running_worker("--grace", "600", **broadcast.allowed) as worker:
            broadcast.wait_until_recorded(segments + 1)
            kill(worker, broadcast)
    broadcast.live.hold_at = None
    with running_worker("--once", **broadcast.allowed) as worker:
        assert worker.wait() == 0

    assert pictures(broadcast.published()) == pictures(broadcast.live.film.source)
    data = data_of(broadcast.download, "published")
    assert (data["recorded_seconds"], data["stopped"], "gaps" in data) == (12, "ended", False)
    assert broadcast.download.attempt > broadcast.download.max_attempts
    assert no_breach()


@pytest.mark.parametrize("kill", [kill_worker, kill_all])
def test_a_wish_to_keep_outlasts_an_interruption(
    broadcast: Broadcast, kill: Callable[[WorkerProcess, Broadcast], None]
) -> None:
    with running_worker(**broadcast.allowed) as worker:
        broadcast.wait_until_recorded(3)
        worker.freeze()  # it does not hear of the wish
        actions.stop_and_keep(broadcast.download, actor="user:anna")
        kill(worker, broadcast)
    broadcast.live.hold_at = None
    with running_worker("--once", **broadcast.allowed) as worker:
        assert worker.wait() == 0

    assert pictures(broadcast.published()) == pictures(broadcast.live.film.source)[:75]
    assert data_of(broadcast.download, "published")["stopped"] == "asked"


def test_a_recording_waits_for_its_next_attempt_and_can_be_kept(broadcast: Broadcast) -> None:
    with running_worker("--grace", "600", **broadcast.allowed) as worker:
        broadcast.wait_until_recorded(3)
        stop(worker, broadcast)
    broadcast.download.refresh_from_db()
    actions.stop_and_keep(broadcast.download, actor="user:anna")

    with running_worker("--once", **broadcast.allowed) as worker:
        assert worker.wait() == 0

    assert pictures(broadcast.published()) == pictures(broadcast.live.film.source)[:75]
