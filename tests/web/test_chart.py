"""The speed of the newest attempt on the page of a download."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads import actions
from downloads.models import Attempt, Download
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

MIB = 2**20


def chart_on_page(owner: User, download: Download) -> str:
    client = Client()
    client.force_login(owner)
    page = client.get(f"/downloads/{download.correlation_id}/").content.decode()
    return page.partition('id="part-chart"')[2].partition("</section>")[0]


def completed_with(owner: User, speeds: list[list[Any]]) -> Download:
    download = lives.complete(lives.submit(owner))
    Attempt.objects.filter(download=download).update(speeds=speeds)
    return download


def test_a_recorded_attempt_says_its_average_and_how_often_it_stood_still(user: User) -> None:
    speeds = [[0, 4 * MIB], [10, 0], [20, 0], [30, 8 * MIB], [40, 0], [50, 12 * MIB]]

    chart = chart_on_page(user, completed_with(user, speeds))

    sentence = "Average 4.0 MiB/s, at most 12 MiB/s, 2 stalls"
    assert f'role="img" aria-label="{sentence}"' in chart
    rows = re.findall(r"<tr><td>([^<]*)</td><td>([^<]*)</td></tr>", chart)
    assert rows == [("0:00", "1.3 MiB/s"), ("0:30", "6.7 MiB/s")]
    assert re.search(r"Recorded \d\d:\d\d.\d\d:\d\d UTC", chart)
    assert f"[[0, {4 * MIB}], " in chart


def test_only_the_newest_attempt_is_drawn(user: User) -> None:
    download = lives.fail(lives.submit(user))
    Attempt.objects.update(speeds=[[0, MIB]])
    actions.retry(download, actor="test")

    assert "Average 1.0 MiB/s" in chart_on_page(user, download)
    lives.start(download)
    assert "Average 1.0 MiB/s" not in chart_on_page(user, download)


def test_what_runs_is_drawn_and_what_never_came_is_not(user: User) -> None:
    running = lives.start(lives.submit(user))
    waiting = lives.submit(user)

    assert "<figure" not in chart_on_page(user, waiting)
    assert 'data-ended=""' in chart_on_page(user, running)
