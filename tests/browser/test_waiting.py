"""Why a download waits, on an open page: the row says it, and changes when it is another reason."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import Page, expect

from downloads.models import Download, Site, submissions
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import add, assert_not_reloaded, mark, only_download, row_of
from tests.helpers.media_server import MediaServer
from tests.helpers.waiting import wait_for

HOST = "blocked.example"
SCREENS = os.environ.get("VNSITE_TEST_SCREENS")  # a directory to look at the pages


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


def refuse(host: str, times: int = 5, *, retry_after_seconds: float | None = None) -> None:
    for _ in range(times):
        Site.objects.refused(
            host,
            ErrorClass.RATE_LIMITED,
            retry_after_seconds=retry_after_seconds,
        )


def submit(owner: User, url: str = f"https://{HOST}/video") -> Download:
    [answer] = submissions.submit([(url, DownloadOptions())], owner=owner, actor="test")
    return answer.download


def soon() -> datetime:
    """Late enough to be seen before, early enough to be waited for."""
    return timezone.now() + timedelta(seconds=10)


def show(page: Page, name: str) -> None:
    """Keep what the page looks like, light and dark, wide and narrow, for somebody to look at."""
    if not SCREENS:
        return
    for scheme in ("light", "dark"):
        for width in (1280, 360):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            page.screenshot(path=Path(SCREENS) / f"{name}-{scheme}-{width}.png", full_page=True)


def test_an_open_page_says_when_a_site_is_left_alone_and_when_it_is_not_any_more(
    page: Page, staff: User
) -> None:
    """No download is moved here, so that nothing but the site can make the page draw again."""
    refuse(HOST)
    download = submit(staff)
    download.note(not_before=timezone.now() + timedelta(hours=1))
    sign_in(page, staff)
    row = row_of(page, download)
    expect(row).to_contain_text(f"{HOST} refused 5 times (rate limited). Next try at ")
    show(page, "dashboard")
    mark(page)

    Site.objects.answered(HOST)
    expect(row).to_contain_text("Starts in ")
    expect(page.locator("#banners")).not_to_contain_text(HOST)

    refuse(HOST)
    expect(row).to_contain_text(f"{HOST} refused 5 times (rate limited). Next try at ")
    expect(page.locator("#banners")).to_contain_text(HOST)
    assert_not_reloaded(page)


@pytest.mark.parametrize("where", ["dashboard", "download"])
def test_the_end_of_the_wait_is_seen_without_anybody_saying_so(
    page: Page, staff: User, where: str
) -> None:
    """Nothing is committed when a wait ends, and this download is not claimed then."""
    sign_in(page, staff)
    with transaction.atomic():
        Site.objects.create(
            host=HOST,
            failures=5,
            error_class=ErrorClass.NETWORK,
            waits_until=soon(),
            changed_at=timezone.now(),
        )
        download = submit(staff)
        download.note(not_before=timezone.now() + timedelta(hours=1))
    if where == "download":
        page.goto(f"downloads/{download.correlation_id}/")
    mark(page)
    place = page.locator("#rows" if where == "dashboard" else "#part-now")
    expect(place).to_contain_text(f"{HOST} refused 5 times")

    expect(place).to_contain_text("Starts in ")

    assert_not_reloaded(page)


def test_staff_try_a_site_now_on_the_page_of_a_download(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    refuse(media_server.origin)
    download = submit(staff, media_server.url("/video.mp4"))
    sign_in(page, staff)
    page.goto(f"downloads/{download.correlation_id}/")
    expect(page.locator("#part-now")).to_contain_text(f"{media_server.origin} refused ")
    show(page, "download")

    page.get_by_role("button", name="Try now").click()

    expect(page.locator("main")).to_contain_text(f"{media_server.origin} is tried now")
    expect(page.locator("#part-header")).to_contain_text("Completed")


def test_who_is_not_staff_sees_the_wait_and_no_button(page: Page, user: User) -> None:
    refuse(HOST)
    submit(user)
    sign_in(page, user)

    expect(page.locator("#banners")).to_contain_text("1 download waits for it")

    expect(page.get_by_role("button", name="Try now")).to_have_count(0)


@pytest.mark.parametrize("site_settings", [{"VNSITE_MIN_FREE_BYTES": str(2**60)}])
def test_a_next_try_that_is_late_is_not_announced_any_more(page: Page, staff: User) -> None:
    """There is no room on the disk, so that nothing is claimed and nothing happens."""
    sign_in(page, staff)
    with transaction.atomic():
        download = submit(staff)
        download.note(not_before=soon())
    row = row_of(page, download)
    expect(row).to_contain_text("Starts in ")

    expect(row).to_contain_text("Next in the queue")


def test_a_download_that_is_tried_again_says_when_and_which_attempt_it_will_be(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    sign_in(page, staff)
    add(page, media_server.url("/status/429?retry_after=8"))
    row = row_of(page, only_download())
    expect(row).to_contain_text("Next try in ")
    expect(row).to_contain_text(", attempt 2 of 3")
    show(page, "next-try")

    wait_for(lambda: only_download().attempt == 2, what="the second attempt")


def test_a_pause_of_a_site_is_seen_and_ended_on_the_page_of_the_site(
    page: Page, staff: User, media_server: MediaServer
) -> None:
    host = media_server.origin
    Site.objects.set_limits(host, pause_seconds=3600)
    submit(staff, media_server.url("/small/1.mp4"))
    waiting = submit(staff, media_server.url("/small/2.mp4"))
    sign_in(page, staff)
    expect(row_of(page, waiting)).to_contain_text(f"Pause between downloads of {host}: next in ")
    expect(page.locator("#banners")).not_to_contain_text(host)

    page.locator("[popovertarget=menu]").click()
    page.get_by_role("link", name="Sites", exact=True).click()
    expect(page.locator("main")).to_contain_text("pause of 1 h 00 min")
    page.get_by_role("link", name=host).click()
    page.get_by_label("Pause, in seconds").fill("0")
    page.get_by_role("button", name="Save the limits").click()
    expect(page.locator("main")).to_contain_text(f"The limits of {host} are saved.")

    page.get_by_role("link", name="Downloads", exact=True).click()
    expect(row_of(page, waiting)).to_contain_text("Completed")
