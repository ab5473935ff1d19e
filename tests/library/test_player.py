"""The player: how far each user is, and what stands around the film."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads.library import catalogue, removal
from downloads.library.models import Card, Position, Removal, is_watched
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def keep(card: Card, user: User, seconds: float, duration: float = 0) -> Position:
    assert Position.objects.keep(user=user, entry=card.pk, seconds=seconds, duration=duration)
    return Position.objects.get(entry=card.pk, user=user)


def film_on(client: Client, card: Card) -> str:
    """The part of the page of the card's download that has the film."""
    page = client.get(f"/downloads/{card.entry.correlation_id}/").content.decode()
    return page[page.index('id="part-film"') : page.index('id="part-now"')]


def source_on(client: Client, card: Card) -> str:
    found = re.search(r'<(?:video|audio)[^>]* src="([^"]*)"', film_on(client, card))
    assert found
    return found[1]


@pytest.mark.parametrize(
    ("seconds", "duration", "is_all"),
    [
        (94, 100, True),  # less than half a minute is left
        (69, 100, False),
        (5699, 6000, False),
        (5700, 6000, True),  # 95 %
        (10, 20, True),
        (9, 20, False),  # of a short one its second half
        (0, 0, False),
        (500, 0, False),  # nobody knows how long it is
        (0, 10, False),
    ],
)
def test_what_counts_as_watched(seconds: float, duration: float, is_all: bool) -> None:
    assert is_watched(seconds, duration=duration) is is_all


def test_the_film_goes_on_where_its_user_was(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)
    begins = source_on(browser, card)

    keep(card, user, 83.7)

    assert "#" not in begins
    assert source_on(browser, card) == f"{begins}#t=83"


def test_what_was_watched_begins_again(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)

    keep(card, user, 590)

    assert "#" not in source_on(browser, card)


def test_everybody_is_where_they_are(
    client: Client, user: User, staff: User, shelve: Shelve
) -> None:
    card = shelve(user, duration=600)

    keep(card, user, 83)
    keep(card, staff, 200)

    for who, seconds in ((user, 83), (staff, 200)):
        client.force_login(who)
        assert source_on(client, card).endswith(f"#t={seconds}")


def test_the_newest_position_wins(user: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)
    first = keep(card, user, 590)
    Position.objects.update(updated_at=timezone.now() - timedelta(hours=1))

    last = keep(card, user, 20)

    assert (last.pk, last.seconds, last.is_watched) == (first.pk, 20, False)
    assert timezone.now() - last.updated_at < timedelta(minutes=1)


def test_a_duration_that_the_site_did_not_say_is_that_of_the_player(
    user: User, shelve: Shelve
) -> None:
    unknown, known = shelve(user), shelve(user, duration=600)

    assert keep(unknown, user, 50, 100.4).percent == 50
    assert keep(unknown, user, 99, 100.4).is_watched
    assert keep(known, user, 60, 100).percent == 10


def test_an_entry_that_is_gone_gets_no_position(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    removal.remove([card], actor="test")

    assert not Position.objects.keep(user=user, entry=card.pk, seconds=5)
    assert not Position.objects.exists()


def test_an_undo_brings_positions_back(user: User, staff: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)
    keep(card, user, 83)
    keep(card, staff, 590)
    before = list(Position.objects.order_by("pk").values())

    removal.remove([card], actor="test")
    assert not Position.objects.exists()
    removal.restore(Removal.objects.get())

    assert list(Position.objects.order_by("pk").values()) == before


def test_an_undo_leaves_out_the_position_of_a_user_who_is_gone(
    user: User, staff: User, shelve: Shelve
) -> None:
    card = shelve(user)
    keep(card, user, 83)
    keep(card, staff, 90)

    removal.remove([card], actor="test")
    staff.delete()
    removal.restore(Removal.objects.get())

    assert [position.user for position in Position.objects.all()] == [user]


def test_positions_go_with_their_user(user: User, staff: User, shelve: Shelve) -> None:
    card = shelve(user)
    keep(card, staff, 90)

    staff.delete()

    assert not Position.objects.exists()


def test_a_catalogue_that_is_made_anew_keeps_positions(user: User, shelve: Shelve) -> None:
    position = keep(shelve(user, duration=600), user, 83)

    catalogue.make_anew()

    assert Position.objects.get() == position
