"""PostgreSQL goes away, as with `pg_ctl stop -m immediate`, and comes back: nobody falls over."""

import json
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, connections

from downloads.models import Download, Worker
from downloads.stream import consumer
from downloads.stream.cursor import Cursor
from downloads.stream.frames import BATCH_FRAMES
from downloads.stream.listener import Listener
from tests.crash.judging import assert_ended_right, assert_listed, assert_nothing_is_left
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.postgresql import Cluster
from tests.helpers.proxy import LosingProxy
from tests.helpers.serving import Event, Serving, events_in, serving, sign_in
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    WorkerProcess,
    child_of,
    history,
    running_worker,
    submit,
    wait_for_state,
)
from tests.listening import asking_here, events_of, hear_beats, hear_seqs, listening_here
from tests.stream.test_consumer import submit_many

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.postgresql,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
]

SHORT_LEASE_SECONDS = 12  # a sixth of it is the time that the worker has to end the child
ONE_LIFE = ["created", "initializing", "ready", "downloading", "completed", "cleaned"]


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

    wait_for_state(download, "cleaned")
    assert download.outcome == "completed"
    assert worker.process.poll() is None


def test_many_restarts_lose_nothing(
    worker: WorkerProcess, cluster: Cluster, media_server: MediaServer
) -> None:
    downloads = [submit(media_server.url(f"/video.mp4?number={number}")) for number in range(12)]

    for done in range(0, 12, 3):
        wait_for(
            lambda done=done: Download.objects.filter(state="cleaned").count() >= done,
            what=f"{done} downloads to be cleaned",
        )
        restart(cluster)

    for download in downloads:
        wait_for_state(download, "cleaned")
        assert download.outcome == "completed", history(download)


def test_a_worker_can_be_stopped_while_the_database_is_gone(
    worker: WorkerProcess, cluster: Cluster
) -> None:
    cluster.stop()

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0


def test_a_worker_at_work_does_not_wait_for_it_at_a_stop(
    cluster: Cluster, media_server: MediaServer
) -> None:
    """What it leaves is an orphan of this machine: the next worker recovers it at its start."""
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}
    with running_worker("--grace", "0.2", **allowed) as worker:
        download = wait_for_state(submit(media_server.url("/slow.mp4?rate=1500000")), "downloading")
        child = child_of(download)
        cluster.stop()

        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
        assert not child.is_alive()

    cluster.start()
    connections.close_all()
    with running_worker(**allowed):
        wait_for_state(download, "cleaned")
    assert download.outcome == "completed"
    assert_nothing_is_left()


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


def hits_of_one_download(media_server: MediaServer, path: str) -> bool:
    """Once to see what it is, once to fetch it."""
    return media_server.hits_of(path, "GET") == 2


def test_an_outage_shorter_than_the_lease_costs_nothing(
    worker: WorkerProcess, cluster: Cluster, media_server: MediaServer
) -> None:
    """The child goes on; what it says, and its end, wait for the database."""
    path = "/slow.mp4?rate=1500000&outage"
    download = wait_for_state(submit(media_server.url(path)), "downloading")
    child = child_of(download)

    cluster.stop()
    wait_for(lambda: not child.is_alive(), what="the child to end by itself")
    wait_for(lambda: b"waits, the database does not answer" in worker.said(), what="the attempt")
    cluster.start()
    connections.close_all()

    wait_for_state(download, "cleaned")
    assert [state for state, _ in history(download)] == ONE_LIFE
    assert_ended_right(download, media_server.file("big.mp4"))
    assert hits_of_one_download(media_server, path)


def test_an_outage_longer_than_the_lease_ends_the_child_in_time_and_begins_anew(
    cluster: Cluster, media_server: MediaServer
) -> None:
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}
    with running_worker(VNSITE_LEASE_SECONDS=str(SHORT_LEASE_SECONDS), **allowed) as worker:
        download = wait_for_state(submit(media_server.url("/slow.mp4?rate=300000")), "downloading")
        child = child_of(download)

        cluster.stop()
        wait_for(lambda: not child.is_alive(), seconds=SHORT_LEASE_SECONDS, what="the fence")
        wait_for(lambda: b"nothing was written" in worker.said(), what="the attempt to be left")
        cluster.start()
        connections.close_all()

        wait_for_state(download, "cleaned")
        assert worker.process.poll() is None
    assert (download.outcome, download.attempt) == ("completed", 2)
    assert ("created", "worker_lost") in history(download)
    assert_ended_right(download, media_server.file("big.mp4"))


def test_a_lost_answer_to_a_commit_is_no_second_write(
    cluster: Cluster, media_server: MediaServer
) -> None:
    """Each move was written, and the worker never hears of it."""
    path = "/small/7.mp4?lost"
    download = submit(media_server.url(path))
    name = str(connection.settings_dict["NAME"])

    with (
        LosingProxy(cluster.directory) as proxy,
        running_worker(
            VNSITE_DATABASE_URL=proxy.url_of(name), VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin
        ) as worker,
    ):
        wait_for_state(download, "cleaned")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    assert proxy.lost >= len(["downloading", "decision", "completed", "cleaned"])
    assert [state for state, _ in history(download)] == ONE_LIFE
    assert_ended_right(download, media_server.file("small.mp4"))
    assert hits_of_one_download(media_server, path)
    assert_nothing_is_left()


