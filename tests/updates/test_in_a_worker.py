"""A worker whose set of extractors changes while it works."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.utils import timezone

from downloads.models import Extractors, Wanted, Worker
from downloads.rules.states import State
from downloads.updates.state import Home
from tests.helpers.media_server import MediaServer
from tests.helpers.package_index import INSTALLED, PackageIndex, newer
from tests.helpers.processes import children_of
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    child_of,
    running_worker,
    submit,
    wait_for_state,
)
from tests.updates.test_updating import MakeUpdater

pytestmark = [pytest.mark.usefixtures("shared_db", "clean_disk")]


@pytest.fixture
def home() -> Iterator[Home]:
    """The sets of the worker's data directory; none before and after."""
    root = settings.VNSITE.extractors_root
    shutil.rmtree(root, ignore_errors=True)
    yield Home(root)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def environment(index: PackageIndex, allowed: dict[str, str]) -> dict[str, str]:
    return {**allowed, "VNSITE_EXTRACTORS_INDEX": index.url}


def row() -> Extractors:
    return Extractors.objects.get()


def version_of(worker: WorkerProcess) -> str:
    """What the next attempts of a worker use."""
    return Worker.objects.get(pid=worker.process.pid, stopped_at=None).yt_dlp


def wait_for_version(worker: WorkerProcess, version: str) -> None:
    wait_for(lambda: version_of(worker) == version, what=f"yt-dlp {version} to be used")


def set_of(pid: int) -> str:
    """The folder of the set that a fork server or its child uses; "" for the installed one."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return Path(words[words.index(b"downloads.fetch.forkserver") + 3].decode()).name


def test_new_attempts_use_a_new_set_and_running_ones_are_not_disturbed(
    home: Home, index: PackageIndex, environment: dict[str, str], media_server: MediaServer
) -> None:
    may_end = threading.Event()
    films = [f"film-{number}.mp4" for number in range(5)]
    index.bodies |= dict.fromkeys(films, media_server.file("small.mp4").read_bytes())
    # Once to see what it is, once to fetch it.
    index.before_body = lambda name: name in films and index.hits[name] == 2 and may_end.wait()
    origin = urlsplit(index.url).netloc
    environment |= {"VNSITE_ALLOW_PRIVATE_HOSTS": origin, "VNSITE_STALL_SECONDS": "600"}
    with running_worker("--concurrency", "5", VNSITE_EXTRACTORS_UPDATE="check", **environment) as (
        worker
    ):
        running = [submit(f"http://{origin}/{film}") for film in films[:4]]
        wait_for(lambda: all(index.hits[film] == 2 for film in films[:4]), what="four to fetch")
        children = [child_of(wait_for_state(each, State.DOWNLOADING)) for each in running]
        wait_for(Extractors.objects.exists, what="the row")

        index.release(newer(1))
        Extractors.objects.ask(Wanted.UPDATE, actor="user:stefan")
        wait_for_version(worker, newer(1))
        later = wait_for_state(submit(f"http://{origin}/{films[4]}"), State.DOWNLOADING)
        wait_for(lambda: not Extractors.objects.asked(), what="the wish to be fulfilled")
        assert set_of(child_of(later).pid) == home.read().current
        assert [child.is_alive() for child in children] == [True] * 4
        assert {set_of(child.pid) for child in children} == {""}
        assert len(children_of(worker.process.pid)) == 2

        may_end.set()
        for download in (*running, later):
            wait_for_state(download, State.CLEANED)
        wait_for(lambda: len(children_of(worker.process.pid)) == 1, what="the old one to end")

    for download in (*running, later):
        download.refresh_from_db()
        assert (download.outcome, download.attempt) == ("completed", 1)


def test_a_worker_that_may_brings_a_new_release_by_itself(
    home: Home, index: PackageIndex, environment: dict[str, str]
) -> None:
    index.release(newer(1))

    with running_worker(VNSITE_EXTRACTORS_UPDATE="auto", **environment) as worker:
        wait_for_version(worker, newer(1))

    assert row().state["newest"] == newer(1)


def test_a_worker_that_only_checks_shows_what_there_is(
    home: Home, index: PackageIndex, environment: dict[str, str]
) -> None:
    name = index.release(newer(1))

    with running_worker(VNSITE_EXTRACTORS_UPDATE="check", **environment) as worker:
        wait_for(
            lambda: Extractors.objects.filter(state__newest=newer(1)), what="the newest to be seen"
        )
        assert version_of(worker) == INSTALLED

    assert (row().mode, row().channel, index.hits[name]) == ("check", "stable", 0)


def test_switched_off_nothing_is_asked_of_the_index_and_the_wish_is_refused(
    home: Home, index: PackageIndex, environment: dict[str, str]
) -> None:
    with running_worker(VNSITE_EXTRACTORS_UPDATE="off", **environment):
        wait_for(Extractors.objects.exists, what="the row")
        Extractors.objects.ask(Wanted.UPDATE, actor="user:stefan")
        wait_for(lambda: not Extractors.objects.asked(), what="an answer")

    assert row().state["failure"]["code"] == "off"
    assert not index.hits


def test_what_another_process_brings_is_noticed_and_so_is_the_way_back(
    home: Home, index: PackageIndex, environment: dict[str, str], updater: MakeUpdater
) -> None:
    index.release(newer(1))
    with running_worker(**environment) as worker:
        wait_for_version(worker, INSTALLED)

        updater().update(is_asked=True)
        wait_for_version(worker, newer(1))

        Extractors.objects.ask(Wanted.ROLLBACK, actor="user:stefan")
        wait_for_version(worker, INSTALLED)

    assert row().state["refused"]


def test_a_worker_that_is_killed_leaves_the_wish_to_the_next_one(
    home: Home, index: PackageIndex, environment: dict[str, str]
) -> None:
    index.release(newer(1))
    Extractors.objects.create(
        host="one", wanted=Wanted.UPDATE, wanted_at=timezone.now(), wanted_by="user:stefan"
    )
    begun: list[str] = []
    index.before_body = begun.append
    arguments = ("--host-name", "one")
    modes = {"VNSITE_EXTRACTORS_UPDATE": "check", **environment}

    with running_worker(*arguments, **modes) as worker:
        wait_for(lambda: any(name.endswith(".whl") for name in begun), what="a wheel to be sent")
        worker.process.kill()
    assert row().wanted == Wanted.UPDATE

    with running_worker(*arguments, **modes) as worker:
        wait_for_version(worker, newer(1))
        wait_for(lambda: not Extractors.objects.asked(), what="the wish to be fulfilled")

    assert not [path for path in home.path.iterdir() if path.name.startswith((".new", ".trial"))]


def damage(folder: Path) -> None:
    (folder / "yt_dlp" / "version.py").unlink()
    shutil.rmtree(folder / "yt_dlp" / "__pycache__")


def test_a_set_that_does_not_start_any_more_is_given_up(
    updated: Home, environment: dict[str, str], media_server: MediaServer
) -> None:
    damage(updated.path_of(updated.read().current))
    download = submit(media_server.url("/small/1.mp4"))

    with running_worker(**environment) as worker:
        wait_for_state(download, State.CLEANED)
        wait_for_version(worker, INSTALLED)
        assert f"yt-dlp {newer(1)} does not start" in worker.log()

    assert download.outcome == "completed"
    assert (updated.read().current, updated.read().failure["code"]) == ("", "given_up")
