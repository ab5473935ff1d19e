"""axe-core finds nothing on any page, in any theme, language and width, at rest and in use."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.models import Preferences
from tests.browser.conftest import TIMEOUT_MS, sign_in, sign_out

AXE = Path(__file__).resolve().parent.parent.parent / "node_modules/axe-core/axe.min.js"
WIDTHS = (1280, 768, 360)
THEMES = ("light", "dark", "contrast")
OPTIONS = {"resultTypes": ["violations"], "iframes": False}
AT_REST = {**OPTIONS, "rules": {"target-size": {"enabled": True}}}  # an open menu covers targets
# Another theme changes colours alone.
OF_COLOURS = {**OPTIONS, "runOnly": ["color-contrast"]}
CHECK = """async (options) => (await axe.run(document, options)).violations.flatMap(
    ({ id, nodes }) => nodes.map(({ target, any }) =>
        `${id}: ${target.join(" ")} ${any.map(({ message }) => message).join("; ")}`))"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci")
    return AXE.read_text()


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


def complaints(page: Page, name: str, rules: dict[str, Any]) -> Iterator[str]:
    """What axe has against the page as it stands, in every theme and width."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for theme in THEMES:
            page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
            options = rules if theme == THEMES[0] else OF_COLOURS
            for complaint in page.evaluate(CHECK, options):
                yield f"{name}, {theme}, {width}: {complaint}"


def speak(page: Page, user: User, language: str) -> None:
    Preferences.objects.update_or_create(user=user, defaults={"language": language})
    sign_in(page, user)


@pytest.mark.parametrize("language", [code for code, _ in settings.LANGUAGES])
def test_every_page_at_rest(
    page: Page, staff: User, lived_in: dict[str, str], axe: str, language: str
) -> None:
    page.emulate_media(reduced_motion="reduce")  # what fades in has no contrast yet
    speak(page, staff, language)
    found: list[str] = []

    for name, path in lived_in.items():
        page.goto(path)
        page.evaluate(axe)
        found += complaints(page, name, AT_REST)
    sign_out(page)
    page.evaluate(axe)
    found += complaints(page, "sign-in", AT_REST)

    assert not found, "\n".join(found)


def open_menu(page: Page) -> None:
    page.locator("[popovertarget=menu]").click()


def open_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()


def refuse_links(page: Page) -> None:
    page.locator("#id_urls").fill("ftp://example.org/x")
    page.locator("form.add button[type=submit], form.add > button").first.click()
    expect(page.locator("#id_urls")).to_have_attribute("aria-invalid", "true")


def refuse_password(page: Page) -> None:
    page.locator("[name=old_password]").fill("wrong")
    page.locator("form[action$=password] button").click()
    expect(page.locator("[name=old_password]")).to_have_attribute("aria-invalid", "true")


def make_token(page: Page) -> None:
    page.locator("#id_name").fill("another")
    page.locator("form[action*=tokens] button.primary").click()
    expect(page.locator(".token")).to_be_visible()


def dim_rows(page: Page) -> None:
    page.locator(".row").evaluate_all("rows => rows.forEach((row) => row.dataset.unmatched = '')")


def select_rows(page: Page) -> None:
    page.locator(".row [name=ids]").first.check()
    page.locator(".row [name=ids]").last.check()


def open_row_menu(page: Page) -> None:
    page.locator(".row .more > summary").first.click()


def open_options(page: Page) -> None:
    page.locator(".add-change button").click()
    page.locator("details.add-change[open]").wait_for()


def open_details(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true })")


USES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "open menu": ("dashboard", open_menu),
    "shortcuts": ("dashboard", open_shortcuts),
    "refused links": ("dashboard", refuse_links),
    "dimmed rows": ("dashboard", dim_rows),
    "selected rows": ("dashboard", select_rows),
    "open menu of a row": ("dashboard", open_row_menu),
    "open options": ("dashboard", open_options),
    "open details": ("failed", open_details),
    "form of a view": ("view", open_details),
    "form of a new view": ("nothing found", open_details),
    "refused password": ("account", refuse_password),
    "new token": ("account", make_token),
}


def test_pages_in_use(page: Page, staff: User, lived_in: dict[str, str], axe: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    sign_in(page, staff)
    found: list[str] = []

    for name, (place, use) in USES.items():
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(lived_in[place])
        use(page)
        page.evaluate(axe)
        found += complaints(page, name, OPTIONS)

    assert not found, "\n".join(found)
