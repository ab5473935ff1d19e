"""A link for many videos ends with a listing, written whole by the worker, or not at all."""

import pytest

from downloads import actions
from downloads.models import Download, Listing
from downloads.rules.states import Outcome, Result
from tests.helpers.lists import feed
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import (
    child_of,
    history,
    running_worker,
    submit,
    temp_entries,
    wait_for_state,
)
from tests.worker.test_worker import CLAIMED

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

FEED = "application/rss+xml"


def serve_feed(site: ScriptedSite, *links: str, path: str = "/feed") -> str:
    return site.serve(path, Answer(body=feed(*links), media_type=FEED))


@pytest.mark.both_databases
def test_a_feed_goes_from_created_to_cleaned_and_leaves_a_listing(
    scripted_site: ScriptedSite,
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(250)]
    download = submit(serve_feed(scripted_site, *links))

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    assert history(download) == [*CLAIMED, ("completed", "listed"), ("cleaned", "cleaned")]
    assert (download.result, download.title) == (Result.LISTING, "A feed")
    assert (download.listing.kind, download.listing.count) == ("feed", 250)
    assert download.listing.is_complete
    assert list(download.listing.entries.values_list("position", "url")) == list(
        enumerate(links, 1)
    )
    assert not download.library_path
    assert not Download.objects.exclude(pk=download.pk).exists()
    assert temp_entries() == []


def test_a_list_that_is_longer_than_the_limit_says_so(scripted_site: ScriptedSite) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(30)]
    download = submit(serve_feed(scripted_site, *links))
    environment = {
        "VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin,
        "VNSITE_MAX_ENTRIES": "20",
    }

    with running_worker("--once", **environment) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    assert (download.listing.count, download.listing.is_complete) == (20, False)
    assert download.transitions.get(reason="listed").data == {"code": "list_limit", "entries": 20}


def test_a_cancel_while_a_list_is_read_leaves_none(scripted_site: ScriptedSite) -> None:
    url = scripted_site.serve("/feed", Answer(body=feed("x"), media_type=FEED, hold_after=100))
    download = submit(url)

    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=scripted_site.origin):
        wait_for(lambda: scripted_site.requests_of("/feed"), what="the feed to be read")
        download.refresh_from_db()
        child = child_of(download)
        actions.cancel(download, actor="test")
        wait_for_state(download, "cleaned")

    assert download.outcome == Outcome.CANCELLED
    assert not Listing.objects.exists()
    assert not child.is_alive()
