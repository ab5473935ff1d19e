"""The page of podcast feeds, and the buttons that make one."""

import re
from html import unescape

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.library.models import MAX_FEEDS, Feed
from downloads.rules.options import DownloadOptions
from downloads.subscriptions.models import Subscription
from tests.helpers import lives
from tests.library.conftest import Shelve, shelve

__all__ = ["shelve"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def page_of(browser: Client, address: str = "/feeds/") -> str:
    response = browser.get(address)
    assert response.status_code == 200
    return response.content.decode()


def addresses(page: str) -> list[str]:
    return re.findall(r'<code id="address-\d+">([^<]*)</code>', page)


def press(browser: Client, page: str) -> str:
    """Press “Podcast feed” as a browser without scripts does; return the page behind it."""
    found = re.search(r'<form [^>]*action="/feeds/make">.*?</form>', page, re.DOTALL)
    assert found
    fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[0])
    sent = {name: unescape(value) for name, value in fields}
    response = browser.post("/feeds/make", sent)
    assert response.status_code == 302
    assert response["Location"] == f"/feeds/#feed-{Feed.objects.latest('pk').pk}"
    return page_of(browser)


def test_the_search_that_is_shown_becomes_a_feed_which_is_revoked(
    browser: Client, user: User, shelve: Shelve
) -> None:
    shelve(user, "A <talk>", uploader="Ada & Bea")
    shelve(user, "A song", uploader="Ada & Bea")

    page = press(browser, page_of(browser, "/library/?q=talk&uploader=Ada+%26+Bea"))
    (address,) = addresses(page)
    feed = Client().get(address).content.decode()

    assert "talk · Ada &amp; Bea" in page
    assert "<title>A &lt;talk&gt;</title>" in feed
    assert "A song" not in feed

    revoked = browser.post(f"/feeds/{Feed.objects.get().pk}/revoke", follow=True).content.decode()

    assert "Revoked: talk · Ada &amp; Bea" in revoked
    assert addresses(revoked) == []
    assert Client().get(address).status_code == 404


def test_the_same_search_has_one_feed(browser: Client) -> None:
    first = press(browser, page_of(browser, "/library/?q=talk"))
    second = press(browser, page_of(browser, "/library/?sort=title&q=talk"))
    other = press(browser, page_of(browser, "/library/"))

    assert addresses(first) == addresses(second)
    assert len(addresses(other)) == 2
    assert "The whole library" in other


def test_a_subscription_and_a_list_have_a_button(browser: Client, user: User) -> None:
    subscription = Subscription(owner=user, url="https://example.org/channel", name="A channel")
    subscription.store(options=DownloadOptions())
    listing = lives.list_up(lives.submit(user), lives.entry(1)).download

    press(browser, page_of(browser, f"/subscriptions/{subscription.pk}/"))
    page = page_of(browser, f"/downloads/{listing.correlation_id}/")
    assert f'formaction="/feeds/make" name="list" value="{listing.correlation_id}"' in page
    browser.post("/feeds/make", {"list": listing.correlation_id, "next": "/"})

    of_list, of_subscription = Feed.objects.all()
    assert of_list.filters == {"list": listing.correlation_id}
    assert of_subscription.subscription == subscription
    assert page_of(browser).count('class="preset feed"') == 2


@pytest.mark.parametrize("wish", [{"list": "nothing"}, {"subscription": "1"}])
def test_of_what_is_not_ones_own_there_is_none(
    browser: Client, staff: User, wish: dict[str, str]
) -> None:
    theirs = Subscription(owner=staff, url="https://example.org/channel")
    theirs.store(options=DownloadOptions())
    wish = {"subscription": str(theirs.pk)} if "subscription" in wish else wish

    assert browser.post("/feeds/make", wish).status_code == 404
    assert Feed.objects.count() == 0


@pytest.mark.parametrize("number", ["x", "٣", "9" * 40])
def test_a_number_that_somebody_made_up_is_no_fault(browser: Client, number: str) -> None:
    assert browser.post("/feeds/make", {"subscription": number}).status_code == 404


def test_feeds_of_others_are_neither_shown_nor_revoked(browser: Client, staff: User) -> None:
    theirs = Feed.objects.make(staff, title="Theirs")

    assert "Theirs" not in page_of(browser)
    assert "No feed yet." in page_of(browser)
    assert browser.post(f"/feeds/{theirs.pk}/revoke").status_code == 404
    assert Feed.objects.get() == theirs


def test_one_too_many_is_refused_with_a_sentence(browser: Client, user: User) -> None:
    rows = [Feed(owner=user, digest=str(number), sealed=b"") for number in range(MAX_FEEDS)]
    Feed.objects.bulk_create(rows)

    page = browser.post("/feeds/make", {"q": "talk"}, follow=True).content.decode()

    assert "You have 200 feeds. Revoke one first." in page
    # As after a change of the secret key, for none of them can be read.
    assert "The secret key of the site has changed" in page
