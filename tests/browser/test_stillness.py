"""What a list does not do while somebody reads or uses it: move, or take the focus away."""

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from downloads import actions
from downloads.models import Download, Progress
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import row_of
from tests.browser.test_list_rows import boxes
from tests.helpers import lives
from tests.helpers.serving import Serving

# The sum of what moved without being asked to, as the browser itself counts it.
WATCH_SHIFTS = """() => {
    window.shifts = 0;
    new PerformanceObserver((list) => {
        for (const entry of list.getEntries()) window.shifts += entry.value;
    }).observe({ type: "layout-shift" });
}"""
SELECT = """(title) => {
    getSelection().selectAllChildren(title);
    return getSelection().toString();
}"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None, unattended: Serving) -> Serving:
    return unattended


@pytest.fixture
def ended(site: Serving, user: User) -> list[Download]:
    """More than a window shows, the latest first."""
    return [lives.fail(lives.submit(user)) for _ in range(20)][::-1]


def open_list(page: Page, user: User, path: str = "") -> None:
    page.set_viewport_size({"width": 1280, "height": 700})
    sign_in(page, user)
    if path:
        page.goto(path)
    page.mouse.move(2, 2)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")


def progress_of(download: Download, *, percent: int, speed: float) -> None:
    Progress.objects.filter(download=download).update(
        received_bytes=percent * 2**20,
        total_bytes=100 * 2**20,
        speed=speed,
        eta_seconds=100 - percent,
        updated_at=timezone.now(),
    )


def test_numbers_change_in_place_and_take_neither_focus_nor_selection(
    page: Page, user: User, ended: list[Download]
) -> None:
    running = lives.start(lives.submit(user))
    progress_of(running, percent=1, speed=900)
    open_list(page, user)
    row = row_of(page, running)
    expect(row).to_contain_text("1 %")
    cancel = row.get_by_role("button", name="Cancel")
    cancel.focus()
    selected = page.evaluate(SELECT, row.locator("a.title").element_handle())
    before = boxes(page)
    page.evaluate(WATCH_SHIFTS)

    for percent in range(2, 22):
        progress_of(running, percent=percent, speed=10.0 ** (percent / 2))
        expect(row.locator("[data-at=percent]")).to_have_text(f"{percent} %")

    expect(cancel).to_be_focused()
    assert page.evaluate("getSelection().toString()") == selected == running.url
    assert (boxes(page), page.evaluate("shifts")) == (before, 0)


def test_new_rows_wait_behind_their_number_while_the_list_is_in_use(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user)
    title, newer = row_of(page, ended[2]).locator("a.title"), page.locator("#newer")
    title.focus()
    before = boxes(page)

    first = lives.submit(user)
    expect(newer).to_have_text("1 new")
    second = lives.submit(user)
    expect(newer).to_have_text("2 new")
    assert boxes(page) == before
    expect(title).to_be_focused()
    newer.click()

    expect(newer).to_be_hidden()
    expect(row_of(page, first)).to_be_visible()
    expect(row_of(page, first).locator("a.title")).to_be_focused()
    assert page.locator(".row").evaluate_all(
        "rows => rows.slice(0, 2).map((row) => row.dataset.row)"
    ) == [first.correlation_id, second.correlation_id]


def test_new_rows_wait_while_the_list_is_scrolled_and_come_in_at_its_top(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user)
    newer = page.locator("#newer")
    page.evaluate("scrollTo(0, 400)")
    before = boxes(page)

    new = lives.submit(user)

    expect(newer).to_have_text("1 new")
    expect(newer).to_be_in_viewport()
    assert boxes(page) == before
    page.evaluate("scrollTo(0, 0)")
    expect(row_of(page, new)).to_be_visible()
    expect(newer).to_be_hidden()


def test_a_row_goes_to_its_place_when_nobody_uses_the_list(
    page: Page, user: User, ended: list[Download]
) -> None:
    """In the order “now” what runs is above what has ended."""
    waiting = [lives.submit(user) for _ in range(3)]
    open_list(page, user)
    row_of(page, ended[0]).locator("a.title").focus()
    before = boxes(page)

    lives.fail(waiting[0])
    expect(row_of(page, waiting[0])).to_contain_text("Failed")
    assert boxes(page) == before
    page.get_by_role("searchbox").focus()

    expect(page.locator(".row").nth(2)).to_have_id(f"download-{waiting[0].correlation_id}")


def test_new_rows_wait_while_something_is_selected(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user)
    tick = row_of(page, ended[2]).locator("[name=ids]")
    tick.check()
    page.get_by_role("searchbox").focus()
    page.mouse.move(2, 2)

    new = lives.submit(user)

    expect(page.locator("#newer")).to_have_text("1 new")
    expect(row_of(page, new)).to_have_count(0)
    tick.uncheck()
    page.get_by_role("searchbox").focus()
    page.mouse.move(2, 2)
    expect(row_of(page, new)).to_be_visible()


def test_a_row_that_left_the_filter_stays_dimmed_until_ten_seconds_after_the_focus_left_it(
    page: Page, user: User, ended: list[Download]
) -> None:
    waiting, other = lives.submit(user), lives.submit(user)
    page.clock.install()
    open_list(page, user, "?state=waiting")
    row = row_of(page, waiting)
    row.locator("a.title").focus()

    actions.cancel(waiting, actor="test")
    expect(row.locator(".badge")).to_have_text("Cancelled")
    expect(row).to_have_css("opacity", "1")
    expect(row.locator(".badge")).to_have_css("filter", "grayscale(1)")
    page.clock.pause_at(page.evaluate("Date.now() + 100"))
    page.clock.run_for(12_000)
    expect(row).to_be_visible()
    page.get_by_role("searchbox").focus()
    page.clock.run_for(9_500)
    expect(row).to_be_visible()
    page.clock.run_for(1_000)

    expect(row).to_have_count(0)
    expect(row_of(page, other)).to_be_visible()
