"""What a listing says of its entries: what was had, what became of them, and acting on all."""

from collections import Counter
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User

from downloads import actions, many
from downloads.many import Action, Refusal
from downloads.models import Download, Listing, add_entries, listings
from downloads.models.archive import archive
from downloads.models.listings import Became, add_entries_in_turns, became_of
from downloads.rules.archive import MediaId
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, State
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

ACTOR = "user:ursula"


@pytest.fixture
def listing(user: User) -> Listing:
    return lives.list_up(lives.submit(user), *map(lives.entry, range(1, 7)))


def add(listing: Listing, *positions: int) -> list[Download]:
    """The downloads of these entries, newly added."""
    entries = listing.entries.filter(position__in=positions)
    additions = add_entries(listing, entries, options=DownloadOptions(), actor=ACTOR)
    return [one.entry.download for one in additions if one.entry.download]


def outcomes(downloads: list[Download]) -> list[str | None]:
    rows = Download.objects.filter(pk__in=[each.pk for each in downloads])
    return list(rows.order_by("pk").values_list("outcome", flat=True))


# What became of the entries.


def test_a_listing_counts_what_became_of_its_entries(listing: Listing) -> None:
    first, second, third, fourth, _ = add(listing, 1, 2, 3, 4, 5)
    actions.clean(lives.complete(first), actor=ACTOR)
    lives.fail(second)
    actions.cancel(third, actor=ACTOR)
    lives.start(fourth)

    became = became_of([listing.pk])[listing.pk]

    assert became == Became(waiting=1, running=1, completed=1, failed=1, cancelled=1, kept=1)
    assert became.added == 5


def test_listings_are_counted_together_in_one_query(
    listing: Listing, user: User, django_assert_num_queries: Any
) -> None:
    other = lives.list_up(lives.submit(user), lives.entry(1))
    add(listing, 2)

    with django_assert_num_queries(1):
        counts = became_of([listing.pk, other.pk])

    assert counts == {listing.pk: Became(waiting=1), other.pk: Became()}


def test_an_entry_that_is_added_again_counts_by_its_newest_download(listing: Listing) -> None:
    (failed,) = add(listing, 1)
    lives.fail(failed)
    (newest,) = add(listing, 1)

    assert became_of([listing.pk])[listing.pk] == Became(waiting=1)
    assert list(listing.downloads) == [newest]


def test_downloads_outlive_their_listing(listing: Listing) -> None:
    (download,) = add(listing, 1)

    actions.forget(listing.download)

    download.refresh_from_db()
    assert (download.state, download.listed_in) == (State.CREATED, None)
    assert not Listing.objects.exists()


# Adding any number of them.


def test_many_entries_are_added_in_turns_and_in_order(
    listing: Listing, monkeypatch: pytest.MonkeyPatch, settings: LazySettings
) -> None:
    monkeypatch.setattr(listings, "ENTRIES_AT_ONCE", 2)
    settings.VNSITE = settings.VNSITE.model_copy(update={"user_waiting": 4})
    (present,) = add(listing, 3)

    additions = add_entries_in_turns(
        listing, listing.entries.all(), options=DownloadOptions(), actor=ACTOR
    )

    assert [one.entry.position for one in additions] == [1, 2, 3, 4, 5, 6]
    assert [one.created for one in additions] == [True, True, False, True, False, False]
    assert additions[2].entry.download == present
    assert {one.refusal for one in additions[4:]} == {listings.Refusal.TOO_MANY_WAITING}


# What the owner had.


def test_an_entry_says_which_download_of_it_is_in_the_library(
    listing: Listing, user: User, staff: User
) -> None:
    mine, theirs = (lives.complete(lives.submit(owner)) for owner in (user, staff))
    Download.objects.filter(pk=mine.pk).update(extractor="site", media_id="video-2")
    Download.objects.filter(pk=theirs.pk).update(extractor="site", media_id="video-3")

    entries = listing.entries.with_had(user)

    assert {entry.position: entry.had_as for entry in entries if entry.had_as} == {
        2: mine.correlation_id
    }


