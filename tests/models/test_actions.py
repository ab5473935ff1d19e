import pytest
from django.conf import settings
from django.contrib.auth.models import User

from downloads import actions
from downloads.disk.isolation import IsolatedDownload
from downloads.disk.recording import RECORDING
from downloads.models import Download, LibraryEntry, Progress, StreamPosition
from downloads.rules.states import Outcome, Reason, State
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

ACTOR = "user:eve"


def words(download: Download) -> list[str]:
    return list(download.transitions.values_list("to_state", flat=True))


def directory_of(download: Download) -> bool:
    return (settings.VNSITE.temp_root / download.directory).is_dir()


def test_a_waiting_download_is_cancelled_and_cleaned_at_once() -> None:
    download = actions.cancel(lives.submit(), actor=ACTOR)

    assert words(download) == ["created", "cancelled", "cleaned"]
    assert download.transitions.filter(actor=ACTOR).count() == 2


def test_cancelling_a_running_download_only_asks() -> None:
    running = lives.start(lives.submit())

    download = actions.cancel(running, actor=ACTOR)

    assert download.state == State.DOWNLOADING
    assert download.cancel_requested_by == ACTOR


def test_cancelling_twice_is_cancelling_once() -> None:
    download = lives.submit()
    actions.cancel(download, actor=ACTOR)
    seq = StreamPosition.current()

    actions.cancel(Download.objects.get(pk=download.pk), actor=ACTOR)

    assert StreamPosition.current() == seq


def test_a_stale_page_that_cancels_a_claimed_download_asks_its_worker() -> None:
    stale = lives.submit()
    lives.start(Download.objects.get(pk=stale.pk))

    assert actions.cancel(stale, actor=ACTOR).cancel_requested_at is not None


def test_a_stale_page_that_cancels_what_was_put_back_cancels_it() -> None:
    stale = lives.submit()
    running = lives.start(Download.objects.get(pk=stale.pk))
    running.move(State.CREATED, actor=ACTOR, reason=Reason.SHUTDOWN)

    assert actions.cancel(stale, actor=ACTOR).outcome == Outcome.CANCELLED


@pytest.mark.parametrize("end", [lives.complete, lives.fail])
def test_what_has_ended_cannot_be_cancelled(end: object) -> None:
    download = end(lives.submit())  # type: ignore[operator]

    with pytest.raises(actions.NotAllowed) as refusal:
        actions.cancel(download, actor=ACTOR)
    assert refusal.value.state == download.state


def test_it_is_too_late_to_cancel_once_publishing_was_decided() -> None:
    download = lives.start(lives.submit())
    download.decide_to_publish(library_path="x", manifest={})

    with pytest.raises(actions.NotAllowed, match="too late"):
        actions.cancel(download, actor=ACTOR)


def test_a_retry_removes_the_kept_directory_and_gives_all_attempts_again() -> None:
    download = lives.fail(lives.submit())
    kept = settings.VNSITE.temp_root / download.directory

    actions.retry(download, actor=ACTOR)

    assert not kept.exists()
    assert (download.state, download.outcome, download.error_class) == ("created", None, None)
    assert (download.tries, download.max_attempts) == (0, settings.VNSITE.max_attempts)


@pytest.mark.parametrize("end", [lives.submit, lambda: lives.start(lives.submit())])
def test_what_waits_or_runs_cannot_be_retried(end: object) -> None:
    with pytest.raises(actions.NotAllowed, match="cannot be retried"):
        actions.retry(end(), actor=ACTOR)  # type: ignore[operator]


def test_a_completed_download_cannot_be_retried_even_when_it_is_cleaned() -> None:
    download = lives.complete(lives.submit())
    actions.clean(download, actor=ACTOR)

    with pytest.raises(actions.NotAllowed, match="it is completed"):
        actions.retry(download, actor=ACTOR)


def test_a_retry_beside_the_same_wish_is_refused(user: User) -> None:
    failed = lives.fail(lives.submit(user, url="https://example.org/same"))
    lives.submit(user, url="https://example.org/same")

    with pytest.raises(actions.NotAllowed, match="waiting or running already"):
        actions.retry(failed, actor=ACTOR)


def test_a_retry_while_it_is_cleaned_up_is_a_retry() -> None:
    stale = lives.fail(lives.submit())
    actions.clean(Download.objects.get(pk=stale.pk), actor=ACTOR)

    assert actions.retry(stale, actor=ACTOR).state == State.CREATED


def test_cleaning_removes_the_directory_and_says_how_much() -> None:
    download = lives.fail(lives.submit())

    assert actions.clean(download, actor=ACTOR) == 1000

    assert (download.state, download.outcome) == (State.CLEANED, Outcome.FAILED)
    assert not directory_of(download) or download.directory == ""
    assert download.transitions.last().data == {"freed_bytes": 1000}
    assert actions.clean(download, actor=ACTOR) == 0


def test_a_preview_says_what_would_go_and_removes_nothing() -> None:
    download = lives.fail(lives.submit())

    preview = actions.preview_cleanup(download)

    assert preview.path == settings.VNSITE.temp_root / download.directory
    assert (preview.size_bytes, preview.file_count) == (1000, 1)
    assert directory_of(download)


