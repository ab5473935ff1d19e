"""How far everybody is: on cards, as a filter, and marked by hand."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from downloads.library import removal, search
from downloads.library.models import Card, Position, Watched
from downloads.models import search as of_rows
from downloads.web.library_list import LibraryQuery, page_of
from tests.library.conftest import Shelve
from tests.library.test_page import shown

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many rows count as few."""
    monkeypatch.setattr(search, "FEW", request.param)
    monkeypatch.setattr(of_rows, "FEW", request.param)


both_ways = pytest.mark.parametrize("few", [0, of_rows.FEW], indirect=True)


def keep(card: Card, user: User, seconds: float) -> None:
    assert Position.objects.keep(user=user, entry=card.pk, seconds=seconds)


def shelve_three(user: User, shelve: Shelve) -> list[Card]:
    """One that the user has not begun, one that they have, one that they have watched."""
    cards = [shelve(user, title, duration=600) for title in ("new", "begun", "watched")]
    keep(cards[1], user, 83)
    keep(cards[2], user, 590)
    return cards


def percents(page: str) -> list[str]:
    return re.findall(r'<progress max="100" value="(\d+)"', page)


def position(user: User, card: Card) -> Position | None:
    return Position.objects.filter(user=user, entry=card.pk).first()


@both_ways
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("watched", "titles"),
    [
        ("unwatched", ["begun", "new"]),
        ("begun", ["begun"]),
        ("watched", ["watched"]),
        ("", ["watched", "begun", "new"]),
        ("nonsense", ["watched", "begun", "new"]),
    ],
)
def test_the_page_is_narrowed_by_how_far_its_reader_is(
    browser: Client, user: User, shelve: Shelve, watched: str, titles: list[str]
) -> None:
    shelve_three(user, shelve)

    assert shown(browser, f"?watched={watched}") == titles


@both_ways
@pytest.mark.usefixtures("few")
def test_everybody_has_watched_what_they_have_watched(
    client: Client, user: User, staff: User, shelve: Shelve
) -> None:
    cards = shelve_three(user, shelve)
    keep(cards[0], staff, 590)
    client.force_login(staff)

    assert shown(client, "?watched=watched") == ["new"]
    assert shown(client, "?watched=unwatched") == ["watched", "begun"]


@both_ways
@pytest.mark.usefixtures("few")
def test_it_is_narrowed_further_by_other_filters_and_by_words(
    browser: Client, user: User, shelve: Shelve
) -> None:
    for number in range(4):
        card = shelve(user, f"Talk {number}", uploader="Ada" if number % 2 else "Bea", duration=600)
        if number > 1:
            keep(card, user, 590)

    assert shown(browser, "?watched=watched&uploader=Ada") == ["Talk 3"]
    assert shown(browser, "?watched=unwatched&q=talk 1") == ["Talk 1"]


def test_an_entry_that_was_only_opened_is_not_begun(
    browser: Client, user: User, shelve: Shelve
) -> None:
    keep(shelve(user, duration=600), user, 0)

    assert shown(browser, "?watched=begun") == []
    assert shown(browser, "?watched=unwatched") == ["A talk"]


@both_ways
@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("watched", [Watched.UNWATCHED, Watched.WATCHED])
def test_pages_follow_each_other(user: User, shelve: Shelve, watched: Watched) -> None:
    for number in range(10):
        card = shelve(user, f"Talk {number}", duration=600)
        if number % 2:
            keep(card, user, 590)

    found, query = [], LibraryQuery(watched=watched, count=2)
    for _ in range(3):
        page = page_of(Card.objects.all(), query, reader=user)
        found.append([card.title for card in page.cards])
        query = page.next or query

    last = 9 if watched is Watched.WATCHED else 8
    numbers = [[last, last - 2], [last - 4, last - 6], [last - 8]]
    assert found == [[f"Talk {number}" for number in each] for each in numbers]
    assert page.next is None
    assert page.previous


