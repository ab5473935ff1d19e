"""Many pages of one browser, and a page that the server refuses the stream."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.contrib.auth.models import User
from django.db import connection
from playwright.sync_api import Page, Route, expect

from downloads.models import Download
from downloads.rules.states import Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in, sign_out
from tests.browser.test_journey import row_of
from tests.browser.test_waiting import show
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.locks import unreadable

PAGES = 7  # over HTTP/1.1 a browser opens six connections to a site, and each stream is one


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60), "VNSITE_USER_STREAMS": "2"}


@pytest.fixture
def stream_takers(site: Serving, staff: User) -> Iterator[ExitStack]:
    """All streams that the user may have, taken by somebody else's program."""
    with ExitStack() as taken:
        for _ in range(2):
            taken.enter_context(site.listen(user=staff)).next("hello")
        yield taken


def submit(owner: User) -> Download:
    return lives.submit(owner, url=f"https://example.org/{next(lives.numbers)}")


def test_seven_pages_are_all_live_over_one_stream(page: Page, staff: User, site: Serving) -> None:
    first = submit(staff)
    sign_in(page, staff)
    pages = [page, *(page.context.new_page() for _ in range(PAGES - 1))]
    for each in pages[1:]:
        each.goto("/" if each is not pages[-1] else f"downloads/{first.correlation_id}/")
    for each in pages:
        expect(each.locator("#chip")).to_have_attribute("data-state", "live")

    second = submit(staff)
    first.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)

    for each in pages[:-1]:
        expect(row_of(each, second)).to_be_attached()
    expect(pages[-1].locator("#part-header")).to_contain_text("Cancelled")
    with site.listen(user=staff) as other:  # of two that this user may have, one is free
        assert other.next().name == "hello"


def test_a_page_that_comes_later_gets_what_it_has_not_seen(page: Page, staff: User) -> None:
    sign_in(page, staff)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    late = page.context.new_page()
    # Its page was drawn, and then something happened before it could listen.
    held: list[Route] = []
    late.route("**/dashboard.js", lambda route: held.append(route))
    late.goto("/", wait_until="commit")
    expect(late.locator("#rows")).to_be_attached()
    missed = submit(staff)
    expect(row_of(page, missed)).to_be_attached()

    held[0].continue_()

    expect(row_of(late, missed)).to_be_attached()


def test_the_stream_goes_on_when_the_page_that_began_it_is_closed(page: Page, staff: User) -> None:
    sign_in(page, staff)
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    other = page.context.new_page()
    other.goto("/")
    expect(other.locator("#chip")).to_have_attribute("data-state", "live")

    page.goto("about:blank")
    download = submit(staff)

    expect(row_of(other, download)).to_be_attached()


def test_pages_hear_that_somebody_signed_out(page: Page, staff: User) -> None:
    sign_in(page, staff)
    other = page.context.new_page()
    other.goto("/")
    expect(other.locator("#chip")).to_have_attribute("data-state", "live")

    sign_out(page)
    submit(staff)  # the page asks for its rows, and hears that it may not

    expect(other.locator("#lost-sentence")).to_contain_text("You are signed out")


def test_a_page_without_a_stream_says_so_and_why_and_asks_by_itself(
    page: Page, staff: User, stream_takers: ExitStack
) -> None:
    sign_in(page, staff)

    expect(page.locator("#chip-word")).to_have_text("Updating every 10 s")
    lost = page.locator("#lost-sentence")
    expect(lost).to_contain_text("Live updates are off. You have 2 live updates open")
    expect(lost).to_contain_text("This page asks every 10 seconds.")
    show(page, "refused")
    download = submit(staff)
    expect(row_of(page, download)).to_be_attached()

    stream_takers.close()
    page.get_by_role("button", name="Retry now").click()
    expect(page.locator("#chip")).to_have_attribute("data-state", "live")
    expect(page.locator("#lost")).to_be_hidden()


def test_a_page_says_that_its_stream_is_stale(page: Page, staff: User) -> None:
    sign_in(page, staff)
    chip = page.locator("#chip")
    expect(chip).to_have_attribute("data-state", "live")

    with unreadable(str(connection.settings_dict["NAME"])):
        expect(chip).to_have_attribute("data-state", "stale")
        expect(page.locator("#lost")).to_be_visible()
    download = submit(staff)

    expect(row_of(page, download)).to_be_attached()
    expect(chip).to_have_attribute("data-state", "live")
    expect(page.locator("#lost")).to_be_hidden()
