"""Entries of a listing become downloads: each once, in order, as many as fit."""

from contextlib import suppress

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings
from django.utils import timezone

from downloads import actions
from downloads.diagnostics import invariants
from downloads.models import (
    Addition,
    ArchivedMedia,
    CancelWasAsked,
    Download,
    Entry,
    Listing,
    Refusal,
    add_entries,
)
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, Result, State
from tests.helpers import lives
from tests.models.test_races import at_once

pytestmark = pytest.mark.django_db


@pytest.fixture
def listing(user: User) -> Listing:
    return lives.list_up(lives.submit(user), *map(lives.entry, range(1, 4)))


def add(listing: Listing, *positions: int, **options: str) -> list[Addition]:
    entries = listing.entries.filter(position__in=positions or range(1, 100))
    return add_entries(listing, entries, options=DownloadOptions(**options), actor="user:u")


def test_a_listing_is_the_result_of_its_download(listing: Listing) -> None:
    download = Download.objects.get()

    assert (download.state, download.result) == (State.COMPLETED, Result.LISTING)
    assert download.title == "A list"
    assert [entry.position for entry in listing.entries.all()] == [1, 2, 3]
    assert download.transitions.last().data == {"entries": 3}


def test_a_download_whose_cancel_was_asked_for_gets_no_listing(user: User) -> None:
    download = lives.submit(user)
    running = lives.start(download)
    actions.cancel(download, actor="user:u")

    with pytest.raises(CancelWasAsked):
        lives.end_listed(running, lives.entry(1))

    assert not Listing.objects.exists()
    assert Download.objects.get().state == State.DOWNLOADING


def test_each_entry_becomes_a_download_of_the_lists_owner(listing: Listing, user: User) -> None:
    additions = add(listing, 1, 3, quality="720p")

    made = [addition.entry.download for addition in additions]
    assert [addition.created for addition in additions] == [True, True]
    assert [(each.url, each.title, each.media_id) for each in made] == [
        ("https://example.org/video/1", "Video 1", "video-1"),
        ("https://example.org/video/3", "Video 3", "video-3"),
    ]
    for each in made:
        assert (each.owner, each.listed_in, each.list_depth) == (user, listing.download, 1)
        assert each.options["quality"] == "720p"
        assert each.transitions.get().actor == "user:u"
    assert list(Entry.objects.exclude(download=None)) == [each.entry for each in additions]


def test_what_was_chosen_for_the_link_of_the_list_is_not_for_its_entries(
    listing: Listing,
) -> None:
    [addition] = add(listing, 1, clip="0-10", start_at="2100-01-01T00:00:00Z", playlist="all")

    made = addition.entry.download
    assert made is not None
    assert (made.options["clip"], made.options["start_at"], made.not_before) == (None, None, None)
    assert made.options["playlist"] == "ask"  # it is a video


def test_an_entry_that_was_only_checked_may_be_downloaded(listing: Listing) -> None:
    [checked] = add(listing, 1, check=True)
    assert checked.entry.download
    running = lives.start(checked.entry.download)
    running.complete_as_checked(actor="test", media={})

    is_new = listing.entries.all().new_to(listing.download.owner).filter(position=1).exists()
    [again] = add(listing, 1)

    assert is_new
    assert again.created
    assert again.entry.download
    assert again.entry.download.options["check"] is False


def test_an_entry_that_was_added_keeps_its_download(listing: Listing) -> None:
    [first] = add(listing, 2)

    [again] = add(listing, 2, quality="360p")

    assert not again.created
    assert again.refusal is None
    assert again.entry.download == first.entry.download


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.CANCELLED])
def test_an_entry_whose_download_came_to_nothing_may_become_another(
    listing: Listing, outcome: Outcome
) -> None:
    [first] = add(listing, 2)
    old = first.entry.download
    if outcome == Outcome.CANCELLED:
        actions.cancel(old, actor="user:u")
    else:
        lives.fail(old)

    [again] = add(listing, 2)

    assert again.created
    assert again.entry.download != old


def test_a_download_whose_entry_became_another_cannot_be_retried(listing: Listing) -> None:
    [first] = add(listing, 2)
    old = actions.cancel(first.entry.download, actor="user:u")
    add(listing, 2, quality="360p")

    with pytest.raises(actions.NotAllowed, match="added again"):
        actions.retry(old, actor="user:u")

    old.refresh_from_db()
    assert old.outcome == Outcome.CANCELLED


def test_the_last_download_of_an_entry_can_be_retried(listing: Listing) -> None:
    [first] = add(listing, 2)
    old = actions.cancel(first.entry.download, actor="user:u")

    assert actions.retry(old, actor="user:u").state == State.CREATED


