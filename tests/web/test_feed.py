"""`GET /feeds/<token>.xml`, against the rules of RSS 2.0 and of Apple, and what it leads to."""

import email.utils
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, fromstring

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import override_script_prefix
from pytest_django import DjangoAssertNumQueries

from downloads.library.models import MAX_FEEDS, Card, Feed, TooManyFeeds
from downloads.models import Download, PublishedFile, Thumbnail
from downloads.rules.options import DownloadOptions
from downloads.rules.sealing import Unreadable
from downloads.subscriptions.models import SeenEntry, Subscription
from downloads.web import feed as feed_pages
from downloads.web.feed_list import make
from downloads.web.library_list import LibraryQuery
from tests.helpers import lives
from tests.library.conftest import Shelve, shelve

__all__ = ["shelve"]

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

ITUNES = "{http://www.itunes.com/dtds/podcast-1.0.dtd}"
PODCAST = "{https://podcastindex.org/namespace/1.0}"
PODLOVE = "{http://podlove.org/simple-chapters}"
ATOM = "{http://www.w3.org/2005/Atom}"
SITE = "https://videos.example.org"
CHAPTERS = [{"start_time": 0, "title": "Begin"}, {"start_time": 61.5, "title": "End"}]


@pytest.fixture
def site(settings: Any) -> Client:
    """An app without a session, at a site that is reached by https under a public name."""
    settings.ALLOWED_HOSTS = ["videos.example.org"]
    return Client(headers={"Host": "videos.example.org"})


def path_of(feed: Feed) -> str:
    return f"/feeds/{feed.token()}.xml"


def read(client: Client, feed: Feed) -> Element:
    """The channel of the document."""
    response = client.get(path_of(feed), secure=True)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/rss+xml; charset=utf-8"
    root: Element = fromstring(response.content)
    assert (root.tag, root.get("version")) == ("rss", "2.0")
    channel = root.find("channel")
    assert channel is not None
    return channel


def titles(client: Client, feed: Feed) -> list[str | None]:
    return [item.findtext("title") for item in read(client, feed).iter("item")]


def shelved_film(shelve: Shelve, user: User, title: str = "A talk", **media: object) -> Card:
    picture = {"name": "clip.jpg", "media_type": "image/jpeg", "role": "thumbnail"}
    about = {"chapters": CHAPTERS, "description": "What it\nis about", "language": "es"}
    known = {"duration": 187, "uploader": "Ada", "uploaded_at": "2024-05-06T07:08:09Z", **media}
    return shelve(user, title, about=about, beside=[picture], name="cl ip&é.mp4", **known)


def content_of(response: Any) -> bytes:
    """Read a file that is streamed, and close it."""

    async def blocks() -> bytes:
        return b"".join([block async for block in response.streaming_content])

    try:
        return async_to_sync(blocks)()
    finally:
        response.close()


def is_rfc_2822(text: str) -> bool:
    return email.utils.parsedate_to_datetime(text).tzinfo is not None


def is_address(text: str) -> bool:
    return text.startswith(f"{SITE}/") and text.isascii() and " " not in text


def is_picture(text: str) -> bool:
    """Apple: JPEG or PNG, and the name says so."""
    return is_address(text) and text.endswith((".jpg", ".png"))


def is_length(text: str) -> bool:
    return text.isdigit() and int(text) > 0


Rule = tuple[str, str, str, Callable[[str], object]]  # tag, attribute or "", its rule, the rule

