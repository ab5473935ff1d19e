"""The rows of the list in a browser: their height, their places, and what does not move."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect

from downloads import actions
from downloads.models import Download, Preferences, Progress
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Phase, Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import row_of
from tests.helpers import lives
from tests.helpers.serving import Serving

CUT_OFF = """sentences => sentences
    .filter((each) => each.scrollHeight > each.clientHeight || each.scrollWidth > each.clientWidth)
    .map((each) => each.textContent)"""


OUTSIDE = """parts => parts.filter((part) => {
    const [inner, outer] = [part, part.closest(".row > *")].map(
        (each) => each.getBoundingClientRect());
    return inner.width && (inner.left < outer.left - 1 || inner.right > outer.right + 1);
}).map((part) => part.innerText)"""


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


def boxes(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.eval_on_selector_all(
        ".row", "rows => rows.map((row) => row.getBoundingClientRect().toJSON())"
    )
    return found


def open_list(page: Page, user: User, *, width: int, height: int) -> list[dict[str, Any]]:
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, user)
    return boxes(page)


def test_fifteen_rows_are_in_view(page: Page, user: User, ended: list[Download]) -> None:
    rows = open_list(page, user, width=1280, height=900)

    assert {row["height"] for row in rows[1:]} == {44}
    assert rows[0]["top"] <= 220
    assert rows[14]["bottom"] <= 900


def test_the_first_row_is_high_on_a_phone_and_nothing_is_cut(
    page: Page, user: User, ended: list[Download]
) -> None:
    lives.start(lives.submit(user))

    rows = open_list(page, user, width=360, height=740)

    assert rows[0]["top"] <= 260
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    ends = "cells => new Set(cells.map((cell) => cell.getBoundingClientRect().right)).size"
    assert page.eval_on_selector_all(".row-actions", ends) == 1


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_nothing_in_a_row_is_cut_off_or_lies_over_something_else(
    page: Page, site: Serving, user: User, language: str
) -> None:
    Preferences.objects.create(user=user, language=language)
    for error_class in ErrorClass:
        lives.fail(lives.submit(user), error_class)
    lives.complete(lives.submit(user))
    recording = lives.start(lives.submit(user))
    Progress.objects.update(phase=Phase.RECORDING)
    lives.submit(user)

    rows = open_list(page, user, width=1280, height=900)

    assert {row["height"] for row in rows[1:]} == {44}
    assert page.locator(".row .failure").evaluate_all(CUT_OFF) == []
    expect(row_of(page, recording).locator("[data-act=keep]")).to_be_visible()
    parts = page.locator(".row :is(.badge, time, .button, button, summary)")
    assert parts.evaluate_all(OUTSIDE) == []
    assert len(rows) == len(ErrorClass) + 3


def test_a_search_is_read_on_a_phone(page: Page, user: User, ended: list[Download]) -> None:
    open_list(page, user, width=360, height=740)

    field = page.get_by_role("searchbox")
    assert field.evaluate("field => field.clientWidth") >= 150


def test_a_wide_screen_is_used(page: Page, user: User, ended: list[Download]) -> None:
    rows = open_list(page, user, width=1920, height=1080)

    assert rows[0]["width"] > 1600


def test_comfortable_rows_are_higher_and_stay_so_wherever_their_user_signs_in(
    page: Page, user: User, ended: list[Download]
) -> None:
    compact = open_list(page, user, width=1280, height=900)

    page.get_by_role("button", name="Comfortable rows").click()

    expect(page.get_by_role("button", name="Compact rows")).to_be_visible()
    page.context.clear_cookies()  # as in another browser
    sign_in(page, user)
    assert boxes(page)[1]["height"] > compact[1]["height"]


def test_the_summary_filters_and_says_what_all_do(
    page: Page, user: User, ended: list[Download]
) -> None:
    running = lives.start(lives.submit(user))
    Progress.objects.update(speed=6.2 * 2**20, updated_at=timezone.now())
    open_list(page, user, width=1280, height=900)
    summary = page.locator("#summary")
    expect(summary.locator("#speed")).to_have_text("6.2 MiB/s")
    expect(summary.locator("#free")).to_have_text(re.compile(r"^[\d.]+ [MGT]iB$"))
    expect(summary.locator("#spark polyline")).to_have_attribute("points", re.compile(r"\d,\d.* "))

    summary.get_by_role("link", name="Running 1").click()

    expect(summary.locator("[aria-current=page]")).to_have_text("Running 1")
    expect(page.locator(".row")).to_have_attribute("data-row", running.correlation_id)


def test_the_order_acts_when_it_is_chosen(page: Page, user: User, ended: list[Download]) -> None:
    open_list(page, user, width=1280, height=900)

    page.get_by_label("Order").select_option("oldest")

    page.wait_for_url("**/?*sort=oldest*")
    first = page.locator(".row").first
    expect(first).to_have_attribute("data-row", ended[-1].correlation_id)


def test_a_part_of_the_search_is_taken_out_by_a_click(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user, width=1280, height=900)
    page.goto(f"?q=state:failed+id:{ended[3].correlation_id}")
    expect(page.locator(".row")).to_have_count(1)

    page.get_by_role("link", name=f"Remove id:{ended[3].correlation_id}").click()

    expect(page.locator(".row")).to_have_count(20)
    expect(page.get_by_role("link", name="Remove state:failed")).to_be_visible()


def test_a_row_that_is_drawn_again_moves_nothing(
    page: Page, user: User, ended: list[Download]
) -> None:
    before = open_list(page, user, width=1280, height=900)
    row = row_of(page, ended[4])
    row.hover()

    lives_on = Download.objects.get(pk=ended[4].pk)
    lives_on.move(State.CLEANED, actor="test", reason=Reason.CLEANED, directory="")

    expect(row).to_have_attribute("data-state", "cleaned")
    assert boxes(page) == before


def test_a_column_that_is_not_wanted_leaves_its_room_to_the_others(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user, width=1280, height=900)
    row = row_of(page, ended[0])
    before = row.locator(".row-name").bounding_box()
    Preferences.objects.create(user=user, shows_pictures=False, shows_facts=False, shows_ages=False)

    page.reload()

    after = row.locator(".row-name").bounding_box()
    assert before
    assert after
    assert after["width"] > before["width"] + 64 + 48
    expect(row.locator(":is(.thumb, .row-name > .muted, .row-age):visible")).to_have_count(0)


def test_the_link_of_a_row_is_copied(page: Page, user: User, ended: list[Download]) -> None:
    open_list(page, user, width=1280, height=900)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    row = row_of(page, ended[0])
    row.locator(".more > summary").click()

    row.get_by_role("button", name="Copy the link").click()

    expect(row.get_by_role("button", name="Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == ended[0].url


def test_where_there_is_no_clipboard_the_link_of_a_row_is_selected(
    page: Page, user: User, ended: list[Download]
) -> None:
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})"
    )
    open_list(page, user, width=1280, height=900)
    row = row_of(page, ended[0])
    row.locator(".more > summary").click()

    row.get_by_role("button", name="Copy the link").click()

    expect(row.get_by_role("button", name="Press Ctrl+C")).to_be_visible()
    assert page.evaluate("getSelection().toString()") == ended[0].url


def test_the_menu_of_a_row_that_is_gone_leads_to_its_page(
    page: Page, user: User, ended: list[Download]
) -> None:
    open_list(page, user, width=1280, height=900)
    gone = row_of(page, ended[0])
    page.route("**/menu", lambda route: route.fulfill(status=404, body="Not found"))

    with page.expect_response("**/menu"):
        gone.locator(".more > summary").click()

    page.wait_for_timeout(200)  # what comes must not be put there
    expect(gone.locator(".more a")).to_have_text("Open its page")


def test_without_javascript_the_list_is_filtered_searched_paged_and_acted_upon(
    browser: Browser, site: Serving, user: User
) -> None:
    failed = [lives.fail(lives.submit(user)) for _ in range(51)]
    cancelled = lives.submit(user)
    actions.cancel(cancelled, actor="test")
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, user)

    page.get_by_role("link", name="Failed 51").click()
    expect(page.locator(".filters [aria-current=page]")).to_have_text("Failed 51")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".row")).to_have_count(1)
    page.get_by_role("searchbox").fill(f"id:{failed[7].correlation_id}")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".row")).to_have_count(1)
    page.locator(".row").get_by_role("button", name="Retry").click()

    expect(page.locator(".row")).to_have_count(0)  # it left the filter
    assert Download.objects.get(pk=failed[7].pk).state == State.CREATED
    context.close()
