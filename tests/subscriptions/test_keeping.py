"""What subscriptions let go of: by number, by age, and never what a rule does not name."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads.library import removal
from downloads.library.models import Card, Position, Removal, Step
from downloads.models import database_now
from downloads.rules.options import DownloadOptions
from downloads.subscriptions.keeping import Keeping, keep, let_go
from downloads.subscriptions.models import SeenEntry, Subscription
from downloads.worker.upkeep import Upkeep
from tests.helpers import following, lives
from tests.helpers.disks import mounted
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

Ages = dict[str, int]  # title → days since it was fetched, and since it was published on the site


def subscribe(
    owner: User, link: str = "https://example.org/feed", **columns: object
) -> Subscription:
    subscription = Subscription(owner=owner, url=link, **columns)
    subscription.store(options=DownloadOptions())
    return subscription


def fetched(
    subscription: Subscription, shelve: Shelve, title: str, *, days: int = 0, added: bool = True
) -> Card:
    """An entry that a check found, and added unless somebody had done that."""
    card = shelve(subscription.owner, title)
    then = timezone.now() - timedelta(days=days)
    Card.objects.filter(pk=card.pk).update(added_at=then, dated_at=then)
    SeenEntry.objects.create(
        subscription=subscription,
        extractor="site",
        media_id=title,
        download=card.entry.download,
        is_added=added,
        seen_at=then,
    )
    return card


def titles(subscription: Subscription) -> list[str]:
    """Those that leave, in their order."""
    keys = [card.pk for card in let_go(subscription, database_now())]
    found = Card.objects.in_bulk(keys)
    return [found[key].title for key in keys]


AGES: Ages = {"new": 0, "week": 7, "month": 30, "year": 365}


@pytest.mark.parametrize(
    ("rules", "leave"),
    [
        ({}, []),
        ({"keep_last": 4}, []),
        ({"keep_last": 3}, ["year"]),
        ({"keep_last": 1}, ["year", "month", "week"]),
        ({"keep_days": 366}, []),
        ({"keep_days": 29}, ["year", "month"]),
        ({"keep_days": 1}, ["year", "month", "week"]),
        ({"keep_last": 3, "keep_days": 29}, ["year", "month"]),
        ({"keep_last": 1, "keep_days": 300}, ["year", "month", "week"]),
    ],
)
def test_what_a_rule_lets_go_of(
    user: User, shelve: Shelve, rules: dict[str, int], leave: list[str]
) -> None:
    subscription = subscribe(user, **rules)
    for title, days in AGES.items():
        fetched(subscription, shelve, title, days=days)

    assert titles(subscription) == leave


def test_a_check_notes_what_it_added(user: User) -> None:
    subscription = following.subscribe(user, exclude="Video 2")

    following.check(subscription, lives.entry(1), lives.entry(2))

    noted = dict(subscription.seen.values_list("media_id", "is_added"))
    assert noted == {"video-1": True, "video-2": False}


def test_what_no_check_added_stays(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    fetched(subscription, shelve, "by hand", days=3, added=False)
    shelve(user, "of no list")

    assert titles(subscription) == []


def test_what_another_subscription_found_as_well_stays(user: User, shelve: Shelve) -> None:
    subscription, other = subscribe(user, keep_last=1), subscribe(user, "https://example.org/b")
    fetched(subscription, shelve, "new")
    old = fetched(subscription, shelve, "old", days=3)
    seen = {"download": old.entry.download, "seen_at": timezone.now()}
    SeenEntry.objects.create(subscription=other, extractor="site", media_id="old", **seen)

    assert titles(subscription) == []


def test_what_was_removed_from_the_folder_is_no_successor(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "old", days=3)
    missing = fetched(subscription, shelve, "missing")
    Card.objects.filter(pk=missing.pk).update(missing_at=timezone.now())

    assert titles(subscription) == []


def test_what_is_pinned_stays(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1, keep_days=1)
    fetched(subscription, shelve, "new")
    old = fetched(subscription, shelve, "old", days=3)
    Card.objects.filter(pk=old.pk).pin(pinned=True)

    assert titles(subscription) == []


@pytest.mark.parametrize(
    ("seconds", "days", "leaves"),
    [(30, 0, []), (30, 15, ["old"]), (0, 0, ["old"]), (99, 0, ["old"])],
)
def test_what_somebody_is_watching_stays(
    user: User, shelve: Shelve, seconds: int, days: int, leaves: list[str]
) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    old = fetched(subscription, shelve, "old", days=30)
    somebody = User.objects.create_user("somebody")
    Position.objects.keep(user=somebody, entry=old.pk, seconds=seconds, duration=100)
    Position.objects.update(updated_at=timezone.now() - timedelta(days=days))

    assert titles(subscription) == leaves


def test_what_leaves_is_in_the_trash_and_on_the_record(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1, name="Talks")
    new, old = fetched(subscription, shelve, "new"), fetched(subscription, shelve, "old", days=3)

    removed = keep(subscription)

    row = Removal.objects.get()
    assert removed.count == 1
    assert list(Card.objects.all()) == [new]
    assert (row.title, row.actor, row.owner, row.step) == (
        "old",
        "subscription:Talks",
        user,
        Step.REMOVED,
    )
    assert not Path(settings.VNSITE.media_root, old.entry.path).exists()


def test_what_somebody_had_back_is_not_taken_again(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    old = fetched(subscription, shelve, "old", days=3)
    keep(subscription)

    removal.restore(Removal.objects.get())

    film = Path(settings.VNSITE.media_root, old.entry.path, "clip.mp4")
    assert film.read_bytes() == b"video"
    assert titles(subscription) == []


def test_what_could_not_be_moved_is_taken_at_another_time(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    old = fetched(subscription, shelve, "old", days=3)

    # What is mounted cannot be moved.
    with mounted(Path(settings.VNSITE.media_root, old.entry.path), "size=1m"):
        removed = keep(subscription)

    assert (removed.count, removed.refused) == (0, ["old"])
    assert Card.objects.filter(pk=old.pk).exists()
    assert titles(subscription) == ["old"]
    assert keep(subscription).count == 1
    assert titles(subscription) == []


def test_the_record_names_the_subscription(user: User, client: Client, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1, name="Talks")
    fetched(subscription, shelve, "new")
    fetched(subscription, shelve, "old", days=3)
    keep(subscription)
    client.force_login(user)

    page = client.get("/library/removed/").content.decode()

    assert "the subscription “Talks”" in page


def test_a_paused_subscription_lets_go_of_nothing(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    fetched(subscription, shelve, "old", days=3)
    subscription.pause()

    Keeping().step()

    assert not Removal.objects.exists()


def test_a_worker_lets_go_beside_its_loop(user: User, shelve: Shelve) -> None:
    for number in (1, 2):
        subscription = subscribe(user, f"https://example.org/{number}", keep_last=1)
        fetched(subscription, shelve, f"new {number}")
        fetched(subscription, shelve, f"old {number}", days=3)

    Upkeep().step()

    assert sorted(Card.objects.values_list("title", flat=True)) == ["new 1", "new 2"]


def test_unsubscribing_ends_the_rules_and_keeps_the_files(user: User, shelve: Shelve) -> None:
    subscription = subscribe(user, keep_last=1)
    fetched(subscription, shelve, "new")
    fetched(subscription, shelve, "old", days=3)
    subscription.delete()

    Upkeep().step()

    assert Card.objects.count() == 2
