"""What was deleted elsewhere leaves every page that shows it."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark, row_of
from tests.helpers import lives
from tests.helpers.serving import Serving, serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None) -> Iterator[Serving]:
    """Without a worker: the downloads stay as they are."""
    with serving("--no-worker") as server:
        yield server


def test_a_row_goes_when_its_download_is_deleted(page: Page, user: User) -> None:
    kept, forgotten = lives.submit(user), lives.submit(user)
    sign_in(page, user)
    expect(page.locator("#chip-word")).to_have_text("Live")
    mark(page)

    forgotten.forget()

    expect(row_of(page, forgotten)).to_have_count(0)
    expect(row_of(page, kept)).to_be_visible()
    assert_not_reloaded(page)


def test_a_row_with_the_focus_goes_when_the_focus_does(page: Page, user: User) -> None:
    forgotten = lives.submit(user)
    sign_in(page, user)
    expect(page.locator("#chip-word")).to_have_text("Live")
    row = row_of(page, forgotten)
    row.locator("a.title").focus()

    forgotten.forget()
    expect(row.get_by_role("button", name="Cancel")).to_be_disabled()
    assert page.evaluate("document.activeElement.className") == "title"
    page.locator("#pause").focus()

    expect(row).to_have_count(0)


def test_the_page_of_a_deleted_download_says_so_and_offers_nothing(page: Page, user: User) -> None:
    forgotten = lives.submit(user)
    sign_in(page, user)
    page.goto(f"downloads/{forgotten.correlation_id}/")
    expect(page.locator("#chip-word")).to_have_text("Live")

    forgotten.forget()

    expect(page.locator("#gone")).to_contain_text("This download was deleted.")
    expect(page.get_by_role("button", name="Cancel")).to_be_disabled()
    page.locator("#gone").get_by_role("link", name="All downloads").click()
    page.wait_for_url(lambda url: "downloads/" not in url)