@pytest.mark.parametrize("make", [lives.submit, lambda: lives.start(lives.submit())])
def test_what_waits_or_runs_is_not_cleaned(make: object) -> None:
    download = make()  # type: ignore[operator]

    with pytest.raises(actions.NotAllowed, match="cannot be cleaned up"):
        actions.clean(download, actor=ACTOR)


@pytest.mark.parametrize("action", [actions.clean, actions.retry, actions.forget])
def test_a_download_that_was_deleted_meanwhile_is_refused_in_words(action: object) -> None:
    stale = lives.fail(lives.submit())
    actions.forget(Download.objects.get(pk=stale.pk))

    with pytest.raises(actions.NotAllowed, match="deleted meanwhile"):
        action(stale, **({} if action is actions.forget else {"actor": ACTOR}))  # type: ignore[operator]


def test_forgetting_keeps_the_published_files_unless_told_otherwise() -> None:
    kept, removed = lives.complete(lives.submit()), lives.complete(lives.submit())
    root = settings.VNSITE.media_root

    actions.forget(kept)
    actions.forget(removed, with_files=True)

    assert (root / kept.library_path / "clip.mp4").exists()
    assert not (root / removed.library_path).exists()
    assert not Download.objects.exists()
    entry = LibraryEntry.objects.get()
    assert (entry.path, entry.download) == (kept.library_path, None)
    assert [file.name for file in entry.files.all()] == ["clip.mp4"]


def test_deleting_an_entry_keeps_the_download_without_files() -> None:
    download = lives.complete(lives.submit())

    freed = actions.delete_entry(download.files.get().entry)

    assert freed == 5
    assert not (settings.VNSITE.media_root / download.library_path).exists()
    assert not Download.objects.get(pk=download.pk).files.exists()


def test_a_running_download_is_not_forgotten_and_its_directory_stays() -> None:
    download = lives.start(lives.submit())

    with pytest.raises(actions.NotAllowed, match="cannot be deleted"):
        actions.forget(download)
    assert directory_of(download)


def test_a_stale_page_cannot_remove_the_directory_of_an_attempt_that_runs_again() -> None:
    """The directory of a row is removed only after a look that the row still says so."""
    stale = lives.fail(lives.submit())
    fresh = Download.objects.get(pk=stale.pk)
    actions.retry(fresh, actor=ACTOR)
    again = lives.claim_next(lives.make_worker())
    assert again is not None
    isolated = IsolatedDownload(
        again.correlation_id, settings.VNSITE.temp_root, name=again.directory
    )

    with isolated as directory:
        with pytest.raises(actions.NotAllowed):
            actions.clean(stale, actor=ACTOR)
        with pytest.raises(actions.NotAllowed):
            actions.forget(stale)
        assert directory.exists()


# Stop and keep


def recording(phase: str = "recording") -> Download:
    download = lives.start(lives.submit())
    Progress.objects.filter(download=download).update(phase=phase)
    return download


def test_stop_and_keep_only_asks() -> None:
    download = actions.stop_and_keep(recording(), actor=ACTOR)

    assert download.state == State.DOWNLOADING
    assert download.keep_requested_by == ACTOR
    assert actions.stop_and_keep(download, actor="user:otto").keep_requested_by == ACTOR


@pytest.mark.parametrize("phase", ["fetching", "post-processing"])
def test_what_does_not_record_cannot_be_stopped_and_kept(phase: str) -> None:
    download = recording(phase)

    with pytest.raises(actions.NotAllowed, match="not recording"):
        actions.stop_and_keep(download, actor=ACTOR)

    download.refresh_from_db()
    assert download.keep_requested_by == ""


def test_what_is_cancelled_cannot_be_kept_and_what_is_kept_can_be_cancelled() -> None:
    cancelled, kept = recording(), recording()
    actions.cancel(cancelled, actor=ACTOR)
    actions.stop_and_keep(kept, actor=ACTOR)

    with pytest.raises(actions.NotAllowed, match="too late"):
        actions.stop_and_keep(cancelled, actor=ACTOR)

    assert actions.cancel(kept, actor=ACTOR).cancel_requested_at


def test_a_recording_that_waits_for_its_next_attempt_can_be_kept() -> None:
    download = lives.start(lives.submit())
    recorded = settings.VNSITE.temp_root / download.directory / RECORDING
    recorded.mkdir()
    (recorded / "0-0").write_bytes(b"some")
    download.move(State.CREATED, actor=ACTOR, reason=Reason.SHUTDOWN, carried=download.directory)

    assert actions.stop_and_keep(download, actor=ACTOR).keep_requested_by == ACTOR


def test_a_retry_records_anew() -> None:
    download = actions.stop_and_keep(recording(), actor=ACTOR)
    download.move(State.CANCELLED, actor=ACTOR, reason=Reason.CANCELLED)

    assert actions.retry(download, actor=ACTOR).keep_requested_by == ""
