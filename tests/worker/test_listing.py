"""A link for many videos ends with a listing, written whole by the worker, or not at all."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from downloads import actions
from downloads.models import ArchivedMedia, Download, Listing, submissions
from downloads.rules.media_id import media_id_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, Result
from tests.helpers.lists import Catalogue, feed
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


# What becomes of the entries


def made_of(download: Download) -> list[Download]:
    return list(Download.objects.filter(listed_in=download).order_by("pk"))


@pytest.mark.parametrize(("playlist", "count"), [("ask", 0), ("all", 3), ("first:2", 2)])
def test_the_entries_that_the_option_names_are_fetched(
    catalogue: Catalogue, run: Callable[[], None], playlist: str, count: int
) -> None:
    download = submit(catalogue.list(1, 1, 2, 3), playlist=playlist)

    run()

    made = made_of(download)
    assert len(made) == count
    assert {(each.outcome, each.result, each.title) for each in made} <= {
        (Outcome.COMPLETED, Result.FILES, "A talk")
    }
    assert {each.options["playlist"] for each in made} <= {"ask"}
    added = {"added": count} if count else {}
    data = download.transitions.get(reason="listed").data
    assert {key: data[key] for key in added} == added


def test_an_episode_is_published_under_the_title_that_its_feed_gives_it(
    scripted_site: ScriptedSite, catalogue: Catalogue, run: Callable[[], None]
) -> None:
    files = [scripted_site.url(f"/film.mp4?{number}") for number in (1, 2)]
    download = submit(serve_feed(scripted_site, *files), playlist="all")

    run()

    made = made_of(download)
    assert [each.title for each in made] == ["Item 1", "Item 2"]
    assert [each.files[0].name for each in made] == ["Item 1.mp4", "Item 2.mp4"]


def named_by(link: str) -> dict[str, str]:
    extractor, media_id = media_id_of("generic", "", link=link)
    return {"extractor": extractor, "media_id": media_id}


def test_the_reading_for_what_is_new_stops_at_what_is_known(
    scripted_site: ScriptedSite, run: Callable[[], None]
) -> None:
    links = [scripted_site.url(f"/{number}.mp3") for number in range(5000)]
    now = timezone.now()
    ArchivedMedia.objects.bulk_create(
        ArchivedMedia(**named_by(link), added_at=now) for link in links[2:]
    )
    download = submit(serve_feed(scripted_site, *links), playlist="new")

    run()

    download.refresh_from_db()
    assert download.listing.count < len(links)
    assert [each.url for each in made_of(download)] == links[:2]
    assert download.transitions.get(reason="listed").data["code"] == "list_known"


def test_lists_within_a_list_are_read_as_well_when_all_is_wanted(
    catalogue: Catalogue, scripted_site: ScriptedSite, run: Callable[[], None]
) -> None:
    inner = [
        serve_feed(scripted_site, *map(catalogue.video, videos), path=path)
        for path, videos in {"/first": (1, 2), "/second": (3, 4)}.items()
    ]
    channel = serve_feed(scripted_site, *inner, path="/channel")
    download = submit(channel, playlist="all")

    run()

    first, second = made_of(download)
    assert [first.result, second.result] == [Result.LISTING] * 2
    assert [each.list_depth for each in made_of(first)] == [2, 2]
    assert [each.result for each in made_of(first)] == [Result.FILES] * 2


def test_a_published_video_is_in_the_archive(catalogue: Catalogue, run: Callable[[], None]) -> None:
    download = submit(catalogue.video(7))

    run()

    download.refresh_from_db()
    media = ArchivedMedia.objects.get()
    assert (media.owner, media.extractor, media.media_id) == (None, "mediasite", f"{7:032x}")
    assert (download.extractor, download.media_id) == (media.extractor, media.media_id)


def test_what_the_owner_has_is_not_fetched_again(
    catalogue: Catalogue, run: Callable[[], None]
) -> None:
    first = submit(catalogue.video(7))
    run()
    fetched = catalogue.fetched
    again = submit(catalogue.video(7) + "?again")

    run()

    again.refresh_from_db()
    assert history(again)[-2:] == [("completed", "have_it"), ("cleaned", "cleaned")]
    assert (again.result, again.have, again.title) == (Result.HAVE_IT, first, "A talk")
    assert catalogue.fetched <= fetched + 1  # the child may have begun
    assert not again.library_path
    assert temp_entries() == []


@pytest.mark.parametrize("values", [{"is_again": True}, {"quality": "360p"}])
def test_it_is_fetched_when_that_is_wanted(
    catalogue: Catalogue, run: Callable[[], None], values: dict[str, Any]
) -> None:
    submit(catalogue.video(7))
    run()
    is_again = values.pop("is_again", False)
    wish = (catalogue.video(7) + "?again", DownloadOptions(**values))
    [answer] = submissions.submit([wish], owner=None, actor="test", is_again=is_again)

    run()

    answer.download.refresh_from_db()
    assert answer.download.result == Result.FILES


def test_a_link_that_no_extractor_knows_is_fetched_again(
    scripted_site: ScriptedSite, catalogue: Catalogue, run: Callable[[], None]
) -> None:
    for _ in range(2):
        download = submit(scripted_site.url("/film.mp4"))
        run()

    download.refresh_from_db()
    assert download.result == Result.FILES
