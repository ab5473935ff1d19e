"""When a download that waits for its time may be claimed, whatever the clocks did meanwhile."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User

from downloads.models import Download, database_now
from downloads.rules.backoff import LONGEST_WAIT_SECONDS
from downloads.rules.states import Reason, State
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

LONGEST = timedelta(seconds=LONGEST_WAIT_SECONDS)
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("ahead", "is_due"),
    [
        (-MINUTE, True),
        (MINUTE, False),
        (LONGEST - MINUTE, False),
        (LONGEST + MINUTE, True),  # nothing waits for so long: the clock was set back
    ],
    ids=["past", "soon", "the longest wait", "set back"],
)
def test_a_download_that_was_tried_is_due(ahead: timedelta, is_due: bool) -> None:
    now = database_now()
    running = lives.start(lives.submit())
    running.move(State.CREATED, actor="test", reason=Reason.WILL_RETRY, not_before=now + ahead)

    assert Download.objects.claimable(now).exists() is is_due


@pytest.mark.parametrize("ahead", [MINUTE, LONGEST + MINUTE, timedelta(days=400)])
def test_a_start_that_a_person_chose_is_waited_for_however_far_away(ahead: timedelta) -> None:
    now = database_now()
    download = lives.submit(start_at=(now + ahead).isoformat())

    assert not Download.objects.claimable(now).exists()
    assert Download.objects.claimable(now + ahead).get() == download


def test_a_start_that_is_over_means_at_once_and_is_the_same_wish(user: User) -> None:
    now, link = database_now(), "https://example.org/1"
    download = lives.submit(user, url=link, start_at=(now - MINUTE).isoformat())

    assert Download.objects.claimable(now).get() == download
    assert lives.submit(user, url=link) == download


def test_another_start_is_another_wish(user: User) -> None:
    """Who wants at once what waits for the night is not told to wait for the night."""
    link, night = "https://example.org/1", (database_now() + LONGEST).isoformat()
    at_night = lives.submit(user, url=link, start_at=night)

    assert lives.submit(user, url=link) != at_night
    assert lives.submit(user, url=link, start_at=night) == at_night
