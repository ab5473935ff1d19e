"""What takes the room: by uploader, subscription and age; and what a subscription has fetched."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from downloads.library.models import Card, Feed
from downloads.subscriptions.models import SeenEntry, Subscription
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
Row = tuple[str, str, str]  # what it is of, how many, how large


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def subscribe(owner: User, name: str) -> Subscription:
    url = f"https://example.org/{name}"
    now = timezone.now()
    return Subscription.objects.create(
        owner=owner, name=name, url=url, fingerprint=name, created_at=now
    )


def see(subscription: Subscription, *cards: Card) -> None:
    for card in cards:
        SeenEntry.objects.create(
            subscription=subscription,
            media_id=card.entry.correlation_id,
            download=card.entry.download,
            is_added=True,
            seen_at=timezone.now(),
        )


def groups_on(client: Client, heading: str) -> dict[str, Row]:
    """The rows under a heading, by the addresses that they lead to."""
    page = client.get("/library/storage/").content.decode()
    if f">{heading}</h2>" not in page:
        return {}
    part = page[page.index(f">{heading}</h2>") :].partition("</section>")[0]
    row = r'<a class="title" href="/library/([^"]*)"[^>]*>([^<]*)</a>\s*<span[^>]*>([^<]*)</span>'
    found = re.findall(rf"{row} <span>([^<]*)</span>", part)
    return {address: (name, number, size) for address, name, number, size in found}


def titles_on(client: Client, address: str) -> list[str]:
    page = client.get(f"/library/{address.replace('&amp;', '&')}").content.decode()
    return re.findall(r'<a class="title"[^>]*>([^<]*)</a>', page)


def test_each_uploader_with_what_they_take(browser: Client, user: User, shelve: Shelve) -> None:
    shelve(user, "One", uploader="Ada")
    shelve(user, "Two", uploader="Grace")
    shelve(user, "Three", uploader="Grace")
    shelve(user, "Of nobody")
    shelve(None, "Foreign", uploader="Eve")

    assert list(groups_on(browser, "By uploader").values()) == [
        ("Grace", "2 entries", "10 B"),
        ("Ada", "1 entry", "5 B"),
    ]


def test_each_subscription_leads_to_what_it_fetched(
    browser: Client, user: User, staff: User, shelve: Shelve
) -> None:
    news, foreign = subscribe(user, "News"), subscribe(staff, "Foreign")
    one, two = shelve(user, "One"), shelve(user, "Two")
    shelve(user, "By hand")
    see(news, one, two)
    see(foreign, shelve(staff, "Of staff"))

    (address, row), *others = groups_on(browser, "By subscription").items()

    assert (row, others) == (("News", "2 entries", "10 B"), [])
    assert titles_on(browser, address) == ["Two", "One"]


def test_there_is_no_heading_without_a_subscription(
    browser: Client, user: User, shelve: Shelve
) -> None:
    shelve(user)

    assert groups_on(browser, "By subscription") == {}


def test_each_age_leads_to_its_entries_the_oldest_first(
    browser: Client, user: User, shelve: Shelve
) -> None:
    ages = {"new": 0, "a week": 6, "a month": 20, "a year": 300, "old": 400, "older": 4000}
    for title, days in ages.items():
        card = shelve(user, title)
        Card.objects.filter(pk=card.pk).update(added_at=timezone.now() - timedelta(days=days))

    found = groups_on(browser, "By age")

    assert [
        (name, number, titles_on(browser, address)) for address, (name, number, _) in found.items()
    ] == [
        ("The last 7 days", "2 entries", ["a week", "new"]),
        ("8 to 30 days", "1 entry", ["a month"]),
        ("31 days to a year", "1 entry", ["a year"]),
        ("More than a year", "2 entries", ["older", "old"]),
    ]


def test_it_asks_as_much_for_many_as_for_one(
    browser: Client,
    user: User,
    shelve: Shelve,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    see(subscribe(user, "first"), shelve(user, uploader="Ada"))
    with CaptureQueriesContext(connection) as first:
        browser.get("/library/storage/")
    for number in range(3):
        see(subscribe(user, f"{number}"), shelve(user, uploader=f"{number}"))

    with django_assert_num_queries(len(first)):
        browser.get("/library/storage/")


# The filter


def test_a_subscription_is_a_chip_and_searches_keep_it(
    browser: Client, user: User, shelve: Shelve
) -> None:
    news = subscribe(user, "News")
    see(news, shelve(user, "A talk"), shelve(user, "A film"))
    shelve(user, "A talk by hand")

    page = browser.get(f"/library/?subscription={news.pk}").content.decode()

    assert re.search(r'<a class="chip" href="/library/\?">.*News', page, re.DOTALL)
    assert f'<input type="hidden" name="subscription" value="{news.pk}">' in page
    assert titles_on(browser, f"?subscription={news.pk}&q=talk") == ["A talk"]


@pytest.mark.parametrize("number", ["0", "99999999", "9" * 40])
def test_of_a_subscription_that_is_not_there_nothing_is_shown(
    browser: Client, user: User, shelve: Shelve, number: str
) -> None:
    shelve(user)

    assert titles_on(browser, f"?subscription={number}") == ([] if len(number) < 20 else ["A talk"])


def test_a_foreign_subscription_tells_nothing(
    browser: Client, user: User, staff: User, shelve: Shelve
) -> None:
    foreign = subscribe(staff, "Secret")
    see(foreign, shelve(user))

    page = browser.get(f"/library/?subscription={foreign.pk}").content.decode()

    assert "Secret" not in page
    assert titles_on(browser, f"?subscription={foreign.pk}") == []


def test_the_api_has_the_filter(browser: Client, user: User, shelve: Shelve) -> None:
    news = subscribe(user, "News")
    card = shelve(user)
    see(news, card)
    shelve(user)

    found = browser.get("/api/v1/library", {"subscription": news.pk}).json()["items"]

    assert [each["id"] for each in found] == [card.pk]


def test_a_feed_of_such_a_page_is_one_of_the_subscription(
    browser: Client, user: User, shelve: Shelve
) -> None:
    news = subscribe(user, "News")
    see(news, shelve(user))

    browser.post("/feeds/make", {"subscription": news.pk, "q": "talk"})

    feed = Feed.objects.get()
    assert (feed.subscription, feed.filters) == (news, {"q": "talk"})
