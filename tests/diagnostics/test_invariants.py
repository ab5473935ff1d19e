"""Each breach is named, each doubt is a note, and what is right is neither."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.disk import isolation
from downloads.disk.isolation import IsolatedDownload
from downloads.fetch.processes import Process, boot_id
from downloads.models import (
    AttemptLog,
    Counts,
    Download,
    Entry,
    Listing,
    PublishedFile,
    SiteCookies,
    StreamPosition,
    Transition,
    Worker,
    add_entries,
    retention,
)
from downloads.rules.cookies import Cookie
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ListKind, State
from tests.helpers import lives
from tests.helpers.waiting import wait_for

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

HOST = "here"


@pytest.fixture
def worker() -> Worker:
    """A worker of this host that lives: this process."""
    worker = lives.make_worker()
    process = Process.of(os.getpid())
    assert process is not None
    Worker.objects.filter(pk=worker.pk).update(
        host=HOST, pid=process.pid, pid_started=process.started, boot_id=boot_id()
    )
    worker.refresh_from_db()
    return worker


def found(**options: bool) -> list[tuple[str, str, bool]]:
    """(invariant, correlation id, is it a breach) of everything that is found."""
    return [
        (finding.invariant, finding.correlation_id, finding.is_breach)
        for finding in invariants.check(host=HOST, **options)
    ]


def cleaned() -> Download:
    """A download that completed and is clean, with its file in the library."""
    download = lives.complete(lives.submit())
    actions.clean(download, actor="test")
    return download


def entry_of(download: Download) -> Path:
    return settings.VNSITE.media_root / download.library_path


def test_lives_that_went_right_have_no_breach() -> None:
    cleaned()
    actions.clean(lives.fail(lives.submit()), actor="test")
    actions.cancel(lives.submit(), actor="test")
    lives.submit()

    assert found() == []


def test_a_running_attempt_of_a_living_worker_is_right(worker: Worker) -> None:
    download = claimed(worker)

    with isolated(download):
        download.move(lives.State.READY, actor="test", reason="directory_made")
        assert found() == []


def test_a_living_worker_that_no_longer_works_on_it_is_a_breach(worker: Worker) -> None:
    download = claimed(worker)
    download.move(lives.State.READY, actor="test", reason="directory_made")

    assert found() == [("I1", download.correlation_id, True)]


@pytest.mark.parametrize("is_removed", [True, False])
def test_only_who_has_published_may_be_without_its_directory_for_a_moment(
    is_removed: bool, worker: Worker
) -> None:
    download = claimed(worker)
    with isolated(download) as directory:
        download.move(lives.State.READY, actor="test", reason="directory_made")
        download.move(lives.State.DOWNLOADING, actor="test", reason="child_started")
    Download.objects.filter(pk=download.pk).update(library_path="A talk")
    if is_removed:
        isolation.remove_directory(directory.parent, directory.name)
    else:
        directory.mkdir(exist_ok=True)  # left, and nobody holds its lock

    assert found() == ([] if is_removed else [("I1", download.correlation_id, True)])


def test_a_download_of_a_dead_worker_waits_for_recovery(worker: Worker) -> None:
    download = claimed(worker)
    Worker.objects.update(stopped_at=timezone.now())

    assert found() == [("I1", download.correlation_id, False)]


def test_a_download_of_a_dead_worker_that_cannot_be_recovered_is_a_breach(worker: Worker) -> None:
    download = claimed(worker)
    Worker.objects.update(stopped_at=timezone.now())

    with isolated(download):
        assert found() == [("I1", download.correlation_id, True)]


def test_a_row_that_differs_from_its_history_is_a_breach() -> None:
    download = cleaned()

    Download.objects.filter(pk=download.pk).update(attempt=7)

    assert found() == [("I2", download.correlation_id, True)]


def test_counts_that_differ_from_the_rows_are_a_breach() -> None:
    cleaned()

    Counts.objects.filter(state="cleaned").update(number=2)

    assert found() == [("I12", "-", True)]


@pytest.mark.parametrize(
    "entry",
    [
        {"from_state": "created", "to_state": "cleaned"},
        {"from_state": "cleaned", "to_state": "created"},
        {"from_state": "cleaned", "to_state": "cleaned"},
    ],
    ids=["broken", "completed-again", "unknown-edge"],
)
def test_a_move_that_cannot_follow_is_a_breach(entry: dict[str, str]) -> None:
    download = cleaned()
    outcome = {"outcome": "completed", "attempt": 1, "actor": "test", "reason": "test"}
    Transition.objects.create(
        seq=StreamPosition.take(1), download=download, at=timezone.now(), **outcome, **entry
    )

    assert ("I2", download.correlation_id, True) in found()


def test_an_attempt_that_was_used_twice_is_a_breach() -> None:
    download = lives.submit()
    for to_state, before in (("initializing", "created"), ("created", "initializing")) * 2:
        Transition.objects.create(
            seq=StreamPosition.take(1),
            download=download,
            from_state=before,
            to_state=to_state,
            at=timezone.now(),
            actor="test",
            reason="claimed",
            attempt=1,
        )
    Download.objects.filter(pk=download.pk).update(attempt=1)

    assert set(found()) == {("I2", download.correlation_id, True)}


def test_a_published_file_that_is_gone_is_a_breach() -> None:
    download = cleaned()
    (entry_of(download) / "clip.mp4").unlink()

    assert found() == [("I3", download.correlation_id, True)]


def test_a_published_file_of_another_size_is_a_breach() -> None:
    download = cleaned()
    (entry_of(download) / "clip.mp4").write_bytes(b"vide")

    assert found() == [("I3", download.correlation_id, True)]


def test_other_bytes_of_the_same_size_are_found_by_the_hash_alone() -> None:
    download = cleaned()

    assert found() == []
    assert found(hashes=True) == [("I3", download.correlation_id, True)]


def test_files_that_were_deleted_with_their_rows_are_a_note() -> None:
    download = cleaned()
    actions.delete_files(download)

    assert found() == [("I3", download.correlation_id, False)]


def listed() -> Listing:
    """A listing of three entries, of which two are added."""
    listing = lives.list_up(lives.submit(), *map(lives.entry, range(3)))
    actions.clean(listing.download, actor="test")
    entries = listing.entries.filter(position__lt=3)
    add_entries(listing, entries, options=DownloadOptions(), actor="test")
    return listing


def test_listings_that_went_right_have_no_breach() -> None:
    had = lives.start(lives.submit())
    had.complete_as_had(have=cleaned(), actor="test")
    actions.clean(had, actor="test")
    checked = lives.start(lives.submit(check=True))
    checked.complete_as_checked(actor="test", media={})
    actions.clean(checked, actor="test")
    listing = listed()
    gone, _ = Download.objects.filter(listed_in=listing.download)
    actions.cancel(gone, actor="test")
    add_entries(listing, listing.entries.all(), options=DownloadOptions(), actor="test")

    assert found() == []


def test_half_a_listing_is_a_breach() -> None:
    listing = listed()

    listing.entries.filter(position=3).delete()

    assert found() == [("I15", listing.download.correlation_id, True)]


def test_a_completed_download_without_a_result_of_its_kind_is_a_breach() -> None:
    listing = listed()
    name = listing.download.correlation_id

    listing.delete()

    assert found() == [("I15", name, True)]


def test_a_completed_download_with_two_results_is_a_breach() -> None:
    download = cleaned()

    Listing.objects.create(download=download, kind="page", count=0, is_complete=True)

    assert found() == [("I15", download.correlation_id, True)]


def test_two_downloads_of_one_entry_are_a_breach() -> None:
    first, second = Download.objects.filter(listed_in=listed().download).order_by("pk")

    Download.objects.filter(pk=second.pk).update(url=first.url)

    assert ("I16", second.correlation_id, True) in found()


def test_a_download_of_another_link_than_its_entry_is_a_breach() -> None:
    listing = listed()

    listing.entries.filter(position=3).update(download=lives.submit())

    assert found() == [("I16", listing.download.correlation_id, True)]


def test_an_entry_that_its_download_does_not_name_is_a_breach() -> None:
    download = cleaned()
    (settings.VNSITE.media_root / f"Title [{download.correlation_id}] (2)").mkdir()

    assert found() == [("I4", download.correlation_id, True)]


def test_an_entry_of_a_download_that_did_not_complete_is_a_breach() -> None:
    download = lives.submit()
    (settings.VNSITE.media_root / f"Title [{download.correlation_id}]").mkdir(parents=True)

    assert found() == [("I4", download.correlation_id, True)]


def test_an_entry_of_two_downloads_is_a_breach() -> None:
    first, second = cleaned(), cleaned()
    second.note(library_path=first.library_path)

    breaches = found()

    assert ("I4", first.correlation_id, True) in breaches
    assert ("I4", second.correlation_id, True) in breaches


def test_a_file_in_an_entry_without_a_row_is_a_breach() -> None:
    download = cleaned()
    (entry_of(download) / "other.mp4").write_bytes(b"")

    assert found() == [("I4", download.correlation_id, True)]


def test_what_a_download_left_that_was_deleted_is_right() -> None:
    actions.forget(cleaned())

    assert found() == [("I11", "-", False)]


def test_what_it_left_is_looked_at_as_before() -> None:
    download = cleaned()
    (entry_of(download) / "clip.mp4").rename(entry_of(download) / "other.mp4")

    actions.forget(download)

    assert found()[1:] == [
        ("I3", download.correlation_id, True),
        ("I4", download.correlation_id, True),
    ]


def test_an_entry_that_no_row_knows_is_a_note() -> None:
    (settings.VNSITE.media_root / "Title [0123456789ab]").mkdir(parents=True)

    assert found() == [("I4", "0123456789ab", False)]


def test_a_number_that_was_not_given_out_is_a_breach() -> None:
    cleaned()
    StreamPosition.objects.update(value=1)

    assert found() == [("I11", "-", True)]


def test_a_history_that_was_pruned_is_right() -> None:
    download, whole = cleaned(), cleaned()

    retention.prune([download], days=30)

    assert found() == []
    Download.objects.filter(pk=whole.pk).update(forgotten_at=timezone.now())
    whole.transitions.filter(to_state="created").delete()
    assert set(found()) == {("I2", whole.correlation_id, True), ("I11", "-", False)}


def test_a_pruned_history_that_does_not_lead_to_its_row_is_a_breach() -> None:
    download = cleaned()
    retention.prune([download], days=30)

    Download.objects.filter(pk=download.pk).update(attempt=7)

    assert found() == [("I2", download.correlation_id, True)]


def test_a_directory_that_no_row_names_is_a_note() -> None:
    with isolated_as("0123456789ab"):
        assert found() == [("I6", "0123456789ab", False)]


@pytest.mark.parametrize("suffix", ["", isolation.MAKING, isolation.REMOVING])
def test_a_directory_of_a_cleaned_download_is_a_breach(suffix: str) -> None:
    download = cleaned()
    name = isolation.directory_name(download.correlation_id)
    (settings.VNSITE.temp_root / (name + suffix)).mkdir(parents=True)

    assert found() == [("I8", download.correlation_id, True)]


def test_staged_files_of_an_ended_download_wait_for_recovery() -> None:
    download = lives.complete(lives.submit())
    (settings.VNSITE.media_root / ".staging" / download.directory).mkdir(parents=True)

    assert found() == [("I6", download.correlation_id, False)]


@pytest.fixture
def survivor() -> Iterator[tuple[Download, subprocess.Popen[bytes]]]:
    """A process of an attempt that is over, in a session of its own."""
    download = lives.fail(lives.submit())
    process = subprocess.Popen(
        [sys.executable, "-c", "input()"],
        env={**os.environ, "VNSITE_ATTEMPT": download.directory},
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    actions.clean(download, actor="test")
    yield download, process
    process.kill()
    process.communicate()


def test_a_process_of_a_cleaned_download_is_a_breach(
    survivor: tuple[Download, subprocess.Popen[bytes]],
) -> None:
    download, process = survivor
    wait_for(lambda: b"VNSITE" in Path(f"/proc/{process.pid}/environ").read_bytes())

    assert found() == [("I8", download.correlation_id, True)]


SECRET = "canary-of-a-cookie-0123456789"


def with_cookies(user: User, *, domain: str = "example.org", value: str = SECRET) -> SiteCookies:
    cookie = Cookie(domain=domain, path="/", name="session", value=value)
    return SiteCookies.objects.paste(user, "example.org", [cookie])


def test_cookies_that_are_kept_as_they_should_be_are_right(user: User) -> None:
    with_cookies(user)
    lives.fail(lives.submit(user))

    assert found() == []


def test_a_cookie_of_another_site_is_a_breach(user: User) -> None:
    with_cookies(user, domain="other.example")

    assert found() == [("I18", "-", True)]


def test_a_value_among_what_is_shown_is_a_breach(user: User) -> None:
    row = with_cookies(user)
    SiteCookies.objects.update(summary=[{**row.summary[0], "value": SECRET}])

    assert found() == [("I18", "-", True)]


def test_cookies_that_cannot_be_read_any_more_are_a_note(user: User) -> None:
    with_cookies(user)
    SiteCookies.objects.update(sealed=b"")

    assert found() == [("I18", "-", False)]


@pytest.mark.parametrize("place", ["log", "title", "history", "entry"])
def test_a_cookie_in_what_is_told_of_its_download_is_a_breach(user: User, place: str) -> None:
    with_cookies(user)
    download = lives.submit(user)
    other = lives.submit(user, url="https://other.example/watch")
    for each in (download, other):
        text = f"GET /?x={SECRET}" if place == "log" else ""
        AttemptLog.objects.keep(AttemptLog(download=each, attempt=1, text=text))
    if place == "title":
        Download.objects.update(title=f"Hello {SECRET}")
    if place == "entry":
        listing = Listing.objects.create(
            download=download, kind=ListKind.PAGE, count=1, is_complete=True
        )
        Entry.objects.create(listing=listing, position=1, title=SECRET, url="https://example.org/2")
    if place == "history":
        running = lives.start(download)
        data = {"message": f"no {SECRET}"}
        running.move(State.FAILED, actor="test", reason="network", error_class="network", data=data)

    assert ("I18", download.correlation_id, True) in found()
    assert ("I18", other.correlation_id, True) not in found()


def test_the_command_names_each_breach_and_ends_with_1() -> None:
    download = cleaned()
    (entry_of(download) / "clip.mp4").unlink()
    with isolated_as("0123456789ab") as directory:
        code, lines = run_command()

    assert code == 1
    assert lines[0].startswith(f"I3  {download.correlation_id}  Title [")
    assert lines[1] == f"note: I6  0123456789ab  {directory} is of no download: left as it is."
    assert lines[2] == "1 breach, 1 note."


def test_the_command_ends_with_0_without_a_breach() -> None:
    cleaned()

    assert run_command() == (0, ["No breaches."])


def test_the_command_says_it_as_json() -> None:
    download = cleaned()
    PublishedFile.objects.update(size=6)

    code, lines = run_command("--json")

    assert code == 1
    answer = json.loads("\n".join(lines))
    assert answer["notes"] == []
    [breach] = answer["breaches"]
    assert (breach["invariant"], breach["correlation_id"]) == ("I3", download.correlation_id)
    assert breach["sentence"].endswith("has 5 bytes, not 6.")


def test_the_check_only_reads() -> None:
    cleaned()
    with connection.execute_wrapper(refuse_writes):
        assert found(hashes=True) != []


def refuse_writes(execute, sql, params, many, context):  # type: ignore[no-untyped-def]
    assert sql.lstrip(" (\n").upper().startswith("SELECT"), sql
    return execute(sql, params, many, context)


def run_command(*arguments: str) -> tuple[int, list[str]]:
    out = StringIO()
    code = 0
    try:
        call_command("check_lifecycle", *arguments, stdout=out)
    except SystemExit as ending:
        code = int(ending.code or 0)
    return code, out.getvalue().splitlines()


def claimed(worker: Worker) -> Download:
    lives.submit()
    download = lives.claim_next(worker)
    assert download is not None
    return download


def isolated(download: Download) -> IsolatedDownload:
    return IsolatedDownload(
        download.correlation_id, settings.VNSITE.temp_root, name=download.directory
    )


def isolated_as(correlation_id: str) -> IsolatedDownload:
    return IsolatedDownload(correlation_id, settings.VNSITE.temp_root)
