import hashlib
import json
import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import IntegrityError, connection, connections, transaction
from django.utils import timezone

from downloads.models import (
    CancelWasAsked,
    Counts,
    Download,
    IllegalMove,
    LostDownload,
    Progress,
    StreamPosition,
    Transition,
    Worker,
    database_now,
    submissions,
)
from downloads.models.submissions import fingerprint
from downloads.rules.options import DownloadOptions
from downloads.rules.states import TRANSITIONS, Outcome, Reason, State
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

URL = "https://example.org/video"


def submit(url: str = URL, *, owner: User | None = None, priority: int = 0) -> Download:
    wish = (url, DownloadOptions())
    [answer] = submissions.submit([wish], owner=owner, actor="test", priority=priority)
    return answer.download


@pytest.fixture
def worker() -> Worker:
    now = timezone.now()
    return Worker.objects.create(
        name="w1", host="here", pid=1, slots=4, started_at=now, heartbeat_at=now
    )


def claim(worker: Worker) -> Download:
    download = lives.claim_next(worker)
    assert download is not None
    return download


def walk(download: Download, *states: State) -> Download:
    for state in states:
        columns = {"error_class": "network"} if state is State.FAILED else {}
        download.move(state, actor="test", reason="test", **columns)
    return download


def test_a_submitted_download_is_created_with_its_first_transition() -> None:
    download = submit()

    [entry] = download.transitions.all()
    assert (entry.from_state, entry.to_state, entry.reason) == (None, "created", "submitted")
    assert entry.seq == StreamPosition.current()


def test_a_batch_gets_seqs_without_gaps_in_its_order() -> None:
    wishes = [(f"{URL}/{n}", DownloadOptions()) for n in range(5)]

    answers = submissions.submit(wishes, owner=None, actor="test")

    seqs = [answer.download.transitions.get().seq for answer in answers]
    assert seqs == list(range(seqs[0], seqs[0] + 5))


def test_the_same_wish_of_the_same_owner_is_answered_with_the_one_that_waits(user: User) -> None:
    first = submit(owner=user)
    wishes = [(URL, DownloadOptions()), (URL, DownloadOptions(audio="mp3"))]

    same, other = submissions.submit(wishes, owner=user, actor="test")

    assert (same.download, same.created) == (first, False)
    assert other.created


def test_a_default_that_is_written_out_or_that_an_older_row_lacks_is_the_same_wish() -> None:
    """Or an option that is added would make every waiting download another wish."""
    assert fingerprint(URL, DownloadOptions()) == fingerprint(URL, DownloadOptions(quality="best"))
    assert (
        fingerprint(URL, DownloadOptions())
        == hashlib.sha256(json.dumps([URL, {}], separators=(",", ":")).encode()).hexdigest()
    )


def test_a_wish_twice_in_one_batch_is_added_once(user: User) -> None:
    wishes = [(URL, DownloadOptions()), (URL, DownloadOptions())]

    answers = submissions.submit(wishes, owner=user, actor="test")

    assert [answer.created for answer in answers] == [True, False]
    assert Download.objects.count() == 1


def test_another_owner_gets_a_download_of_their_own(user: User, staff: User) -> None:
    assert submit(owner=user) != submit(owner=staff)


def test_a_wish_is_added_again_when_the_first_has_ended(user: User) -> None:
    first = walk(submit(owner=user), State.CANCELLED, State.CLEANED)

    assert submit(owner=user) != first


def test_the_database_refuses_a_second_active_download_of_one_wish(user: User) -> None:
    first = submit(owner=user)
    first.pk, first.correlation_id = None, "another"

    with pytest.raises(IntegrityError):
        first.save(force_insert=True)


def test_every_move_of_the_table_is_written_and_every_other_one_refused(worker: Worker) -> None:
    paths: dict[State, list[State]] = {
        State.CREATED: [],
        State.INITIALIZING: [State.INITIALIZING],
        State.READY: [State.INITIALIZING, State.READY],
        State.DOWNLOADING: [State.INITIALIZING, State.READY, State.DOWNLOADING],
    }
    running = paths[State.DOWNLOADING]
    paths |= {end: [*running, end] for end in (State.COMPLETED, State.FAILED, State.CANCELLED)}
    paths[State.CLEANED] = [*running, State.FAILED, State.CLEANED]

    for origin, path in paths.items():
        for to in State:
            download = submit()
            if path:
                download = walk(claim(worker), *path[1:])
            before = download.transitions.count()
            if to in TRANSITIONS[origin]:
                extra = {"directory": "d", "attempt": 1} if to is State.INITIALIZING else {}
                if to is State.FAILED:
                    extra["error_class"] = "network"
                download.move(to, actor="test", reason="test", **extra)
                assert Download.objects.get(pk=download.pk).state == to
            else:
                with pytest.raises(IllegalMove):
                    download.move(to, actor="test", reason="test")
                assert download.transitions.count() == before
            download.refresh_from_db()
            if download.state == State.CREATED:
                walk(download, State.CANCELLED, State.CLEANED)


