"""Feeds as others read them: feedparser, and the parser of the podcast client gPodder."""

from calendar import timegm
from datetime import UTC, datetime
from io import BytesIO

import feedparser
import podcastparser
import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.library.models import Card, Feed
from downloads.web.feed_list import make
from downloads.web.library_list import LibraryQuery
from tests.library.conftest import Shelve
from tests.web.test_feed import SITE, path_of, shelve, shelved_film, site

__all__ = ["shelve", "site"]

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
PUBLISHED_AT = timegm(datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC).timetuple())


@pytest.fixture
def card(shelve: Shelve, user: User) -> Card:
    return shelved_film(shelve, user, "Über <b>A & B</b>")


@pytest.fixture
def feed(user: User, card: Card) -> Feed:
    return make(user, query=LibraryQuery(uploader="Ada"))


@pytest.fixture
def document(site: Client, feed: Feed) -> bytes:
    return site.get(path_of(feed), secure=True).content


def test_feedparser_finds_no_fault(document: bytes) -> None:
    found = feedparser.parse(document)

    assert (found.bozo, found.version, found.encoding) == (False, "rss20", "utf-8")
    assert (found.feed.title, found.feed.language) == ("Ada", "es")
    assert found.feed.image.href.endswith("/icon-512.png")


def test_feedparser_reads_an_episode(document: bytes, feed: Feed, card: Card) -> None:
    (item,) = feedparser.parse(document).entries

    (enclosure,) = item.enclosures
    (size,) = card.entry.files.filter(role="video").values_list("size", flat=True)
    assert (enclosure.type, enclosure.length) == ("video/mp4", f"{size}")
    assert enclosure.href.startswith(f"{SITE}/feeds/")
    assert (item.id, item.guidislink) == (card.entry.correlation_id, False)
    assert timegm(item.published_parsed) == PUBLISHED_AT
    assert (item.itunes_duration, item.author) == ("187", "Ada")
    assert item.image.href.endswith(".jpg")


def test_a_podcast_client_reads_the_channel(document: bytes, feed: Feed) -> None:
    found = podcastparser.parse(f"{SITE}{path_of(feed)}", BytesIO(document))

    assert (found["title"], found["type"], found["explicit"]) == ("Ada", "episodic", False)
    assert found["cover_url"].endswith("/icon-512.png")
    assert found["link"].startswith(SITE)


def test_a_podcast_client_reads_an_episode_with_all_that_it_shows(
    document: bytes, feed: Feed, card: Card
) -> None:
    (episode,) = podcastparser.parse(f"{SITE}{path_of(feed)}", BytesIO(document))["episodes"]

    (enclosure,) = episode["enclosures"]
    (size,) = card.entry.files.filter(role="video").values_list("size", flat=True)
    assert (enclosure["mime_type"], enclosure["file_size"]) == ("video/mp4", size)
    assert episode["title"] == "Über <b>A & B</b>"
    assert episode["description"] == "What it\nis about"
    assert (episode["guid"], episode["total_time"]) == (card.entry.correlation_id, 187)
    assert episode["published"] == PUBLISHED_AT
    assert episode["link"] == card.entry.url
    assert [(each["start"], each["title"]) for each in episode["chapters"]] == [
        (0, "Begin"),
        (61, "End"),  # this client takes whole seconds
    ]


def test_what_the_client_fetches_is_the_file(site: Client, document: bytes, card: Card) -> None:
    (episode,) = podcastparser.parse(SITE, BytesIO(document))["episodes"]
    address = episode["enclosures"][0]["url"].removeprefix(SITE)

    answer = site.get(address, secure=True, headers={"Range": "bytes=1-3"})

    assert (answer.status_code, answer["Content-Range"]) == (206, "bytes 1-3/5")
    answer.close()
