"""The page of the library: whose entries, in which order, and what narrows it."""

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from downloads.library import catalogue
from downloads.library.models import Card
from downloads.models import PublishedFile
from downloads.web.library_list import LibraryQuery, Sort, page_of
from tests.helpers import lives
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def shown(client: Client, query: str = "") -> list[str]:
    """The titles on a page, in their order."""
    page = client.get(f"/library/{query}").content.decode()
    return re.findall(r'<a class="title"[^>]*>([^<]*)</a>', page)


def test_everybody_sees_their_own_and_staff_all(
    client: Client, user: User, staff: User, shelve: Shelve
) -> None:
    shelve(user, "Mine")
    shelve(None, "Of nobody")

    client.force_login(user)
    own = shown(client)
    client.force_login(staff)

    assert own == ["Mine"]
    assert shown(client) == ["Of nobody", "Mine"]


def test_an_entry_says_what_it_is_and_leads_to_its_player(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user, "A talk", uploader="Ada", duration=187, height=1080, width=1920)

    page = browser.get("/library/").content.decode()

    assert card.entry.download
    assert f'href="/downloads/{card.entry.download.correlation_id}/"' in page
    for fact in ("3:07", "Ada", "example.org", "1080p", "5 B"):
        assert fact in page
    assert "Removed outside vnsite" not in page


def test_an_entry_whose_download_was_deleted_leads_to_its_file(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user)
    assert card.entry.download
    card.entry.download.forget()

    page = browser.get("/library/").content.decode()

    assert f'href="/media/{card.entry.correlation_id}/clip.mp4"' in page


def test_a_picture_of_the_library_is_the_poster_when_the_row_has_none(
    browser: Client, user: User, shelve: Shelve
) -> None:
    picture = {"name": "clip.jpg", "media_type": "image/jpeg", "role": "thumbnail"}
    card = shelve(user, beside=[picture])

    page = browser.get("/library/").content.decode()

    assert f'<img src="/media/{card.entry.correlation_id}/clip.jpg"' in page


def test_what_was_removed_outside_is_said(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user)
    (settings.VNSITE.media_root / card.entry.path / "clip.mp4").unlink()

    assert "Removed outside vnsite" in browser.get("/library/").content.decode()


@pytest.mark.parametrize(
    ("sort", "titles"),
    [
        ("added", ["c", "B", "a"]),
        ("oldest", ["a", "B", "c"]),
        ("date", ["B", "c", "a"]),
        ("title", ["a", "B", "c"]),
        ("length", ["a", "c", "B"]),
        ("size", ["c", "a", "B"]),
        ("nonsense", ["c", "B", "a"]),
    ],
)
def test_the_orders(
    browser: Client, user: User, shelve: Shelve, sort: str, titles: list[str]
) -> None:
    shelve(user, "a", duration=300, uploaded_at="2020-01-01T00:00:00Z", beside=[subtitles(10)])
    shelve(user, "B", duration=10, uploaded_at="2022-01-01T00:00:00Z")
    shelve(user, "c", duration=200, uploaded_at="2021-01-01T00:00:00Z", beside=[subtitles(20)])

    assert shown(browser, f"?sort={sort}") == titles


def subtitles(size: int) -> dict[str, object]:
    columns = {"name": "clip.en.vtt", "media_type": "text/vtt", "role": "subtitles"}
    return {**columns, "language": "en", "size": size}


@pytest.mark.parametrize("sort", Sort)
def test_pages_follow_each_other_in_every_order(user: User, shelve: Shelve, sort: Sort) -> None:
    for number in range(7):
        shelve(user, f"Title {number % 3}", duration=number % 2)
    everything = LibraryQuery(sort=sort, count=100)
    titles = [card.pk for card in page_of(Card.objects.all(), everything, reader=user).cards]

    forwards: list[list[int]] = []
    query: LibraryQuery | None = LibraryQuery(sort=sort, count=3)
    last = query
    while query:
        page = page_of(Card.objects.all(), query, reader=user)
        forwards.append([card.pk for card in page.cards])
        last, query = query, page.next
    back = page_of(Card.objects.all(), last, reader=user).previous
    assert back
    before = page_of(Card.objects.all(), back, reader=user)

    assert [pk for each in forwards for pk in each] == titles
    assert [card.pk for card in before.cards] == forwards[-2]
    assert before.next
    assert page_of(Card.objects.all(), before.next, reader=user).cards[0].pk == forwards[-1][0]


@pytest.mark.parametrize("key", ["x", "~", "1~", "~1", f"{10**30}~1", "1~99999999999999999999999"])
@pytest.mark.parametrize("sort", Sort)
def test_a_key_that_somebody_made_up_is_no_fault(
    browser: Client, user: User, shelve: Shelve, sort: str, key: str
) -> None:
    shelve(user)

    assert browser.get("/library/", {"sort": sort, "after": key}).status_code == 200


def test_filters_narrow_the_page_and_can_be_taken_away(
    browser: Client, user: User, shelve: Shelve
) -> None:
    shelve(user, "By Ada", uploader="Ada", url="https://one.example/1")
    shelve(user, "By Bea", uploader="Bea", url="https://two.example/1")

    assert shown(browser, "?uploader=Ada") == ["By Ada"]
    assert shown(browser, "?site=two.example") == ["By Bea"]
    PublishedFile.objects.filter(entry__card__uploader="Bea").update(role="audio")
    catalogue.make_anew()
    assert shown(browser, "?kind=sound") == ["By Bea"]
    assert shown(browser, "?kind=video&uploader=Bea") == []
    page = browser.get("/library/?uploader=Ada&sort=title").content.decode()
    assert '<a class="chip" href="/library/?sort=title">' in page


def test_the_entries_of_one_list(browser: Client, user: User, shelve: Shelve) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1)).download
    shelve(user, "Of the list", listed_in=listing)
    shelve(user, "Of none")

    assert shown(browser, f"?list={listing.correlation_id}") == ["Of the list"]


def test_an_empty_library_says_how_to_fill_it(browser: Client, user: User) -> None:
    page = browser.get("/library/").content.decode()

    assert "The library is empty" in page
    assert 'href="/"' in page


def test_a_search_that_finds_nothing_leads_back(
    browser: Client, user: User, shelve: Shelve
) -> None:
    shelve(user)

    page = browser.get("/library/?q=absent").content.decode()

    assert "Nothing in the library matches." in page
    assert 'href="/library/">Clear filters' in page


def test_the_page_asks_as_much_for_many_as_for_one(
    browser: Client,
    user: User,
    shelve: Shelve,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        shelve(user, f"Title {number}")

    with django_assert_max_num_queries(8):
        assert len(shown(browser)) == 5


def test_what_a_site_says_is_no_markup(browser: Client, user: User, shelve: Shelve) -> None:
    shelve(user, "<script>alert(1)</script>", uploader='"><img src=x onerror=alert(1)>')

    page = browser.get("/library/").content.decode()

    assert "<script>alert" not in page
    assert "<img src=x" not in page
