"""The search of the library finds what a look at each card finds, and reads few cards for it."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from downloads.library import catalogue, search
from downloads.library.models import Card
from downloads.models import Download
from downloads.models import search as of_rows
from downloads.web.library_list import ORDERS, LibraryQuery, Sort
from tests.library.conftest import Shelve
from tests.models.test_search import TITLES, WORDS

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def shelf(user: User, shelve: Shelve) -> list[Card]:
    """A card for each title; the words of each are the title, uploader or description of one."""
    thirds = [
        {"title": title} if number % 3 == 0 else {"uploader": title, "title": f"t{number}"}
        for number, title in enumerate(TITLES[:-1])
    ]
    cards = [shelve(user, **third) for third in thirds]
    cards.append(shelve(user, "last", about={"description": "\n".join(TITLES)}))
    return cards


def found(text: str) -> list[int]:
    return sorted(search.search(Card.objects.all(), text).values_list("pk", flat=True))


def by_looking(word: str) -> list[int]:
    texts = [(card.pk, f"{card.title}\n{card.uploader}\n{card.description}") for card in cards()]
    return [pk for pk, text in texts if word.lower() in text.lower()]


def cards() -> list[Card]:
    return list(Card.objects.order_by("pk"))


@pytest.mark.usefixtures("shelf")
@pytest.mark.parametrize("few", [0, of_rows.FEW])
def test_each_character_of_a_word_counts_as_it_stands(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)

    for word in WORDS:
        assert found(f'"{word}"') == by_looking(word), word


@pytest.mark.usefixtures("shelf")
def test_a_word_with_a_minus_before_it_is_text() -> None:
    assert found("-not") == by_looking("-not") != []


def test_the_index_follows_its_cards(user: User, shelve: Shelve) -> None:
    card = shelve(user, uploader="Adalovelace")
    assert found("adalovelace") == [card.pk]

    Download.objects.update(media={"uploader": "Babbage"})
    catalogue.make_anew()
    assert (found("adalovelace"), found("babbage")) == ([], [card.pk])

    card.entry.delete()
    assert found("babbage") == []


@pytest.mark.sqlite
@pytest.mark.usefixtures("shelf")
def test_the_index_is_whole_after_all_that_happened() -> None:
    Card.objects.first().entry.delete()  # type: ignore[union-attr]
    catalogue.make_anew()

    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO library_search (library_search, rank) VALUES ('integrity-check', 1)"
        )


@pytest.mark.sqlite
@pytest.mark.usefixtures("shelf")
def test_without_the_index_the_same_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "TABLE", "no_such_table")

    assert found("harbour") == by_looking("harbour") != []


def test_qualifiers_that_make_sense_here(user: User, shelve: Shelve) -> None:
    one = shelve(user, url="https://www.one.example/1")
    two = shelve(None, url="https://two.example/1")

    assert found("host:one.example") == [one.pk]
    assert found("-host:one.example") == [two.pk]
    assert found(f"owner:{user.username}") == [one.pk]
    assert found("after:1h") == [one.pk, two.pk]
    assert found("before:1h") == []


def test_one_that_makes_none_counts_for_nothing_and_says_so(user: User, shelve: Shelve) -> None:
    card = shelve(user)

    assert found("state:failed talk") == [card.pk]
    assert search.read("state:failed").faults == [
        "“state:” is not known here. It takes: host:, after:, before:, owner:."
    ]


@pytest.mark.sqlite
@pytest.mark.parametrize("sort", Sort)
@pytest.mark.parametrize("is_own", [True, False])
def test_every_order_walks_an_index(user: User, shelve: Shelve, sort: Sort, is_own: bool) -> None:
    rows = Card.objects.filter(owner=user) if is_own else Card.objects.all()
    shelve(user)

    sign = "-" if ORDERS[sort].falls else ""
    plan = rows.order_by(f"{sign}{ORDERS[sort].column}", f"{sign}entry_id")[:50].explain()

    assert "USE TEMP B-TREE" not in plan
    assert "USING INDEX card_" in plan


@pytest.mark.sqlite
def test_a_filter_that_lets_many_through_leaves_the_order_to_its_index(
    user: User, shelve: Shelve, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelve(user, uploader="Ada")
    monkeypatch.setattr(of_rows, "FEW", 0)

    rows = LibraryQuery(uploader="Ada").select(Card.objects.filter(owner=user), reader=user)
    plan = rows.order_by("-added_at", "-entry_id").explain()

    assert "card_own_added" in plan
    assert "USE TEMP B-TREE" not in plan
