"""Lets go of what subscriptions keep no longer: all but the newest, or what is too old.

A person set the rule. It takes only what the checks of its subscription added, and what leaves goes
the way of every removal: into the trash for a day, with a record that names the subscription.
"""

import logging
from datetime import datetime, timedelta

from downloads.library import removal
from downloads.library.models import Card, Position, Removal, Step
from downloads.models import database_now
from downloads.subscriptions.models import ACTOR, SeenEntry, Subscription

logger = logging.getLogger(__name__)

SUBSCRIPTIONS = 50  # of one step
CARDS = 100  # that leave in one step of one subscription
MAX_ACTOR_LENGTH = 200
WATCHING = timedelta(days=14)  # somebody who began is still watching


class Keeping:
    """One round after the other through the subscriptions with rules, some of them at each step."""

    def __init__(self) -> None:
        self._last = 0  # the subscription that was looked at last; 0: a round begins

    def step(self) -> None:
        """Remove what some subscriptions let go of. One statement when there are no rules."""
        rows = Subscription.objects.with_rules().filter(pk__gt=self._last).order_by("pk")
        some = list(rows[:SUBSCRIPTIONS])
        for subscription in some:
            keep(subscription)
        self._last = some[-1].pk if len(some) == SUBSCRIPTIONS else 0


def keep(subscription: Subscription) -> removal.Removed:
    """Remove the first of what the rules of a subscription let go of now."""
    cards = let_go(subscription, database_now())[:CARDS]
    removed = removal.remove(cards, actor=f"{ACTOR}:{subscription}"[:MAX_ACTOR_LENGTH])
    if removed.count:
        logger.info("subscription %d: %d entries left the library", subscription.pk, removed.count)
    return removed


def let_go(subscription: Subscription, now: datetime) -> list[Card]:
    """Return the cards that leave at `now` (of `database_now`), the oldest video first.

    What is pinned, what somebody is watching, what another subscription fetched as well, and what
    somebody had back after a rule had removed it, stays.
    """
    added = subscription.seen.filter(is_added=True).values("download")
    rows = Card.objects.filter(owner=subscription.owner_id, entry__download__in=added)
    columns = ("added_at", "missing_at", "pinned_at")
    cards = list(rows.only(*columns).order_by("-dated_at", "-pk"))
    # What somebody removed from the folder is no successor.
    there = [card for card in cards if card.missing_at is None]
    gone = set(there[subscription.keep_last :] if subscription.keep_last else [])
    if subscription.keep_days:
        oldest = now - timedelta(days=subscription.keep_days)
        gone |= {card for card in there if card.added_at < oldest}
    gone = {card for card in gone if card.pinned_at is None}
    stays = _staying([card.pk for card in gone], subscription, now)
    return [card for card in reversed(there) if card in gone and card.pk not in stays]


def _staying(keys: list[int], subscription: Subscription, now: datetime) -> set[int]:
    """Return which of these cards no rule may take."""
    watching = Position.objects.filter(
        entry__in=keys, is_watched=False, seconds__gt=0, updated_at__gt=now - WATCHING
    )
    back = Removal.objects.filter(
        entry_number__in=keys, step=Step.RESTORED, actor__startswith=f"{ACTOR}:"
    )
    of_others = SeenEntry.objects.exclude(subscription=subscription).exclude(download=None)
    shared = Card.objects.filter(pk__in=keys, entry__download__in=of_others.values("download"))
    return {
        *back.values_list("entry_number", flat=True),
        *shared.values_list("pk", flat=True),
        *watching.values_list("entry", flat=True),
    }
