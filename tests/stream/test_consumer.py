"""`GET /events/`: who may listen, what is heard, how it ends. Against a real server process."""

import asyncio
import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, closing
from typing import Any
from urllib.parse import quote

import pytest
from asgiref.sync import sync_to_async
from channels.testing import ApplicationCommunicator
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

from downloads import actions
from downloads.accounts import tokens
from downloads.models import (
    Download,
    Progress,
    StreamPosition,
    Transition,
    retention,
    submissions,
)
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from downloads.stream import consumer, listener
from downloads.stream.budget import Budget
from downloads.stream.consumer import parse_seq
from downloads.stream.events import Bye, bye
from downloads.stream.listener import STREAM
from tests.helpers import lives
from tests.helpers.processes import is_stopped
from tests.helpers.serving import Event, Listening, Serving, serving, sign_in
from tests.helpers.waiting import DEADLINE_SECONDS, wait_for
from tests.listening import listening_here
from tests.models.test_fairness import configured


@pytest.fixture(scope="module")
def process(django_db_setup: None) -> Iterator[Serving]:
    with serving("--no-worker", VNSITE_USER_STREAMS="0") as process:
        yield process


@pytest.fixture
def server(process: Serving, shared_db: None) -> Iterator[Serving]:
    yield process
    # Afterwards seq begins at 1 again, which no tailer may see.
    wait_for(lambda: not process.database_files(), what="the tailer to end")


def submit_many(count: int, owner: User | None = None, *, actor: str = "test") -> None:
    links = [f"https://example.org/{next(lives.numbers)}" for _ in range(count)]
    wishes = [(link, DownloadOptions()) for link in links]
    submissions.submit(wishes, owner=owner, actor=actor)


def heard(listening: Listening, count: int) -> list[tuple[int | None, str, str]]:
    """Seq, correlation id and new state of the next transitions."""
    return [
        (event.seq, event.data["correlation_id"], event.data["to"])
        for event in listening.transitions(count)
    ]


def stored(*, after: int = 0) -> list[tuple[int, str, str]]:
    rows = Transition.objects.filter(seq__gt=after).order_by("seq")
    return list(rows.values_list("seq", "download__correlation_id", "to_state"))


# Who may listen


def test_nobody_listens_without_signing_in(server: Serving) -> None:
    answer = server.ask("/events/")

    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_session_that_is_over_does_not_listen(server: Serving, user: User) -> None:
    cookie = sign_in(user)
    Session.objects.all().delete()

    assert server.ask("/events/", Cookie=cookie).status == 401


def test_a_user_who_is_not_active_does_not_listen(server: Serving, user: User) -> None:
    cookie = sign_in(user)
    User.objects.update(is_active=False)

    assert server.ask("/events/", Cookie=cookie).status == 401


def test_a_token_listens(server: Serving, user: User) -> None:
    token = tokens.issue(user, name="test")

    with server.listen(Authorization=f"Bearer {token}") as listening:
        assert listening.next().name == "hello"


def test_a_wrong_token_does_not_listen_even_with_a_session(server: Serving, user: User) -> None:
    assert server.ask("/events/", user=user, Authorization="Bearer wrong").status == 401


def test_another_host_name_is_refused(server: Serving, user: User) -> None:
    assert server.ask("/events/", user=user, Host="evil.example").status == 400


@pytest.mark.parametrize("method", ["HEAD", "POST", "DELETE", "OPTIONS"])
def test_only_get_is_allowed(server: Serving, user: User, method: str) -> None:
    answer = server.ask("/events/", method=method, user=user)

    assert answer.status == 405
    assert answer.headers["Allow"] == "GET"


def test_a_foreign_or_unknown_download_is_not_found(
    server: Serving, user: User, staff: User
) -> None:
    foreign = lives.submit(staff)

    assert server.ask(f"/events/?download={foreign.correlation_id}", user=user).status == 404
    assert server.ask("/events/?download=unknown", user=staff).status == 404
    assert server.ask("/events/?download=a%00b", user=staff).status == 404


