"""Adding links in a real browser: typed, pasted, dropped, from files, and without scripts."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, FilePayload, Locator, Page, Route, expect

from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

ONE, TWO, THREE = (f"https://example.org/{number}" for number in (1, 2, 3))
DROP = """([kind, content]) => {
  const data = new DataTransfer();
  if (kind === "file") data.items.add(new File([content], "list.csv", { type: "text/csv" }));
  else data.setData(kind, content);
  const send = (name) => document.body.dispatchEvent(
    new DragEvent(name, { dataTransfer: data, bubbles: true, cancelable: true }));
  send("dragover");
  const overlay = !document.getElementById("drop").hidden;
  send("drop");
  return overlay;
}"""
PASTE = """(target, [kind, content]) => {
  const data = new DataTransfer();
  data.setData(kind, content);
  target.dispatchEvent(
    new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
}"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}  # nothing is claimed


@pytest.fixture
def home(page: Page, user: User) -> Page:
    sign_in(page, user)
    expect(page.locator("#adding[data-htmx-powered]")).to_be_visible()
    return page


@pytest.fixture
def unscripted(browser: Browser, site: Serving, user: User) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    sign_in(page, user)
    yield page
    context.close()


def box(page: Page) -> Locator:
    return page.get_by_label("Links to videos")


def note(page: Page) -> Locator:
    return page.locator("#add-note")


def added() -> list[str]:
    return list(Download.objects.order_by("id").values_list("url", flat=True))


def test_what_would_be_added_is_said_while_it_is_typed(home: Page, user: User) -> None:
    lives.submit(user, url=ONE)

    box(home).fill(f"see {ONE}\n{TWO}, {THREE}\nftp://example.org/4")

    expect(note(home)).to_have_text("3 links, 1 known, 1 wrong, 1 word left out: “see”")
    found = home.locator("#add-found")
    expect(found).to_contain_text("Line 3, “ftp://example.org/4”: A link must begin with")
    expect(found).to_contain_text("is waiting or running already: Open")
    assert added() == [ONE]


def test_the_good_links_are_added_and_the_rest_stays_with_the_focus_on_its_reasons(
    home: Page,
) -> None:
    status = note(home).element_handle()
    box(home).fill(f"{ONE}\nftp://example.org/2")

    home.get_by_role("button", name="Add", exact=True).click()

    expect(note(home)).to_have_text("1 download added.")
    expect(box(home)).to_have_value("ftp://example.org/2")
    expect(box(home)).to_have_attribute("aria-invalid", "true")
    expect(home.locator("#add-found .errors")).to_be_focused()
    expect(home.locator("#add-found")).to_contain_text("Line 1, “ftp://example.org/2”")
    expect(home.locator("#rows .row")).to_have_count(1)
    assert status.is_visible()  # the same element: else screen readers say nothing


def test_enter_adds_one_link_and_ctrl_enter_several(home: Page) -> None:
    box(home).fill(ONE)
    box(home).press("Enter")
    expect(note(home)).to_have_text("1 download added.")
    expect(box(home)).to_have_value("")
    expect(box(home)).to_be_focused()

    home.keyboard.type(TWO)
    home.keyboard.press("Shift+Enter")
    home.keyboard.type(THREE)
    home.keyboard.press("Enter")
    expect(box(home)).to_have_value(f"{TWO}\n{THREE}\n")
    home.keyboard.press("Control+Enter")

    expect(note(home)).to_have_text("2 downloads added. Show them")
    assert added() == [ONE, TWO, THREE]


def test_what_is_said_of_a_form_that_was_sent_meanwhile_comes_too_late(home: Page) -> None:
    asked: list[Route] = []
    home.route("**/downloads/preview", lambda route: asked.append(route))
    with home.expect_request("**/downloads/preview"):
        box(home).fill(ONE)
    box(home).press("Enter")
    expect(note(home)).to_have_text("1 download added.")

    with home.expect_event("requestfinished", lambda sent: "preview" in sent.url):
        asked[0].fulfill(body='<p id="add-note" hx-swap-oob="innerHTML">1 link</p>')

    home.evaluate("new Promise((done) => setTimeout(done))")
    expect(note(home)).to_have_text("1 download added.")


def test_a_paste_anywhere_goes_into_the_box_and_can_be_undone(home: Page) -> None:
    box(home).fill(ONE)
    box(home).blur()

    home.locator("body").evaluate(PASTE, ["text/plain", f"{TWO} and {THREE}"])

    expect(box(home)).to_be_focused()
    expect(box(home)).to_have_value(f"{ONE}\n{TWO} and {THREE}")
    expect(note(home)).to_contain_text("3 links")
    home.get_by_role("button", name="Undo").click()
    expect(box(home)).to_have_value(ONE)
    expect(home.get_by_role("button", name="Undo")).to_be_hidden()
    assert added() == []


def test_a_paste_into_another_field_stays_there(home: Page) -> None:
    home.get_by_role("searchbox").evaluate(PASTE, ["text/plain", ONE])

    expect(box(home)).to_have_value("")


def test_five_hundred_links_are_one_request_and_lead_to_what_was_added(home: Page) -> None:
    links = [f"https://example.org/many/{number}" for number in range(500)]
    box(home).fill("\n".join(links))
    expect(note(home)).to_have_text("500 links")
    sent: list[str] = []
    home.on("request", lambda request: sent.append(request.url) if request.method == "POST" else 0)

    box(home).press("Control+Enter")
    expect(note(home)).to_have_text("500 downloads added. Show them")
    assert [url for url in sent if "preview" not in url] == [f"{home.url}downloads/"]
    note(home).get_by_role("link", name="Show them").click()

    expect(home.get_by_role("link", name="Remove batch:")).to_be_visible()
    expect(home.locator(".row")).to_have_count(50)
    assert added() == links


def test_of_a_page_that_is_pasted_the_links_are_taken(home: Page) -> None:
    home.locator("body").evaluate(
        PASTE, ["text/html", f'<p>See <a href="{ONE}">One</a>, <a href="{TWO}">2</a>']
    )

    expect(box(home)).to_have_value(f"{ONE}\n{TWO}")


def test_links_and_texts_and_files_are_dropped_anywhere(home: Page) -> None:
    assert home.evaluate(DROP, ["text/uri-list", ONE])
    expect(box(home)).to_have_value(ONE)
    expect(home.locator("#drop")).to_be_hidden()

    assert home.evaluate(DROP, ["file", f"title,url\nTwo,{TWO}\nThree,{THREE}\n"])

    expect(box(home)).to_have_value(f"{ONE}\n{TWO}\n{THREE}")
    expect(note(home)).to_contain_text("3 links")
    assert added() == []


def test_a_file_that_is_not_a_text_is_refused_and_the_box_stays(home: Page) -> None:
    box(home).fill(ONE)
    file = FilePayload(name="a.png", mimeType="image/png", buffer=b"\x89PNG\0\0\xff")

    home.get_by_label("From file…").set_input_files(files=[file])

    expect(home.locator("#add-found")).to_contain_text("“a.png” is not a text.")
    expect(box(home)).to_have_value(ONE)
    expect(home.get_by_label("From file…")).to_have_value("")


def test_what_its_user_has_is_downloaded_again_when_they_say_so(
    home: Page, user: User, clean_disk: None
) -> None:
    lives.complete(lives.submit(user, url=ONE))
    box(home).fill(ONE)
    expect(home.locator("#add-found")).to_contain_text("downloaded on")

    home.get_by_role("button", name="Again").click()

    expect(note(home)).to_have_text("1 download added.")
    assert [each.is_again for each in Download.objects.order_by("id")] == [False, True]


def test_a_person_who_was_signed_out_is_told_and_keeps_the_links(home: Page) -> None:
    box(home).fill(ONE)
    home.context.clear_cookies(name="sessionid")

    home.get_by_role("button", name="Add", exact=True).click()

    expect(note(home)).to_contain_text("Your sign-in has changed.")
    expect(box(home)).to_have_value(ONE)


def test_without_scripts_a_file_is_read_and_the_rest_stays(unscripted: Page) -> None:
    page = unscripted
    content = f"{TWO}\nftp://x/3".encode()
    file = FilePayload(name="l.txt", mimeType="text/plain", buffer=content)
    box(page).fill(ONE)
    page.get_by_label("From file…").set_input_files(files=[file])

    page.get_by_role("button", name="Add", exact=True).click()

    expect(note(page)).to_have_text("2 downloads added. Show them")
    expect(box(page)).to_have_value("ftp://x/3")
    expect(page.locator("#add-found")).to_contain_text("1 link stays in the box:")
    assert added() == [ONE, TWO]


def test_an_address_fills_the_form_with_the_focus_in_it(home: Page) -> None:
    home.goto(f"add?url={ONE}")

    expect(box(home)).to_have_value(ONE)
    expect(box(home)).to_be_focused()
    assert added() == []


@pytest.mark.parametrize(("width", "height"), [(1280, 56), (360, 96)])
def test_the_form_is_low_until_it_is_filled(home: Page, width: int, height: int) -> None:
    home.set_viewport_size({"width": width, "height": 800})

    assert home.evaluate("document.getElementById('adding').offsetHeight") <= height
    box_top, preset_top = (
        home.evaluate(f"document.getElementById('{id}').getBoundingClientRect().top")
        for id in ("id_urls", "id_preset")
    )
    assert (abs(box_top - preset_top) < 10) == (width == 1280)
    box(home).fill("\n".join([ONE] * 20))
    lines = home.evaluate(
        "(() => { const { height } = document.getElementById('id_urls').getBoundingClientRect();"
        " return height / 21; })()"
    )
    assert 7 < lines < 10
    assert home.evaluate("document.documentElement.scrollWidth") <= width


def test_the_app_can_be_installed(home: Page) -> None:
    problems = home.context.new_cdp_session(home).send("Page.getInstallabilityErrors")
    errors = [each["errorId"] for each in problems["installabilityErrors"]]

    assert set(errors) <= {"in-incognito"}
    scope = home.evaluate("navigator.serviceWorker.ready.then((worker) => worker.scope)")
    assert scope == home.url


def test_links_without_space_do_not_widen_the_page(home: Page) -> None:
    home.set_viewport_size({"width": 360, "height": 800})

    box(home).fill(f"ftp://example.org/{'x' * 500}\n{ONE}{'y' * 500}")

    expect(note(home)).to_contain_text("1 link, 1 wrong")
    assert home.evaluate("document.documentElement.scrollWidth") <= 360
    wait_for(lambda: home.locator("#add-found .errors").is_visible())