def test_an_entry_whose_files_were_deleted_is_not_had(listing: Listing, user: User) -> None:
    download = lives.complete(lives.submit(user))
    Download.objects.filter(pk=download.pk).update(extractor="site", media_id="video-2")
    actions.delete_files(download)

    assert not [entry for entry in listing.entries.with_had(user) if entry.had_as]


def test_an_entry_without_an_id_is_not_had(user: User) -> None:
    lives.complete(lives.submit(user))
    listing = lives.list_up(lives.submit(user), lives.entry(1, extractor="", media_id=""))

    assert listing.entries.with_had(user).get().had_as is None


def test_an_entry_says_that_the_archive_has_it(listing: Listing, user: User, staff: User) -> None:
    archive(user, [MediaId("site", "video-1")])
    archive(staff, [MediaId("site", "video-2")])

    had = [entry.position for entry in listing.entries.with_had(user) if entry.is_archived]

    assert had == [1]


@pytest.mark.parametrize(
    ("text", "positions"), [("Video 3", [3]), ("video/4", [4]), ("nothing", [])]
)
def test_entries_are_searched_by_title_and_link(
    listing: Listing, text: str, positions: list[int]
) -> None:
    found = listing.entries.search(text)

    assert list(found.values_list("position", flat=True)) == positions


# Acting on all.


def act_on(listing: Listing, action: Action) -> many.Done:
    """As the owner of the list does."""
    owner = listing.download.owner
    assert owner
    return many.act_on_list(listing, action, viewer=owner, actor=ACTOR)


def test_all_that_wait_or_run_are_cancelled(listing: Listing) -> None:
    running, waiting, failed, untouched = add(listing, 1, 2, 3, 4)
    lives.start(running)
    actions.cancel(failed, actor=ACTOR)
    untouched.forget()

    done = act_on(listing, Action.CANCEL)

    assert done == many.Done(done=2, asked=1)
    assert outcomes([running, waiting]) == [None, Outcome.CANCELLED]
    running.refresh_from_db()
    assert running.cancel_requested_by == ACTOR


def test_what_cannot_be_cancelled_is_counted_with_the_reason(listing: Listing) -> None:
    publishing, _ = add(listing, 1, 2)
    lives.start(publishing).decide_to_publish(library_path="x", manifest={})

    done = act_on(listing, Action.CANCEL)

    assert done == many.Done(done=1, refused=Counter({Refusal.PUBLISHING: 1}))


def test_what_waits_is_cancelled_before_what_runs(
    listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "MAX_AT_ONCE", 2)
    running, *waiting = add(listing, 1, 2, 3)
    lives.start(running)

    done = act_on(listing, Action.CANCEL)

    assert (done.done, done.left) == (2, 1)
    assert outcomes(waiting) == [Outcome.CANCELLED, Outcome.CANCELLED]


def test_all_that_failed_are_retried(listing: Listing) -> None:
    failed, cancelled = add(listing, 1, 2)
    actions.cancel(cancelled, actor=ACTOR)
    lives.fail(failed, ErrorClass.NETWORK)

    done = act_on(listing, Action.RETRY)

    assert done == many.Done(done=1)
    assert outcomes([failed, cancelled]) == [None, Outcome.CANCELLED]


def test_what_does_not_fit_is_not_retried(listing: Listing, settings: LazySettings) -> None:
    for download in add(listing, 1, 2, 3):
        lives.fail(download)
    settings.VNSITE = settings.VNSITE.model_copy(update={"user_waiting": 2})

    done = act_on(listing, Action.RETRY)

    assert (done.done, done.refused) == (2, {Refusal.OTHER: 1})
    assert "2 downloads queued" in done.reason


def test_all_that_have_ended_are_cleaned_up(listing: Listing) -> None:
    completed, failed, waiting = add(listing, 1, 2, 3)
    lives.complete(completed)
    lives.fail(failed)

    done = act_on(listing, Action.CLEANUP)

    states = Download.objects.filter(pk__in=[completed.pk, failed.pk, waiting.pk])
    assert done.done == 2
    assert list(states.order_by("pk").values_list("state", flat=True)) == [
        State.CLEANED,
        State.CLEANED,
        State.CREATED,
    ]