def test_a_websocket_gets_the_answer_of_a_page(server: Serving) -> None:
    answer = server.ask(
        "/events/",
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Sec_WebSocket_Version="13",
    )

    assert answer.status == 401


# What is heard


def test_no_proxy_may_hold_the_stream_back(server: Serving, user: User) -> None:
    with server.listen(user=user) as listening:
        headers = listening.response.headers

    assert headers["Content-Type"] == "text/event-stream"
    assert headers["Cache-Control"] == "no-cache, no-transform"
    assert headers["X-Accel-Buffering"] == "no"
    assert "Server" not in headers
    assert "Content-Encoding" not in headers


def test_hello_says_where_the_stream_is(server: Serving, user: User) -> None:
    submit_many(3)

    with server.listen(user=user) as listening:
        hello = listening.next()

    assert hello.name == "hello"
    assert hello.seq is None
    assert hello.data["seq"] == 3
    assert hello.data["heartbeat"] == 15


def test_without_an_id_the_stream_begins_now(server: Serving, user: User) -> None:
    lives.submit(user)

    with server.listen(user=user) as listening:
        listening.next("hello")
        lives.submit(user)

        assert heard(listening, 1) == stored(after=1)


def test_a_listener_hears_what_was_committed_since_the_page_was_made(
    server: Serving, user: User
) -> None:
    seen = StreamPosition.current()
    lives.submit(user)

    with server.listen(f"?after={seen}", user=user) as listening:
        assert heard(listening, 1) == stored()


def test_the_whole_stream_can_be_replayed_and_goes_on_live(server: Serving, staff: User) -> None:
    submit_many(1200)

    with server.listen("?after=0", user=staff) as listening:
        replayed = heard(listening, 1200)
        submit_many(2, staff)

        assert replayed + heard(listening, 2) == stored()
        assert [seq for seq, _, _ in stored()] == list(range(1, 1203))


def test_the_header_of_a_reconnect_is_newer_than_the_address(server: Serving, user: User) -> None:
    for _ in range(3):
        lives.submit(user)

    with server.listen("?after=1", user=user, Last_Event_ID="2") as listening:
        assert heard(listening, 1) == stored(after=2)


def test_a_transition_is_told_whole(server: Serving, user: User, clean_disk: None) -> None:
    with server.listen("?after=0", user=user) as listening:
        download = lives.fail(lives.submit(user))
        event = listening.transitions(5)[-1]

    row = Transition.objects.get(to_state=State.FAILED)
    assert event == Event(
        "transition",
        row.seq,
        {
            "correlation_id": download.correlation_id,
            "from": "downloading",
            "to": "failed",
            "at": row.at.isoformat().replace("+00:00", "Z"),
            "actor": "test",
            "reason": "unavailable",
            "attempt": 1,
            "outcome": "failed",
            "error": "unavailable",
        },
    )


def test_what_is_rolled_back_is_never_heard(server: Serving, user: User) -> None:
    class Regret(Exception):
        pass

    with server.listen(user=user) as listening:
        listening.next("hello")
        with pytest.raises(Regret), transaction.atomic():
            lives.submit(user)
            raise Regret
        lives.submit(user)

        assert heard(listening, 1) == stored()


def test_a_user_hears_only_their_own(server: Serving, user: User, staff: User) -> None:
    with server.listen("?after=0", user=user) as listening:
        lives.submit(staff)
        lives.submit(None)
        own = lives.submit(user)

        assert heard(listening, 1) == [(3, own.correlation_id, "created")]


def test_a_replay_has_only_their_own(server: Serving, user: User, staff: User) -> None:
    submit_many(600, staff)
    own = lives.submit(user)
    submit_many(600, staff)

    with server.listen("?after=0", user=user) as listening:
        last = lives.submit(user)

        assert heard(listening, 2) == [
            (601, own.correlation_id, "created"),
            (1202, last.correlation_id, "created"),
        ]


def test_a_stream_of_one_download_has_no_other(server: Serving, user: User) -> None:
    wanted = lives.submit(user)

    with server.listen(f"?download={wanted.correlation_id}", user=user) as listening:
        listening.next("hello")
        lives.submit(user)
        wanted.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

        event = listening.next("transition")
        assert (event.data["correlation_id"], event.data["to"]) == (
            wanted.correlation_id,
            "cancelled",
        )


