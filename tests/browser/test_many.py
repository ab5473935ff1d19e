"""Many downloads at once, in a browser: selection, bar and questions; and without scripts."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
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
def waiting(site: Serving, user: User) -> list[Download]:
    """The newest first, as the page shows them."""
    return [lives.submit(user) for _ in range(5)][::-1]


@pytest.fixture
def unscripted(browser: Browser, site: Serving) -> Page:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    return context.new_page()


def open_list(page: Page, user: User) -> None:
    sign_in(page, user)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")


def tick(page: Page, download: Download, *, shift: bool = False) -> None:
    box = page.locator(f"[name=ids][value='{download.correlation_id}']")
    box.click(modifiers=["Shift"] if shift else [])


def ticked(page: Page) -> set[str]:
    boxes = page.locator("[name=ids]:checked")
    return {str(value) for value in boxes.evaluate_all("boxes => boxes.map((box) => box.value)")}


def ids(downloads: list[Download]) -> set[str]:
    return {each.correlation_id for each in downloads}


def outcome_of(download: Download) -> str | None:
    return Download.objects.get(pk=download.pk).outcome


def test_a_range_is_ticked_with_shift_and_cancelled(
    page: Page, user: User, waiting: list[Download]
) -> None:
    open_list(page, user)
    expect(page.locator("#bulk")).to_be_hidden()

    tick(page, waiting[1])
    tick(page, waiting[3], shift=True)

    assert ticked(page) == ids(waiting[1:4])
    expect(page.locator("#bulk")).to_contain_text("3 selected")
    page.locator("#bulk").get_by_role("button", name="Cancel").click()
    expect(page.locator("#bulk-note")).to_have_text("3 downloads cancelled.")
    expect(page.locator("#bulk")).to_be_hidden()
    for download in waiting[1:4]:
        expect(page.locator(f"#download-{download.correlation_id}")).to_contain_text("Cancelled")
    assert [outcome_of(each) for each in (waiting[0], waiting[4])] == [None, None]


def test_a_selection_survives_rows_that_are_drawn_again(
    page: Page, user: User, waiting: list[Download]
) -> None:
    open_list(page, user)
    tick(page, waiting[4])
    tick(page, waiting[0])

    lives.start(waiting[4])

    row = page.locator(f"#download-{waiting[4].correlation_id}")
    expect(row).to_have_attribute("data-state", "downloading")
    assert ticked(page) == ids([waiting[0], waiting[4]])
    expect(page.locator("#bulk")).to_contain_text("2 selected")


def test_all_that_match_are_more_than_the_page(page: Page, site: Serving, user: User) -> None:
    for number in range(52):
        lives.submit(user, url=f"https://example.org/cat/{number}")
    other = lives.submit(user)
    open_list(page, user)
    page.goto("?q=cat")
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    page.locator("[name=ids]").first.check()
    expect(page.locator("#bulk")).to_be_in_viewport()
    expect(page.locator("#all-matching")).to_be_hidden()

    page.get_by_label("All on this page").check()
    page.get_by_label("All 52 that match").check()
    expect(page.locator("#bulk")).to_contain_text("52 selected")
    page.locator("#bulk").get_by_role("button", name="Cancel").click()

    expect(page.locator("#bulk-note")).to_have_text("52 downloads cancelled.")
    assert list(Download.objects.filter(state="created")) == [other]


def test_a_deletion_asks_in_a_dialog_that_gives_the_focus_back(
    page: Page, site: Serving, user: User
) -> None:
    failed, kept = lives.fail(lives.submit(user)), lives.fail(lives.submit(user))
    open_list(page, user)
    tick(page, failed)
    delete = page.locator("#bulk").get_by_role("button", name="Delete")

    delete.click()
    dialog = page.get_by_role("dialog", name="Delete 1 download?")
    expect(dialog.get_by_text("Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(delete).to_be_focused()
    delete.click()
    dialog.get_by_role("button", name="Delete 1 download").click()

    expect(page.locator("#bulk-note")).to_have_text("1 download deleted.")
    expect(page.locator(f"#download-{failed.correlation_id}")).to_have_count(0)
    assert list(Download.objects.all()) == [kept]


def test_one_is_deleted_from_the_menu_of_its_row(page: Page, site: Serving, user: User) -> None:
    failed = lives.fail(lives.submit(user))
    open_list(page, user)
    row = page.locator(f"#download-{failed.correlation_id}")

    row.locator(".more summary").click()
    row.get_by_role("link", name="Delete…").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete 1 download").click()

    expect(row).to_have_count(0)
    assert not Download.objects.exists()


def test_the_menu_clears_what_has_ended(page: Page, site: Serving, user: User) -> None:
    lives.fail(lives.submit(user))
    lives.complete(lives.submit(user))
    open_list(page, user)

    page.locator("#all-actions summary").click()
    page.get_by_role("button", name="Clear ended from the list").click()
    dialog = page.get_by_role("dialog", name="Delete 2 downloads?")
    expect(dialog).to_contain_text("Delete 1 file (5 B) from the library as well")
    dialog.get_by_role("button", name="Delete 2 downloads").click()

    expect(page.locator("#bulk-note")).to_have_text("2 downloads deleted.")


def test_links_are_there_to_be_copied(page: Page, user: User, waiting: list[Download]) -> None:
    open_list(page, user)
    tick(page, waiting[0])
    tick(page, waiting[2])

    page.locator("#bulk").get_by_role("button", name="Copy links").click()

    links = page.get_by_role("textbox", name="Links of the selected downloads")
    expect(links).to_have_value(f"{waiting[2].url}\n{waiting[0].url}")


def test_everybody_sees_that_the_queue_is_paused_without_a_reload(
    page: Page, browser: Browser, user: User, staff: User, waiting: list[Download], site: Serving
) -> None:
    open_list(page, user)
    other = browser.new_context(base_url=site.url)
    boss = other.new_page()
    sign_in(boss, staff)

    boss.locator("#all-actions summary").click()
    boss.get_by_role("button", name="Pause the queue").click()

    expect(page.locator("#banners")).to_contain_text("The queue is paused by stefan")
    row = page.locator(f"#download-{waiting[0].correlation_id}")
    expect(row).to_contain_text("The queue is paused")
    boss.locator("#banners").get_by_role("button", name="Resume").click()
    expect(page.locator("#banners")).not_to_contain_text("paused")
    expect(row).not_to_contain_text("paused")
    other.close()


def test_without_javascript_many_are_cancelled_and_deleted(
    unscripted: Page, user: User, waiting: list[Download]
) -> None:
    sign_in(unscripted, user)
    tick(unscripted, waiting[0])
    tick(unscripted, waiting[1])

    unscripted.locator("#bulk").get_by_role("button", name="Cancel").click()
    expect(unscripted.locator("main")).to_contain_text("2 downloads cancelled.")
    tick(unscripted, waiting[0])
    unscripted.locator("#bulk").get_by_role("button", name="Delete").click()
    unscripted.get_by_role("button", name="Delete 1 download").click()

    expect(unscripted.locator("main")).to_contain_text("1 download deleted.")
    assert set(Download.objects.values_list("pk", flat=True)) == {each.pk for each in waiting[1:]}
    unscripted.context.close()
