"""How often a live page changes, as its reader wishes (WCAG 2.2.2)."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, Request, expect

from downloads import actions
from downloads.models import Preferences
from downloads.rules.states import Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import row_of
from tests.helpers import lives
from tests.helpers.serving import Serving

EVERY_SECONDS = 2


@pytest.fixture
def site(shared_db: None, clean_disk: None, unattended: Serving) -> Serving:
    """Without a worker, which claims what a test cancels, and cleans what it has cancelled."""
    return unattended


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


def test_a_page_begins_paused_for_whom_wants_that_and_goes_on_by_its_button(
    page: Page, site: Serving, user: User
) -> None:
    download = lives.submit(user)
    Preferences.objects.create(user=user, starts_paused=True)
    sign_in(page, user)
    expect(page.locator("#chip")).to_have_attribute("data-state", "paused")

    actions.cancel(download, actor="test")

    expect(page.locator("#chip")).to_contain_text("1 change waiting")
    expect(row_of(page, download)).to_contain_text("Waiting")
    page.locator("#pause").click()
    expect(row_of(page, download)).to_contain_text("Cancelled")


def test_a_page_asks_no_more_often_than_its_reader_wishes(
    page: Page, site: Serving, user: User
) -> None:
    first, second, third = (lives.submit(user) for _ in range(3))
    Preferences.objects.create(user=user, update_seconds=EVERY_SECONDS)
    sign_in(page, user)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    asked: list[Request] = []
    page.on("request", lambda request: "/rows?" in request.url and asked.append(request))

    for download in (first, second, third):
        actions.cancel(download, actor="test")
        expect(row_of(page, download)).to_contain_text("Cancelled")

    begun = [request.timing["startTime"] / 1000 for request in asked]
    ended = [
        begin + request.timing["responseEnd"] / 1000
        for begin, request in zip(begun, asked, strict=True)
    ]
    pauses = [begin - end for end, begin in zip(ended, begun[1:], strict=False)]
    assert len(pauses) >= 2
    assert min(pauses) >= EVERY_SECONDS - 0.1


def test_counts_come_by_the_stream_and_need_no_rows(page: Page, site: Serving, user: User) -> None:
    moved, _ = lives.submit(user), lives.submit(user)
    sign_in(page, user)
    page.goto("/?sort=oldest&q=nothing")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    moved.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    counts = {"all": "2", "waiting": "1", "cancelled": "1", "not_cleaned": "1", "failed": "0"}
    for name, count in counts.items():
        expect(page.locator(f"#summary [data-count={name}]")).to_have_text(count)
    assert [url for url in asked if "/rows" in url] == []
