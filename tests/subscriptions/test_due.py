"""Which checks begin, and when: by the clock of the database, each once, in order."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from downloads.models import Download, batches, claims
from downloads.rules.schedule import LONGEST_WAIT_SECONDS
from downloads.rules.states import State
from downloads.subscriptions import checks
from downloads.subscriptions.models import Check, Subscription
from tests.helpers import following, lives
from tests.models.test_races import at_once

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]


@pytest.fixture
def subscription(user: User) -> Subscription:
    return following.subscribe(user)


def end_all_under_way() -> None:
    """Let all checks end, without a word of what they found."""
    looks = Download.objects.filter(check_of__ended_at=None, check_of__isnull=False)
    batches.cancel_waiting(looks, actor="test")
    for check in Check.objects.under_way():
        assert checks.end_if_over(check.pk)


def test_a_new_subscription_is_due_at_once(subscription: Subscription) -> None:
    assert checks.step()

    check = Check.objects.under_way().get()
    assert check.subscription == subscription
    subscription.refresh_from_db()
    assert (subscription.is_checking, subscription.next_check_at) == (True, None)


def test_while_a_check_is_under_way_no_other_begins(subscription: Subscription) -> None:
    checks.step()
    checks.step()

    assert checks.begin(subscription) is None
    assert Check.objects.count() == 1


@pytest.mark.usefixtures("clean_disk")
def test_missed_checks_are_made_once(subscription: Subscription) -> None:
    following.check(subscription)
    Subscription.objects.update(next_check_at=timezone.now() - timedelta(days=3))
    checks.step()
    end_all_under_way()

    assert not checks.step()

    assert Check.objects.count() == 2
    subscription.refresh_from_db()
    assert subscription.next_check_at is not None
    assert subscription.next_check_at > timezone.now() + timedelta(hours=5)


def test_a_check_that_was_planned_by_a_wrong_clock_is_due(subscription: Subscription) -> None:
    beyond = timedelta(seconds=LONGEST_WAIT_SECONDS, hours=1)
    Subscription.objects.update(next_check_at=timezone.now() + beyond)

    assert checks.step()
    assert Check.objects.under_way().exists()


def test_when_nothing_is_due_a_step_is_one_statement(subscription: Subscription) -> None:
    Subscription.objects.update(next_check_at=timezone.now() + timedelta(hours=1))

    with CaptureQueriesContext(connection) as asked:
        assert not checks.step()

    statements = [each["sql"] for each in asked if "clock_timestamp" not in each["sql"]]
    assert len(statements) == 1
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {statements[0]}")
            plan = [row[3] for row in cursor.fetchall() if "subscriptions_" in row[3]]
        assert plan
        assert all("INDEX" in line for line in plan), plan


def test_a_paused_one_is_not_checked_and_a_resumed_one_is_once(
    subscription: Subscription,
) -> None:
    subscription.pause()
    assert not checks.step()

    subscription.resume()
    assert checks.step()

    assert Check.objects.count() == 1


@pytest.mark.usefixtures("clean_disk")
def test_one_that_is_paused_during_its_check_stays_paused(subscription: Subscription) -> None:
    download = following.begin(subscription)
    subscription.pause()
    lives.list_up(download, lives.entry(1))

    following.end(subscription)

    assert subscription.is_paused
    assert (subscription.is_checking, subscription.next_check_at) == (False, None)
    assert following.added(subscription) == [lives.entry(1).url]


def test_the_longest_due_come_first_and_not_all_at_once(user: User, staff: User) -> None:
    now = timezone.now()
    many = [following.subscribe(user) for _ in range(checks.CHECKS_AT_ONCE + 5)]
    for number, each in enumerate(many):
        rows = Subscription.objects.filter(pk=each.pk)
        rows.update(next_check_at=now - timedelta(minutes=number))
    of_another = following.subscribe(staff)

    checks.step()

    begun = set(Check.objects.values_list("subscription", flat=True))
    oldest = [each.pk for each in many[5:]]
    assert begun == {*oldest, of_another.pk}


def test_what_a_person_added_is_claimed_before_a_check(
    subscription: Subscription, user: User
) -> None:
    checks.step()
    own = lives.submit(user)

    claimed = claims.claim(lives.make_worker(), slots=1)

    assert claimed == [own]


def test_a_check_that_a_person_asks_for_waits_like_what_they_add(
    subscription: Subscription, user: User
) -> None:
    download = checks.begin(subscription, actor="user:ursula", priority=0)
    assert download is not None
    lives.submit(user)

    assert claims.claim(lives.make_worker(), slots=1) == [download]
    assert download.transitions.earliest("seq").actor == "user:ursula"


@pytest.mark.usefixtures("clean_disk")
def test_a_thousand_that_are_due_are_checked_in_order_without_starving_anybody(
    user: User, staff: User, nightly: bool
) -> None:
    total = 1000 if nightly else 60
    now = timezone.now()
    Subscription.objects.bulk_create(
        Subscription(
            owner=user,
            url=f"https://example.org/list/{number}",
            fingerprint=str(number),
            created_at=now,
            next_check_at=now - timedelta(seconds=total - number),
        )
        for number in range(total)
    )
    worker = lives.make_worker()
    rounds = 0
    while checks.step():
        own, of_another = lives.submit(user), lives.submit(staff)
        claimed = claims.claim(worker, slots=2)
        assert set(claimed) == {own, of_another}
        for each in claimed:
            each.move(State.FAILED, actor="test", reason="network", error_class="network")
        end_all_under_way()
        rounds += 1

    assert rounds == total / checks.CHECKS_AT_ONCE
    order = list(Check.objects.order_by("pk").values_list("subscription", flat=True))
    assert len(order) == total
    assert order == sorted(order)


@pytest.mark.usefixtures("shared_db")
def test_many_workers_at_once_begin_one_check(user: User) -> None:
    subscription = following.subscribe(user)

    at_once(4, lambda _: checks.step())

    assert Check.objects.count() == 1
    assert Download.objects.count() == 1
    assert Subscription.objects.get(pk=subscription.pk).is_checking


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_many_workers_at_once_add_each_entry_once(user: User) -> None:
    subscription = following.subscribe(user)
    lives.list_up(following.begin(subscription), *map(lives.entry, range(1, 21)))

    at_once(4, lambda _: checks.step())

    assert len(following.added(subscription)) == 20
    assert Check.objects.get().added == 20


@pytest.mark.usefixtures("shared_db")
def test_unsubscribing_and_checking_at_the_same_moment_leave_no_check(user: User) -> None:
    subscription = following.subscribe(user)

    def work(number: int) -> None:
        if number:
            checks.step()
        else:
            checks.unsubscribe(Subscription.objects.get(pk=subscription.pk), actor="user:u")

    at_once(2, work)

    assert not Subscription.objects.exists()
    assert not Check.objects.exists()
    assert not Download.objects.active().exists()
