"""Whatever is killed at whatever moment: each new item is one download, none lost or doubled."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from xml.etree.ElementTree import fromstring

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.diagnostics import invariants
from downloads.library.models import Card, Feed
from downloads.models import Download, database_now
from downloads.rules.states import RUNNING, Result
from downloads.subscriptions import checks
from downloads.subscriptions.models import Check, Subscription
from tests.helpers import following, lives
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, running_worker, worker_environment
from tests.subscriptions.conftest import GrowingFeed

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.usefixtures("shared_db", "clean_disk"),
    pytest.mark.timeout(0),
]

FAR = 1000  # more statements than a step has
EVERY, EVERY_NIGHTLY = 9, 1  # statements from one point of a kill to the next
ROUNDS, ROUNDS_NIGHTLY = 3, 100


def step_killed_at(statement: int) -> bool:
    """Make a step in a process that is killed before this statement; whether it was."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.helpers.stepper", str(statement)],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        check=False,
        timeout=120,
    )
    assert done.returncode in (0, -signal.SIGKILL)
    return done.returncode != 0


def breaches() -> list[str]:
    return [each.sentence for each in invariants.check() if each.is_breach]


def test_killed_at_any_statement_of_a_beginning_there_is_one_check(
    user: User, nightly: bool
) -> None:
    statement = 1
    following.subscribe(user)
    while step_killed_at(statement):
        begun = Check.objects.count()
        assert Download.objects.count() == begun <= 1
        assert Subscription.objects.filter(is_checking=bool(begun)).exists()
        statement += EVERY_NIGHTLY if nightly else EVERY

    assert statement > EVERY
    assert Check.objects.count() == Download.objects.count() == 1
    assert breaches() == []


def test_killed_at_any_statement_of_an_end_each_entry_is_one_download(
    user: User, nightly: bool
) -> None:
    statement = 1
    subscription = following.subscribe(user)
    lives.list_up(following.begin(subscription), *map(lives.entry, range(1, 6)))
    while step_killed_at(statement):
        assert len(following.added(subscription)) in (0, 5)
        is_over = not Check.objects.under_way().exists()
        assert is_over is bool(following.added(subscription))
        statement += EVERY_NIGHTLY if nightly else EVERY

    assert statement > EVERY
    assert len(following.added(subscription)) == 5
    assert Check.objects.get().added == 5
    assert breaches() == []


MOMENTS: dict[str, Callable[[], object]] = {
    "a check is begun": Check.objects.under_way().exists,
    "its list is being read": Download.objects.filter(
        check_of__isnull=False, state__in=RUNNING
    ).exists,
    "its list is read": Download.objects.filter(
        check_of__ended_at=None, result=Result.LISTING
    ).exists,
    "an item is being fetched": Download.objects.filter(check_of=None, state__in=RUNNING).exists,
}


def episodes_of(subscription: Subscription, user: User) -> list[str]:
    """The links of the items with an enclosure in the podcast of a subscription, sorted."""
    token = Feed.objects.make(user, subscription=subscription).token()
    document = fromstring(Client().get(f"/feeds/{token}.xml").content)
    items = [item for item in document.iter("item") if item.find("enclosure") is not None]
    return sorted(item.findtext("link") or "" for item in items)


def test_a_feed_that_grows_while_its_worker_is_killed(
    growing: GrowingFeed, scripted_site: ScriptedSite, user: User, nightly: bool
) -> None:
    chance = random.Random(17)
    growing.grow(2)
    subscription = following.subscribe(user, url=growing.url)
    environment = {
        "VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin,
        "VNSITE_MAX_ATTEMPTS": "100",
    }

    def came(moment: str) -> bool:
        """Whether the moment is now; another one like it is made when it was over too soon."""
        if MOMENTS[moment]():
            return True
        planned = Subscription.objects.filter(next_check_at__gt=database_now())
        if planned.exists() and not Download.objects.active().exists():
            growing.grow()
            following.make_due(subscription)
        return False

    moments = list(MOMENTS)
    for number in range(ROUNDS_NIGHTLY if nightly else ROUNDS):
        moment = moments[number] if number < len(moments) else chance.choice(moments)
        with running_worker(**environment) as worker:
            wait_for(partial(came, moment), what=f"the moment when {moment}")
            worker.send(signal.SIGKILL)
            worker.wait()
        growing.grow(at=chance.randrange(len(growing.links)))
        subscription.refresh_from_db()
        if subscription.next_check_at is not None:
            following.make_due(subscription)

    with running_worker(**environment):
        wait_for(lambda: not Check.objects.under_way().exists(), what="the check to end")
        checks.begin(Subscription.objects.get())
        wait_for(
            lambda: Download.objects.filter(result=Result.FILES).count() == len(growing.links),
            what="all items to be fetched",
        )
        wait_for(lambda: Card.objects.count() >= len(growing.links), what="all items' cards")

    made = Download.objects.filter(check_of=None)
    assert sorted(made.values_list("url", flat=True)) == sorted(growing.links)
    assert set(made.values_list("result", flat=True)) == {Result.FILES}
    shelved = Card.objects.values_list("entry__url", flat=True)
    assert sorted(shelved) == sorted(growing.links)
    assert episodes_of(subscription, user) == sorted(growing.links)
    assert breaches() == []