def test_an_entry_whose_link_waits_already_gets_that_download(listing: Listing, user: User) -> None:
    waiting = lives.submit(user, url="https://example.org/video/2")

    [addition] = add(listing, 2)

    assert not addition.created
    assert addition.entry.download == waiting


def test_two_entries_with_one_link_become_one_download(user: User) -> None:
    link = "https://example.org/video/1"
    listing = lives.list_up(lives.submit(user), lives.entry(1), lives.entry(2, url=link))

    first, second = add(listing)

    assert first.entry.download == second.entry.download
    assert [first.created, second.created] == [True, False]


def test_what_does_not_fit_stays_an_entry(listing: Listing) -> None:
    with override_settings(VNSITE=settings.VNSITE.model_copy(update={"user_waiting": 2})):
        additions = add(listing)

    assert [addition.created for addition in additions] == [True, True, False]
    assert additions[2].refusal == Refusal.TOO_MANY_WAITING
    assert Entry.objects.get(position=3).download is None


def test_a_list_within_a_list_is_added_until_it_is_too_deep(user: User) -> None:
    link = "https://example.org/list/{}"
    listing = lives.list_up(lives.submit(user), lives.entry(1, url=link.format(1), is_list=True))
    additions = add(listing)
    for depth in (2, 3):
        inner = additions[0].entry.download
        assert inner is not None
        listing = lives.list_up(inner, lives.entry(2, url=link.format(depth), is_list=True))
        additions = add(listing)

    assert additions[0].refusal == Refusal.TOO_DEEP
    assert additions[0].entry.download is None


def test_a_list_that_names_itself_is_not_added_again(user: User) -> None:
    outer = "https://example.org/list"
    inner = "https://example.org/list/inner"
    listing = lives.list_up(
        lives.submit(user, url=outer),
        lives.entry(1, url=outer),
        lives.entry(2, url=inner, is_list=True),
    )

    itself, within = add(listing)
    deeper = lives.list_up(within.entry.download, lives.entry(3, url=outer))

    assert itself.refusal == Refusal.ITSELF
    assert [addition.refusal for addition in add(deeper)] == [Refusal.ITSELF]


def test_what_is_new_is_neither_archived_nor_added(listing: Listing, user: User) -> None:
    other = User.objects.create(username="other")
    for owner, media_id in ((user, "video-1"), (other, "video-2")):
        ArchivedMedia.objects.create(
            owner=owner, extractor="site", media_id=media_id, added_at=timezone.now()
        )
    add(listing, 3)

    new = listing.entries.new_to(user)

    assert [entry.position for entry in new] == [2]


def test_an_entry_whose_media_id_is_not_known_is_new(user: User) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1, extractor="", media_id=""))

    assert listing.entries.new_to(user).count() == 1


def test_the_downloads_of_a_deleted_listing_stay(listing: Listing) -> None:
    [addition] = add(listing, 1)

    actions.forget(listing.download)

    kept = Download.objects.get()
    assert kept == addition.entry.download
    assert kept.listed_in is None


@pytest.mark.both_databases
@pytest.mark.usefixtures("shared_db")
def test_seven_at_once_make_one_download_of_each_entry(user: User) -> None:
    listing = lives.list_up(lives.submit(user), *map(lives.entry, range(20)))
    qualities = ("best", "2160p", "1440p", "1080p", "720p", "480p", "360p")

    at_once(len(qualities), lambda index: add(listing, quality=qualities[index]))

    assert Download.objects.filter(listed_in=listing.download).count() == 20
    assert Entry.objects.filter(download=None).count() == 0


@pytest.mark.both_databases
@pytest.mark.usefixtures("shared_db")
def test_an_entry_that_is_added_while_its_download_is_retried_has_one(user: User) -> None:
    listing = lives.list_up(lives.submit(user), *map(lives.entry, range(10)))
    old = [addition.entry.download for addition in add(listing)]
    cancelled = [actions.cancel(each, actor="user:u") for each in old if each]

    def retry_or_add(index: int) -> None:
        for position, download in enumerate(cancelled, 1):
            if index:
                add(listing, position, quality="360p")
                continue
            with suppress(actions.NotAllowed):
                actions.retry(download, actor="user:u")

    at_once(2, retry_or_add)

    assert [finding for finding in invariants.check() if finding.invariant == "I16"] == []
    live = Download.objects.filter(listed_in=listing.download).exclude(outcome="cancelled")
    assert sorted(live.values_list("url", flat=True)) == sorted(each.url for each in cancelled)
