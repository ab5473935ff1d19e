"""A list as a person uses it: read, chosen from, fetched, and known the next time."""

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import add, only_download, row_of
from tests.helpers.lists import Catalogue
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.waiting import wait_for


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings(scripted_site: ScriptedSite) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}


@pytest.fixture
def catalogue(scripted_site: ScriptedSite, media_server: MediaServer) -> Catalogue:
    return Catalogue(scripted_site, media_server.file("small.mp4").read_bytes())


def test_a_list_is_read_chosen_from_fetched_and_known_the_next_time(
    page: Page, staff: User, catalogue: Catalogue
) -> None:
    link = catalogue.list(1, 11, 12, 13)
    sign_in(page, staff)
    add(page, link)
    listed = row_of(page, only_download())
    expect(listed).to_contain_text("3 videos: choose")

    listed.get_by_role("link", name="choose").click()
    page.locator("#tick-2").check()
    page.get_by_role("button", name="Add 1").click()
    expect(page.locator("main")).to_contain_text("1 download added.")
    expect(page.locator("#entry-2-state")).to_contain_text("Completed")
    expect(page.locator("#part-listed")).to_contain_text("1 of 3 added")

    asked_for = catalogue.fetched

    page.goto("")
    add(page, catalogue.video(12) + "?again")
    third = wait_for(lambda: Download.objects.order_by("pk")[2:3].first(), what="the third one")
    newest = row_of(page, third)
    expect(newest).to_contain_text("You have it already")
    assert catalogue.fetched == asked_for

    newest.locator("a.title").click()
    page.get_by_role("button", name="Download again").click()
    expect(page.locator("#part-header")).to_contain_text("Completed")
    assert catalogue.fetched == 2 * asked_for
