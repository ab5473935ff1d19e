"""The player in a real browser, with a film that it really plays."""

import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Request, expect

from downloads import actions
from downloads.library import catalogue
from downloads.library.models import Card, Position
from downloads.models import Download, PublishedFile
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

SECONDS = 120


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


@pytest.fixture(scope="module")
def webm(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A film of two minutes whose picture and sound every Chromium plays."""
    path = tmp_path_factory.mktemp("film") / "film.webm"
    sources = (f"testsrc=size=64x36:rate=5:duration={SECONDS}", f"sine=duration={SECONDS}")
    inputs = [word for source in sources for word in ("-f", "lavfi", "-i", source)]
    codecs = ["-c:v", "libvpx", "-deadline", "realtime", "-g", "25", "-c:a", "libopus"]
    subprocess.run(["ffmpeg", "-v", "error", *inputs, *codecs, str(path)], check=True)
    return path.read_bytes()


def film(owner: User, content: bytes, *, is_clean: bool = True) -> Download:
    """A download that completed with a film, and is in the catalogue."""
    download = lives.complete(lives.submit(owner), name="film.webm")
    if is_clean:
        actions.clean(download, actor="test")
    Path(settings.VNSITE.media_root, download.library_path, "film.webm").write_bytes(content)
    size = len(content)
    PublishedFile.objects.filter(name="film.webm").update(size=size, media_type="video/webm")
    while catalogue.catch_up():
        pass
    return download


def open_film(page: Page, download: Download) -> None:
    page.goto(f"downloads/{download.correlation_id}/")
    video = page.locator("#part-film video")
    wait_for(lambda: video.evaluate("film => film.readyState >= 1"), what="the film's metadata")


def seconds_of(page: Page) -> float:
    return float(page.locator("#part-film video").evaluate("film => film.currentTime"))


def wait_until_at(page: Page, seconds: float) -> None:
    wait_for(lambda: seconds_of(page) >= seconds, what=f"second {seconds}")


def seek(page: Page, seconds: float) -> None:
    page.locator("#part-film video").evaluate(
        "(film, seconds) => { film.currentTime = seconds }", seconds
    )


def play(page: Page) -> None:
    """Play it without its sound, as a browser allows without a click."""
    page.locator("#part-film video").evaluate("film => { film.muted = true; return film.play() }")


def test_a_film_plays_seeks_and_goes_on_where_it_was_on_another_device(
    browser: Browser, site: Serving, page: Page, staff: User, webm: bytes
) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    ranges: list[str] = []
    page.on("request", lambda request: ranges.append(request.headers.get("range", "")))
    open_film(page, download)
    assert seconds_of(page) == 0

    play(page)
    wait_until_at(page, 0.5)
    seek(page, 80)
    wait_for(lambda: Position.objects.filter(seconds__gte=80).exists(), what="the position")
    page.locator("#part-film video").evaluate("film => film.pause()")
    open_film(page, download)

    wait_until_at(page, 80)
    assert any(asked.startswith("bytes=") for asked in ranges)
    other = browser.new_context(base_url=site.url)
    elsewhere = other.new_page()
    sign_in(elsewhere, staff)
    open_film(elsewhere, download)
    wait_until_at(elsewhere, 80)
    other.close()


def test_a_page_that_is_left_keeps_the_position(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    open_film(page, download)
    play(page)
    wait_until_at(page, 2)

    page.goto("help/")

    wait_for(lambda: Position.objects.filter(seconds__gte=2).exists(), what="the position")


def test_a_film_that_nobody_plays_writes_nothing(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm)
    Position.objects.keep(user=staff, entry=Card.objects.get().pk, seconds=80)
    before = Position.objects.values().get()
    sign_in(page, staff)
    written: list[Request] = []
    page.on("request", lambda request: written.append(request) if request.method == "PUT" else None)
    open_film(page, download)
    wait_until_at(page, 80)

    page.goto("help/")

    assert written == []
    assert Position.objects.values().get() == before


def test_a_film_that_plays_is_not_drawn_again(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm, is_clean=False)
    sign_in(page, staff)
    open_film(page, download)
    video = page.locator("#part-film video")
    play(page)
    wait_until_at(page, 0.5)
    video.evaluate("film => { film.dataset.same = 1 }")
    seek(page, 80)
    wait_for(lambda: Position.objects.filter(seconds__gte=80).exists(), what="the position")

    actions.clean(download, actor="test")

    expect(page.locator("#part-history")).to_contain_text("Temp files removed")
    expect(video).to_have_attribute("data-same", "1")
    assert not video.evaluate("film => film.paused")


def test_without_javascript_the_film_plays(
    browser: Browser, site: Serving, staff: User, webm: bytes
) -> None:
    download = film(staff, webm)
    Position.objects.keep(user=staff, entry=Card.objects.get().pk, seconds=80)
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, staff)

    with page.expect_response(lambda answer: "film.webm" in answer.url) as answered:
        page.goto(f"downloads/{download.correlation_id}/")

    assert answered.value.status == 206
    # Its controls are the browser's own: a press on Space plays.
    page.locator("#part-film video").focus()
    page.keyboard.press("Space")
    wait_until_at(page, 80.5)
    context.close()
