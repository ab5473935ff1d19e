"""What an open page says of its connection, and how it comes alive again."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark, row_of
from tests.helpers import lives
from tests.helpers.serving import Serving, serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None) -> Iterator[Serving]:
    """Without a worker: the downloads do what the test does."""
    with serving("--no-worker") as server:
        yield server


def expect_live(page: Page) -> None:
    expect(page.locator("#chip-word")).to_have_text("Live")


def sign_out_everybody() -> None:
    """As a time that is over does."""
    Session.objects.all().delete()


def test_a_page_that_comes_later_does_not_believe_an_old_clock(page: Page, user: User) -> None:
    """The second page gets what the server said to the first one some time ago."""
    sign_in(page, user)
    expect_live(page)
    page.wait_for_timeout(6_000)  # the age that the fault showed as the clock's error
    download = lives.submit(user)
    late = page.context.new_page()
    late.goto("/")
    expect_live(late)

    age = row_of(late, download).locator("time[data-ago]").first
    expect(age).to_have_text("just now")
    late.wait_for_timeout(1_500)  # the clock is written once a second
    expect(age).not_to_contain_text("in ")


def test_a_page_that_was_signed_out_comes_alive_when_another_one_signs_in(
    page: Page, site: Serving, user: User
) -> None:
    sign_in(page, user)
    other = page.context.new_page()
    other.goto("/")
    expect_live(other)
    mark(other)
    sign_out_everybody()
    lives.submit(user)  # the pages ask for its row
    expect(other.locator("#chip-word")).to_have_text("Signed out")
    expect(other.get_by_role("link", name="Sign in again")).to_be_visible()
    expect(other.locator("#alarm")).to_contain_text("You are signed out")

    with other.expect_response(site.url):  # with the token of the new session
        sign_in(page, user)

    expect_live(other)
    expect(other.locator("#lost")).to_be_hidden()
    download = lives.submit(user)
    row_of(other, download).get_by_role("button", name="Cancel").click()
    expect(row_of(other, download)).to_contain_text("Cancelled")
    assert_not_reloaded(other)


class Portal:
    """A login in front of the site whose time is over, as proxies have one."""

    def __init__(self, context: BrowserContext, *, leads_elsewhere: bool) -> None:
        self.asked = 0
        self._leads_elsewhere = leads_elsewhere
        self._context = context

    def close(self) -> None:
        self._context.route("**/events/**", self._answer)

    def _answer(self, route: Route) -> None:
        self.asked += 1
        if self._leads_elsewhere:
            route.fulfill(status=302, headers={"Location": "http://login.example/"})
        else:
            route.fulfill(status=200, content_type="text/html", body="<h1>Log in</h1>")


@pytest.mark.parametrize("leads_elsewhere", [True, False])
def test_a_login_in_front_of_the_site_that_ended_is_told_and_not_asked_again_and_again(
    browser: Browser, site: Serving, user: User, leads_elsewhere: bool
) -> None:
    """Without a shared connection, whose requests a test cannot answer; the browser complains in
    its console."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.add_init_script("delete window.SharedWorker")
    portal = Portal(context, leads_elsewhere=leads_elsewhere)
    sign_in(page, user)
    expect_live(page)
    portal.close()

    page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide'))")
    page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")

    expect(page.get_by_role("link", name="Sign in again")).to_be_visible()
    asked = portal.asked
    page.wait_for_timeout(6_000)  # in which the fault asked four times
    assert asked <= 2
    assert portal.asked == asked
    context.close()


def test_a_page_says_when_its_updates_stopped_and_shows_no_old_speed(
    page: Page, user: User, site: Serving
) -> None:
    lives.start(lives.submit(user))
    Download.objects.get().progress.__class__.objects.update(
        speed=5e6, eta_seconds=9, received_bytes=10, total_bytes=100, updated_at=timezone.now()
    )
    sign_in(page, user)
    expect_live(page)
    expect(page.locator("#speed")).to_contain_text("MiB/s")
    stopped = datetime.now()

    site.process.kill()

    expect(page.locator("#chip-word")).to_have_text("Reconnecting")
    expect(page.locator("#chip-next")).to_contain_text("next try in")
    expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    expect(page.locator("#chip-word")).to_have_text("Not updating")
    said = str(page.locator("#lost-sentence").text_content())
    written = page.evaluate("(at) => new Date(at).toLocaleTimeString()", stopped.timestamp() * 1000)
    assert written.rpartition(":")[0] in said  # to the minute, but for a test at its turn
    expect(page.locator("#speed")).to_have_text("—")
    expect(page).to_have_title("Not updating · vnsite")


def test_a_paused_page_counts_what_waits_and_shows_it_when_it_goes_on(
    page: Page, user: User
) -> None:
    sign_in(page, user)
    expect_live(page)
    pause = page.get_by_role("button", name="Pause live updates")

    pause.click()
    first, second = lives.submit(user), lives.submit(user)
    expect(page.locator("#chip-word")).to_have_text("Paused, 2 changes waiting")
    expect(row_of(page, first)).to_have_count(0)

    pause.click()
    expect(row_of(page, first)).to_be_visible()
    expect(row_of(page, second)).to_be_visible()
    expect_live(page)


def test_a_refused_action_is_told_beside_its_button_and_the_row_is_drawn_again(
    page: Page, user: User
) -> None:
    download = lives.fail(lives.submit(user))
    sign_in(page, user)
    expect_live(page)
    page.get_by_role("button", name="Pause live updates").click()
    Download.objects.get(pk=download.pk).forget()  # a row that is not there any more: 404
    row = row_of(page, download)

    row.get_by_role("button", name="Retry").click()

    expect(row.get_by_role("alert")).to_contain_text("That did not work (404)")
