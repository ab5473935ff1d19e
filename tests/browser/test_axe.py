"""axe-core finds nothing on any page, in any theme, language and width, at rest and in use."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.urls import Resolver404, ResolverMatch, resolve, reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from downloads.accounts import first_admin
from downloads.models import Preferences, Worker
from downloads.rules.states import Reason, State
from downloads.web import urls
from tests.browser.conftest import TIMEOUT_MS, sign_in, sign_out
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.serving import sign_in as session_of

pytestmark = pytest.mark.timeout(900)  # minutes beside other tests on a slow machine

AXE = Path(__file__).resolve().parent.parent.parent / "node_modules/axe-core/axe.min.js"
WIDTHS = (1280, 768, 360)
HEIGHT = 3000  # of nearly every page, so that no bar that stays in view lies over something else


class Look(NamedTuple):
    """The language of a page, what it is asked to look like, and what the machine looks like."""

    language: str
    theme: str
    scheme: Literal["light", "dark"]


LOOKS = (
    *(Look(language, "light", "light") for language, _ in settings.LANGUAGES),
    Look("en", "auto", "dark"),
    Look("en", "contrast", "light"),
    Look("en", "contrast", "dark"),
)
OPTIONS = {"resultTypes": ["violations"], "iframes": False}
AT_REST = {**OPTIONS, "rules": {"target-size": {"enabled": True}}}  # an open menu covers targets
# Another theme changes colours alone, and another language words.
OF_COLOURS = {**OPTIONS, "runOnly": ["color-contrast"]}
CHECK = """async (options) => (await axe.run(document, options)).violations.flatMap(
    ({ id, nodes }) => nodes.map(({ target, any }) =>
        `${id}: ${target.join(" ")} ${any.map(({ message }) => message).join("; ")}`))"""

SHOW_LOSS = """(states) => {
    const one = (id) => document.getElementById(id);
    for (const state of states) {
        const chip = one("chip").cloneNode(true);
        for (const each of [chip, ...chip.children]) each.removeAttribute("id");
        chip.dataset.state = state;
        document.querySelector(".list").before(chip);
    }
    document.body.classList.add("is-lost");
    for (const id of ["lost-sentence", "toast"]) one(id).textContent = "Words";
    for (const id of ["lost", "lost-sign-in", "gone", "toast", "recent", "chip-retry"])
        one(id).hidden = false;
}"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


class Auditor:
    """What axe has against pages in one look as they stand, in every width."""

    def __init__(self, page: Page, axe: str, look: Look) -> None:
        self.found: list[str] = []
        self._page, self._axe, self._look = page, axe, look

    def ask_for_language(self, url: str) -> None:
        """For pages before a sign-in."""
        cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": self._look.language, "url": url}
        self._page.context.add_cookies([cookie])

    def sign_in(self, user: User) -> None:
        language = self._look.language
        Preferences.objects.update_or_create(user=user, defaults={"language": language})
        sign_in(self._page, user)

    def examine(self, name: str, rules: dict[str, Any] = AT_REST) -> None:
        page, look = self._page, self._look
        # What fades in has no contrast yet.
        page.emulate_media(color_scheme=look.scheme, reduced_motion="reduce")
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", look.theme)
        page.evaluate(self._axe)
        options = rules if look.theme == "light" else OF_COLOURS
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": HEIGHT})
            self.found += [f"{name}, {width}: {each}" for each in page.evaluate(CHECK, options)]


@pytest.fixture(params=LOOKS, ids="-".join)
def auditor(request: pytest.FixtureRequest, page: Page) -> Auditor:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci")
    return Auditor(page, AXE.read_text(), request.param)


def test_every_page_at_rest(
    auditor: Auditor, page: Page, staff: User, lived_in: dict[str, str]
) -> None:
    auditor.sign_in(staff)

    for name, path in lived_in.items():
        page.goto(path)
        auditor.examine(name)
    sign_out(page)
    auditor.examine("sign-in")

    assert auditor.found == []


def test_pages_for_who_is_not_signed_in(auditor: Auditor, page: Page, site: Serving) -> None:
    auditor.ask_for_language(site.url)
    page.goto(str(first_admin.setup_path()))
    auditor.examine("setup")
    page.locator("#id_username").fill("ada")
    page.locator("main button.primary").click()
    expect(page.locator("[aria-invalid=true]").first).to_be_visible()
    auditor.examine("refused setup")
    page.goto("setup/?token=old")
    auditor.examine("old link")
    page.goto("login/")
    auditor.examine("no user yet")
    User.objects.create_user("ada")
    page.goto("login/")
    page.locator("#id_username").fill("ada")
    page.locator("#id_password").fill("wrong")
    page.keyboard.press("Enter")
    expect(page.locator("main [role=alert], main .errors").first).to_be_visible()
    auditor.examine("refused sign-in")
    page.goto("help/")
    auditor.examine("help")

    assert auditor.found == []


