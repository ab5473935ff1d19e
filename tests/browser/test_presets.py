"""Choosing and saving presets on the dashboard, with our scripts and without any."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Download, Preset
from downloads.rules.options import DownloadOptions
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers.presets import save
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

URL = "https://example.org/video"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}  # nothing is claimed


@pytest.fixture
def unscripted(browser: Browser, site: Serving) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


def chosen() -> dict[str, object]:
    wait_for(Download.objects.exists, what="a download to be added")
    return DownloadOptions.from_mapping(Download.objects.get().options).chosen()


def test_the_options_follow_the_preset_and_the_links_stay(page: Page, user: User) -> None:
    save(user, "TV", quality="720p", playlist="first:25")
    sign_in(page, user)
    page.get_by_label("Links to videos").fill(URL)
    page.get_by_text("Change…").click()

    page.get_by_label("Preset", exact=True).select_option(label="TV")

    expect(page.get_by_label("Quality")).to_have_value("720p")
    expect(page.get_by_label("Add the first … videos")).to_have_value("25")
    expect(page.get_by_label("Links to videos")).to_have_value(URL)
    page.get_by_label("Plays everywhere").check()
    expect(page.locator("#add-summary")).to_have_text("Changed: Plays everywhere")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.locator("#add-note")).to_have_text("1 download added.")
    assert chosen() == {"quality": "720p", "compatible": True, "playlist": "first:25"}


def test_a_preset_that_cannot_be_used_says_so_when_it_is_chosen(page: Page, user: User) -> None:
    save(user, "Newer")
    Preset.objects.update(options={"holograms": True})
    sign_in(page, user)

    page.get_by_label("Preset", exact=True).select_option("newer")

    expect(page.locator("#add-found")).to_contain_text("another version of vnsite wrote its")


def test_enter_in_the_name_saves_the_preset_and_adds_nothing(page: Page, user: User) -> None:
    sign_in(page, user)
    page.get_by_label("Links to videos").fill(URL)
    page.get_by_text("Change…").click()
    page.get_by_label("Quality").select_option("480p")

    page.get_by_label("Name of a new preset").fill("Small")
    page.keyboard.press("Enter")

    expect(page.locator("#add-note")).to_have_text("Saved as preset “Small”.")
    expect(page.get_by_label("Preset", exact=True)).to_have_value("small")
    expect(page.get_by_label("Links to videos")).to_have_value(URL)
    assert Preset.objects.get().options == {"quality": "480p"}
    assert not Download.objects.exists()


def test_without_scripts_another_preset_is_taken_with_what_was_changed(
    unscripted: Page, user: User
) -> None:
    page = unscripted
    sign_in(page, user)
    page.get_by_label("Links to videos").fill(URL)

    page.get_by_label("Preset", exact=True).select_option(label="Podcast")
    page.get_by_text("Change…").click()
    page.get_by_label("Thumbnail", exact=True).first.uncheck()
    page.get_by_role("button", name="Add", exact=True).click()

    expect(page.get_by_text("1 download added.")).to_be_visible()
    embed = ["thumbnail", "chapters", "metadata"]
    assert chosen() == {"audio": "mp3", "thumbnail": False, "embed": embed}
    expect(page.get_by_label("Preset", exact=True)).to_have_value("podcast")


def test_without_scripts_a_preset_is_saved_and_the_links_stay(unscripted: Page, user: User) -> None:
    page = unscripted
    sign_in(page, user)
    page.get_by_label("Links to videos").fill(URL)
    page.get_by_text("Change…").click()
    page.get_by_label("Subtitles").first.fill("en, de")
    page.get_by_label("Name of a new preset").fill("Reading")

    page.get_by_role("button", name="Save as preset").click()

    expect(page.get_by_text("Saved as preset “Reading”.")).to_be_visible()
    expect(page.get_by_label("Links to videos")).to_have_value(URL)
    assert Preset.objects.get().options == {"subtitles": ["en", "de"]}


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_of_presets_is_wider_than_the_window(page: Page, staff: User, width: int) -> None:
    preset = save(staff, "W" * 60, is_shared=True, subtitles="all")
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, staff)
    page.get_by_text("Change…").click()

    for path in ("/", "/presets/", "/presets/new", f"/presets/{preset.pk}/"):
        if path != "/":
            page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