def test_progress_is_told_without_an_id(server: Serving, user: User, clean_disk: None) -> None:
    download = lives.start(lives.submit(user))

    with server.listen(user=user) as listening:
        listening.next("hello")
        Progress.objects.update(received_bytes=10, total_bytes=100, speed=5.0)

        def told() -> Event | None:
            event = listening.next("progress")
            return event if event.data[0]["bytes"] == 10 else None

        event = wait_for(told)
        assert event.seq is None
        assert event.data[0]["correlation_id"] == download.correlation_id


def test_progress_of_others_is_not_told(
    server: Serving, user: User, staff: User, clean_disk: None
) -> None:
    lives.start(lives.submit(staff))
    own = lives.start(lives.submit(user))

    with server.listen(user=user) as listening:
        (progress,) = listening.next("progress").data

        assert progress["correlation_id"] == own.correlation_id


def test_stats_are_told_when_they_change(server: Serving, user: User, staff: User) -> None:
    lives.submit(staff)

    with server.listen(user=user) as listening:
        first = listening.next("stats")
        lives.submit(user)

        def told() -> Event | None:
            """The space that is free changes as well, by what others write."""
            event = listening.next("stats")
            return event if event.data["counts"]["created"] else None

        second = wait_for(told)

    assert first.data["counts"]["created"] == 0
    assert second.data["counts"]["created"] == 1
    assert set(second.data) == {"counts", "outcomes", "speed", "free", "workers"}


@pytest.mark.parametrize("seq", ["7", "-1", "x", "1.5", " 1", "1\n", "9" * 40, "\u0661", ""])
def test_an_id_of_another_stream_is_answered_with_resync(
    server: Serving, user: User, seq: str
) -> None:
    lives.submit(user)

    with server.listen(f"?after={quote(seq)}", user=user) as listening:
        assert listening.next("hello").data["seq"] == 1
        assert listening.next() == Event("resync", None, {"why": "unknown"})
        lives.submit(user)
        assert heard(listening, 1) == stored(after=1)


def test_missing_history_is_answered_with_resync_and_what_there_is(
    server: Serving, user: User
) -> None:
    forgotten = lives.submit(user)
    lives.submit(user)
    forgotten.forget()

    with server.listen("?after=0", user=user) as listening:
        listening.next("hello")
        assert listening.next() == Event("resync", None, {"why": "gap"})
        assert heard(listening, 1) == stored()


def test_a_deletion_is_heard_at_once_and_by_whoever_comes_back(
    server: Serving, user: User, staff: User
) -> None:
    first, second = lives.submit(user), lives.submit(user)
    own, foreign = lives.submit(user), lives.submit(staff)

    first.forget()  # before it nothing is known of deletions
    after = StreamPosition.current()
    with server.listen(f"?after={after}", user=user) as listening:
        listening.next("hello")
        with transaction.atomic():
            for download in (second, foreign, own):
                download.forget()
        event = listening.next("deleted")
    gone = {"correlation_ids": [second.correlation_id, own.correlation_id]}
    assert event == Event("deleted", StreamPosition.current(), gone)

    with server.listen(f"?after={after}", user=user) as listening:
        listening.next("hello")
        assert listening.next() == event


def test_everything_forgotten_is_answered_with_resync(server: Serving, user: User) -> None:
    lives.submit(user).forget()

    with server.listen("?after=0", user=user) as listening:
        listening.next("hello")
        assert listening.next() == Event("resync", None, {"why": "gap"})
        lives.submit(user)
        assert heard(listening, 1) == stored(after=1)


def test_whoever_was_away_since_before_what_was_pruned_loads_again(
    server: Serving, user: User, clean_disk: None
) -> None:
    download = lives.complete(lives.submit(user))
    actions.clean(download, actor="test")
    lives.submit(user)
    highest = StreamPosition.current() - 2

    retention.prune([download], days=1)

    assert StreamPosition.newest_pruned() == highest
    for after in (0, highest - 1):
        with server.listen(f"?after={after}", user=user) as listening:
            listening.next("hello")
            assert listening.next() == Event("resync", None, {"why": "gap"})
            lives.submit(user)
            assert heard(listening, 1) == stored(after=StreamPosition.current() - 1)
    with server.listen(f"?after={highest}", user=user) as listening:
        listening.next("hello")
        assert heard(listening, 4) == stored(after=highest)


