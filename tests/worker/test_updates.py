"""The step in which a worker cares for its set of extractors. What that brings: tests/updates/."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from downloads.models import Extractors, Wanted, Worker
from downloads.updates.state import Home, State
from downloads.worker.background import Heartbeat
from downloads.worker.fork_servers import ForkServers
from downloads.worker.updates import Updates
from tests.diagnostics.test_checks import configured
from tests.helpers.package_index import INSTALLED, PackageIndex, newer

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]
MakeUpdates = Callable[..., Updates]


@pytest.fixture
def index() -> Iterator[PackageIndex]:
    with PackageIndex() as serving:
        yield serving


@pytest.fixture
def updates(tmp_path: Path, index: PackageIndex) -> Iterator[MakeUpdates]:
    """Makes the step of a worker with a data directory of its own; its fork server is not warm."""
    usual = {"data_dir": tmp_path, "extractors_update": "check", "extractors_index": index.url}

    def make(**values: str) -> Updates:
        with configured(**(usual | values)):
            heartbeat = Heartbeat(host="box", slots=1)
            servers = ForkServers(Home(tmp_path / "extractors"))
            return Updates(heartbeat, servers, should_stop=lambda: False)

    with configured(**usual):
        yield make


def row() -> Extractors:
    return Extractors.objects.get(host="box")


def test_a_look_is_due_at_first_and_then_once_a_day(
    updates: MakeUpdates, index: PackageIndex
) -> None:
    index.release(newer(1))
    step = updates().step

    step()
    step()
    updates().step()  # of another worker of this host, or of the next one

    assert index.hits["yt-dlp"] == 1
    assert row().state["newest"] == newer(1)


def test_a_look_of_long_ago_is_made_again(
    updates: MakeUpdates, index: PackageIndex, tmp_path: Path
) -> None:
    index.release(newer(1))
    home = Home(tmp_path / "extractors")
    home.path.mkdir()
    home.write(State(newest=INSTALLED, looked_at=1.0, tried_at=1.0))

    updates().step()

    assert row().state["newest"] == newer(1)


def test_a_step_without_news_writes_nothing(updates: MakeUpdates, index: PackageIndex) -> None:
    index.release(newer(1))
    worker = updates()
    worker.step()

    with CaptureQueriesContext(connection) as queries:
        worker.step()

    assert [query["sql"][:6] for query in queries] == ["SELECT"]


def test_an_index_that_cannot_be_asked_is_left_alone_for_a_while(
    updates: MakeUpdates, index: PackageIndex
) -> None:
    index.status = 503
    worker = updates()

    worker.step()
    worker.step()

    assert index.hits["yt-dlp"] == 1
    assert row().state["failure"]["code"] == "unreachable"


def test_a_wish_is_fulfilled_whenever_it_comes(updates: MakeUpdates, index: PackageIndex) -> None:
    index.status = 503
    worker = updates()
    worker.step()
    index.status = 200
    index.release(newer(1))
    Extractors.objects.ask(Wanted.LOOK, actor="user:stefan")

    worker.step()

    assert (row().wanted, row().state["newest"]) == (None, newer(1))
    assert row().state["failure"] == {}


def test_a_folder_that_cannot_be_written_is_said_as_long_as_it_is_so(
    updates: MakeUpdates, index: PackageIndex, tmp_path: Path
) -> None:
    index.release(newer(1))
    obstacle = tmp_path / "extractors"
    obstacle.touch()
    worker = updates()

    worker.step()
    worker.step()
    assert row().state["failure"]["code"] == "storage"
    assert not index.hits

    obstacle.unlink()
    Extractors.objects.ask(Wanted.LOOK, actor="user:stefan")
    worker.step()
    assert row().state["failure"] == {}


def test_a_wish_waits_while_another_update_is_at_work(
    updates: MakeUpdates, index: PackageIndex, tmp_path: Path
) -> None:
    worker = updates(extractors_update="off")
    worker.step()
    Extractors.objects.ask(Wanted.ROLLBACK, actor="user:stefan")

    with Home(tmp_path / "extractors").locked():
        worker.step()
    assert row().wanted == Wanted.ROLLBACK

    worker.step()
    assert row().wanted is None


def test_the_row_of_a_worker_says_which_yt_dlp_it_uses(updates: MakeUpdates) -> None:
    worker = updates(extractors_update="off")
    worker._fork_servers.current.yt_dlp = "2026.1.1"  # as a fork server says when it is warm

    worker.step()

    assert Worker.objects.get().yt_dlp == row().state["used"] == "2026.1.1"
