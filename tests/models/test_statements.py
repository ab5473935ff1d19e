"""Statements whose SQL is made once: they store what the ORM stores, on both databases."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import models

from downloads.models import (
    ArchivedMedia,
    Attempt,
    Download,
    IllegalMove,
    LibraryEntry,
    LostDownload,
    Progress,
    PublishedFile,
    StreamPosition,
    Transition,
    Worker,
    claims,
    database_now,
    statements,
)
from downloads.models.download import Step
from downloads.rules.backoff import LONGEST_WAIT_SECONDS
from downloads.rules.states import Phase, Reason, State
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

AT = datetime(2026, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)


def columns_of(row: models.Model) -> dict[str, Any]:
    return {field.name: getattr(row, field.attname) for field in row._meta.concrete_fields}


def rows_of(download: Download) -> list[models.Model]:
    """A row of each model that is inserted here, with texts, numbers, JSON and NULL."""
    return [
        Transition(
            seq=StreamPosition.take(1),
            download=download,
            to_state=State.CREATED,
            at=AT,
            actor="somebody's 100 %",
            reason=Reason.SUBMITTED,
            data={"code": "é", "files": [{"size": 2**40}]},
            attempt=0,
        ),
        Progress(download=download, attempt=1, phase=Phase.FETCHING, speed=0.5, updated_at=AT),
        Attempt(download=download, number=7, host="h", directory="d", started_at=AT, speeds=[[1]]),
        ArchivedMedia(owner=None, extractor="e", media_id="m", added_at=AT),
        LibraryEntry(correlation_id="c", path="p", url="u", site="s", title="t", published_at=AT),
    ]


@pytest.mark.parametrize("number", range(5))
def test_a_row_is_stored_as_the_orm_stores_it(number: int) -> None:
    row = rows_of(lives.submit())[number]

    statements.insert(row)

    assert columns_of(type(row)._default_manager.get(pk=row.pk)) == columns_of(row)


def test_rows_get_the_keys_that_the_database_makes() -> None:
    of_entry = rows_of(lives.submit())[4]
    statements.insert(of_entry)
    columns = {"entry": of_entry, "size": 1, "sha256": "", "media_type": "video/mp4"}
    files = [PublishedFile(name=name, **columns) for name in ("a", "b")]

    statements.insert(*files)

    assert {file.pk: file.name for file in PublishedFile.objects.all()} == {
        file.pk: file.name for file in files
    }


def test_without_rows_nothing_is_asked(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        statements.insert()


def test_only_rows_that_show_all_of_it_are_written(user: User) -> None:
    mine, other = lives.submit(user), lives.submit()
    columns = {"title": "new", "worker": lives.make_worker(), "media": {"a": 1}, "not_before": AT}

    found = statements.update(
        Download, columns, where={"id": mine.pk, "outcome": None, "attempt": 0}, returning="owner"
    )
    lost = statements.update(
        Download, columns, where={"id": other.pk, "outcome": "failed"}, returning="owner"
    )

    mine.refresh_from_db()
    other.refresh_from_db()
    assert (found, lost) == ([(user.pk,)], [])
    assert {name: getattr(mine, name) for name in columns} == columns
    assert other.title == ""
    assert other.worker is None


# Several states at one instant.


STEPS = (
    Step(to=State.READY, reason=Reason.DIRECTORY_MADE),
    Step(to=State.DOWNLOADING, reason=Reason.CHILD_STARTED, data={"code": "x"}),
)


def test_states_that_nobody_can_tell_apart_have_a_transition_each() -> None:
    lives.submit()
    claimed = lives.claim_next(lives.make_worker())
    assert claimed is not None

    last = claimed.move_on(STEPS, actor="test", carried="")

    moves = list(claimed.transitions.order_by("seq").values_list("from_state", "to_state", "seq"))
    assert moves[-2:] == [
        ("initializing", "ready", last.seq - 1),
        ("ready", "downloading", last.seq),
    ]
    assert [each.data for each in claimed.transitions.order_by("seq")][-2:] == [{}, {"code": "x"}]
    assert StreamPosition.current() == last.seq
    assert Download.objects.get().state == claimed.state == "downloading"
    assert Progress.objects.get().phase == Phase.EXTRACTING


def test_of_several_states_none_is_written_when_one_may_not_follow() -> None:
    lives.submit()
    claimed = lives.claim_next(lives.make_worker())
    assert claimed is not None
    newest = StreamPosition.current()

    with pytest.raises(IllegalMove):
        claimed.move_on([STEPS[0], Step(to=State.CLEANED, reason="test")], actor="test")

    assert claimed.state == Download.objects.get().state == "initializing"
    assert StreamPosition.current() == newest


def test_a_move_shows_the_owner_that_the_row_has(user: User) -> None:
    download = lives.submit(user)
    stale = Download.objects.get(pk=download.pk)
    Download.objects.filter(pk=download.pk).update(owner=None)

    stale.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    assert stale.owner_id is None


def test_what_is_noted_of_another_attempt_is_lost() -> None:
    running = lives.start(lives.submit())
    late = Download.objects.get(pk=running.pk)
    running.move(State.CREATED, actor="test", reason=Reason.SHUTDOWN)

    with pytest.raises(LostDownload):
        late.note_unless_cancelled(title="late")

    assert Download.objects.get().title != "late"


# A claim.


@pytest.mark.parametrize("owned", [True, False])
@pytest.mark.parametrize(
    "columns",
    [
        {},
        {"paused_at": AT},
        {"not_before": -1},
        {"not_before": 1},
        {"not_before": LONGEST_WAIT_SECONDS + 60},
        {"not_before": LONGEST_WAIT_SECONDS + 60, "attempt": 1},
        {"not_before": LONGEST_WAIT_SECONDS - 60, "attempt": 1},
    ],
)
def test_a_claim_takes_what_the_queue_calls_claimable(
    owned: bool, columns: dict[str, Any], user: User
) -> None:
    download, now = lives.submit(user if owned else None), database_now()
    if ahead := columns.get("not_before"):
        columns = {**columns, "not_before": now + timedelta(seconds=ahead)}
    Download.objects.filter(pk=download.pk).update(**columns)
    is_claimable = Download.objects.claimable(database_now()).exists()

    assert bool(claims.claim(lives.make_worker(), slots=1)) is is_claimable


def test_a_worker_learns_what_its_downloads_were_asked_for(user: User) -> None:
    worker = lives.make_worker()
    running = [lives.start(lives.submit(user), worker) for _ in range(3)]
    lives.start(lives.submit(user))  # another's
    running[0].ask_to_cancel(actor="test")
    running[1].ask_to_keep(actor="test")

    held = claims.held_by(Worker.objects.get(pk=worker.pk))

    assert {key: (row.is_cancel_asked, row.is_keep_asked) for key, row in held.items()} == {
        running[0].pk: (True, False),
        running[1].pk: (False, True),
        running[2].pk: (False, False),
    }
    assert {row.attempt for row in held.values()} == {1}