def test_a_lost_answer_to_the_commit_of_a_listing_is_no_second_one(
    cluster: Cluster, media_server: MediaServer
) -> None:
    download = submit(media_server.url("/page-two.html?lost"), playlist="all")
    name = str(connection.settings_dict["NAME"])

    with (
        LosingProxy(cluster.directory) as proxy,
        running_worker(
            VNSITE_DATABASE_URL=proxy.url_of(name), VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin
        ) as worker,
    ):
        wait_for_state(download, "cleaned")
        for made in Download.objects.filter(listed_in=download):
            wait_for_state(made, "cleaned")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0

    assert proxy.lost >= len(["downloading", "completed", "cleaned"])
    download.refresh_from_db()
    assert [state for state, _ in history(download)] == ONE_LIFE
    assert_listed(download, 2)
    assert Download.objects.filter(listed_in=download).count() == 2
    assert_nothing_is_left()


def test_pages_and_the_api_say_that_it_is_for_a_moment(
    site: Serving, cluster: Cluster, user: User
) -> None:
    cookie = sign_in(user)
    cluster.stop()

    page = site.ask("/", Cookie=cookie)
    assert (page.status, page.headers["Retry-After"]) == (503, "10")
    assert b"<h1>One moment, please</h1>" in page.body

    answer = site.ask("/api/v1/downloads", Cookie=cookie)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "10")
    assert "does not answer" in json.loads(answer.body)["detail"]

    stream = site.ask("/events/", Cookie=cookie)
    assert (stream.status, stream.headers["Retry-After"]) == (503, "10")

    cluster.start()
    connections.close_all()
    assert site.ask("/", Cookie=cookie).status == 200
    assert "Traceback" not in site.said()


@asynccontextmanager
async def away(cluster: Cluster) -> AsyncIterator[None]:
    """The server is stopped meanwhile; whoever asks from here connects again afterwards.

    It is started by this thread, because it ends with the thread that started it.
    """
    cluster.stop()
    try:
        yield
    finally:
        cluster.start()
        await sync_to_async(connections.close_all)()


@pytest.fixture
async def fresh_connection() -> None:
    """Of the thread in which an async test asks: another test's outage ended what was there."""
    await sync_to_async(connections.close_all)()


@pytest.mark.usefixtures("fresh_connection")
async def test_an_open_stream_stays_and_says_that_it_is_stale(
    cluster: Cluster, user: User, hasty_stream: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening_here(user) as stream:
        heard = events_of(stream)
        await hear_beats(heard, 1, stale=False)

        async with away(cluster):
            await hear_beats(heard, 10, stale=True)
        for _ in range(3):
            await sync_to_async(lives.submit)(user)

        assert await hear_seqs(heard, 3) == [1, 2, 3]
        await hear_beats(heard, 1, stale=False)
        await sync_to_async(lives.submit)(user)
        assert await hear_seqs(heard, 1) == [4]
    assert [record.exc_info for record in caplog.records] == [None, None], caplog.text


@pytest.mark.usefixtures("fresh_connection")
async def test_a_stream_does_not_end_by_age_while_the_database_is_away(
    cluster: Cluster, user: User, hasty_stream: pytest.MonkeyPatch
) -> None:
    """Its page could not connect again."""
    async with listening_here(user) as stream:
        heard = events_of(stream)
        async with away(cluster):
            await hear_beats(heard, 1, stale=True)
            hasty_stream.setattr(consumer, "MAX_AGE_SECONDS", 0)
            await hear_beats(heard, 10, stale=True)

        said = [event async for event in heard]
        assert said[-1] == Event("bye", None, {"why": "age"})


@pytest.mark.usefixtures("fresh_connection")
async def test_a_stream_that_replays_goes_on_where_it_was(
    cluster: Cluster, user: User, hasty_stream: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await sync_to_async(submit_many)(2 * BATCH_FRAMES + 10, user)

    async with aclosing(Listener(Cursor(seq=0, owner_id=user.pk)).follow()) as chunks:
        heard = (
            event async for chunk in chunks for event in events_in(chunk.decode().splitlines())
        )
        seqs = await hear_seqs(heard, BATCH_FRAMES)
        async with away(cluster):
            await hear_beats(heard, 5, stale=True)
        seqs += await hear_seqs(heard, BATCH_FRAMES + 10)

    assert seqs == list(range(1, 2 * BATCH_FRAMES + 11))
    assert [record.exc_info for record in caplog.records] == [None, None], caplog.text


@pytest.mark.usefixtures("fresh_connection")
async def test_who_comes_while_the_database_is_away_comes_again(
    cluster: Cluster, user: User, hasty_stream: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cookie = await sync_to_async(sign_in)(user)
    async with listening_here(user) as stream, away(cluster):
        await hear_beats(events_of(stream), 1, stale=True)
        async with asking_here(None, Cookie=cookie) as (_, start):
            assert start["status"] == 503
            assert dict(start["headers"])[b"Retry-After"] == b"10"

    assert all(record.exc_info is None for record in caplog.records), caplog.text
