"""Sites that wait: what counts, who is claimed meanwhile, and how it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from downloads.models import Download, Site, Worker, database_now, submissions
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from tests.helpers import lives
from tests.models.test_races import at_once

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

HOST = "blocked.example"


@contextmanager
def configured(**changes: Any) -> Iterator[None]:
    with override_settings(VNSITE=settings.VNSITE.model_copy(update=changes)):
        yield


def submit(name: str = "", *, host: str = HOST, number: int = 1) -> list[Download]:
    wishes = [(f"https://{host}/{name}{index}", DownloadOptions()) for index in range(number)]
    answers = submissions.submit(wishes, owner=None, actor="test")
    return [answer.download for answer in answers]


def claim(worker: Worker | None = None) -> Download | None:
    return lives.claim_next(worker or lives.make_worker())


def refuse(
    download: Download, error_class: ErrorClass = ErrorClass.RATE_LIMITED, **arguments: Any
) -> Site:
    return Site.objects.refused(
        download.site,
        error_class,
        **{"retry_after_seconds": None, **arguments},
    )


def put_back(download: Download) -> None:
    download.move(State.CREATED, actor="test", reason=Reason.WILL_RETRY)


def make_wait(host: str = HOST) -> Site:
    """A site that waits after five failures in a row of attempts that were claimed."""
    [download] = submit("refused", host=host)
    for _ in range(5):
        site = refuse(download)
    Download.objects.filter(pk=download.pk).get().forget()
    assert site.waits_until
    return site


def end_wait(host: str = HOST) -> None:
    assert Site.objects.try_now(host)


def test_after_five_failures_in_a_row_no_download_of_the_site_is_claimed() -> None:
    [download] = submit()
    for number in range(1, 5):
        assert refuse(download).waits_until is None
        assert Site.objects.get().failures == number

    site = refuse(download, ErrorClass.FORBIDDEN)

    assert (site.failures, site.error_class) == (5, "forbidden")
    assert claim() is None
    download.refresh_from_db()
    assert (download.state, download.attempt) == ("created", 0)


def test_others_go_on_past_a_site_that_waits() -> None:
    make_wait()
    submit(number=3)
    [other] = submit(host="fine.example")

    claimed = claim()

    assert claimed == other
    assert claimed is not None
    assert claim() is None


def test_www_and_another_path_are_the_same_site_and_another_port_is_not() -> None:
    make_wait()
    submit(host=f"www.{HOST}")
    [other] = submit(host=f"{HOST}:8443")

    assert claim() == other
    assert claim() is None


def test_a_success_between_starts_the_count_again() -> None:
    [download] = submit()
    for _ in range(4):
        refuse(download)

    assert not Site.objects.answered(HOST)  # it did not wait

    assert refuse(download).failures == 1


def test_a_success_ends_the_wait() -> None:
    make_wait()
    [download] = submit()

    assert Site.objects.answered(HOST)

    assert claim() == download
    assert Site.objects.get().failures == 0


def test_a_success_on_a_site_that_never_failed_writes_nothing() -> None:
    with CaptureQueriesContext(
        connection,
    ) as queries:
        Site.objects.answered("fine.example")

    assert [query["sql"].split()[0] for query in queries] == ["SELECT"]


def test_when_the_wait_is_over_all_go() -> None:
    make_wait()
    submit(number=3)
    assert claim() is None

    end_wait()

    assert [claim() is not None for _ in range(4)] == [True, True, True, False]


def test_the_limit_of_a_site_bounds_the_herd() -> None:
    make_wait()
    submit(number=3)
    end_wait()

    with configured(site_running=1):
        assert [claim() is not None for _ in range(2)] == [True, False]


def test_the_next_failure_begins_a_wait_that_is_twice_as_long() -> None:
    make_wait()
    submit(number=2)
    end_wait()
    claimed = claim()
    assert claimed is not None

    site = refuse(claimed, ErrorClass.NETWORK)
    put_back(claimed)

    assert site.failures == 6
    assert site.waits_until is not None
    assert site.waits_until - database_now() > timedelta(seconds=80)
    assert claim() is None


def test_attempts_that_began_before_the_wait_do_not_make_it_longer() -> None:
    site = make_wait()
    stragglers = submit(number=30)

    for straggler in stragglers:
        refuse(straggler)

    assert Site.objects.get().waits_until == site.waits_until
    assert Site.objects.get().failures == 5


def test_retry_after_is_what_a_straggler_still_adds() -> None:
    make_wait()
    [straggler] = submit()

    site = refuse(straggler, retry_after_seconds=600.0)

    assert site.waits_until is not None
    assert timedelta(seconds=590) < site.waits_until - database_now() <= timedelta(seconds=600)


def test_trying_now_ends_the_present_wait_only_once() -> None:
    make_wait()

    assert Site.objects.try_now(HOST)

    assert not Site.objects.try_now(HOST)
    assert not Site.objects.try_now("unknown.example")
    assert Site.objects.get().failures == 5


def test_a_site_can_be_configured_never_to_wait() -> None:
    [download] = submit()

    with configured(site_failures=0):
        for _ in range(20):
            assert refuse(download).waits_until is None

    assert claim() == download


def test_those_that_wait_are_passed_over_in_the_order_of_the_index() -> None:
    """Else each claim looks at all 10,000 of them in the table, and sorts the rest."""
    if connection.vendor != "sqlite":
        pytest.skip("the plan is SQLite's")
    candidates = Download.objects.claimable(database_now()).exclude(site__in=[HOST])
    candidates = candidates.filter(owner=1)

    plan = candidates[:1].explain()

    assert "USING INDEX download_claim" in plan
    assert "TEMP B-TREE" not in plan


@pytest.mark.usefixtures("shared_db")
class TestAtOnce:
    """With connections of their own, on whichever database it is."""

    def test_failures_at_once_are_all_counted(self) -> None:
        downloads = submit(number=8)

        with configured(site_failures=1000):
            at_once(8, lambda index: [refuse(downloads[index]) for _ in range(5)])

        assert Site.objects.get().failures == 40

    def test_eight_that_fail_at_the_limit_begin_one_wait(self) -> None:
        downloads = submit(number=8)

        at_once(8, lambda index: refuse(downloads[index]))

        site = Site.objects.get()
        assert site.failures == 5
        assert site.waits_until is not None
        assert site.waits_until - database_now() <= timedelta(seconds=60)
