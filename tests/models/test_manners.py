"""How often a site is asked and by how many at once: its own limits, and those of the settings."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from downloads.models import Download, Site, SiteStart, claims
from tests.helpers import lives
from tests.models.test_fairness import claim, configured, end, submit
from tests.models.test_races import at_once

pytestmark = pytest.mark.both_databases

HOST = "slow.example"
MINUTE = timedelta(minutes=1)


def limit(host: str = HOST, **limits: Any) -> None:
    Site.objects.set_limits(host, **limits)


def let_pass(time: timedelta, *, host: str = HOST) -> None:
    """Make the last start of a site so much older."""
    start = SiteStart.objects.get(host=host)
    start.started_at -= time
    start.save()


def claimed_sites(slots: int = 9) -> list[str]:
    return [each.site for each in claims.claim(lives.make_worker(), slots=slots)]


@pytest.mark.django_db
class TestPauses:
    def test_between_two_downloads_of_a_site_its_pause_passes_and_others_go_on(
        self, user: User
    ) -> None:
        limit(pause_seconds=60)
        submit(user, 3, host=HOST)
        submit(user, 2, host="fine.example")

        assert sorted(claimed_sites()) == ["fine.example", "fine.example", HOST]
        assert claimed_sites() == []

        let_pass(MINUTE)
        assert claimed_sites() == [HOST]
        assert claimed_sites() == []

    def test_the_pause_counts_from_the_beginning_of_the_last_one(self, user: User) -> None:
        limit(pause_seconds=60)
        submit(user, 2, host=HOST)
        first = claim()
        assert first

        end(first)
        assert claim() is None
        let_pass(MINUTE)
        assert claim()

    def test_the_setting_holds_for_sites_without_a_pause_of_their_own(self, user: User) -> None:
        limit("fast.example", pause_seconds=0)
        submit(user, 2, host=HOST)
        submit(user, 2, host="fast.example")

        with configured(site_pause_seconds=60):
            assert sorted(claimed_sites()) == ["fast.example", "fast.example", HOST]

    def test_a_clock_that_was_set_back_holds_nobody_up(self, user: User) -> None:
        limit(pause_seconds=60)
        submit(user, 2, host=HOST)
        assert claim()
        let_pass(-10 * MINUTE)

        assert claim()

    def test_a_claim_without_pauses_asks_and_writes_nothing_more(self, user: User) -> None:
        worker = lives.make_worker()
        submit(user, 2, host=HOST)
        with CaptureQueriesContext(connection) as queries:
            assert claim(worker)
        few = len(queries)
        limit(pause_seconds=60)

        with CaptureQueriesContext(connection) as more:
            assert claim(worker)

        assert SiteStart.objects.count() == 1
        assert len(more) == few + 3  # which sites pause, what began, and that this one did


@pytest.mark.django_db
class TestLimits:
    def test_a_site_runs_no_more_at_once_than_its_own_limit(self, user: User) -> None:
        limit(running_limit=1)
        submit(user, 3, host=HOST)
        submit(user, 3, host="fine.example")

        with configured(site_running=2):
            assert sorted(claimed_sites()) == ["fine.example", "fine.example", HOST]

    def test_zero_lets_a_site_run_any_number_whatever_the_setting_says(self, user: User) -> None:
        limit(running_limit=0)
        submit(user, 3, host=HOST)

        with configured(site_running=1):
            assert claimed_sites() == [HOST] * 3

    def test_limits_leave_the_breaker_as_it_is(self) -> None:
        for _ in range(5):
            site = Site.objects.refused(HOST, "network", retry_after_seconds=None)

        limit(running_limit=1)

        after = Site.objects.get(host=HOST)
        assert (after.breaker, after.running_limit) == (site.breaker, 1)


@pytest.mark.usefixtures("shared_db")
class TestAtOnce:
    def test_of_eight_workers_at_once_one_begins_after_each_pause(self, user: User) -> None:
        limit(pause_seconds=60)
        submit(user, 24, host=HOST)
        workers = [lives.make_worker() for _ in range(8)]
        claimed: list[Download | None] = []

        for _ in range(3):
            at_once(8, lambda index: claimed.append(claim(workers[index])))
            let_pass(MINUTE)

        assert len(claimed) == 24
        assert len([each for each in claimed if each]) == 3
