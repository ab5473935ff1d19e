"""The player in a real browser, with a film that it really plays."""

import subprocess
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, Request, Route, expect

from downloads import actions
from downloads.library import catalogue
from downloads.library.models import Card, Position
from downloads.models import Download, Preferences, PublishedFile
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

SECONDS = 120
CAPTIONS = b"WEBVTT\n\n00:00.000 --> 02:00.000\nSaid in the film\n"
CHAPTERS = [{"start_time": 0, "title": "Intro"}, {"start_time": 60, "title": "Middle"}]


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


def film(
    owner: User, content: bytes, *, is_clean: bool = True, video_codec: str = "vp8"
) -> Download:
    """A download that completed with a film, and is in the catalogue."""
    media = {"video_codec": video_codec, "audio_codec": "opus", "duration": SECONDS}
    vtt = {"name": "film.en.vtt", "media_type": "text/vtt", "role": "subtitles", "language": "en"}
    submitted = lives.submit(owner)
    download = lives.complete(submitted, name="film.webm", beside=[vtt], media=media)
    if is_clean:
        actions.clean(download, actor="test")
    for name, file in (("film.webm", content), ("film.en.vtt", CAPTIONS)):
        Path(settings.VNSITE.media_root, download.library_path, name).write_bytes(file)
        PublishedFile.objects.filter(name=name).update(size=len(file))
    PublishedFile.objects.filter(name="film.webm").update(media_type="video/webm")
    Download.objects.filter(pk=download.pk).update(manifest={"about": {"chapters": CHAPTERS}})
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


def test_what_was_seen_since_the_last_writing_is_kept_as_well(
    page: Page, staff: User, webm: bytes
) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    open_film(page, download)
    play(page)
    wait_until_at(page, 0.2)
    seek(page, 80.95)
    wait_for(lambda: Position.objects.filter(seconds=80).exists(), what="the position")
    wait_until_at(page, 81.05)

    page.goto("help/")

    wait_for(lambda: Position.objects.filter(seconds__gte=81).exists(), what="the last position")


def test_where_a_film_stands_still_is_kept_to_the_second(
    page: Page, staff: User, webm: bytes
) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    open_film(page, download)
    play(page)
    wait_until_at(page, 0.5)
    page.locator("#part-film video").evaluate("film => film.pause()")
    seek(page, 80.5)
    wait_for(lambda: Position.objects.filter(seconds=80).exists(), what="the position")
    seek(page, 81.4)
    wait_for(lambda: Position.objects.filter(seconds=81).exists(), what="the next position")


def test_of_two_positions_the_later_one_is_kept(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    held: list[Route] = []
    page.route("**/position", lambda route: route.continue_() if held else held.append(route))
    open_film(page, download)
    play(page)
    wait_until_at(page, 0.5)
    page.locator("#part-film video").evaluate("film => film.pause()")
    page.wait_for_function("() => document.querySelector('#part-film video').paused")
    seek(page, 80.5)
    page.wait_for_timeout(300)  # for a request that comes too early

    with page.expect_response(lambda response: "80.5" in (response.request.post_data or "")):
        held[0].continue_()

    assert Position.objects.get().seconds == 80


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


def state_of(page: Page, expression: str) -> object:
    return page.locator("#part-film video").evaluate(f"film => {expression}")


def test_captions_and_chapters_are_shown(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    open_film(page, download)
    chapters = page.locator(".chapters a")

    page.locator("#part-film video").focus()
    page.keyboard.press("c")
    assert state_of(page, "film.textTracks[0].mode") == "showing"
    cue = "film.textTracks[0].cues?.[0]?.text"
    wait_for(lambda: state_of(page, cue) == "Said in the film", what="the captions")
    chapters.get_by_text("Middle").click()

    wait_until_at(page, 60)
    shown = "film.textTracks[0].activeCues.length"
    wait_for(lambda: state_of(page, shown) == 1, what="a caption to be shown")
    expect(chapters.nth(1)).to_have_attribute("aria-current", "true")
    expect(chapters.nth(0)).not_to_have_attribute("aria-current", "true")
    expect(page.locator(".marks rect")).to_have_count(2)
    assert page.url.endswith(f"/downloads/{download.correlation_id}/")


def test_keys_count_only_while_the_film_has_the_focus(page: Page, staff: User, webm: bytes) -> None:
    download = film(staff, webm)
    sign_in(page, staff)
    open_film(page, download)

    page.keyboard.press("l")
    page.keyboard.press(">")
    assert (seconds_of(page), state_of(page, "film.playbackRate")) == (0, 1)
    page.locator("#part-film video").focus()
    for key in ("l", "l", "j", ">", "m"):
        page.keyboard.press(key)
        # Chromium never ends a seek to where it already seeks, with another one between.
        wait_for(lambda: state_of(page, "!film.seeking"), what="the end of a seek")

    assert seconds_of(page) == 10
    assert state_of(page, "[film.playbackRate, film.muted]") == [1.25, True]
    expect(page.locator("#speed")).to_have_value("1.25")
    page.keyboard.press("k")
    wait_until_at(page, 10.5)
    assert page.evaluate("navigator.mediaSession.metadata.title") == "film.webm"
    page.keyboard.press("k")
    assert state_of(page, "film.paused")


def test_without_shortcuts_of_one_letter_the_film_has_none(
    page: Page, staff: User, webm: bytes
) -> None:
    Preferences.objects.create(user=staff, has_keys=False)
    sign_in(page, staff)
    open_film(page, film(staff, webm))

    page.locator("#part-film video").focus()
    page.keyboard.press("l")

    assert seconds_of(page) == 0


def test_the_speed_stays_from_film_to_film(page: Page, staff: User, webm: bytes) -> None:
    sign_in(page, staff)
    open_film(page, film(staff, webm))

    page.locator("#speed").select_option("1.5")
    open_film(page, film(staff, webm))

    assert state_of(page, "film.playbackRate") == 1.5


@pytest.mark.parametrize(
    ("codec", "is_whole", "is_said"),
    [("vp8", True, False), ("hevc", True, True), ("", False, True)],
)
def test_what_this_browser_cannot_play_is_said_before_a_click(
    page: Page, staff: User, webm: bytes, codec: str, is_whole: bool, is_said: bool
) -> None:
    download = film(staff, webm if is_whole else b"not a film", video_codec=codec)
    sign_in(page, staff)
    page.goto(f"downloads/{download.correlation_id}/")
    said = page.get_by_text("This browser may not be able to play it")

    if is_said:
        expect(said).to_be_visible()
        expect(page.get_by_role("link", name="Save file")).to_be_visible()
    else:
        wait_for(lambda: state_of(page, "film.readyState >= 1"), what="the film's metadata")
        expect(said).to_be_hidden()