# https://www.rssboard.org/rss-specification and Apple's "A Podcaster's Guide to RSS".
OF_THE_CHANNEL: list[Rule] = [
    ("title", "", "RSS and Apple: required", "Ada".__eq__),
    ("link", "", "RSS and Apple: required; a page", is_address),
    ("description", "", "RSS and Apple: required", bool),
    ("language", "", "Apple: required; ISO 639", re.compile(r"[a-z]{2,3}(-[a-z0-9]+)*").fullmatch),
    (f"{ITUNES}image", "href", "Apple: required; JPEG or PNG", is_picture),
    (f"{ITUNES}category", "text", "Apple: required; of its list", "TV & Film".__eq__),
    (f"{ITUNES}explicit", "", "Apple: required; true or false", ("true", "false").__contains__),
    (f"{ITUNES}author", "", "Apple: recommended", bool),
    (f"{ITUNES}type", "", "Apple: episodic or serial", "episodic".__eq__),
    (f"{ITUNES}block", "", "Apple: Yes keeps it out of the directory", "Yes".__eq__),
    (f"{ATOM}link", "href", "RSS Advisory Board: its own address", is_address),
    ("lastBuildDate", "", "RSS: RFC 822", is_rfc_2822),
]
OF_AN_ITEM: list[Rule] = [
    ("title", "", "RSS and Apple: required", "A talk".__eq__),
    ("description", "", "RSS: title or description", "What it\nis about".__eq__),
    ("link", "", "RSS: an address", re.compile(r"https?://\S+").fullmatch),
    ("enclosure", "url", "RSS and Apple: required; an address with the file's suffix", is_address),
    ("enclosure", "url", "Apple: the suffix of the type", lambda url: url.endswith(".mp4")),
    ("enclosure", "length", "RSS and Apple: required; bytes", is_length),
    ("enclosure", "type", "RSS and Apple: required; a media type", "video/mp4".__eq__),
    ("guid", "isPermaLink", "Apple: it is no address", "false".__eq__),
    ("guid", "", "Apple: never changes", re.compile("[0-9a-f]{12}").fullmatch),
    ("pubDate", "", "RSS and Apple: RFC 2822", "Mon, 06 May 2024 07:08:09 +0000".__eq__),
    (f"{ITUNES}duration", "", "Apple: recommended; seconds", "187".__eq__),
    (f"{ITUNES}image", "href", "Apple: JPEG or PNG", is_picture),
    (f"{ITUNES}author", "", "Apple: who made it", "Ada".__eq__),
    (f"{PODCAST}chapters", "url", "Podcast namespace: an address", is_address),
    (f"{PODLOVE}chapters", "version", "Podlove Simple Chapters", "1.2".__eq__),
    (f"{PODLOVE}chapters/*[2]", "start", "RFC 2326: normal play time", "00:01:01.500".__eq__),
    (f"{PODLOVE}chapters/*[2]", "title", "Podlove Simple Chapters", "End".__eq__),
    (f"{PODCAST}chapters", "type", "Podcast namespace", "application/json+chapters".__eq__),
]


@pytest.mark.parametrize(
    "rule", [*OF_THE_CHANNEL, *OF_AN_ITEM], ids=lambda rule: f"{rule[0]}: {rule[2]}"
)
def test_the_rules(site: Client, user: User, shelve: Shelve, rule: Rule) -> None:
    shelved_film(shelve, user)
    channel = read(site, make(user, query=LibraryQuery(uploader="Ada")))
    place = channel if rule in OF_THE_CHANNEL else channel.find("item")
    assert place is not None
    tag, attribute, _, holds = rule

    (found,) = place.findall(tag)  # each of them once

    value = found.get(attribute) if attribute else found.text
    assert value is not None
    assert holds(value), value


def test_what_an_episode_leads_to_needs_the_token_alone(
    site: Client, user: User, shelve: Shelve
) -> None:
    shelved_film(shelve, user)
    item = next(read(site, make(user)).iter("item"))
    enclosure, image = item.find("enclosure"), item.find(f"{ITUNES}image")
    chapters = item.find(f"{PODCAST}chapters")
    assert enclosure is not None
    assert image is not None
    assert chapters is not None

    film = site.get(enclosure.attrib["url"], secure=True)
    picture = site.get(image.attrib["href"], secure=True)
    told = site.get(chapters.attrib["url"], secure=True)

    assert (content_of(film), film["Content-Type"]) == (b"video", enclosure.get("type"))
    assert film["Content-Length"] == enclosure.get("length")
    assert (content_of(picture), picture["Content-Type"]) == (b"video", "image/jpeg")
    assert told.json() == {
        "version": "1.2.0",
        "chapters": [{"startTime": 0, "title": "Begin"}, {"startTime": 61.5, "title": "End"}],
    }
    assert told["Content-Type"] == chapters.get("type")
    assert not site.cookies


def test_below_a_path_all_addresses_begin_with_it(
    site: Client, user: User, shelve: Shelve, settings: Any
) -> None:
    """As for VNSITE_PREFIX; `vnsite.proxies` says the path, and tests/vnsite tries the proxies."""
    settings.STATIC_URL = "/vnsite/static/"
    shelved_film(shelve, user)
    address = path_of(make(user))

    with override_script_prefix("/vnsite/"):
        page = site.get(address, secure=True, SCRIPT_NAME="/vnsite").content.decode()

    addresses = re.findall(rf"{SITE}(/[^\"<]*)", page)
    assert [address for address in addresses if not address.startswith("/vnsite/")] == []
    assert len(addresses) == 6  # the library, the feed, the icon; the film, its picture, chapters