def test_a_completed_download_that_was_cleaned_is_not_retried(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY, State.DOWNLOADING, State.COMPLETED, State.CLEANED)

    with pytest.raises(IllegalMove):
        download.move(State.CREATED, actor="test", reason=Reason.RETRIED)


def test_cleaned_still_says_how_it_ended(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY, State.CANCELLED, State.CLEANED)

    download.refresh_from_db()
    assert (download.state, download.outcome) == (State.CLEANED, Outcome.CANCELLED)


def test_a_claim_counts_the_attempt_and_names_the_directory_first(worker: Worker) -> None:
    submit()

    download = claim(worker)

    assert (download.state, download.attempt, download.worker) == ("initializing", 1, worker)
    assert download.directory.startswith(f"videonote_dl_{download.correlation_id}_")


def test_claims_take_the_most_urgent_and_then_the_oldest(worker: Worker) -> None:
    old, urgent = submit(f"{URL}/1"), submit(f"{URL}/2", priority=5)

    assert [claim(worker), claim(worker)] == [urgent, old]


def test_a_download_that_waits_for_its_time_is_not_claimed(worker: Worker) -> None:
    download = submit()
    download.note(not_before=timezone.now() + timedelta(minutes=1))

    assert lives.claim_next(worker) is None


def test_a_stale_worker_cannot_move_a_download(worker: Worker) -> None:
    submit()
    stale = claim(worker)
    walk(Download.objects.get(pk=stale.pk), State.CREATED)
    claim(worker)
    seq = StreamPosition.current()

    with pytest.raises(LostDownload):
        stale.move(State.READY, actor="test", reason="test")
    with pytest.raises(LostDownload):
        stale.note(title="late")
    with pytest.raises(LostDownload):
        stale.decide_to_publish(library_path="x", manifest={})
    assert StreamPosition.current() == seq


def test_what_a_site_says_can_be_stored_whatever_it_is(worker: Worker) -> None:
    submit()
    download = claim(worker)
    said = "nul \0, half \ud83d, end"

    download.move(
        State.FAILED,
        actor="test",
        reason="network",
        data={"message": said},
        error_class="network",
        error_data={"message": said},
    )

    download.refresh_from_db()
    assert download.error_data == {"message": r"nul \x00, half \ud83d, end"}
    assert download.transitions.get(to_state="failed").data == download.error_data


def test_a_move_that_fails_takes_no_seq(worker: Worker) -> None:
    submit()
    download = claim(worker)
    seq = StreamPosition.current()

    with pytest.raises(IntegrityError), transaction.atomic():
        download.move(State.FAILED, actor="test", reason="test", error_class="no such class")

    assert StreamPosition.current() == seq
    assert Download.objects.get(pk=download.pk).state == "initializing"


def test_the_decision_to_publish_loses_against_an_earlier_cancel(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY, State.DOWNLOADING)
    Download.objects.get(pk=download.pk).ask_to_cancel(actor="user:eve")

    with pytest.raises(CancelWasAsked):
        download.decide_to_publish(library_path="x", manifest={})


def test_a_cancel_loses_against_an_earlier_decision_to_publish(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY, State.DOWNLOADING)
    download.decide_to_publish(library_path="x", manifest={})

    assert not Download.objects.get(pk=download.pk).ask_to_cancel(actor="user:eve")


def test_asking_to_cancel_twice_keeps_the_first_who_asked(worker: Worker) -> None:
    submit()
    download = claim(worker)

    assert download.ask_to_cancel(actor="user:eve")
    assert download.ask_to_cancel(actor="user:bob")

    download.refresh_from_db()
    assert download.cancel_requested_by == "user:eve"


