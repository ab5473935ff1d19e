"""A check looks a video up by the life of a download, and leaves nothing but what it learned."""

from collections.abc import Callable

import pytest

from downloads.models import ArchivedMedia, Download, LibraryEntry
from downloads.rules.states import Outcome, Result
from tests.helpers.lists import Catalogue
from tests.helpers.worker import history, submit, temp_entries
from tests.worker.test_worker import CLAIMED

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

Run = Callable[[], None]


@pytest.mark.both_databases
def test_a_check_ends_cleaned_with_what_it_found_and_without_files(
    catalogue: Catalogue,
    run: Run,
) -> None:
    download = submit(catalogue.video(7), check=True)

    run()

    download.refresh_from_db()
    assert history(download) == [*CLAIMED, ("completed", "checked"), ("cleaned", "cleaned")]
    assert (download.outcome, download.result) == (Outcome.COMPLETED, Result.CHECKED)
    assert (download.title, download.extractor) == ("A talk", "mediasite")
    assert {each["kind"] for each in download.media["formats"]} == {"video", "audio"}
    assert catalogue.fetched == 0
    assert not LibraryEntry.objects.exists()
    assert not ArchivedMedia.objects.exists()
    assert temp_entries() == []


def test_what_was_checked_is_downloaded_as_if_it_never_was(
    catalogue: Catalogue,
    run: Run,
) -> None:
    submit(catalogue.video(7), check=True)
    run()
    download = submit(catalogue.video(7))

    run()

    download.refresh_from_db()
    assert (download.outcome, download.result) == (Outcome.COMPLETED, Result.FILES)


def test_a_check_of_what_the_owner_has_looks_it_up_all_the_same(
    catalogue: Catalogue,
    run: Run,
) -> None:
    submit(catalogue.video(7))
    run()
    fetched = catalogue.fetched
    download = submit(catalogue.video(7), check=True)

    run()

    download.refresh_from_db()
    assert download.result == Result.CHECKED
    assert catalogue.fetched == fetched


def test_a_check_of_a_list_adds_none_of_its_entries(
    catalogue: Catalogue,
    run: Run,
) -> None:
    download = submit(catalogue.list(1, 1, 2, 3), check=True, playlist="all")

    run()

    download.refresh_from_db()
    assert (download.result, download.listing.count) == (Result.LISTING, 3)
    assert Download.objects.count() == 1