def test_a_player_gets_the_range_that_it_asks_for(site: Client, user: User, shelve: Shelve) -> None:
    shelved_film(shelve, user)
    enclosure = next(read(site, make(user)).iter("enclosure")).attrib["url"]

    part = site.get(enclosure, secure=True, headers={"Range": "bytes=0-1"})
    end = site.get(enclosure, secure=True, headers={"Range": "bytes=-2"})
    beyond = site.get(enclosure, secure=True, headers={"Range": "bytes=9-"})
    head = site.head(enclosure, secure=True)

    assert (part.status_code, content_of(part), part["Content-Range"]) == (
        206,
        b"vi",
        "bytes 0-1/5",
    )
    assert (end.status_code, content_of(end), end["Content-Range"]) == (206, b"eo", "bytes 3-4/5")
    assert (beyond.status_code, beyond["Content-Range"]) == (416, "bytes */5")
    assert (head.status_code, head["Content-Length"], head["Accept-Ranges"]) == (200, "5", "bytes")


def test_the_small_picture_is_the_cover_when_the_library_has_none(
    site: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user)
    assert card.entry.download
    Thumbnail.objects.keep(
        Thumbnail(download=card.entry.download, media_type="image/png", content=b"small")
    )
    image = next(read(site, make(user)).iter("item")).find(f"{ITUNES}image")
    assert image is not None

    picture = site.get(image.attrib["href"], secure=True)

    assert image.attrib["href"].endswith(".png")
    assert (picture.content, picture["Content-Type"]) == (b"small", "image/png")


def test_what_is_not_known_is_left_out(site: Client, user: User, shelve: Shelve) -> None:
    shelve(user)

    item = next(read(site, make(user)).iter("item"))

    absent = (f"{ITUNES}duration", f"{ITUNES}image", f"{ITUNES}author", f"{PODCAST}chapters")
    assert [tag for tag in absent if item.find(tag) is not None] == []


def test_nothing_new_is_said_without_writing_the_document(
    site: Client,
    user: User,
    shelve: Shelve,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        shelve(user, f"Title {number}")
    address = path_of(make(user))
    etag = site.get(address, secure=True)["ETag"]

    with django_assert_max_num_queries(2):  # the token, and what the document would say
        same = site.get(address, secure=True, headers={"If-None-Match": etag})
    head = site.head(address, secure=True)

    assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
    assert (head.status_code, head["ETag"]) == (200, etag)


@pytest.mark.parametrize("change", ["added", "removed", "renamed", "elsewhere"])
def test_what_changes_the_document_changes_its_etag(
    site: Client, user: User, shelve: Shelve, settings: Any, change: str
) -> None:
    cards = [shelve(user, "A"), shelve(user, "B")]
    address = path_of(make(user))
    etag = site.get(address, secure=True)["ETag"]
    host = "videos.example.org"
    if change == "added":
        shelve(user, "C")
    elif change == "removed":
        cards[0].delete()
    elif change == "renamed":
        Card.objects.filter(pk=cards[0].pk).update(title="Another")
    else:
        settings.ALLOWED_HOSTS = [host := "other.example.org"]

    headers = {"If-None-Match": etag, "Host": host}

    assert site.get(address, secure=True, headers=headers).status_code == 200


def test_the_newest_video_comes_first_and_old_ones_end_the_list(
    site: Client, user: User, shelve: Shelve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_pages, "MAX_EPISODES", 2)
    old = shelve(user, "Old", uploaded_at="2020-01-01T00:00:00Z")
    shelve(user, "Newest", uploaded_at="2022-01-01T00:00:00Z")
    shelve(user, "Middle", uploaded_at="2021-01-01T00:00:00Z")
    feed = make(user)

    shown = titles(site, feed)
    address = f"/feeds/{feed.token()}/{old.entry.correlation_id}/clip.mp4"

    assert shown == ["Newest", "Middle"]
    assert site.head(address, secure=True).status_code == 200  # an app may list it still


def test_a_feed_of_a_search_has_what_it_lets_through(
    site: Client, user: User, shelve: Shelve
) -> None:
    shelve(user, "A talk", uploader="Ada")
    other = shelve(user, "A song", uploader="Ada")
    shelve(user, "A talk too", uploader="Bea")
    feed = make(user, query=LibraryQuery(text="talk", uploader="Ada"))

    address = f"/feeds/{feed.token()}/{other.entry.correlation_id}/clip.mp4"

    assert (titles(site, feed), str(feed)) == (["A talk"], "talk · Ada")
    assert site.get(address, secure=True).status_code == 404


def test_a_feed_of_a_list_and_of_a_subscription(site: Client, user: User, shelve: Shelve) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1)).download
    Download.objects.filter(pk=listing.pk).update(title="A list")
    listed = shelve(user, "Of the list", listed_in=listing)
    shelve(user, "Of none")
    subscription = Subscription(owner=user, url="https://example.org/channel", name="A channel")
    subscription.store(options=DownloadOptions())
    SeenEntry.objects.create(
        subscription=subscription,
        media_id="1",
        download=listed.entry.download,
        seen_at=datetime.now(UTC),
    )
    SeenEntry.objects.create(subscription=subscription, media_id="2", seen_at=datetime.now(UTC))

    of_list = make(user, query=LibraryQuery(list=listing.correlation_id))
    of_subscription = make(user, subscription=subscription)

    assert (titles(site, of_list), str(of_list)) == (["Of the list"], "A list")
    assert (titles(site, of_subscription), str(of_subscription)) == (["Of the list"], "A channel")
    address = path_of(of_subscription)
    subscription.delete()
    assert site.get(address, secure=True).status_code == 404


