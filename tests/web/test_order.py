"""The order "now" walks indexes, however many downloads there are."""

import pytest
from django.contrib.auth.models import User

from downloads.models import Download
from downloads.web.order import ORDERS, Sort


@pytest.mark.sqlite
@pytest.mark.django_db
@pytest.mark.parametrize("name", ["user", "staff"])
def test_those_that_wait_and_that_have_ended_are_not_sorted(
    name: str, request: pytest.FixtureRequest
) -> None:
    reader: User = request.getfixturevalue(name)
    rows = Download.objects.visible_to(reader)

    plans = [group.ordered(rows, backwards=False)[:51].explain() for group in ORDERS[Sort.NOW]]

    assert "USING INDEX download_by_state (state=?)" in plans[0]
    assert ["TEMP B-TREE" in plan for plan in plans[1:]] == [False, False]
    assert all("USING INDEX" in plan for plan in plans)