@contextmanager
def no_worker() -> Iterator[None]:
    rows = Worker.objects.filter(pk__in=list(Worker.objects.alive().values_list("pk", flat=True)))
    rows.update(stopped_at=timezone.now())
    yield
    rows.update(stopped_at=None)


@contextmanager
def workers_of_all_kinds(staff: User) -> Iterator[None]:
    """Beside the site's own, which is alive."""
    now = timezone.now()
    late = lives.make_worker(heartbeat_at=now - timedelta(seconds=20))
    lost = lives.make_worker(heartbeat_at=lives.long_ago())
    in_an_hour = now + timedelta(hours=1)  # it is not missed while axe looks
    draining = lives.make_worker(heartbeat_at=in_an_hour, cpu_percent=150.2, memory_bytes=2**30)
    running = lives.start(lives.submit(staff), draining)
    Worker.objects.let_drain(draining.name)
    lives.submit(staff)
    yield
    running.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    Worker.objects.filter(pk__in=[each.pk for each in (late, lost, draining)]).delete()


def test_workers_in_every_state(auditor: Auditor, page: Page, staff: User) -> None:
    page.emulate_media(reduced_motion="reduce")
    auditor.sign_in(staff)

    for name, are_there in {"none": no_worker(), "all": workers_of_all_kinds(staff)}.items():
        with are_there:
            page.goto("workers/?again=1")
            open_details(page)
            auditor.examine(f"workers, {name}")

    assert auditor.found == []


def open_menu(page: Page) -> None:
    page.locator("[popovertarget=menu]").click()


def open_shortcuts(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#keys dl").first).to_be_visible()


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
    page.locator(".row .more [data-copy]").first.wait_for()


def open_options(page: Page) -> None:
    page.locator(".add-change button").click()
    page.locator("details.add-change[open]").wait_for()


def open_details(page: Page) -> None:
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true })")


def ask(page: Page) -> None:
    select_rows(page)
    page.locator("#bulk [value=delete]").click()
    expect(page.locator("#question")).to_be_visible()


def find_links(page: Page) -> None:
    page.locator("#id_urls").fill("https://example.org/a and https://example.org/a and x.txt")
    expect(page.locator("#add-note")).not_to_be_empty()


def refuse_retry(page: Page) -> None:
    page.locator("#part-retry > details > summary").click()
    page.locator("#part-retry [name=clip]").evaluate("field => { field.value = '9-1' }")
    page.locator("[form=retry-form]").last.click()
    expect(page.locator("#retry [role=alert]")).to_be_visible()


def lose_connection(page: Page) -> None:
    """Show each state of the chip, what is said in the corner, and numbers that are old."""
    page.evaluate(SHOW_LOSS, ["live", "reconnecting", "refused", "paused", "stale", "signed-out"])


USES: dict[str, tuple[str, Callable[[Page], None]]] = {
    "open menu": ("dashboard", open_menu),
    "shortcuts": ("dashboard", open_shortcuts),
    "refused links": ("dashboard", refuse_links),
    "dimmed rows": ("dashboard", dim_rows),
    "selected rows": ("dashboard", select_rows),
    "open menu of a row": ("dashboard", open_row_menu),
    "open options": ("dashboard", open_options),
    "question": ("dashboard", ask),
    "found links": ("dashboard", find_links),
    "lost connection": ("dashboard", lose_connection),
    "open menus": ("dashboard", open_details),
    "open details": ("failed", open_details),
    "form of a view": ("view", open_details),
    "form of a new view": ("nothing found", open_details),
    "open details of a film": ("completed", open_details),
    "open details of a list": ("list", open_details),
    "refused retry": ("failed", refuse_retry),
    "refused password": ("account", refuse_password),
    "new token": ("account", make_token),
}


def test_pages_in_use(auditor: Auditor, page: Page, staff: User, lived_in: dict[str, str]) -> None:
    auditor.sign_in(staff)

    for name, (place, use) in USES.items():
        page.set_viewport_size({"width": 1280, "height": 800})
        page.goto(lived_in[place])
        use(page)
        auditor.examine(name, OPTIONS)

    assert auditor.found == []


def test_no_page_is_forgotten(site: Serving, staff: User, lived_in: dict[str, str]) -> None:
    """A route that answers a page is among those that are looked at."""
    looked_at = {match.view_name for path in lived_in.values() if (match := route_of(path))}
    failed, preset = lived_in["failed"].split("/")[1], lived_in["preset"].split("/")[1]
    values = {"correlation_id": failed, "pk": preset, "host": "example.org", "token": "t" * 32}
    session, forgotten = session_of(staff), []

    for pattern in urls.urlpatterns:
        known = {name: values.get(name, "x") for name in pattern.pattern.converters}
        answer = site.ask(reverse(pattern.name, kwargs=known), Cookie=session)
        is_page = answer.status == HTTPStatus.OK and b"</html>" in answer.body
        if is_page and pattern.name not in looked_at:
            forgotten.append(pattern.name)

    assert forgotten == []


def route_of(path: str) -> ResolverMatch | None:
    try:
        return resolve(f"/{path.partition('?')[0]}")
    except Resolver404:
        return None
