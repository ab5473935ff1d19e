"""Which of its downloads a worker is told of at once when somebody asks to cancel them."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from downloads import actions
from downloads.models import claims
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


def test_running_downloads_of_the_worker_that_somebody_asked_to_cancel() -> None:
    worker, other = lives.make_worker(), lives.make_worker()
    asked, foreign = lives.start(lives.submit(), worker), lives.start(lives.submit(), other)
    lives.start(lives.submit(), worker)
    ended = lives.start(lives.submit(), worker)
    waiting = lives.submit()
    assert claims.asked_to_cancel(worker) == set()

    for download in (asked, foreign, ended, waiting):
        actions.cancel(download, actor="test")
    ended.move(lives.State.CANCELLED, actor="test", reason="cancelled")

    assert claims.asked_to_cancel(worker) == {asked.pk}


@pytest.mark.sqlite
def test_looking_for_them_does_not_grow_with_all_downloads() -> None:
    with CaptureQueriesContext(connection) as made:
        claims.asked_to_cancel(lives.make_worker())

    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {made.captured_queries[-1]['sql']}")
        (plan,) = cursor.fetchall()
    assert "USING INDEX download_running" in plan[3]