def test_a_requeued_download_carries_nothing_of_its_attempt(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY, State.DOWNLOADING)
    download.ask_to_cancel(actor="user:eve")

    walk(download, State.CREATED)

    download.refresh_from_db()
    assert (download.directory, download.worker) == ("", None)
    assert download.cancel_requested_at is None


def test_a_download_has_progress_only_while_downloading(worker: Worker) -> None:
    submit()
    download = walk(claim(worker), State.READY)
    assert not Progress.objects.exists()

    walk(download, State.DOWNLOADING)
    assert Progress.objects.get().attempt == 1

    walk(download, State.COMPLETED)
    assert not Progress.objects.exists()


def test_a_transition_cannot_be_changed() -> None:
    submit()

    with pytest.raises(IntegrityError, match="never changed"), transaction.atomic():
        Transition.objects.update(actor="forged")


def test_a_transition_cannot_be_deleted_without_its_download() -> None:
    submit()

    with pytest.raises(IntegrityError, match="only with its download"), transaction.atomic():
        Transition.objects.all().delete()


def test_forgetting_deletes_the_download_with_its_history() -> None:
    download = submit()

    download.forget()

    assert not Download.objects.exists()
    assert not Transition.objects.exists()


def test_a_running_download_cannot_be_forgotten(worker: Worker) -> None:
    submit()
    download = claim(worker)

    with pytest.raises(LostDownload):
        download.forget()
    assert Download.objects.exists()


@pytest.mark.parametrize(
    "forged",
    [
        {"state": "paused"},
        {"outcome": "completed"},
        {"state": "cleaned", "outcome": None},
        {"directory": "x"},
        {"state": "initializing"},
        {"error_class": "gremlins"},
    ],
)
def test_the_database_refuses_rows_that_no_life_can_have(forged: dict[str, str]) -> None:
    submit()

    with pytest.raises(IntegrityError), transaction.atomic():
        Download.objects.update(**forged)


def test_people_see_their_own_and_staff_see_all(user: User, staff: User) -> None:
    own, other = submit(owner=user), submit(owner=staff)

    assert list(Download.objects.visible_to(user)) == [own]
    assert set(Download.objects.visible_to(staff)) == {own, other}
    assert not Download.objects.visible_to(AnonymousUser()).exists()


def test_search_finds_title_url_and_the_exact_correlation_id() -> None:
    download = submit("https://example.org/a-cat")
    download.note(title="Dogs")
    submit("https://example.org/other")

    for text in ("cat", "DOGS", download.correlation_id, f" {download.correlation_id} "):
        assert list(Download.objects.search(text)) == [download]
    assert not Download.objects.search(download.correlation_id[:6]).filter(title="Dogs").exists()


def test_counts_name_every_state() -> None:
    submit()

    counts = Counts.objects.by_state()
    assert counts["created"] == 1
    assert set(counts) == {state.value for state in State}


def test_a_deleted_owner_leaves_the_download(user: User) -> None:
    submit(owner=user)

    user.delete()

    assert Download.objects.get().owner is None


@pytest.mark.parametrize("workers", [8])
def test_each_of_many_rows_is_claimed_once(shared_db: None, workers: int) -> None:
    wishes = [(f"{URL}/{n}", DownloadOptions()) for n in range(40)]
    submissions.submit(wishes, owner=None, actor="test")
    claimed: list[int] = []

    def work(number: int) -> None:
        now = timezone.now()
        worker = Worker.objects.create(
            name=f"w{number}", host="h", pid=1, slots=4, started_at=now, heartbeat_at=now
        )
        while download := lives.claim_next(worker):
            claimed.append(download.pk)
        connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(claimed) == len(set(claimed)) == 40
    seqs = list(Transition.objects.values_list("seq", flat=True))
    assert seqs == list(range(seqs[0], seqs[0] + 80))


def test_sqlite_writes_take_the_lock_at_once_and_are_durable() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite only")

    assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
        assert cursor.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_a_lease_is_measured_by_the_clock_of_the_database(worker: Worker) -> None:
    worker.heartbeat_at = database_now()

    assert worker.is_alive(database_now())


@pytest.mark.postgresql
def test_on_postgresql_the_clock_is_the_server_s() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        before = cursor.fetchone()[0]
        now = database_now()
        cursor.execute("SELECT clock_timestamp()")
        after = cursor.fetchone()[0]

    assert before < now < after
