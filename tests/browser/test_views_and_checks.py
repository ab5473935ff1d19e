"""Saved views of the list (D3), also without our scripts; links that are only looked up (A6)."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Download, SavedView
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import only_download, row_of
from tests.helpers.choices import TITLE, Choices
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.serving import Serving


@pytest.fixture
def site_settings(scripted_site: ScriptedSite) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}


@pytest.fixture(params=[True, False], ids=["with scripts", "without"])
def window(request: pytest.FixtureRequest, browser: Browser, site: Serving) -> Iterator[Page]:
    expect.set_options(timeout=TIMEOUT_MS)
    context = browser.new_context(base_url=site.url, java_script_enabled=request.param)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def test_a_view_is_saved_found_renamed_and_removed(window: Page, user: User) -> None:
    sign_in(window, user)
    strip = window.get_by_role("navigation", name="Filter by state")

    window.goto("?state=failed&q=host:example.org")
    window.get_by_text("Save as view").click()
    window.get_by_label("Name", exact=True).fill("Broken")
    window.get_by_role("button", name="Save", exact=True).click()
    expect(strip.get_by_role("link", name="Broken")).to_have_attribute("aria-current", "page")

    window.goto("")
    strip.get_by_role("link", name="Broken").click()
    expect(window.get_by_label("Search title, address or id")).to_have_value("host:example.org")
    window.get_by_text("Change this view").click()
    window.get_by_label("Name", exact=True).fill("To mend")
    window.get_by_role("button", name="Rename").click()
    expect(strip.get_by_role("link", name="To mend")).to_have_attribute("aria-current", "page")

    window.get_by_text("Change this view").click()
    window.get_by_role("button", name="Remove this view").click()
    expect(strip.get_by_role("link", name="Failed")).to_have_attribute("aria-current", "page")
    assert not SavedView.objects.exists()


def test_a_link_is_looked_up_and_then_downloaded(page: Page, user: User, offer: Choices) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    sign_in(page, user)
    page.get_by_label("Links to videos").fill(offer.url("/film"))
    page.get_by_text("Change…").click()
    page.get_by_label("Check only").check()
    page.get_by_role("button", name="Add", exact=True).click()

    row = row_of(page, only_download())
    expect(row).to_contain_text("Checked: 6 s, about ")
    row.get_by_role("button", name="Download it").click()

    expect(page.get_by_role("heading", name=TITLE)).to_be_visible()
    assert Download.objects.latest("id").options["check"] is False
