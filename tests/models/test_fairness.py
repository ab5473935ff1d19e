"""Whose turn it is, by values alone and by the rows; and how many may run and wait."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from downloads import actions
from downloads.models import Download, Site, TooManyWaiting, Worker, claims, submissions
from downloads.rules.errors import ErrorClass
from downloads.rules.fairness import ConcurrencyLimits, Running, Turn, first_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from tests.helpers import lives
from tests.models.test_races import at_once

pytestmark = pytest.mark.both_databases

Wish = tuple[str, DownloadOptions]


@contextmanager
def configured(**changes: Any) -> Iterator[None]:
    with override_settings(VNSITE=settings.VNSITE.model_copy(update=changes)):
        yield


def wishes(number: int, *, host: str = "example.org", name: str = "") -> list[Wish]:
    return [(f"https://{host}/{name}{index}", DownloadOptions()) for index in range(number)]


def submit(owner: User | None, number: int = 1, **arguments: Any) -> list[Download]:
    submit_all = submissions.submit
    priority = arguments.pop("priority", 0)
    name = f"{next(lives.numbers)}-"
    answers = submit_all(
        wishes(number, name=name, **arguments), owner=owner, actor="test", priority=priority
    )
    return [answer.download for answer in answers]


def claim(worker: Worker | None = None) -> Download | None:
    return lives.claim_next(worker or lives.make_worker())


def claim_all(slots: int) -> list[Download]:
    worker = lives.make_worker()
    return claims.claim(worker, slots=slots)


def claim_owners(number: int) -> list[int | str | None]:
    worker = lives.make_worker()
    claimed = [claim(worker) for _ in range(number)]
    return [each.owner_id if each else "nothing" for each in claimed]


def end(download: Download) -> None:
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)


# By values.


def turn(owner_id: int | None, *, priority: int = 0, key: int = 1) -> Turn:
    return Turn(owner_id=owner_id, priority=priority, download_id=key)


def test_the_fewest_running_come_first_then_the_most_urgent_then_the_oldest() -> None:
    running = Running.count([(1, "a"), (1, "b"), (2, "a")])
    turns = [
        turn(1, priority=9, key=1),
        turn(2, key=2),
        turn(3, key=9),
        turn(4, key=8),
        turn(None, priority=1, key=10),
    ]

    order = []
    while first := first_of(turns, running):
        turns.remove(first)
        order.append(first.owner_id)

    assert order == [None, 4, 3, 2, 1]


@pytest.mark.parametrize(
    ("limits", "owners", "sites"),
    [
        (ConcurrencyLimits(), set(), set()),
        (ConcurrencyLimits(of_user=2), {1}, set()),
        (ConcurrencyLimits(of_user=1), {1, None}, set()),
        (ConcurrencyLimits(of_site=2), set(), {"a"}),
        (ConcurrencyLimits(of_user=3, of_site=3), set(), set()),
    ],
)
def test_who_and_which_sites_have_as_many_as_they_may(
    limits: ConcurrencyLimits, owners: set[int | None], sites: set[str]
) -> None:
    running = Running.count([(1, "a"), (1, "a"), (None, "b")])

    assert running.full_owners(limits) == owners
    assert running.full_sites(limits) == sites


# By rows.


@pytest.mark.django_db
class TestTurns:
    def test_who_submits_one_does_not_wait_for_somebody_who_submitted_a_thousand(
        self, user: User, staff: User
    ) -> None:
        submit(staff, 1000)
        assert claim_owners(3) == [staff.pk] * 3
        submit(user, 2)

        assert claim_owners(4) == [user.pk, user.pk, staff.pk, staff.pk]

    def test_users_staff_and_nobody_take_turns(self, user: User, staff: User) -> None:
        submit(staff, 9)
        submit(None, 9)
        submit(user, 9)

        assert claim_owners(9) == [staff.pk, None, user.pk] * 3

    def test_all_free_slots_are_filled_in_one_go(self, user: User, staff: User) -> None:
        submit(staff, 9)
        submit(user, 1)
        urgent = submit(staff, 1, priority=5)

        claimed = claim_all(5)

        assert claimed[:1] == urgent
        assert [each.owner_id for each in claimed] == [staff.pk, user.pk, *[staff.pk] * 3]
        assert len({each.directory for each in claimed}) == 5
        assert len(claim_all(9)) == 6

    def test_what_is_claimed_in_one_go_keeps_to_the_limits(self, user: User, staff: User) -> None:
        submit(staff, 4, host="busy.example")
        submit(user, 4, host="busy.example")
        submit(user, 4)

        with configured(user_running=3, site_running=2):
            claimed = claim_all(8)

        assert Counter(each.owner_id for each in claimed) == {staff.pk: 1, user.pk: 3}
        assert Counter(each.site for each in claimed)["busy.example"] == 2

    def test_priority_counts_among_those_with_as_many_running(
        self, user: User, staff: User
    ) -> None:
        submit(staff, 2)
        urgent = submit(staff, priority=5)
        submit(user, 2, priority=1)

        first = claim()

        assert [first] == urgent
        assert claim_owners(3) == [user.pk, user.pk, staff.pk]

    def test_a_turn_is_free_again_when_a_download_ends(self, user: User, staff: User) -> None:
        submit(staff, 3)
        submit(user, 3)
        claimed = [claim(), claim()]
        assert [each.owner_id for each in claimed if each] == [staff.pk, user.pk]
        assert claimed[1]
        end(claimed[1])

        assert claim_owners(1) == [user.pk]

    def test_whose_first_may_not_begin_yet_is_asked_for_the_next_one(
        self, user: User, staff: User
    ) -> None:
        blocked = submit(user, 2, host="blocked.example")
        fine = submit(user)
        submit(staff)
        for _ in range(5):
            Site.objects.refused("blocked.example", ErrorClass.NETWORK, retry_after_seconds=None)

        claimed = [claim(), claim(), claim()]

        assert [each.owner_id if each else None for each in claimed] == [user.pk, staff.pk, None]
        assert [claimed[0]] == fine
        assert {each.state for each in Download.objects.filter(pk__in=[b.pk for b in blocked])} == {
            "created"
        }

    def test_a_claim_asks_as_much_for_many_rows_as_for_few(self, user: User, staff: User) -> None:
        worker = lives.make_worker()
        submit(user, 2)
        submit(staff, 2)
        with CaptureQueriesContext(connection) as few:
            claim(worker)
        submit(user, 300)

        with CaptureQueriesContext(connection) as many:
            claim(worker)

        assert len(many) == len(few)

    def test_a_claim_takes_the_first_of_an_owner_from_the_index(self, user: User) -> None:
        """Else each claim sorts all that this owner has waiting."""
        if connection.vendor != "sqlite":
            pytest.skip("the plan is SQLite's")
        submit(user, 2)
        with CaptureQueriesContext(connection) as queries:
            claim()
        [sql] = [each["sql"] for each in queries if "auth_user" in each["sql"]]

        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
            plan = " ".join(str(row) for row in cursor.fetchall())

        assert "USING INDEX download_claim (owner_id=?)" in plan
        assert "TEMP B-TREE" not in plan


@pytest.mark.django_db
@pytest.mark.timeout(120)  # a claim that does not pass over who is full would decide for ever
class TestLimits:
    def test_one_user_runs_no_more_than_may_and_others_go_on(self, user: User, staff: User) -> None:
        submit(user, 5)
        submit(staff, 1)

        with configured(user_running=2):
            assert claim_owners(5) == [user.pk, staff.pk, user.pk, "nothing", "nothing"]

    def test_the_next_one_begins_when_one_has_ended(self, user: User) -> None:
        submit(user, 2)
        with configured(user_running=1):
            first = claim()
            assert first
            assert claim() is None
            end(first)

            assert claim_owners(1) == [user.pk]

    def test_downloads_of_nobody_are_limited_like_those_of_one_user(self) -> None:
        submit(None, 3)

        with configured(user_running=2):
            assert claim_owners(3) == [None, None, "nothing"]

    def test_one_site_runs_no_more_than_may_and_others_go_on(self, user: User) -> None:
        submit(user, 3, host="busy.example")
        submit(user, 1, host="fine.example")

        with configured(site_running=2):
            claimed = [claim() for _ in range(4)]

        assert [each.site if each else "" for each in claimed] == [
            "busy.example",
            "busy.example",
            "fine.example",
            "",
        ]


@pytest.mark.usefixtures("shared_db")
class TestAtOnce:
    """Eight workers with connections of their own: what one saw, another one changed."""

    def claim_at_once(self) -> list[Download]:
        workers = [lives.make_worker() for _ in range(8)]
        claimed: list[Download | None] = []
        at_once(8, lambda index: claimed.append(claim(workers[index])))
        assert len(claimed) == 8
        return [each for each in claimed if each]

    def test_eight_workers_at_once_keep_to_the_limit_of_a_user(self, user: User) -> None:
        with configured(user_running=3):
            for _ in range(3):
                submit(user, 8)
                claimed = self.claim_at_once()

                assert len(claimed) == 3
                assert Download.objects.running().count() == 3
                for each in claimed:
                    end(each)

    def test_eight_workers_at_once_keep_to_the_limit_of_a_site(
        self, user: User, staff: User
    ) -> None:
        with configured(site_running=3):
            for _ in range(3):
                submit(user, 8)
                submit(staff, 8)
                claimed = self.claim_at_once()

                assert len(claimed) == 3
                for each in claimed:
                    end(each)

    def test_eight_workers_at_once_serve_two_users_alike(self, user: User, staff: User) -> None:
        for _ in range(3):
            submit(staff, 8)
            submit(user, 8)

            claimed = self.claim_at_once()

            assert Counter(each.owner_id for each in claimed) == {staff.pk: 4, user.pk: 4}
            for each in claimed:
                end(each)

    def test_submissions_at_once_keep_to_what_may_wait(self, user: User) -> None:
        refused: list[TooManyWaiting] = []

        def add(index: int) -> None:
            try:
                submissions.submit(wishes(5, name=f"{index}-"), owner=user, actor="test")
            except TooManyWaiting as error:
                refused.append(error)

        with configured(user_waiting=20):
            at_once(8, add)

        assert Download.objects.filter(owner=user).count() == 20
        assert len(refused) == 4


# How many may wait.


@pytest.mark.django_db
class TestWaiting:
    def test_over_the_limit_nothing_of_it_is_added_and_the_reason_is_said(self, user: User) -> None:
        submit(user, 3)

        with configured(user_waiting=5), pytest.raises(TooManyWaiting) as refused:
            submit(user, 3)

        assert Download.objects.count() == 3
        assert str(refused.value) == (
            "You have 3 downloads queued (limit 5): 2 more can be added now, not 3."
        )

    def test_what_is_there_already_needs_no_room(self, user: User) -> None:
        again = wishes(2, name="again")
        submissions.submit(again, owner=user, actor="test")

        with configured(user_waiting=2):
            answers = submissions.submit(again, owner=user, actor="test")

        assert [answer.created for answer in answers] == [False, False]

    def test_what_fits_can_be_added_without_the_rest(self, user: User) -> None:
        submit(user, 1)

        with configured(user_waiting=3):
            answers = submissions.submit_what_fits(wishes(4), owner=user, actor="test")

        assert [bool(answer) for answer in answers] == [True, True, False, False]
        assert Download.objects.count() == 3

    def test_running_ones_do_not_wait(self, user: User) -> None:
        submit(user, 2)
        assert claim()

        with configured(user_waiting=2):
            assert submit(user, 1)

    def test_each_user_has_a_number_of_their_own_and_the_command_has_none(
        self, user: User, staff: User
    ) -> None:
        with configured(user_waiting=2):
            submit(user, 2)
            submit(staff, 2)
            submit(None, 5)

        assert Download.objects.count() == 9

    def test_zero_is_no_limit(self, user: User) -> None:
        with configured(user_waiting=0):
            assert len(submit(user, 5)) == 5

    def test_what_was_cancelled_comes_back_only_where_there_is_room(self, user: User) -> None:
        [cancelled] = submit(user)
        actions.cancel(cancelled, actor="test")
        submit(user, 2)

        with configured(user_waiting=2), pytest.raises(actions.NotAllowed) as refused:
            actions.retry(cancelled, actor="test")

        assert str(refused.value) == "ursula has 2 downloads queued (limit 2)."
        cancelled.refresh_from_db()
        assert cancelled.state == "cleaned"


@pytest.mark.sqlite
@pytest.mark.django_db
def test_a_claim_reads_only_what_waits() -> None:
    """However many have ended: nearly always nothing waits, or nothing is due."""
    anything = "SEARCH downloads_download USING COVERING INDEX download_by_state (state=?)"
    lives.fail(lives.submit())

    assert plans_of_a_claim() == [anything]

    Download.objects.filter(pk=lives.submit().pk).update(
        not_before=timezone.now() + timedelta(hours=1)
    )
    assert plans_of_a_claim() == [
        anything,
        "SCAN downloads_download USING INDEX download_queue",
        "SCALAR SUBQUERY 1",
        "SEARCH downloads_worker USING INTEGER PRIMARY KEY (rowid=?)",
    ]


def plans_of_a_claim() -> list[str]:
    """How SQLite answers what a claim that finds nothing asks."""
    worker = Worker.objects.first() or lives.make_worker()
    with CaptureQueriesContext(connection) as asked:
        assert claims.claim(worker, slots=1) == []
    with connection.cursor() as cursor:
        return [
            step
            for query in asked
            for (*_, step) in cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}").fetchall()
        ]
