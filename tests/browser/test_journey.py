"""The main job, as a person does it in a browser."""

import hashlib
import os
import signal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Locator, Page, Route, expect

from downloads.disk.partial import LEAST_BYTES
from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in, sign_out
from tests.helpers.media_server import MediaServer
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import child_of, staged_entries, temp_entries

LINKS = "Links"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


def add(page: Page, *links: str) -> None:
    page.get_by_role("textbox", name=LINKS).fill("\n".join(links))
    page.get_by_role("button", name="Add", exact=True).click()


def row_of(page: Page, download: Download) -> Locator:
    return page.locator(f"#download-{download.correlation_id}")


def only_download() -> Download:
    return wait_for(Download.objects.first, what="the download")


def mark(page: Page) -> None:
    """So that a reload would be noticed."""
    page.evaluate("window.isMarked = true")


def assert_not_reloaded(page: Page) -> None:
    assert page.evaluate("window.isMarked") is True


def test_a_link_goes_to_cleaned_without_a_reload(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/video.mp4"))
    mark(page)

    row = row_of(page, only_download())
    expect(row).to_contain_text("Completed")
    expect(row).to_have_attribute("data-state", "cleaned")
    expect(row).to_contain_text("video")

    assert_not_reloaded(page)
    assert temp_entries() == staged_entries() == []


def test_the_file_is_on_the_page_of_the_download_byte_for_byte(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/video.mp4"))
    download = only_download()
    expect(row_of(page, download)).to_have_attribute("data-state", "cleaned")

    row_of(page, download).get_by_role("link").first.click()
    page.wait_for_url(f"**/downloads/{download.correlation_id}/")
    with page.expect_download() as saving:
        page.get_by_role("link", name="Save").first.click()

    original = media_server.file("video.mp4").read_bytes()
    saved = saving.value.path().read_bytes()
    assert hashlib.sha256(saved).digest() == hashlib.sha256(original).digest()


def test_the_page_of_a_download_follows_its_life(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/slow.mp4?rate=3000000"))
    download = only_download()
    page.goto(f"downloads/{download.correlation_id}/")
    mark(page)

    history = page.get_by_role("table").first
    reasons = ("Picked up by a worker", "Download started", "Moved to the library")
    for reason in ("Added", *reasons, "Temp files removed"):
        expect(history).to_contain_text(reason)
    assert_not_reloaded(page)


def test_a_slow_download_shows_progress_and_is_cancelled(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/slow.mp4?rate=100000"))
    row = row_of(page, only_download())
    expect(row.locator("progress")).to_be_visible()
    expect(row).to_contain_text("%")
    mark(page)

    row.get_by_role("button", name="Cancel").click()

    expect(row).to_contain_text("Cancelled")
    expect(row).to_have_attribute("data-state", "cleaned")
    assert_not_reloaded(page)
    assert temp_entries() == []


def test_a_download_whose_process_was_killed_says_where_it_goes_on(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/slow.mp4?rate=500000&killed"))
    download = only_download()
    row = row_of(page, download)
    wait_for(lambda: fetched_bytes() > LEAST_BYTES, what="bytes that are worth it")
    mark(page)

    download.refresh_from_db()
    os.kill(child_of(download).pid, signal.SIGKILL)

    expect(row).to_contain_text(", resumed at")
    assert_not_reloaded(page)


def fetched_bytes() -> int:
    parts = list(settings.VNSITE.temp_root.glob("*/media.mp4.part"))
    return parts[0].stat().st_size if parts else 0


def test_a_failed_download_says_why_and_can_be_retried(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/status/404"))
    download = only_download()
    row = row_of(page, download)
    expect(row).to_contain_text("The site says this video does not exist (404).")

    row.get_by_role("button", name="Retry").click()

    wait_for(lambda: Download.objects.get(pk=download.pk).attempt == 2, what="the second attempt")
    expect(row).to_contain_text("The site says this video does not exist (404).")


def test_good_links_are_added_and_wrong_ones_stay_in_the_box(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    wrong = "ftp://example.org/x\nhttp://127.0.0.1/"

    add(page, f"{media_server.url('/video.mp4')}\n{wrong}")

    expect(page.get_by_role("textbox", name=LINKS)).to_have_value(wrong)
    assert only_download().url == media_server.url("/video.mp4")


def test_another_window_sees_it_too(
    page: Page, browser: Browser, site: Serving, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    other_context = browser.new_context(base_url=site.url)
    other = other_context.new_page()
    sign_in(other, staff)

    add(page, media_server.url("/video.mp4"))

    expect(row_of(other, only_download())).to_have_attribute("data-state", "cleaned")
    other_context.close()


def test_people_log_in_and_out(page: Page, user: User) -> None:
    page.goto("")
    page.wait_for_url("**/login/**")
    page.get_by_label("Username").fill(user.get_username())
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("main")).to_contain_text("correct username and password")

    sign_in(page, user)
    expect(page.get_by_role("textbox", name=LINKS)).to_be_visible()
    sign_out(page)

    page.wait_for_url("**/login/**")
    page.goto("")
    page.wait_for_url("**/login/**")


@pytest.mark.parametrize("site_settings", [{"VNSITE_CLEANUP_ON_FAILURE": "false"}])
def test_the_admin_cleans_up_by_correlation_id(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/status/404"))
    download = only_download()
    expect(row_of(page, download)).to_contain_text("Failed")
    download.refresh_from_db()
    assert temp_entries() == [download.directory]

    page.goto("admin/downloads/download/")
    page.get_by_role("row").filter(has_text=download.correlation_id).get_by_role("checkbox").check()
    page.locator("select[name=action]").select_option(label="Clean up by correlation id")
    page.locator("button[name=index]").first.click()
    expect(page.locator(".clean-up-plan")).to_contain_text(download.directory)
    page.locator("[name=count]").fill("1")
    page.get_by_role("button", name="Clean up 1 download").click()

    expect(page.locator(".messagelist")).to_contain_text("1 cleaned")
    assert temp_entries() == []
    entry = download.transitions.get(to_state="cleaned")
    assert entry.actor == "user:stefan"


HEARS_OF_CLEANED = """() => new Promise((resolve) => {
    const source = new EventSource("/events/?after=0");
    source.addEventListener("transition", (event) => {
        if (JSON.parse(event.data).to === "cleaned") resolve(source.close());
    });
})"""


def test_a_row_that_moves_on_while_it_is_fetched_is_not_left_behind(
    page: Page, browser: Browser, site: Serving, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    other = browser.new_context(base_url=site.url).new_page()
    sign_in(other, staff)
    asked: list[str] = []

    def bring_the_first_late(route: Route) -> None:
        asked.append(route.request.url)
        answer = route.fetch()
        if len(asked) == 1:
            other.evaluate(HEARS_OF_CLEANED)
        route.fulfill(response=answer)

    other.route("**/rows*", bring_the_first_late)
    add(page, media_server.url("/slow.mp4?rate=3000000"))

    expect(row_of(other, only_download())).to_have_attribute("data-state", "cleaned")
    assert len(asked) > 1
    # Else it goes on asking in the tests that follow, also a site that is gone by then.
    other.unroute_all(behavior="wait")
    other.context.close()
