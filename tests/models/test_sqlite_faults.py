"""SQLite's faults: locked by another process, wanted by many at once, and damaged."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from downloads.accounts import tokens
from downloads.models import Download, StreamPosition, Transition
from tests.crash.judging import assert_ended_right, assert_nothing_is_left
from tests.helpers import lives, writer
from tests.helpers.media_server import MediaServer
from tests.helpers.serving import serving, sign_in
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    ROOT,
    WorkerProcess,
    child_of,
    history,
    running_worker,
    submit,
    wait_for_state,
    worker_environment,
)
from tests.listening import asking_here, events_of, hear_beats, hear_seqs, listening_here
from tests.locks import locked, unreadable

pytestmark = [
    pytest.mark.sqlite,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
]

WRITERS = 4
PAGE_BYTES = 4096


def test_a_lock_held_for_long_loses_nothing_and_pages_are_read(
    media_server: MediaServer, client: Client, user: User
) -> None:
    """Longer than a statement waits: what it was to write is tried again."""
    path = "/slow.mp4?rate=2000000&locked"
    client.force_login(user)
    # Two statements wait in turn: the last report of progress, and the decision to publish.
    with running_worker(
        VNSITE_TEST_LOCK_SECONDS="2", VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin
    ) as worker:
        download = wait_for_state(submit(media_server.url(path)), "downloading")
        child = child_of(download)

        with locked(str(connection.settings_dict["NAME"])):
            wait_for(lambda: not child.is_alive(), what="the child to end by itself")
            assert client.get("/").status_code == 200
            waits = f"{download} waits, the database does not answer".encode()
            # Each of the statements before it waits for 2 s; the lease is over after 50.
            wait_for(lambda: waits in worker.said(), what="the attempt to wait")

        wait_for_state(download, "cleaned")
    states = [state for state, _ in history(download)]
    assert states == ["created", "initializing", "ready", "downloading", "completed", "cleaned"]
    assert_ended_right(download, media_server.file("big.mp4"))
    assert media_server.hits_of(path, "GET") == 2
    assert_nothing_is_left()


async def test_streams_go_on_while_another_process_writes(
    user: User, hasty_stream: pytest.MonkeyPatch
) -> None:
    """A token's use is noted once a minute, which would wait for the lock."""
    token = await sync_to_async(tokens.issue)(user, name="test")
    bearer = {"Authorization": f"Bearer {token}"}
    async with listening_here(user) as browser, listening_here(None, **bearer) as script:
        both = [events_of(browser), events_of(script)]
        hasty_stream.setattr(tokens, "USE_NOTED_EVERY", timedelta(0))

        with locked(str(connection.settings_dict["NAME"])):
            for heard in both:
                await hear_beats(heard, 10, stale=False)
        await sync_to_async(lives.submit)(user)

        for heard in both:
            assert await hear_seqs(heard, 1) == [1]


async def test_a_stream_stays_when_its_database_cannot_be_read(
    user: User, hasty_stream: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening_here(user) as stream:
        heard = events_of(stream)

        with unreadable(str(connection.settings_dict["NAME"])):
            await hear_beats(heard, 10, stale=True)
            async with asking_here(None, Cookie="sessionid=any") as (_, start):
                assert (start["status"], dict(start["headers"])[b"Retry-After"]) == (503, b"10")
        for _ in range(3):
            await sync_to_async(lives.submit)(user)

        assert await hear_seqs(heard, 3) == [1, 2, 3]
        await hear_beats(heard, 1, stale=False)
    # The tailer says that it is back after it has told the listeners.
    await sync_to_async(wait_for)(lambda: len(caplog.records) == 2, what="both lines of the log")
    assert [record.exc_info for record in caplog.records] == [None, None], caplog.text


def test_many_writers_never_fail_for_what_another_wrote_in_between() -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.writer"],
            cwd=ROOT,
            env=worker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(WRITERS)
    ]
    try:
        for process in writers:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
        let_go(writers)
        errors = [process.communicate(timeout=120)[1] for process in writers]
    finally:
        for process in writers:
            process.kill()

    assert [error.decode() for error in errors] == [""] * WRITERS
    assert Download.objects.filter(state="cleaned").count() == WRITERS * writer.ROUNDS
    assert Transition.objects.count() == StreamPosition.current() == WRITERS * writer.ROUNDS * 6


