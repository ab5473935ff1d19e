"""The checks of the database, and of what its rows tell."""

import re

import pytest
from django.db import connection

from downloads.diagnostics import database
from downloads.diagnostics.verdict import Level
from tests.diagnostics.test_health import unreachable_database
from tests.helpers import lives
from tests.helpers.waiting import wait_for

pytestmark = pytest.mark.both_databases


@pytest.mark.postgresql
@pytest.mark.django_db
def test_postgresql_is_named_with_its_version() -> None:
    check = database.check_database()[0]

    assert (check.name, check.level) == ("database", Level.OK)
    assert re.fullmatch(r"PostgreSQL \d+[.\d]* answers\.", str(check.sentence))


@pytest.mark.django_db
def test_an_unreachable_database_is_one_failure() -> None:
    with unreachable_database():
        (check,) = database.check_database()

    assert check.level is Level.FAILURE
    assert "unable to open database file" in check.sentence


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_look_for_damage_ends_in_time() -> None:
    """Also within a table that is large; what is damaged here comes after it."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE large (content)")
        cursor.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
            " INSERT INTO large SELECT hex(randomblob(100)) FROM n"
        )
        cursor.execute("CREATE TABLE small (content)")
        cursor.execute("INSERT INTO small VALUES (NULL)")
        cursor.execute("PRAGMA writable_schema = ON")
        as_written = ("CREATE TABLE small (content NOT NULL)", "small")
        cursor.execute("UPDATE sqlite_schema SET sql = %s WHERE name = %s", as_written)
        cursor.execute("PRAGMA writable_schema = RESET")

    assert database.damage_of_sqlite(seconds=None) == "NULL value in small.content"
    wait_for(lambda: not database.damage_of_sqlite(seconds=0.001), what="a look that ended first")


@pytest.mark.parametrize(
    ("version", "level"),
    [((3, 40, 1), Level.WARNING), ((3, 51, 2), Level.WARNING), ((3, 51, 3), Level.OK)],
)
def test_an_old_sqlite_is_a_warning(version: tuple[int, ...], level: Level) -> None:
    assert database.check_sqlite(version).level is level


@pytest.mark.django_db
def test_a_missing_worker_is_a_failure() -> None:
    lives.make_worker(heartbeat_at=lives.long_ago())

    check = database.check_worker()

    assert check.level is Level.FAILURE
    assert check.sentence == "No worker is running: nothing is downloaded."


@pytest.mark.django_db
def test_a_live_worker_is_named() -> None:
    worker = lives.make_worker()

    assert worker.name in database.check_worker().sentence


@pytest.mark.django_db
def test_clocks_that_go_with_the_database_are_fine() -> None:
    lives.make_worker()

    assert database.check_clocks().level is Level.OK


@pytest.mark.django_db
def test_a_worker_whose_clock_differs_is_named_with_the_remedy() -> None:
    worker = lives.make_worker(clock_ahead_seconds=-12.4)
    lives.make_worker(clock_ahead_seconds=1.9)

    check = database.check_clocks()

    assert check.level is Level.WARNING
    assert f"{worker.name} by -12.4 s." in check.sentence
    assert "timedatectl set-ntp true" in check.fix


@pytest.mark.django_db
def test_orphans_that_cannot_be_mended_are_warned_of_while_their_worker_lives() -> None:
    lives.make_worker(orphans_mended=3)
    assert database.check_orphans().level is Level.OK

    worker = lives.make_worker(orphans_left=2)
    assert database.check_orphans().level is Level.WARNING

    worker.stopped_at = worker.heartbeat_at
    worker.save()
    assert database.check_orphans().level is Level.OK


@pytest.mark.parametrize(
    ("days", "newest_pruned", "sentence"),
    [
        (0, 0, "Histories and logs are kept as long as their downloads."),
        (1, 0, "Histories and logs are removed 1 day after a download has ended."),
        (
            30,
            12,
            "Histories and logs are removed 30 days after a download has ended. The newest event"
            " that was removed has the number 12.",
        ),
    ],
)
def test_how_long_histories_are_kept_is_said(days: int, newest_pruned: int, sentence: str) -> None:
    check = database.check_history(days, newest_pruned=newest_pruned)

    assert (check.level, str(check.sentence)) == (Level.OK, sentence)
