"""The wish to have a film remuxed for browsers: what the page, the API and the rows say."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from downloads.actions import NotAllowed
from downloads.library.models import Card
from downloads.library.remuxing import remux, remuxed
from downloads.models import Download, user_actor
from downloads.rules.states import State
from tests.helpers import lives
from tests.library.conftest import Shelve
from tests.models.test_fairness import configured

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
STREAMS = {"video_codec": "h264", "audio_codec": "aac"}


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


@pytest.fixture
def card(shelve: Shelve, user: User) -> Card:
    """A film that no browser has to play."""
    return shelve(user, "A talk", name="clip.mkv", container="mkv", duration=60, **STREAMS)


def download_of(card: Card) -> Download:
    found = card.entry.download
    assert found
    return found


def address_of(card: Card) -> str:
    return f"/downloads/{card.entry.correlation_id}/"


def film_on(client: Client, card: Card) -> str:
    page = client.get(address_of(card)).content.decode()
    return page[page.index('id="part-film"') : page.index('id="part-now"')]


def test_the_button_leads_to_the_download_that_does_it(browser: Client, card: Card) -> None:
    assert f'formaction="{address_of(card)}remux"' in film_on(browser, card)

    answer = browser.post(f"{address_of(card)}remux")

    made = Download.objects.get(remux_of=card.entry.correlation_id)
    assert answer["Location"] == f"/downloads/{made.correlation_id}/"
    assert (made.state, made.options["container"]) == (State.CREATED, "mp4")
    assert (made.title, made.media) == ("A talk", {"duration": 60, **STREAMS})
    film = film_on(browser, card)
    assert "formaction" not in film
    assert f'href="/downloads/{made.correlation_id}/"' in film
    assert "Remuxed: MP4" in film


def test_asking_twice_is_asking_once(card: Card, user: User) -> None:
    first = remux(download_of(card), actor=user_actor(user))
    second = remux(download_of(card), actor=user_actor(user))

    assert (first.created, second.created) == (True, False)
    assert first.download == second.download


@pytest.mark.sqlite
def test_looking_for_it_does_not_grow_with_all_downloads(card: Card) -> None:
    with CaptureQueriesContext(connection) as made:
        remuxed(download_of(card))

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {made.captured_queries[-1]['sql']}")
        first, *_ = cursor.fetchall()
    assert "USING INDEX download_by_remux_of" in first[3]


def test_one_whose_files_left_the_library_can_be_made_again(card: Card, user: User) -> None:
    first = remux(download_of(card), actor=user_actor(user)).download
    lives.complete(first, name="clip.mp4")

    assert remux(download_of(card), actor=user_actor(user)).download == first

    first.entry.delete()
    assert remux(download_of(card), actor=user_actor(user)).created


def test_it_is_the_owners_though_staff_asked(client: Client, card: Card, staff: User) -> None:
    client.force_login(staff)

    client.post(f"{address_of(card)}remux")

    made = Download.objects.get(remux_of=card.entry.correlation_id)
    assert made.owner == card.owner
    assert made.transitions.get().actor == user_actor(staff)


def test_a_film_that_browsers_play_has_no_button(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user, name="clip.mp4", container="mp4", **STREAMS)

    assert "remux" not in film_on(browser, card)
    assert browser.post(f"{address_of(card)}remux").status_code == 409
    with pytest.raises(NotAllowed, match="no film that could be remuxed"):
        remux(download_of(card), actor=user_actor(user))


def test_a_film_that_was_removed_is_refused(card: Card, user: User) -> None:
    (file,) = download_of(card).files
    (settings.VNSITE.media_root / card.entry.path / file.name).unlink()

    with pytest.raises(NotAllowed, match="not in the library any more"):
        remux(download_of(card), actor=user_actor(user))
    assert not Download.objects.exclude(remux_of=None).exists()


def test_who_has_too_many_waiting_is_refused(card: Card, user: User) -> None:
    lives.submit(user)

    with configured(user_waiting=1), pytest.raises(NotAllowed, match="has 1 download queued"):
        remux(download_of(card), actor=user_actor(user))
