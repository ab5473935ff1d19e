"""The player: how far each user is, and what stands around the film."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads.library import catalogue, removal
from downloads.library.models import Card, Position, Removal, is_watched
from downloads.models import Entry, PublishedFile
from tests.helpers import lives
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


CHAPTERS = [{"start_time": 0, "title": "Intro"}, {"start_time": 30.5, "title": "<End>"}]


def test_chapters_are_a_list_of_links_and_marks(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user, about={"chapters": CHAPTERS}, duration=61)

    page = film_on(browser, card)
    media = f"/media/{card.entry.correlation_id}/clip.mp4"

    assert re.findall(r'<a href="([^"]*)" data-seconds="([^"]*)"', page) == [
        (f"{media}#t=0", "0.0"),
        (f"{media}#t=30.500", "30.5"),
    ]
    assert "&lt;End&gt;" in page
    assert re.findall(r'<rect x="([^"]*)"', page) == ["0.00%", "50.00%"]


def test_without_a_duration_chapters_have_no_marks(
    browser: Client, user: User, shelve: Shelve
) -> None:
    page = film_on(browser, shelve(user, about={"chapters": CHAPTERS}))

    assert page.count("data-seconds") == 2
    assert "<rect" not in page


def test_captions_are_tracks_of_the_film(browser: Client, user: User, shelve: Shelve) -> None:
    vtt = {"name": "clip.de.vtt", "media_type": "text/vtt", "role": "subtitles", "language": "de"}
    card = shelve(user, beside=[vtt])

    page = film_on(browser, card)

    address = f"/media/{card.entry.correlation_id}/clip.de.vtt"
    assert f'<track kind="subtitles" src="{address}" srclang="de" label="de">' in page


def test_next_and_previous_are_those_of_its_list_that_have_files(
    browser: Client, user: User, shelve: Shelve
) -> None:
    entries = [lives.entry(number) for number in range(1, 6)]
    listing = lives.list_up(lives.submit(user), *entries)
    cards = {
        number: shelve(user, f"Part {number}", listed_in=listing.download) for number in (1, 3, 5)
    }
    for number, card in cards.items():
        Entry.objects.filter(position=number).update(download=card.entry.download)
    Entry.objects.filter(position=2).update(download=lives.fail(lives.submit(user)))

    ways = {
        number: re.findall(
            r'rel="(prev|next)" href="([^"]*)" title="([^"]*)"', film_on(browser, card)
        )
        for number, card in cards.items()
    }

    address = {number: f"/downloads/{card.entry.correlation_id}/" for number, card in cards.items()}
    assert ways == {
        1: [("next", address[3], "Part 3")],
        3: [("prev", address[1], "Part 1"), ("next", address[5], "Part 5")],
        5: [("prev", address[3], "Part 3")],
    }


def test_a_film_of_no_list_has_no_neighbours(browser: Client, user: User, shelve: Shelve) -> None:
    assert not re.search(r'rel="(prev|next)"', film_on(browser, shelve(user)))


def test_a_browser_is_asked_for_the_codecs_that_are_known(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user, video_codec="hevc", audio_codec="wavpack")

    page = film_on(browser, card)

    assert 'data-types="video/mp4; codecs=&quot;hvc1.1.6.L120.90&quot;"' in page
    assert "(hevc, wavpack)" in page
    assert re.search(r'id="unplayable" hidden>', page)


def test_sound_has_the_same_player(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user, duration=600)
    PublishedFile.objects.update(role="audio", media_type="audio/mp4")
    keep(card, user, 83)

    assert "<audio controls" in film_on(browser, card)
    assert source_on(browser, card).endswith("#t=83")
