"""Pins: what no rule may take."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.library import catalogue, removal
from downloads.library.models import Card, Removal
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def is_pinned(card: Card) -> bool:
    return Card.objects.get(pk=card.pk).pinned_at is not None


def test_what_is_selected_is_pinned_and_unpinned(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card, other = shelve(user), shelve(user)

    page = browser.post("/library/pin", {"ids": card.pk, "pinned": "1"}, follow=True)
    assert "1 entry is pinned" in page.content.decode()
    assert (is_pinned(card), is_pinned(other)) == (True, False)
    shown = browser.get("/library/?pinned=1").content.decode()
    assert (f'value="{card.pk}"' in shown, f'value="{other.pk}"' in shown) == (True, False)

    page = browser.post("/library/pin", {"ids": card.pk, "pinned": "0"}, follow=True)
    assert "1 entry is not pinned any more" in page.content.decode()
    assert not is_pinned(card)


def test_nobody_pins_the_entries_of_others(browser: Client, shelve: Shelve) -> None:
    card = shelve(User.objects.create_user("somebody"))

    browser.post("/library/pin", {"ids": card.pk, "pinned": "1"})

    assert not is_pinned(card)


def test_a_pin_outlasts_a_new_catalogue_and_a_removal(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    Card.objects.all().pin(pinned=True)

    catalogue.make_anew()
    assert is_pinned(card)

    removal.remove([card], actor="user:ursula")
    removal.restore(Removal.objects.get())
    assert is_pinned(card)
