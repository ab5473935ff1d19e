"""What a page tells by itself: in its regions for screen readers, its title, its icon, and as
notifications."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Page, expect

from downloads.models import Download, Preferences, Progress
from downloads.rules.errors import ErrorClass
from downloads.sandbox.programs import find_deno
from downloads.web.words import words
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving, serving

ANNOUNCE_JS = Path(__file__).resolve().parents[2] / "downloads/static/downloads/announce.js"
# Plays what happens at which second, and prints what was told at which.
PLAY = """
globalThis.document = { documentElement: { lang: "en" } };
globalThis.vnsiteWords = WORDS;
const { Announcer } = await import(MODULE);
let now = 0;
let due = [];
const told = [];
const announcer = new Announcer({
    kinds: ["completed", "failed", "said"],
    describe: (kind, id) => `${kind} ${id}`,
    tell: (sentences) => told.push([now, sentences.join(" ")]),
    later: (act, ms) => due.push([now + ms / 1000, act]),
    now: () => now * 1000,
});
const happens = HAPPENS;
for (now = 0; now < 30; now += 1) {
    for (const [at, kind, id] of happens) if (at === now) announcer.add(kind, id);
    for (const [at, act] of due.filter(([at]) => at <= now)) act();
    due = due.filter(([at]) => at > now);
}
console.log(JSON.stringify(told));
"""


def told_of(happens: list[tuple[int, str, str]], tmp_path: Path) -> Any:
    deno = find_deno()
    if deno is None:
        pytest.skip("deno is missing: run bin/setup")
    values = {
        "WORDS": json.dumps(words()),
        "MODULE": json.dumps(ANNOUNCE_JS.as_uri()),
        "HAPPENS": json.dumps(happens),
    }
    code = PLAY
    for name, value in values.items():
        code = code.replace(name, value)
    done = subprocess.run(
        [deno, "eval", code],
        capture_output=True,
        check=True,
        env={"DENO_DIR": str(tmp_path), "NO_COLOR": "1"},
    )
    return json.loads(done.stdout)


def test_one_that_ended_is_named(tmp_path: Path) -> None:
    assert told_of([(0, "completed", "A")], tmp_path) == [[1, "completed A"]]


def test_several_are_one_sentence_and_five_seconds_lie_between(tmp_path: Path) -> None:
    happens = [(0, "completed", "A"), (0, "failed", "B"), (2, "completed", "C")]
    happens += [(3, "completed", "D"), (5, "completed", "E"), (12, "said", "Off.")]

    assert told_of(happens, tmp_path) == [
        [1, "completed A failed B"],
        [6, "3 downloads completed"],
        [13, "Off."],
    ]


def test_what_is_not_wanted_is_not_told(tmp_path: Path) -> None:
    assert told_of([(0, "cancelled", "A"), (0, "downloading", "A")], tmp_path) == []


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site(shared_db: None, clean_disk: None) -> Iterator[Serving]:
    """Without a worker: the downloads do what the test does."""
    with serving("--no-worker") as server:
        yield server


HIDES = """
    Object.defineProperty(document, "hidden", { get: () => window.isHidden ?? false });
    window.hide = (isHidden) => {
        window.isHidden = isHidden;
        document.dispatchEvent(new Event("visibilitychange"));
    };
    window.shown = [];
    window.Notification = class {
        static permission = "granted";
        constructor(title, { body }) { window.shown.push(body); }
    };
"""


def open_live(page: Page, user: User) -> None:
    """Open the dashboard with what a test cannot bring about: a hidden tab, and a browser that
    may notify."""
    page.add_init_script(HIDES)
    sign_in(page, user)
    expect(page.locator("#chip-word")).to_have_text("Live")


def titled(user: User) -> Download:
    download = lives.submit(user)
    Download.objects.filter(pk=download.pk).update(title="A film")
    return download


def test_a_failure_is_announced_with_its_title_and_sentence(page: Page, user: User) -> None:
    download = titled(user)
    open_live(page, user)
    region = page.locator("#announcer")
    handle = region.element_handle()

    lives.fail(download, ErrorClass.DRM)

    expect(region).to_contain_text("Failed: A film. ")
    expect(region).to_contain_text("DRM")
    assert page.evaluate("([one, other]) => one === other", [handle, region.element_handle()])


def test_who_wants_no_announcements_gets_none_and_the_title_still_tells(
    page: Page, user: User
) -> None:
    Preferences.objects.create(user=user, announcements="none")
    download = titled(user)
    open_live(page, user)
    page.evaluate("hide(true)")

    lives.fail(download)
    expect(page).to_have_title(re.compile(r"^\(!\) 1 failed · "))
    assert "failed" in str(page.locator("link[rel=icon]").get_attribute("href"))
    assert page.locator("#announcer").text_content() == ""

    page.evaluate("hide(false)")
    expect(page).to_have_title("Downloads · vnsite")
    assert "favicon.svg" in str(page.locator("link[rel=icon]").get_attribute("href"))


def test_the_title_and_the_icon_say_what_runs(page: Page, user: User) -> None:
    download = titled(user)
    open_live(page, user)

    lives.start(download)

    expect(page).to_have_title("1 active · vnsite")
    Progress.objects.update(received_bytes=42, total_bytes=100, updated_at=timezone.now())
    expect(page).to_have_title("42 % · 1 active · vnsite")
    assert "active" in str(page.locator("link[rel=icon]").get_attribute("href"))


@pytest.mark.parametrize("is_wanted", [True, False])
def test_notifications_are_shown_to_who_asked_for_them(
    page: Page, user: User, is_wanted: bool
) -> None:
    Preferences.objects.create(user=user, has_notifications=is_wanted)
    first, second = titled(user), titled(user)
    open_live(page, user)
    page.evaluate("hide(true)")

    lives.fail(first)
    lives.complete(second)

    expect(page.locator("#announcer")).not_to_be_empty()
    shown = page.evaluate("shown")
    assert [sentence.split(".")[0] for sentence in shown] == (
        ["Failed: A film", "Completed: A film"] if is_wanted else []
    )