def test_a_server_that_was_stopped_while_others_pruned_has_its_listeners_load_again(
    server: Serving, user: User, clean_disk: None
) -> None:
    with server.listen(user=user) as listening:
        listening.next("hello")
        lives.submit(user)
        assert heard(listening, 1) == stored()
        server.send(signal.SIGSTOP)
        wait_for(lambda: is_stopped(server.process.pid), what="the server to be stopped")
        download = lives.complete(Download.objects.get())
        actions.clean(download, actor="test")
        retention.prune([download], days=1)
        server.send(signal.SIGCONT)

        assert listening.next("resync").data == {"why": "gap"}
        lives.submit(user)
        assert heard(listening, 1) == stored(after=StreamPosition.current() - 1)


# Reconnecting, many, and slow


def test_no_reconnect_misses_or_repeats_a_transition(server: Serving, user: User) -> None:
    total = 150

    def write() -> None:
        for _ in range(total):
            lives.submit(user)
        connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[tuple[int | None, str, str]] = []
    connections = 0
    headers = {"Cookie": sign_in(user)}
    while len(seen) < total:
        count = min(random.randint(0, 5), total - len(seen))
        last = str(seen[-1][0] if seen else 0)
        with server.listen(**headers, Last_Event_ID=last) as listening:
            seen += heard(listening, count)
            connections += 1
    writer.join()

    assert connections >= 30
    assert seen == stored()


def test_many_listeners_share_one_tailer(server: Serving, user: User) -> None:
    headers = {"Cookie": sign_in(user)}
    with server.listen(**headers) as first:
        first.next("stats")
        alone = server.thread_count()
        others = [server.listen(**headers) for _ in range(20)]
        for listening in others:
            listening.next("stats")

        assert server.thread_count() <= alone
        lives.submit(user)
        assert all(heard(listening, 1) == stored() for listening in (first, *others))

        for listening in others:
            listening.close()


async def test_those_who_come_at_once_are_let_in_one_after_another(
    shared_db: None, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "BEGINNING", Budget(0.5, burst_seconds=0.0))
    monkeypatch.setattr(consumer, "BEGINNING_CPU_SECONDS", 0.1)
    began = time.monotonic()

    async def come() -> float:
        async with listening_here(user) as stream:
            await next_event(stream, "hello")
            return time.monotonic() - began

    with configured(user_streams=0):
        _, second, third = sorted(await asyncio.gather(come(), come(), come()))

    assert second >= 0.19  # each has earned its place when twice its time has passed
    assert third >= 0.39


def test_a_listener_who_does_not_read_is_told_to_load_again(server: Serving, user: User) -> None:
    cookie = sign_in(user)
    with closing(socket.socket()) as browser, server.listen(Cookie=cookie) as reader:
        reader.next("stats")
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.settimeout(30)
        browser.connect(server.address)
        lines = ["GET /events/?after=0 HTTP/1.0", "Host: localhost", f"Cookie: {cookie}"]
        browser.sendall("\r\n".join([*lines, "", ""]).encode())
        # Until it is told what is new: what was there before is replayed, however slowly it reads.
        begun = b""
        while b"event: stats" not in begun:
            begun += browser.recv(4096)
        assert begun.startswith(b"HTTP/1.0 200")
        # More than the kernel's buffers and the ring can hold, and soon: after 45 s without reading
        # the connection ends. An emoji takes 12 bytes.
        for _ in range(3):
            with configured(user_waiting=0):
                submit_many(2500, user, actor="\N{FILM PROJECTOR}" * 200)
            assert len(heard(reader, 2500)) == 2500

        received = b""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while b"event: resync" not in received:
            part = browser.recv(2**20)
            assert part, "the stream ended"
            assert time.monotonic() < deadline, "it was told everything, or only other things"
            received = received[-100:] + part


