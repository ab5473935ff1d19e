"""A live stream in a browser: recorded, stopped and kept without a reload."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import add, assert_not_reloaded, mark, only_download, row_of
from tests.helpers.live_site import Live, footage
from tests.helpers.scripted_site import ScriptedSite


@pytest.fixture
def site_settings(scripted_site: ScriptedSite) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}


def test_a_recording_is_stopped_and_kept_without_a_reload(
    page: Page, staff: User, scripted_site: ScriptedSite, tmp_path: Path
) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    live = Live(film=footage("ts", tmp_path), hold_at=3)
    sign_in(page, staff)
    add(page, live.on(scripted_site))
    mark(page)
    row = row_of(page, only_download())
    expect(row).to_contain_text("Recording")

    row.get_by_role("button", name="Stop and keep").click()

    expect(row).to_contain_text("Completed")
    expect(row.get_by_role("button", name="Stop and keep")).to_have_count(0)
    assert_not_reloaded(page)
