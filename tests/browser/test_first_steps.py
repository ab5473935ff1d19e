"""The first minutes in a browser: the demo, from its button to the end; and a site that stalls."""

import re

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.models import Thumbnail
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import add, only_download, row_of
from tests.helpers.choices import Choices
from tests.helpers.scripted_site import ScriptedSite


@pytest.fixture
def site_settings(scripted_site: ScriptedSite) -> dict[str, str]:
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": scripted_site.origin}


def test_the_demo_leads_from_an_empty_page_to_a_finished_download(page: Page, staff: User) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    sign_in(page, staff)
    steps = page.get_by_role("region", name="First steps")
    expect(steps).to_contain_text("A worker is running.")

    steps.get_by_role("button", name="Try the demo video").click()

    expect(row_of(page, only_download())).to_contain_text("Completed")
    expect(steps).to_have_count(0)
    assert Thumbnail.objects.filter(download=only_download()).exists()


def test_a_row_that_stands_still_says_so_by_itself(page: Page, staff: User, offer: Choices) -> None:
    expect.set_options(timeout=TIMEOUT_MS)
    film = (offer.media / "360.mp4").read_bytes()
    offer.file("/360.mp4", film, hold_after=len(film) // 2)
    sign_in(page, staff)

    add(page, offer.url("/360.mp4"))

    expect(row_of(page, only_download())).to_contain_text(re.compile("No bytes for [0-9]+ s"))