def let_go(writers: list[subprocess.Popen[bytes]]) -> None:
    for process in writers:
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()


def copied(data: Path) -> Path:
    """The tests' database in a data directory of its own, beside a published file."""
    published = data / "media" / "Title [abcabcabcabc]"
    published.mkdir(parents=True)
    (published / "Title.mp4").write_bytes(b"video")
    database = data / "vnsite.sqlite3"
    connection.ensure_connection()
    with closing(sqlite3.connect(str(connection.settings_dict["NAME"]))) as source:
        source.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with closing(sqlite3.connect(database)) as copy:
            source.backup(copy)
    return database


def damage(database: Path, *, page: int) -> None:
    """Write something else over one page; the third begins at byte 8192."""
    with database.open("r+b") as file:
        file.seek((page - 1) * PAGE_BYTES)
        file.write(b"\xa5" * PAGE_BYTES)


def pages_of(table: str, database: Path) -> list[int]:
    """The first pages of a table and of its indexes."""
    with closing(sqlite3.connect(database)) as opened:
        query = "SELECT rootpage FROM sqlite_master WHERE tbl_name = ? AND rootpage"
        return [int(page) for (page,) in opened.execute(query, [table])]


def manage(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env={
            **worker_environment(),
            "VNSITE_DATA_DIR": str(data),
            "VNSITE_DATABASE_URL": f"sqlite:///{data}/vnsite.sqlite3",
        },
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("table", "arguments"),
    [
        ("sqlite_sequence", ("run_downloads", "--once")),
        ("sqlite_sequence", ("add_download", "https://example.org/v")),
        ("sqlite_sequence", ("doctor",)),
        ("downloads_download", ("run_downloads", "--once")),
        ("downloads_download", ("cleanup_orphans",)),
        ("downloads_download", ("check_lifecycle",)),
        ("django_migrations", ("serve", "--port", "0")),
        ("django_migrations", ("doctor",)),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_with_a_damaged_database_nothing_is_done_and_it_is_said(
    tmp_path: Path, table: str, arguments: tuple[str, ...]
) -> None:
    database = copied(tmp_path)
    for page in pages_of(table, database):
        damage(database, page=page)

    ended = manage(tmp_path, *arguments)

    said = ended.stdout + ended.stderr
    assert ended.returncode != 0, said
    assert "database is damaged" in said
    assert "from a backup" in said
    assert "Traceback" not in said
    assert (tmp_path / "media/Title [abcabcabcabc]/Title.mp4").read_bytes() == b"video"


def test_a_database_that_is_damaged_meanwhile_stops_the_worker_and_pages_say_it(
    tmp_path: Path, user: User
) -> None:
    cookie = sign_in(user)  # before the copy, which has the session then
    database = copied(tmp_path)
    elsewhere = {
        "VNSITE_DATA_DIR": str(tmp_path),
        "VNSITE_DATABASE_URL": f"sqlite:///{database}",
    }
    with (
        serving("--no-worker", **elsewhere) as site,
        closing(WorkerProcess(**elsewhere)) as worker,
    ):
        wait_for(lambda: b"is ready" in worker.said(), what="the worker to be ready")
        for table in ("downloads_download", "auth_user"):
            for page in pages_of(table, database):
                damage(database, page=page)

        assert worker.wait() == 1
        page = site.ask("/", Cookie=cookie)
        errors = site.said()

    assert b"The worker cannot run: the database is damaged" in worker.said()
    assert page.status == 503
    assert b"The database is damaged." in page.body
    assert "Traceback" not in errors + worker.said().decode()
    assert (tmp_path / "media/Title [abcabcabcabc]/Title.mp4").read_bytes() == b"video"