# How it ends. In this process, so that minutes can be made short


async def next_event(stream: ApplicationCommunicator, name: str) -> bytes:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while time.monotonic() < deadline:
        message: dict[str, Any] = await stream.receive_output(timeout=30)
        body: bytes = message["body"]
        if f"event: {name}\n".encode() in body:
            return body
        assert message["more_body"], "the stream ended"
    raise AssertionError(f"other events, and no {name}")


async def assert_end(stream: ApplicationCommunicator) -> None:
    assert await stream.receive_output(timeout=30) == {
        "type": "http.response.body",
        "body": b"",
        "more_body": False,
    }


async def test_a_quiet_stream_has_a_heartbeat_with_the_last_id(
    shared_db: None, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEARTBEAT_SECONDS", 0.1)
    await sync_to_async(lives.submit)(user)

    async with listening_here(user) as stream:
        assert b"id: 1\nevent: heartbeat\n" in await next_event(stream, "heartbeat")
        await next_event(stream, "heartbeat")


async def test_a_stream_ends_by_age(
    shared_db: None, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "MAX_AGE_SECONDS", 0)
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 0.1)

    async with listening_here(user) as stream:
        assert await next_event(stream, "bye") == bye(Bye.AGE)
        await assert_end(stream)


async def sign_out(user: User) -> None:
    await Session.objects.all().adelete()


async def lock(user: User) -> None:
    await User.objects.filter(pk=user.pk).aupdate(is_active=False)


async def change_password(user: User) -> None:
    user.set_password("another")
    await user.asave()


async def make_staff(user: User) -> None:
    await User.objects.filter(pk=user.pk).aupdate(is_staff=True)


@pytest.mark.parametrize("change", [sign_out, lock, change_password, make_staff])
async def test_a_stream_ends_when_the_rights_change(
    shared_db: None, user: User, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    monkeypatch.setattr(listener, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 0.2)

    async with listening_here(user) as stream:
        await next_event(stream, "heartbeat")
        await change(user)

        assert await next_event(stream, "bye") == bye(Bye.SIGNED_OUT)
        await assert_end(stream)


async def test_a_stream_ends_when_the_server_stops(shared_db: None, user: User) -> None:
    async with listening_here(user) as stream:
        await next_event(stream, "stats")
        STREAM.end(Bye.SHUTDOWN)

        assert await next_event(stream, "bye") == bye(Bye.SHUTDOWN)
        await assert_end(stream)


async def test_many_listeners_cost_the_database_no_more_than_one(
    shared_db: None, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 3600)
    asked_by: list[threading.Thread] = []
    execute = CursorWrapper.execute

    def count(cursor: CursorWrapper, *arguments: Any) -> Any:
        asked_by.append(threading.current_thread())
        return execute(cursor, *arguments)

    def write() -> threading.Thread:
        lives.submit(user)
        connection.close()
        return threading.current_thread()

    async with AsyncExitStack() as listening:
        listening.enter_context(configured(user_streams=0))
        streams = [await listening.enter_async_context(listening_here(user)) for _ in range(30)]
        for stream in streams:
            await next_event(stream, "stats")
        monkeypatch.setattr(CursorWrapper, "execute", count)
        writer = await asyncio.to_thread(write)
        for stream in streams:
            await next_event(stream, "transition")
            await next_event(stream, "stats")

    (tailer,) = {*asked_by} - {writer}
    assert tailer.name == "tailer"


async def test_a_stream_leaves_nothing_when_the_browser_left(shared_db: None, user: User) -> None:
    async with listening_here(user) as stream:
        await next_event(stream, "stats")

    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    await asyncio.to_thread(wait_for, lambda: "tailer" not in thread_names())


def thread_names() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


# Ids


@pytest.mark.parametrize(
    ("text", "seq"),
    [("0", 0), ("7", 7), ("007", 7), ("8", None), ("-1", None), ("+1", None), ("", None)],
)
def test_an_id_is_a_seq_that_there_was(text: str, seq: int | None) -> None:
    assert parse_seq(text, newest=7) == seq
