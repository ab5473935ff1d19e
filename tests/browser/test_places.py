"""The site in other places: without JavaScript, on a small screen, on its very first start."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in, sign_out
from tests.helpers.media_server import MediaServer
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


def test_without_javascript_links_are_added_watched_and_cancelled(
    browser: Browser, site: Serving, staff: User, media_server: MediaServer
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, staff)

    page.get_by_role("textbox", name="Links").fill(media_server.url("/slow.mp4?rate=50000&nojs"))
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("main")).to_contain_text("1 download added.")
    wait_for(lambda: Download.objects.filter(state="downloading").exists())
    page.get_by_role("link", name="Refresh").click()
    expect(page.locator("#rows")).to_contain_text("Downloading")
    page.locator("#rows").get_by_role("button", name="Cancel").click()
    wait_for(lambda: Download.objects.get().state == "cleaned", what="the cancel")
    page.goto("")

    expect(page.locator("#rows")).to_contain_text("Cancelled")
    context.close()


def test_without_javascript_the_menu_opens_changes_the_theme_and_signs_out(
    browser: Browser, site: Serving, staff: User
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, staff)

    page.goto("help/")
    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert urlsplit(page.url).path == "/help/"
    sign_out(page)

    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    context.close()


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_is_wider_than_the_screen(
    page: Page, staff: User, media_server: MediaServer, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 700})
    sign_in(page, staff)
    long_link = media_server.url(f"/status/404?{'x' * 500}")
    page.get_by_role("textbox", name="Links").fill(long_link)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#rows")).to_contain_text("Failed")

    for path in ("", f"downloads/{Download.objects.get().correlation_id}/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_first_administrator_is_made_by_the_printed_link(page: Page, site: Serving) -> None:
    link = next(line.split()[-1] for line in site.lines if "/setup/" in line)
    page.goto(link)
    page.get_by_label("Username").fill("anna")
    for field in page.locator("input[type=password]").all():
        field.fill("correct horse battery")
    page.get_by_role("button", name="Make the administrator").click()

    expect(page.get_by_role("textbox", name="Links")).to_be_visible()
    assert User.objects.get().is_superuser
    page.goto(link)
    expect(page.get_by_role("textbox", name="Links")).to_be_visible()  # the link is used up
