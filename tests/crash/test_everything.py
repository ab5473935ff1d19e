"""kill -9 of everything: what was accepted is there, and every download gets its right end."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests
from django.contrib.auth.models import User
from django.db import transaction

from downloads import actions
from downloads.accounts import tokens
from downloads.models import Download, StreamPosition, Transition
from downloads.rules.states import State
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import alive, descendants
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import staged_entries, temp_entries

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]

ADMITTED = {
    None: {"created"},
    "created": {"initializing", "cancelled"},
    "initializing": {"ready", "failed", "cancelled", "created"},
    "ready": {"downloading", "failed", "cancelled", "created"},
    "downloading": {"completed", "failed", "cancelled", "created"},
    "completed": {"cleaned"},
    "failed": {"cleaned", "created"},
    "cancelled": {"cleaned", "created"},
    "cleaned": {"created"},
}


@pytest.fixture
def api(user: User) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {tokens.issue(user, name='test')}"
    return session


def processes_of(server: Serving) -> list[int]:
    """The serve, its worker, the fork server and all children, however deep."""
    return [server.process.pid, *descendants(server.process.pid)]


def kill_everything(server: Serving) -> list[int]:
    pids = processes_of(server)
    for number in (signal.SIGSTOP, signal.SIGKILL):  # so that none makes another meanwhile
        for pid in pids:
            with suppress(ProcessLookupError):  # a child that has just ended
                os.kill(pid, number)
    server.wait()
    return pids


def add_batch(server: Serving, api: requests.Session, urls: list[str]) -> list[str]:
    answer = api.post(f"{server.url}api/v1/downloads/batch", json={"urls": urls}, timeout=30)
    answer.raise_for_status()
    return [result["correlation_id"] for result in answer.json()["results"]]


def test_every_accepted_download_survives_and_ends_right(
    api: requests.Session, media_server: MediaServer
) -> None:
    urls = [media_server.url(f"/small/{number}.mp4?everything") for number in range(20)]
    urls += [media_server.url(f"/slow.mp4?rate=3000000&n={number}") for number in range(4)]
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}

    with serving(**allowed) as server:
        accepted = add_batch(server, api, urls)
        kill_everything(server)
    assert set(accepted) == set(Download.objects.values_list("correlation_id", flat=True))

    with serving(**allowed):
        wait_for(
            lambda: not Download.objects.exclude(state=State.CLEANED).exists(),
            what="every download to end",
        )

    assert set(Download.objects.values_list("outcome", flat=True)) == {"completed"}
    assert temp_entries() == staged_entries() == []
    assert_history_is_whole()


def test_when_only_the_main_process_is_killed_another_one_takes_its_port_and_all_ends_right(
    api: requests.Session, media_server: MediaServer
) -> None:
    """Its worker, which the kernel tells so, and the children are left, and end by themselves."""
    urls = [media_server.url(f"/slow.mp4?rate=2000000&kill={number}") for number in range(4)]
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}

    with serving(**allowed) as server:
        add_batch(server, api, urls)
        wait_for(
            lambda: Download.objects.filter(state=State.DOWNLOADING).count() == len(urls),
            what="all to be downloading",
        )
        pids = processes_of(server)
        server.send(signal.SIGKILL)
        server.wait()
        with serving("--port", str(server.address[1]), **allowed):
            wait_for(lambda: not alive(pids), what="the rest to end")
            wait_for(
                lambda: Download.objects.filter(state=State.CLEANED).count() == len(urls),
                what="every download to end",
            )

    for download in Download.objects.all():
        assert_ended_right(download, media_server.file("big.mp4"))
    assert_nothing_is_left()


# Requests that were under way


def post(server: Serving, api: requests.Session) -> requests.Response:
    return api.post(
        f"{server.url}api/v1/downloads",
        json={"url": "https://example.org/video"},
        headers={"Idempotency-Key": "one"},
        timeout=30,
    )


def assert_is_done_once(answer: requests.Response) -> None:
    assert answer.status_code == 201
    assert answer.json()["correlation_id"] == Download.objects.get().correlation_id
    assert Transition.objects.count() == 1


def test_a_request_that_was_done_and_not_answered_is_answered_when_it_comes_again(
    api: requests.Session,
) -> None:
    with serving("--no-worker") as server, ThreadPoolExecutor(1) as pool:
        unread = pool.submit(post, server, api)
        wait_for(Download.objects.exists, what="the commit")
        server.send(signal.SIGKILL)  # the answer is lost, or under way: the client does not know
        server.wait()
        unread.exception()

    with serving("--no-worker") as server:
        assert_is_done_once(post(server, api))


@pytest.mark.sqlite  # which has one lock
def test_a_request_that_was_not_done_leaves_nothing_and_is_done_when_it_comes_again(
    api: requests.Session,
) -> None:
    with serving("--no-worker") as server, ThreadPoolExecutor(1) as pool:
        with transaction.atomic():  # takes the lock: the request waits in the middle
            unanswered = pool.submit(post, server, api)
            wait_for(lambda: is_waiting_for_the_lock(server), what="the request to be under way")
            server.send(signal.SIGKILL)
            server.wait()
        with pytest.raises(requests.ConnectionError):
            unanswered.result()
    assert not Download.objects.exists()

    with serving("--no-worker") as server:
        assert_is_done_once(post(server, api))


def is_waiting_for_the_lock(server: Serving) -> bool:
    """Whether a thread that serves a request has the database open."""
    return bool(server.database_files())


def test_a_listener_misses_nothing_of_what_happened_while_the_server_was_dead(
    user: User,
) -> None:
    with serving("--no-worker") as server, server.listen(user=user) as listener:
        listener.next("hello")
        first = lives.submit(user)
        [heard] = listener.transitions(1)
        server.send(signal.SIGKILL)
        server.wait()
    actions.cancel(first, actor="test")
    second = lives.submit(user)

    with (
        serving("--no-worker") as server,
        server.listen(user=user, Last_Event_ID=str(heard.seq)) as listener,
    ):
        events = listener.transitions(3)

    assert heard.seq is not None
    assert [event.seq for event in events] == [heard.seq + number for number in (1, 2, 3)]
    assert [(event.data["correlation_id"], event.data["to"]) for event in events] == [
        (first.correlation_id, "cancelled"),
        (first.correlation_id, "cleaned"),
        (second.correlation_id, "created"),
    ]


# Ending


@pytest.mark.sqlite  # whatever the database is
def test_ctrl_c_leaves_no_process(api: requests.Session, media_server: MediaServer) -> None:
    with serving(VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin) as server:
        add_batch(server, api, [media_server.url("/slow.mp4?rate=20000&ctrl-c")])
        wait_for(lambda: Download.objects.filter(state=State.DOWNLOADING).exists())
        pids = processes_of(server)

        server.send(signal.SIGINT)
        server.wait_until_it_says("Stopping.")
        server.send(signal.SIGINT)

        assert server.wait() == 0
        assert alive(pids) == []
    assert Download.objects.get().state == State.CREATED
    assert temp_entries() == []


def assert_history_is_whole() -> None:
    """seq is 1..n without a gap, each move is legal, and each row is where its history ends."""
    entries = list(Transition.objects.order_by("seq"))
    assert [entry.seq for entry in entries] == list(
        range(entries[0].seq, StreamPosition.current() + 1)
    )
    last: dict[int, str | None] = {}
    for entry in entries:
        assert entry.from_state == last.get(entry.download_id)
        assert entry.to_state in ADMITTED[entry.from_state]
        last[entry.download_id] = entry.to_state
    assert last == dict(Download.objects.values_list("pk", "state"))