@pytest.mark.sqlite
@pytest.mark.parametrize("watched", Watched)
def test_among_many_the_order_is_left_to_its_index(
    user: User, shelve: Shelve, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve_three(user, shelve)
    monkeypatch.setattr(search, "FEW", 0)
    monkeypatch.setattr(of_rows, "FEW", 0)

    query = LibraryQuery(watched=watched)
    rows = query.select(Card.objects.filter(owner=user), reader=user)
    plan = rows.order_by("-added_at", "-entry_id").explain()

    assert "card_own_added" in plan
    assert "(entry_id=? AND user_id=?)" in plan
    assert "USE TEMP B-TREE" not in plan


@pytest.mark.parametrize("look", ["grid", "list"])
def test_a_card_says_how_far_its_reader_is(
    browser: Client, user: User, shelve: Shelve, look: str
) -> None:
    shelve_three(user, shelve)

    page = browser.get(f"/library/?view={look}").content.decode()

    of_cards = page[page.index('class="title-card"') : page.index('class="card-actions"')]
    assert percents(of_cards) == ["14"]
    assert len(re.findall(r"</svg> Watched</p>", of_cards)) == 1


def test_a_second_of_a_long_film_can_be_seen(browser: Client, user: User, shelve: Shelve) -> None:
    keep(shelve(user, duration=6000), user, 1)

    assert percents(browser.get("/library/").content.decode()) == ["1"]


def test_what_was_begun_without_a_known_length_has_no_bar(
    browser: Client, user: User, shelve: Shelve
) -> None:
    keep(shelve(user), user, 83)

    page = browser.get("/library/").content.decode()

    assert percents(page) == []
    assert '<p class="muted">Begun</p>' in page


def test_the_storage_page_says_it_as_well(browser: Client, user: User, shelve: Shelve) -> None:
    shelve_three(user, shelve)

    assert percents(browser.get("/library/storage/").content.decode()) == ["14", "14"]


def test_what_is_selected_is_marked_and_unmarked(
    browser: Client, user: User, staff: User, shelve: Shelve
) -> None:
    cards = shelve_three(user, shelve)
    keep(cards[0], staff, 20)
    selected = {"ids": [card.pk for card in cards]}

    page = browser.post("/library/watched", {**selected, "watched": "1"}, follow=True)
    assert "2 entries are marked as watched." in page.content.decode()
    assert len(shown(browser, "?watched=watched")) == 3

    page = browser.post("/library/watched", {"ids": cards[1].pk, "watched": "0"}, follow=True)
    assert "1 entry is marked as not watched." in page.content.decode()
    assert shown(browser, "?watched=unwatched") == ["begun"]
    assert position(user, cards[1]) is None
    theirs = position(staff, cards[0])
    assert theirs
    assert theirs.seconds == 20


def test_what_was_marked_begins_at_its_beginning(user: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)
    keep(card, user, 83)

    Position.objects.mark(user=user, entries=[card.pk], watched=True)

    marked = position(user, card)
    assert marked
    assert (marked.seconds, marked.percent, marked.resume_seconds) == (600, 100, 0)


def test_nobody_marks_the_entries_of_others(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(User.objects.create_user("somebody"))

    browser.post("/library/watched", {"ids": card.pk, "watched": "1"})

    assert not Position.objects.exists()


def test_what_is_gone_is_not_marked(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    removal.remove([card], actor="test")

    assert Position.objects.mark(user=user, entries=[card.pk], watched=True) == 0
    assert not Position.objects.exists()


def test_a_feed_is_offered_of_what_it_can_have(browser: Client, user: User, shelve: Shelve) -> None:
    shelve(user)

    assert "Podcast feed</button>" in browser.get("/library/?kind=video").content.decode()
    assert "Podcast feed</button>" not in browser.get("/library/?watched=begun").content.decode()


def test_it_asks_as_much_for_many_as_for_one(
    browser: Client,
    user: User,
    shelve: Shelve,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    shelve_three(user, shelve)

    with django_assert_max_num_queries(8):
        browser.get("/library/")
    with django_assert_max_num_queries(10):
        assert len(shown(browser, "?watched=unwatched")) == 2
