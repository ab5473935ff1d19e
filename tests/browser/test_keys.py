"""Shortcuts of one letter and the menu, with a real keyboard."""

from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.models import Download, Preferences
from downloads.rules.states import State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.waiting import wait_for

# It begins in a timer without a time.
HTMX_IS_LATE = """
    const later = setTimeout;
    window.setTimeout = (call, ms = 3e8, ...rest) => later(call, ms, ...rest);
"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


def focused(page: Page) -> str:
    """The address that the link in focus leads to, or the id of what has the focus."""
    return str(page.evaluate("document.activeElement.pathname ?? document.activeElement.id"))


def wait_for_path(page: Page, path: str) -> None:
    """Wait until the page of this path, and no other, has loaded."""
    page.wait_for_url(lambda url: urlsplit(url).path == path)


def test_rows_are_walked_and_acted_upon(page: Page, staff: User) -> None:
    older, newer = lives.submit(staff), lives.submit(staff)
    sign_in(page, staff)
    paths = [link.get_attribute("href") for link in page.locator("#rows a.title").all()]

    page.keyboard.press("j")
    assert focused(page) == paths[0]
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("k")  # there is none before the first
    assert focused(page) == paths[0]
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_contain_text("1 selected")
    page.keyboard.press("x")
    expect(page.locator("#bulk")).to_be_hidden()
    page.keyboard.press("c")

    first = next(each for each in (older, newer) if each.correlation_id in str(paths[0]))
    wait_for(lambda: Download.objects.get(pk=first.pk).outcome == "cancelled", what="the cancel")
    assert Download.objects.exclude(pk=first.pk).get().outcome is None
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/downloads/*/")


def test_a_row_is_selected_retried_and_its_error_shown(page: Page, staff: User) -> None:
    download = lives.fail(lives.submit(staff))
    sign_in(page, staff)
    ticked = page.locator("[name=ids]")

    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(ticked).to_be_checked()
    expect(page.locator("#bulk")).to_contain_text("1 selected")
    page.keyboard.press("x")
    expect(ticked).not_to_be_checked()
    page.locator(".title").focus()
    page.keyboard.press("e")
    page.wait_for_url(f"**/downloads/{download.correlation_id}/#part-problem")
    page.keyboard.press("r")  # on the page of a download that one is meant

    expect(page.locator("#part-header")).to_contain_text("Waiting")
    download.refresh_from_db()
    assert download.state == State.CREATED


def test_a_row_in_focus_is_retried(page: Page, staff: User) -> None:
    download = lives.fail(lives.submit(staff))
    sign_in(page, staff)

    page.keyboard.press("j")
    page.keyboard.press("r")

    expect(page.locator(f"#download-{download.correlation_id}")).to_contain_text("Waiting")


def test_updates_are_paused_and_places_reached(page: Page, staff: User) -> None:
    sign_in(page, staff)
    pause = page.get_by_role("button", name="Pause live updates")

    page.keyboard.press("p")
    expect(pause).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#chip-word")).to_have_text("Paused")
    page.keyboard.press("p")
    expect(pause).to_have_attribute("aria-pressed", "false")
    for field, key in {"#id_urls": "n", "#pause": "p", "[type=search]": "/"}.items():
        expect(page.locator(field).first).to_have_attribute("aria-keyshortcuts", key)

    for key, path in {"w": "/workers/", "d": "/", "s": "/account/"}.items():
        page.keyboard.press("g")
        page.keyboard.press(key)
        wait_for_path(page, path)


def test_without_a_row_in_focus_nothing_is_cancelled(page: Page, staff: User) -> None:
    download = lives.submit(staff)
    sign_in(page, staff)
    answers: list[str] = []
    page.on("request", lambda request: answers.append(request.method))

    page.keyboard.press("c")
    page.keyboard.press("?")  # handled after it

    expect(page.locator("#keys")).to_contain_text("List these shortcuts")
    assert "POST" not in answers
    assert Download.objects.get(pk=download.pk).outcome is None


def test_letters_reach_the_fields_and_places(page: Page, staff: User) -> None:
    sign_in(page, staff)

    page.keyboard.press("n")
    page.keyboard.type("jc?gd")
    expect(page.get_by_role("textbox", name="Links")).to_have_value("jc?gd")
    page.get_by_role("textbox", name="Links").fill("")
    page.get_by_role("heading", level=1).evaluate("() => document.activeElement.blur()")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    expect(page.get_by_role("searchbox")).to_have_attribute("aria-keyshortcuts", "/")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("Control+g")
    page.keyboard.press("s")
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/account/")


def test_the_list_of_shortcuts_opens_closes_and_gives_the_focus_back(
    page: Page, staff: User
) -> None:
    sign_in(page, staff)
    page.keyboard.press("n")
    page.keyboard.press("Tab")
    before = focused(page)
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Shortcuts")
    expect(dialog).to_contain_text("Next download")

    page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    assert focused(page) == before


def test_the_list_of_shortcuts_opens_before_htmx_has_looked_at_the_page(
    page: Page, staff: User
) -> None:
    sign_in(page, staff)
    page.add_init_script(HTMX_IS_LATE)
    page.goto("/")

    page.keyboard.press("?")

    expect(page.get_by_role("dialog", name="Shortcuts")).to_contain_text("Next download")


def test_shortcuts_are_off_when_their_user_does_not_want_them(page: Page, staff: User) -> None:
    Preferences.objects.create(user=staff, has_keys=False)
    sign_in(page, staff)

    page.keyboard.press("?")
    page.keyboard.press("/")

    expect(page.locator("#keys")).to_be_hidden()
    expect(page.get_by_role("searchbox")).not_to_be_focused()


def test_a_theme_is_chosen_without_losing_what_was_typed(page: Page, staff: User) -> None:
    sign_in(page, staff)
    links = page.get_by_role("textbox", name="Links")
    links.fill("https://example.org/typed")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("button", name="Dark").click()

    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("button", name="Dark")).to_be_focused()
    assert Preferences.objects.get().theme == "dark"
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Dark")).to_be_hidden()
    page.keyboard.press("t")
    expect(page.locator("html")).to_have_attribute("data-theme", "contrast")
    expect(links).to_have_value("https://example.org/typed")
