"""What an open page says of its connection, and how it comes alive again."""

import signal
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from downloads import actions
from downloads.models import Download, Worker
from downloads.rules.states import Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark, row_of
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.locks import unreadable


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


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


def test_a_page_that_hears_again_late_after_a_new_sign_in_is_drawn_again(
    browser: Browser, site: Serving, user: User
) -> None:
    """Meanwhile it says "Reconnecting". Without a shared connection, whose requests a test cannot
    hold back."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.add_init_script("delete window.SharedWorker")
    sign_in(page, user)
    expect_live(page)
    sign_out_everybody()
    lives.submit(user)  # the page asks for its row
    expect(page.locator("#chip-word")).to_have_text("Signed out")
    other = context.new_page()
    sign_in(other, user)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/events/**", hold)
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # somebody comes back
    expect(page.locator("#chip-word")).to_have_text("Reconnecting")
    with page.expect_response(site.url):  # with the token of the new session
        held.pop().continue_()

    expect_live(page)
    context.close()


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
    site.wait()

    expect(page.locator("#chip-word")).to_have_text("Reconnecting")
    expect(page.locator("#chip-next")).to_contain_text("next try in")
    expect(page.get_by_role("button", name="Retry now")).to_be_visible()
    expect(page.locator("#chip-word")).to_have_text("Not updating")
    said = str(page.locator("#lost-sentence").text_content())
    written = page.evaluate("(at) => new Date(at).toLocaleTimeString()", stopped.timestamp() * 1000)
    assert written.rpartition(":")[0] in said  # to the minute, but for a test at its turn
    expect(page.locator("#speed")).to_have_text("—")
    expect(page).to_have_title("Not updating · vnsite")
    expect(page.locator("#announcer")).to_contain_text("Updates stopped at")
    row = page.locator(".row")
    expect(row.locator("[data-at=speed]")).to_have_text("—")
    assert "grayscale" in row.locator("progress").evaluate("bar => getComputedStyle(bar).filter")
    expect(row.get_by_role("button", name="Cancel")).to_be_enabled()


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


def test_a_server_that_ends_says_so(page: Page, user: User, site: Serving) -> None:
    sign_in(page, user)
    expect_live(page)

    site.send(signal.SIGTERM)

    expect(page.locator("#chip-word")).to_have_text("Server is restarting")
    expect(page.locator("#chip-next")).to_contain_text("next try in")
    assert page.locator("#alarm").text_content() == ""
    site.wait()


def test_a_stream_that_never_answers_is_told_step_by_step(page: Page, user: User) -> None:
    """As behind a proxy that holds it back. Without a shared connection: a test can hold that."""
    page.add_init_script("delete window.SharedWorker")
    page.clock.install()
    page.context.route("**/events/**", lambda _route: None)
    with page.expect_request("**/events/**"):
        sign_in(page, user)
    word, lost = page.locator("#chip-word"), page.locator("#lost-sentence")
    expect(word).to_have_text("Connecting")

    page.clock.fast_forward(3_500)
    expect(word).to_have_text("Reconnecting")
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.get_by_role("link", name="What helps")).to_have_count(0)
    for _ in range(2):
        page.clock.fast_forward(8_500)

    expect(word).to_have_text("Updating every 10 s")
    expect(lost).to_contain_text("A proxy in front of this site holds them back.")
    expect(page.locator("#announcer")).to_contain_text("A proxy in front")
    expect(page.get_by_role("link", name="What helps")).to_have_attribute("href", "/help/#proxy")
    download = lives.submit(user)
    page.clock.fast_forward(10_500)
    expect(row_of(page, download)).to_be_visible()
    page.context.unroute("**/events/**")
    page.get_by_role("button", name="Retry now").click()
    expect_live(page)


def test_what_was_missed_is_counted(page: Page, user: User) -> None:
    page.clock.install()
    sign_in(page, user)
    expect_live(page)

    with unreadable(str(connection.settings_dict["NAME"])):
        expect(page.locator("#chip-word")).to_have_text("Not updating")
        page.clock.fast_forward(25_000)
    first, second = lives.submit(user), lives.submit(user)

    expect(page.locator("#toast")).to_have_text("2 changes while you were away")
    expect(page.locator("#recent li")).to_contain_text("2 changes while you were away")
    for each in (first, second):
        expect(row_of(page, each)).to_be_visible()


def test_an_action_that_came_too_late_is_refused_and_its_row_shows_why(
    page: Page, user: User
) -> None:
    running = lives.start(lives.submit(user))
    sign_in(page, user)
    expect_live(page)
    page.get_by_role("button", name="Pause live updates").click()
    running.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    actions.clean(running, actor="test")
    completed = lives.complete(actions.retry(running, actor="test"))
    actions.clean(completed, actor="test")  # the site's worker is about to do it
    row = row_of(page, running)
    expect(row).to_have_attribute("data-state", "downloading")

    with page.expect_response(lambda answer: answer.status == HTTPStatus.CONFLICT):
        row.get_by_role("button", name="Cancel").click()

    expect(row.get_by_role("alert")).to_have_text("It cannot be cancelled: it is cleaned.")
    expect(row.locator(".badge")).to_have_text("Completed")
    expect(row.get_by_role("button", name="Cancel")).to_have_count(0)


def test_a_cancel_is_confirmed_at_once_and_a_silent_worker_named(page: Page, user: User) -> None:
    running = lives.start(lives.submit(user))
    sign_in(page, user)
    expect_live(page)
    row = row_of(page, running)

    row.get_by_role("button", name="Cancel").click()
    expect(row).to_contain_text("Cancelling…")
    asked_at = Download.objects.get(pk=running.pk).cancel_requested_at
    assert asked_at
    Worker.objects.update(heartbeat_at=asked_at - timedelta(seconds=1))  # and no event says so

    expect(row).to_contain_text("The worker has not answered; it will be stopped at ")


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
