"""PostgreSQL goes away, as with `pg_ctl stop -m immediate`, and comes back: nobody falls over."""

import signal
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connections

from downloads.models import Download, Worker
from tests import lives
from tests.media_server import MediaServer
from tests.postgresql import Cluster
from tests.serving import Serving, serving
from tests.waiting import wait_for
from tests.worker import WorkerProcess, history, running_worker, submit, wait_for_state

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
]


@pytest.fixture
def worker(media_server: MediaServer, cluster: Cluster) -> Iterator[WorkerProcess]:
    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin) as worker:
        wait_for(lambda: b"is ready" in worker.said(), what="the worker to be ready")
        yield worker


@pytest.fixture
def site(cluster: Cluster) -> Iterator[Serving]:
    with serving("--no-worker") as site:
        yield site


def restart(cluster: Cluster) -> None:
    cluster.stop()
    cluster.start()
    connections.close_all()


def stop_until(cluster: Cluster, worker: WorkerProcess, *words: bytes) -> None:
    """Stop the server until the worker has complained in these words."""
    cluster.stop()
    for word in words:
        wait_for(lambda word=word: word in worker.said(), what=f"{word!r} in the log")
    cluster.start()
    connections.close_all()


def test_an_idle_worker_goes_on(
    worker: WorkerProcess, cluster: Cluster, media_server: MediaServer
) -> None:
    stop_until(cluster, worker, b"The database does not answer")

    download = wait_for_state(submit(media_server.url("/video.mp4")), "cleaned")

    assert (download.outcome, download.attempt) == ("completed", 1)
    assert worker.process.poll() is None


def test_the_heart_of_a_worker_goes_on(worker: WorkerProcess, cluster: Cluster) -> None:
    restart(cluster)

    before = Worker.objects.get().heartbeat_at
    wait_for(lambda: Worker.objects.get().heartbeat_at > before, what="a heartbeat")


def test_a_running_download_ends_right(
    worker: WorkerProcess, cluster: Cluster, media_server: MediaServer
) -> None:
    download = submit(media_server.url("/slow.mp4?rate=2000000"))
    wait_for_state(download, "downloading")

    stop_until(cluster, worker, b"The database does not answer")

    wait_for_state(download, "cleaned", seconds=60)
    assert download.outcome == "completed"
    assert worker.process.poll() is None


def test_many_restarts_lose_nothing(
    worker: WorkerProcess, cluster: Cluster, media_server: MediaServer
) -> None:
    downloads = [submit(media_server.url(f"/video.mp4?number={number}")) for number in range(12)]

    for done in range(0, 12, 3):
        wait_for(
            lambda done=done: Download.objects.filter(state="cleaned").count() >= done,
            seconds=60,
            what=f"{done} downloads to be cleaned",
        )
        restart(cluster)

    for download in downloads:
        wait_for_state(download, "cleaned", seconds=60)
        assert download.outcome == "completed", history(download)


def test_a_worker_can_be_stopped_while_the_database_is_gone(
    worker: WorkerProcess, cluster: Cluster
) -> None:
    cluster.stop()

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0


def test_the_stream_goes_on_and_misses_nothing(site: Serving, cluster: Cluster, user: User) -> None:
    with site.listen(user=user) as stream:
        stream.next("hello")
        lives.submit(user)
        assert stream.next("transition").seq == 1

        restart(cluster)
        for _ in range(3):
            lives.submit(user)

        assert [event.seq for event in stream.transitions(3)] == [2, 3, 4]


def test_pages_answer_again_at_once(site: Serving, cluster: Cluster, user: User) -> None:
    assert site.ask("/", user=user).status == 200

    cluster.stop()
    assert site.ask("/healthz").status == 200
    ready = site.ask("/readyz")
    assert (ready.status, ready.body) == (503, b"database")

    cluster.start()
    connections.close_all()
    assert site.ask("/", user=user).status == 200