def test_a_feed_has_what_its_owner_may_see(
    site: Client, user: User, staff: User, shelve: Shelve
) -> None:
    shelve(user, "Mine")
    theirs = shelve(None, "Of nobody")
    feed = make(user)

    assert titles(site, feed) == ["Mine"]
    assert sorted(map(str, titles(site, make(staff)))) == ["Mine", "Of nobody"]
    address = f"/feeds/{feed.token()}/{theirs.entry.correlation_id}"
    for name in ("clip.mp4", "../clip.mp4", "%00"):
        assert site.get(f"{address}/{name}", secure=True).status_code == 404
    for kind in (f"covers/{theirs.entry.correlation_id}.jpg", "chapters/nothing.json"):
        assert site.get(f"/feeds/{feed.token()}/{kind}", secure=True).status_code == 404


def test_only_what_an_episode_needs_is_served(site: Client, user: User, shelve: Shelve) -> None:
    info = {"name": "clip.info.json", "media_type": "application/json", "role": "info"}
    card = shelve(user, beside=[info])
    address = f"/feeds/{make(user).token()}/{card.entry.correlation_id}"

    assert site.get(f"{address}/clip.info.json", secure=True).status_code == 404
    assert site.head(f"{address}/clip.mp4", secure=True).status_code == 200


def test_what_was_removed_outside_is_gone(site: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user)
    feed = make(user)
    address = f"/feeds/{feed.token()}/{card.entry.correlation_id}/clip.mp4"
    Path(settings.VNSITE.media_root, card.entry.path, "clip.mp4").unlink()

    answer = site.get(address, secure=True)

    assert (answer.status_code, answer.content) == (404, b"This file was removed outside vnsite.")
    Card.objects.update(missing_at=datetime.now(UTC))  # as the worker's look says
    assert titles(site, feed) == []


@pytest.mark.parametrize("why", ["revoked", "not active", "another"])
def test_without_a_token_that_counts_there_is_nothing(
    site: Client, user: User, shelve: Shelve, why: str
) -> None:
    card = shelve(user)
    feed = make(user)
    token = feed.token()
    if why == "revoked":
        feed.delete()
    elif why == "not active":
        User.objects.update(is_active=False)
    else:
        token = token[::-1]
    entry = card.entry.correlation_id

    places = (".xml", f"/{entry}/clip.mp4", f"/covers/{entry}.jpg", f"/chapters/{entry}.json")
    for place in places:
        assert site.get(f"/feeds/{token}{place}", secure=True).status_code == 404


def test_the_database_alone_opens_no_feed(user: User, settings: Any) -> None:
    feed = make(user)
    token = feed.token()
    row = Feed.objects.values().get()

    assert len(token) == 32
    assert token not in str({**row, "sealed": bytes(row["sealed"])})
    settings.SECRET_KEY = "another"
    with pytest.raises(Unreadable):
        Feed.objects.get().token()
    assert Feed.objects.of_token(token) == feed


def test_a_title_with_what_xml_does_not_have_spoils_nothing(
    site: Client, user: User, shelve: Shelve
) -> None:
    shelve(user, "A \x08 \ufffe <b>&amp; talk</b>", uploader="]]>")

    assert titles(site, make(user)) == ["A   <b>&amp; talk</b>"]


def test_a_library_without_films_is_a_feed_without_episodes(
    site: Client, user: User, shelve: Shelve
) -> None:
    shelve(user)
    PublishedFile.objects.update(role="subtitles")

    assert titles(site, make(user)) == []


def test_a_user_has_so_many_feeds_and_no_more(user: User, staff: User) -> None:
    rows = [Feed(owner=user, digest=str(number), sealed=b"") for number in range(MAX_FEEDS)]
    Feed.objects.bulk_create(rows)

    with pytest.raises(TooManyFeeds):
        make(user)
    make(staff)
