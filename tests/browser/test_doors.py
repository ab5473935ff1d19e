"""The first minutes of the first person: the link that `serve` printed, and a password."""

from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from downloads.accounts import first_admin
from tests.browser.conftest import TIMEOUT_MS

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


def test_the_first_person_pastes_a_password_sees_it_and_is_greeted_in_their_language(
    page: Page,
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(first_admin.setup_path() or "")
    page.evaluate("text => navigator.clipboard.writeText(text)", PASSWORD)

    page.get_by_label("Username").fill("ada")
    for field in ("Password", "Password confirmation"):
        page.get_by_label(field, exact=True).press("Control+v")
    page.get_by_label("Show what is typed").check()
    shown = page.get_by_label("Password", exact=True)

    expect(shown).to_have_attribute("type", "text")
    expect(shown).to_have_value(PASSWORD)
    page.get_by_label("Language").select_option("es")
    page.get_by_role("button", name="Make the administrator").click()
    page.wait_for_url(lambda url: url == urljoin(url, "/"))
    expect(page.locator("html")).to_have_attribute("lang", "es")
