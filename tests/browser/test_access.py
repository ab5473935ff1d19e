"""Every page for people who see, touch or move less well: small, spaced, touched, by keyboard."""

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.models import Preferences
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers.serving import Serving
from tests.helpers.serving import sign_in as session_of

# WCAG 1.4.12: what a reader may set, and nothing may be lost by it.
SPACED = """* { line-height: 1.5 !important; letter-spacing: .12em !important;
    word-spacing: .16em !important; } p { margin-bottom: 2em !important; }"""
CUT_OFF = """() => [...document.querySelectorAll("button, .button, .badge, .chip, label, nav a")]
    .filter((each) => each.checkVisibility())
    .filter((each) => !each.matches(".hidden, .hidden *, .skip, :has(> input)"))
    .filter((each) => each.scrollHeight > each.clientHeight + 1 && each.clientHeight)
    .map((each) => each.outerHTML.slice(0, 120))"""
MOVING = "document.getAnimations().length"
WIDTH = "document.documentElement.scrollWidth"
TOO_SMALL = """(least) => [...document.querySelectorAll("button, .button, summary, nav a, select")]
    .filter((each) => each.checkVisibility() && !each.matches(".hidden *, .skip"))
    .map((each) => [each, each.getBoundingClientRect()])
    .filter(([, { width, height }]) => height && Math.min(width, height) < least)
    .map(([each, { width, height }]) => `${width} by ${height} ${each.outerHTML.slice(0, 120)}`)"""
# What has the focus and no ring, or something over its middle on the screen; else null.
UNSEEN = """() => {
    const focused = document.activeElement;
    if (!focused.matches(":focus:not(body, .hidden *)") || !focused.checkVisibility()) return null;
    const { outlineStyle, outlineWidth, outlineOffset } = getComputedStyle(focused);
    const hasRing = outlineStyle === "solid" && parseFloat(outlineWidth) >= 2;
    if (!hasRing || parseFloat(outlineOffset) < 2)
        return `${focused.outerHTML.slice(0, 120)} has no ring`;
    const { left, right, top, bottom } = focused.getClientRects()[0];
    const middle = (from, to, most) => (Math.max(from, 0) + Math.min(to, most)) / 2;
    const over = document.elementFromPoint(
        middle(left, right, innerWidth), middle(top, bottom, innerHeight));
    const isSeen = focused.contains(over) || over?.contains(focused);
    return isSeen || focused.labels?.[0]?.contains(over)
        ? null : `${focused.outerHTML.slice(0, 120)} under ${over?.outerHTML.slice(0, 60)}`;
}"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


@pytest.fixture
def touched(browser: Browser, site: Serving) -> Iterator[Page]:
    context = browser.new_context(
        base_url=site.url, has_touch=True, is_mobile=True, viewport={"width": 360, "height": 740}
    )
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_pages_fit_on_320_px_also_when_their_text_is_spaced(
    page: Page, staff: User, lived_in: dict[str, str], language: str
) -> None:
    Preferences.objects.create(user=staff, language=language)
    sign_in(page, staff)
    page.set_viewport_size({"width": 320, "height": 640})
    found: list[str] = []

    for name, path in lived_in.items():
        page.goto(path)
        if page.evaluate(WIDTH) > 320:
            found.append(f"{name} is {page.evaluate(WIDTH)} px wide")
        page.evaluate(
            """css => { const sheet = new CSSStyleSheet(); sheet.replaceSync(css);
            document.adoptedStyleSheets.push(sheet); }""",
            SPACED,
        )
        if page.evaluate(WIDTH) > 320:
            found.append(f"{name} is {page.evaluate(WIDTH)} px wide with spaced text")
        found += [f"{name} cuts off: {each}" for each in page.evaluate(CUT_OFF)]

    assert not found, "\n".join(found)


def test_a_finger_finds_every_target(touched: Page, staff: User, lived_in: dict[str, str]) -> None:
    sign_in(touched, staff)
    found: list[str] = []

    for name, path in lived_in.items():
        touched.goto(path)
        found += [f"{name}: {each}" for each in touched.evaluate(TOO_SMALL, 44)]

    assert not found, "\n".join(found)


def test_what_has_the_focus_is_seen(page: Page, staff: User, lived_in: dict[str, str]) -> None:
    sign_in(page, staff)
    page.set_viewport_size({"width": 800, "height": 420})
    found: list[str] = []

    for name, path in lived_in.items():
        page.goto(path)
        for key in ("Tab", "Shift+Tab"):
            for _ in range(25):
                page.keyboard.press(key)
                if unseen := page.evaluate(UNSEEN):
                    found.append(f"{name}: {unseen}")

    assert not found, "\n".join(found)


def test_help_is_at_the_same_place_on_every_page(
    site: Serving, staff: User, lived_in: dict[str, str]
) -> None:
    session = session_of(staff)

    pages = {name: site.ask(f"/{path}", Cookie=session).body for name, path in lived_in.items()}

    for name, page in pages.items():
        last = re.findall(rb'<a href="([^"]*)"[^>]*>', page)[-1]
        assert last == b"/help/", name


def test_without_colours_of_its_own_a_page_keeps_its_marks(
    page: Page, staff: User, lived_in: dict[str, str]
) -> None:
    page.emulate_media(forced_colors="active")
    sign_in(page, staff)

    for selector in (".badge", ".filters [aria-current]", "progress"):
        width = page.locator(selector).first.evaluate(
            "each => parseFloat(getComputedStyle(each).borderTopWidth)"
            " + parseFloat(getComputedStyle(each).outlineWidth)"
        )
        assert width >= 1, selector
    page.goto(lived_in["running"])
    step = page.locator("[aria-current=step]")
    assert step.evaluate("each => getComputedStyle(each).outlineStyle") == "solid"


def test_reduced_motion_stands_still(page: Page, staff: User, lived_in: dict[str, str]) -> None:
    sign_in(page, staff)

    for path in (lived_in["dashboard"], lived_in["running"]):
        page.emulate_media(reduced_motion="no-preference")
        page.goto(path)
        assert page.evaluate(MOVING) > 0
        page.emulate_media(reduced_motion="reduce")
        assert page.evaluate(MOVING) == 0


@pytest.mark.parametrize(
    ("chosen", "system", "moves"), [("reduced", "no-preference", False), ("full", "reduce", True)]
)
def test_what_the_reader_chose_of_motion_goes_before_the_system(
    page: Page,
    staff: User,
    lived_in: dict[str, str],
    chosen: str,
    system: Literal["no-preference", "reduce"],
    moves: bool,
) -> None:
    page.emulate_media(reduced_motion=system)
    Preferences.objects.create(user=staff, motion=chosen)
    sign_in(page, staff)

    page.goto(lived_in["running"])

    assert (page.evaluate(MOVING) > 0) is moves
