"""When a download that waits for its time may be claimed, whatever the clocks did meanwhile."""

from datetime import timedelta

import pytest

from downloads.models import Download, database_now
from downloads.rules.backoff import LONGEST_WAIT_SECONDS
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
def test_a_download_is_due(ahead: timedelta, is_due: bool) -> None:
    now = database_now()
    lives.submit().note(not_before=now + ahead)

    assert Download.objects.claimable(now).exists() is is_due
