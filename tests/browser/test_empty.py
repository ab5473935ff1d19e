"""What stands where rows would be, and what is said while nothing can come of those that wait."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads import actions
from downloads.models import Worker
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark, row_of
from tests.helpers import lives
from tests.helpers.serving import Serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None, unattended: Serving) -> Serving:
    Worker.objects.all().delete()
    return unattended


def open_list(page: Page, user: User) -> None:
    sign_in(page, user)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    mark(page)


def test_a_search_that_finds_nothing_names_itself_and_is_cleared_by_a_click(
    page: Page, site: Serving, user: User
) -> None:
    download = lives.submit(user)
    sign_in(page, user)

    page.goto("?state=failed&q=cat")
    empty = page.locator(".empty")
    expect(empty).to_contain_text("No downloads match “cat” and the filter “Failed”.")
    empty.get_by_role("link", name="Clear filters").click()

    expect(row_of(page, download)).to_be_visible()
    expect(empty).to_be_hidden()


def test_a_list_whose_last_row_is_deleted_says_what_to_do(
    page: Page, site: Serving, user: User
) -> None:
    download = lives.complete(lives.submit(user))
    open_list(page, user)
    row_of(page, download).locator("[name=ids]").check()

    page.locator("#bulk").get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 download").click()

    expect(page.locator(".empty")).to_have_text("Nothing here yet. Add a link above.")
    assert_not_reloaded(page)


def test_the_first_steps_show_how_a_worker_is_started_until_one_runs(
    page: Page, site: Serving, user: User
) -> None:
    open_list(page, user)
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text("No worker is running.")
    expect(steps.locator("code")).to_have_text(".venv/bin/python manage.py run_downloads")
    expect(steps.get_by_role("button", name="Copy")).to_be_visible()

    lives.make_worker()

    expect(steps).to_contain_text("A worker is running.")
    assert_not_reloaded(page)
    steps.get_by_role("button", name="Hide").click()
    expect(steps).to_have_count(0)
    expect(page.locator(".empty")).to_be_visible()


def test_every_page_says_that_no_worker_takes_what_waits_until_one_does(
    page: Page, site: Serving, user: User
) -> None:
    download = lives.submit(user)
    sign_in(page, user)
    page.goto("help/")
    missing = "No worker is running. 1 download is waiting."
    expect(page.locator("main")).to_contain_text(missing)
    page.goto("")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    mark(page)
    banners, row = page.locator("#banners"), row_of(page, download)
    expect(banners).to_contain_text(missing)
    expect(row.get_by_role("link", name="No worker is running")).to_have_attribute(
        "href", "/workers/"
    )

    lives.make_worker()

    expect(banners).to_be_hidden()
    expect(row).to_contain_text("Next in the queue")
    assert_not_reloaded(page)


def test_a_list_that_cannot_be_asked_for_keeps_its_rows_says_so_and_can_be_asked_again(
    page: Page, site: Serving, user: User
) -> None:
    download = lives.submit(user)
    sign_in(page, user)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    page.route("**/rows?*", lambda route: route.abort())

    actions.cancel(download, actor="test")

    expect(page.locator("#lost")).to_be_visible()
    expect(row_of(page, download)).to_contain_text("Waiting")
    page.unroute("**/rows?*")
    page.get_by_role("button", name="Retry now").click()
    expect(row_of(page, download)).to_contain_text("Cancelled")
    expect(page.locator("#lost")).to_be_hidden()
