"""`check_lifecycle` names what is wrong with subscriptions, and nothing that is right (I17)."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from downloads.diagnostics import invariants
from downloads.models import Download, Listing, add_entries
from downloads.rules.options import DownloadOptions
from downloads.subscriptions.models import ACTOR, Check, Subscription
from tests.helpers import following, lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


def found() -> list[str]:
    return [each.sentence for each in invariants.check() if each.invariant == "I17"]


@pytest.fixture
def subscription(user: User) -> Subscription:
    """One with two checks, of which the second found one more."""
    made = following.subscribe(user)
    following.check(made, lives.entry(1))
    following.check(made, lives.entry(2), lives.entry(1))
    return made


def test_what_is_right_is_no_breach(subscription: Subscription) -> None:
    assert found() == []

    following.begin(subscription)
    assert found() == []

    subscription.pause()
    assert found() == []


def test_a_check_that_the_row_does_not_know(subscription: Subscription) -> None:
    following.begin(subscription)
    Subscription.objects.update(is_checking=False, paused_at="2026-01-01T00:00Z")

    assert found() == [
        f"Subscription {subscription.pk} has one under way, and its row says otherwise."
    ]


def test_one_that_will_never_be_checked(subscription: Subscription) -> None:
    Subscription.objects.update(next_check_at=None)

    assert found() == [f"Subscription {subscription.pk} will never be checked again."]


def test_checks_that_overlap(subscription: Subscription) -> None:
    second = Check.objects.latest("pk")
    Check.objects.filter(pk=second.pk).update(begun_at=second.begun_at - timedelta(hours=1))

    assert found() == ["This check began while another was under way."]


@pytest.mark.parametrize(("actor", "number"), [(ACTOR, 1), ("user:ursula", 0)])
def test_an_entry_that_became_two_downloads(
    subscription: Subscription, actor: str, number: int
) -> None:
    listing = Listing.objects.latest("pk")
    lives.complete(Download.objects.get(url=lives.entry(1).url))
    again = listing.entries.filter(media_id="video-1")

    add_entries(listing, again, options=DownloadOptions(), actor=actor)

    assert len(found()) == number
