"""Cleaning up many downloads from the list: what is asked before."""

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS
from tests.browser.test_many import open_list, tick
from tests.helpers import lives
from tests.helpers.serving import Serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None, unattended: Serving) -> Serving:
    """Without a worker, which would clean up by itself."""
    return unattended


def test_a_clean_up_says_what_goes_and_what_stays(page: Page, site: Serving, user: User) -> None:
    failed = [lives.fail(lives.submit(user)) for _ in range(2)]
    open_list(page, user)
    for each in failed:
        tick(page, each)
    clean = page.locator("#bulk").get_by_role("button", name="Clean up")

    clean.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_text("Cancel")).to_be_focused()
    expect(dialog).to_contain_text(
        f"2.0 KiB of temp files are removed from {settings.VNSITE.temp_root}."
    )
    expect(dialog).to_contain_text("The history and the files in the library stay.")
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    assert Download.objects.filter(state="failed").count() == 2
    clean.click()
    dialog.get_by_role("button", name="Clean up 2 downloads").click()

    expect(page.locator("#bulk-note")).to_contain_text("2 downloads cleaned")
