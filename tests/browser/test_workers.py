"""The page of the workers: it shows what is, stays so by itself, and disturbs no reader."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from downloads.models import Worker
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_announcer import HIDES
from tests.browser.test_journey import assert_not_reloaded, mark
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.worker import ROOT, worker_environment


@pytest.fixture(autouse=True)
def _patience(shared_db: None) -> Iterator[None]:
    expect.set_options(timeout=TIMEOUT_MS)
    yield
    Worker.objects.filter(host="attic").delete()


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed but by the test.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


def another_worker() -> Worker:
    return lives.make_worker(host="attic", heartbeat_at=timezone.now() + timedelta(hours=1))


def look(page: Page, user: User) -> None:
    sign_in(page, user)
    page.goto("workers/")
    mark(page)


def row_of(page: Page, worker: Worker) -> Locator:
    return page.locator(f"#worker-{worker.name}")


def ask_now(page: Page) -> None:
    """What comes by itself after some seconds, at once."""
    page.locator("#pause").click()
    page.locator("#pause").click()


def test_a_worker_is_shown_as_it_is_and_drains_and_resumes(page: Page, staff: User) -> None:
    serving = Worker.objects.get(stopped_at=None)
    look(page, staff)

    row = row_of(page, serving)
    expect(row).to_contain_text("Alive")
    expect(row).to_contain_text(f"{serving.pid}")
    expect(row).to_contain_text("vnsite 0")
    expect(row).to_contain_text("%")  # measured after the first seconds
    expect(row).to_contain_text("MiB")
    row.get_by_role("button", name="Drain").click()
    expect(row_of(page, serving)).to_contain_text("Draining")
    row_of(page, serving).get_by_role("button", name="Resume").click()
    expect(row_of(page, serving)).to_contain_text("Alive")


def test_a_worker_that_falls_silent_is_lost_and_what_it_works_on_is_a_link(
    page: Page, staff: User
) -> None:
    worker = another_worker()
    running = lives.start(lives.submit(staff), worker)
    look(page, staff)
    expect(row_of(page, worker)).to_contain_text("Alive")
    link = row_of(page, worker).get_by_role("link")
    expect(link).to_have_attribute("href", f"/downloads/{running.correlation_id}/")

    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=lives.long_ago())

    expect(row_of(page, worker)).to_contain_text("Lost")
    assert_not_reloaded(page)


def test_focus_selection_and_what_was_opened_outlive_an_update(page: Page, staff: User) -> None:
    lives.submit(staff)
    worker = another_worker()
    look(page, staff)
    page.locator("section[aria-labelledby=queue-heading] summary").click()
    row_of(page, worker).get_by_role("button").focus()
    page.locator("#checks-heading").evaluate("e => getSelection().selectAllChildren(e)")

    Worker.objects.filter(pk=worker.pk).update(draining_at=timezone.now())
    with (
        page.expect_response(lambda answer: "part=queue" in answer.url),
        page.expect_response(lambda answer: "part=checks" in answer.url),
    ):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")

    expect(row_of(page, worker)).to_contain_text("Draining")
    expect(row_of(page, worker).get_by_role("button")).to_be_focused()
    expect(page.get_by_role("region", name="Waiting in each hour")).to_be_visible()
    assert page.evaluate("String(getSelection())") == "Checks"


def test_nothing_is_asked_for_while_nobody_looks_or_the_reader_paused(
    page: Page, staff: User
) -> None:
    page.add_init_script(HIDES)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    worker = another_worker()
    look(page, staff)

    page.evaluate("hide(true)")
    asked.clear()
    page.evaluate("document.querySelector('[data-poll]').dispatchEvent(new Event('every'))")
    page.locator("#pause").click()
    page.evaluate("hide(false)")
    page.evaluate("document.querySelector('[data-poll]').dispatchEvent(new Event('every'))")
    Worker.objects.filter(pk=worker.pk).update(heartbeat_at=lives.long_ago())
    assert [url for url in asked if "part=" in url] == []

    page.locator("#pause").click()
    expect(row_of(page, worker)).to_contain_text("Lost")


def test_a_page_that_was_signed_out_elsewhere_leads_to_the_sign_in(page: Page, staff: User) -> None:
    look(page, staff)

    page.context.clear_cookies()

    page.wait_for_url(lambda url: "login" in url and "next=/workers/" in url)


def test_the_first_byte_of_a_stream_is_timed(page: Page, staff: User) -> None:
    look(page, staff)

    expect(page.locator("#proxy [data-outcome=came]")).to_contain_text(" ms")
    expect(page.locator("#proxy [data-outcome=asked]")).to_be_hidden()


def test_a_stream_that_is_held_back_is_warned_of(page: Page, staff: User) -> None:
    page.route("**/events/", lambda route: None)  # as a proxy that waits for the end
    look(page, staff)

    expect(page.locator("#proxy [data-outcome=held]")).to_be_visible()
    page.unroute_all(behavior="ignoreErrors")


def test_a_command_is_copied(page: Page, staff: User) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    look(page, staff)

    page.locator("#proxy").get_by_role("button", name="Copy").click()

    expect(page.locator("#proxy").get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -N -H")


def test_the_queue_of_the_day_is_drawn_and_said(page: Page, staff: User) -> None:
    look(page, staff)
    expect(page.get_by_text("Nothing has waited in the last 24 hours.")).to_be_visible()
    for _ in range(3):
        lives.submit(staff)

    ask_now(page)

    said = "3 waiting now, at most 3 in the last 24 hours."
    expect(page.get_by_role("img", name=said)).to_be_visible()
    page.get_by_text("Show as table").click()
    newest = page.get_by_role("region", name="Waiting in each hour").get_by_role("row").nth(1)
    expect(newest).to_contain_text("3")


def test_the_page_has_every_check_that_doctor_has(page: Page, staff: User, site: Serving) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT,
        env={**worker_environment(), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    look(page, staff)

    shown = page.locator(".checks strong").all_inner_texts()

    of_doctor = [check["name"] for check in json.loads(done.stdout)["checks"]]
    assert sorted(shown) == sorted([*of_doctor, "https", "live updates"])


def test_without_scripts_the_page_is_whole_and_has_a_refresh(
    browser: Browser, site: Serving, staff: User
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, staff)

    page.goto("workers/")

    expect(page.get_by_role("link", name="Refresh")).to_be_visible()
    expect(page.get_by_text("curl -N -H")).to_be_visible()
    expect(page.locator("#pause")).to_be_hidden()
    expect(page.locator("#proxy [role=status]")).to_be_hidden()
    context.close()
