"""An open page says who waits for their turn, when that begins and when it ends."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark, row_of
from tests.browser.test_waiting import show
from tests.helpers import lives
from tests.models.test_fairness import claim, end


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed but by the test.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60), "VNSITE_USER_RUNNING": "1"}


@pytest.mark.parametrize("where", ["dashboard", "download"])
def test_a_page_says_for_what_a_download_waits_as_long_as_it_does(
    page: Page, user: User, where: str
) -> None:
    lives.submit(user)
    waiting = lives.submit(user)
    sign_in(page, user)
    if where == "download":
        page.goto(f"downloads/{waiting.correlation_id}/")
    place = row_of(page, waiting) if where == "dashboard" else page.locator("#part-now")
    expect(place).to_contain_text("in the queue", ignore_case=True)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    mark(page)

    running = claim()

    said = "You have 1 running, the limit for you is 1. It starts when one ends"
    expect(place).to_contain_text(said)
    show(page, f"turn-{where}")
    assert running
    end(running)
    expect(place).to_contain_text("in the queue", ignore_case=True)
    assert_not_reloaded(page)
