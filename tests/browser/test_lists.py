"""The page of a list in a browser: choosing entries, and seeing what becomes of them."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Download, Listing, add_entries
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import row_of
from tests.helpers import lives
from tests.helpers.serving import Serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


@pytest.fixture
def listing(site: Serving, staff: User) -> Listing:
    entries = [lives.entry(number, duration_seconds=60.0) for number in range(1, 9)]
    return lives.list_up(lives.submit(staff), *entries)


def open_list(page: Page, listing: Listing, user: User) -> None:
    sign_in(page, user)
    page.goto(f"downloads/{listing.download.correlation_id}/")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")


def tick(page: Page, position: int, *, shift: bool = False) -> None:
    box = page.locator(f"#tick-{position}")
    box.click(modifiers=["Shift"] if shift else [])


def ticked(page: Page) -> list[str]:
    boxes = page.locator("[type=checkbox][name=position]:checked")
    return [str(value) for value in boxes.evaluate_all("boxes => boxes.map((box) => box.value)")]


def cancel(download: Download) -> None:
    download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)


def added(listing: Listing) -> list[int]:
    made = listing.entries.exclude(download=None).order_by("position")
    return list(made.values_list("position", flat=True))


def test_a_range_is_ticked_with_shift_counted_and_added(
    page: Page, listing: Listing, staff: User
) -> None:
    open_list(page, listing, staff)
    page.get_by_label("all 8 videos").check()

    tick(page, 2)
    tick(page, 5, shift=True)

    assert ticked(page) == ["2", "3", "4", "5"]
    expect(page.locator("#ticked")).to_have_text("4 ticked, together 4 min 00 s")
    page.get_by_role("button", name="Add 4").click()
    expect(page.locator("main")).to_contain_text("4 downloads added.")
    assert added(listing) == [2, 3, 4, 5]


def test_one_box_ticks_the_whole_page_and_says_whether_it_is(
    page: Page, listing: Listing, staff: User
) -> None:
    open_list(page, listing, staff)
    whole = page.get_by_label("All on this page")

    whole.check()
    assert len(ticked(page)) == 8
    tick(page, 3)

    assert whole.evaluate("(box) => box.indeterminate")
    whole.check()
    expect(page.locator("#ticked")).to_contain_text("8 ticked")


def test_what_is_ticked_stays_so_while_others_are_looked_for(
    page: Page, listing: Listing, staff: User
) -> None:
    open_list(page, listing, staff)
    tick(page, 2)
    search = page.get_by_label("Search title or address")

    search.fill("Video 7")
    search.press("Enter")
    expect(page.locator("#ticked")).to_have_text(
        "1 ticked, 1 of them not shown, together 1 min 00 s"
    )
    tick(page, 7)
    page.get_by_label("Which numbers").fill("nonsense")
    page.get_by_role("button", name="Add", exact=True).click()  # is refused, and keeps the ticks
    expect(page.get_by_role("alert")).to_contain_text("Nothing was added.")
    page.get_by_label("the ticked ones").check()
    page.get_by_role("button", name="Add 2").click()

    expect(page.locator("main")).to_contain_text("2 downloads added.")
    assert added(listing) == [2, 7]
    expect(page.locator("#ticked")).to_have_text("Nothing is ticked.")


def test_all_are_unticked_at_once(page: Page, listing: Listing, staff: User) -> None:
    open_list(page, listing, staff)
    tick(page, 2)

    page.get_by_role("button", name="Untick all").click()

    expect(page.locator("#ticked")).to_have_text("Nothing is ticked.")
    assert ticked(page) == []


def test_typing_numbers_chooses_them(page: Page, listing: Listing, staff: User) -> None:
    open_list(page, listing, staff)

    page.get_by_label("Which numbers").fill("7-")

    expect(page.get_by_label("numbers", exact=True)).to_be_checked()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("main")).to_contain_text("2 downloads added.")
    assert added(listing) == [7, 8]


def test_what_becomes_of_the_entries_is_seen_while_others_are_ticked(
    page: Page, listing: Listing, staff: User
) -> None:
    chosen = listing.entries.filter(position__lte=2)
    first, second = add_entries(listing, chosen, options=DownloadOptions(), actor="test")
    open_list(page, listing, staff)
    tick(page, 5)

    assert first.entry.download
    cancel(first.entry.download)

    expect(page.locator("#entry-1-state")).to_contain_text("Cancelled")
    expect(page.locator("#part-listed")).to_contain_text("1 waiting · 1 cancelled")
    expect(page.locator("#entry-2-state")).to_contain_text("Waiting")
    assert ticked(page) == ["5"]
    assert second.entry.download


def test_the_list_appears_on_the_page_that_waits_for_it(
    page: Page, site: Serving, staff: User
) -> None:
    running = lives.start(lives.submit(staff))
    sign_in(page, staff)
    page.goto(f"downloads/{running.correlation_id}/")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")

    lives.end_listed(running, lives.entry(1), lives.entry(2))

    expect(page.locator("#part-listed")).to_contain_text("2 videos")
    tick(page, 2)
    expect(page.get_by_role("button", name="Add 1")).to_be_visible()


def test_the_row_of_a_list_follows_its_downloads(page: Page, listing: Listing, staff: User) -> None:
    chosen = listing.entries.filter(position=1)
    (addition,) = add_entries(listing, chosen, options=DownloadOptions(), actor="test")
    sign_in(page, staff)
    row = row_of(page, listing.download)
    expect(row).to_contain_text("1 of 8 added · 1 waiting")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")

    assert addition.entry.download
    cancel(addition.entry.download)

    expect(row).not_to_contain_text("waiting")


def test_without_javascript_entries_are_ticked_and_added(
    browser: Browser, site: Serving, listing: Listing, staff: User
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, staff)
    page.goto(f"downloads/{listing.download.correlation_id}/")

    page.get_by_role("link", name="Tick all on this page").click()
    tick(page, 1)
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.locator("main")).to_contain_text("7 downloads added.")
    assert added(listing) == [2, 3, 4, 5, 6, 7, 8]
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_a_list_is_no_wider_than_the_screen(
    page: Page, site: Serving, staff: User, width: int
) -> None:
    long = lives.entry(1, title="x" * 300, uploaded_at=None, is_list=True, is_live=True)
    listing = lives.list_up(lives.submit(staff), long, lives.entry(2))
    page.set_viewport_size({"width": width, "height": 700})

    open_list(page, listing, staff)

    assert page.evaluate("document.documentElement.scrollWidth") <= width
