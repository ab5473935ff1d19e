"""The page of one download in a real browser: order, chart, history, retry with changes, files."""

import json
import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import Browser, Locator, Page, expect

from downloads import actions
from downloads.models import Attempt, AttemptLog, Download, Progress
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Phase, Reason, State
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.browser.test_journey import assert_not_reloaded, mark
from tests.browser.test_waiting import show
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

LONG = "x" * 3000
# How many rows and columns of a canvas are lines in the colour of the chart's words.
LINES = """(canvas) => {
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    const colour = getComputedStyle(canvas.closest(".plot")).color.match(/\\d+/g).map(Number);
    const isInk = (x, y) => {
        const at = 4 * (y * width + x);
        return data[at + 3] > 0 && colour.every((part, i) => Math.abs(data[at + i] - part) < 9);
    };
    const all = (length) => [...Array(length).keys()];
    const isLine = (length, isInked) => all(length).filter(isInked).length > length * 0.6;
    const rows = all(height).filter((y) => isLine(width, (x) => isInk(x, y)));
    const columns = all(width).filter((x) => isLine(height, (y) => isInk(x, y)));
    return [rows.length, columns.length];
}"""


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    # Nothing is claimed, so that only the tests move downloads.
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}


def failed(owner: User, *, is_clean: bool = True) -> Download:
    """Failed at the second attempt, with a message that has no space."""
    error_class = ErrorClass.TOO_LARGE
    download = lives.submit(owner, url="https://example.org/watch", quality="720p")
    lives.start(download).move(
        State.CREATED,
        actor="worker:vm-1-aaaa",
        reason=Reason.WILL_RETRY,
        error_class=ErrorClass.NETWORK,
        data={"message": LONG},
    )
    running = lives.start(download)
    running.move(
        State.FAILED,
        actor="worker:vm-1-aaaa",
        reason=error_class,
        error_class=error_class,
        error_data={"message": f"HTTP Error {LONG}"},
        data={"message": f"HTTP Error {LONG}"},
    )
    AttemptLog.objects.keep(AttemptLog(download=running, attempt=2, text="line 1\nline 2\n"))
    if is_clean:  # else the worker cleans it up, some time
        actions.clean(running, actor="test")
    return running


def completed(owner: User) -> Download:
    download = lives.complete(lives.submit(owner))
    actions.clean(download, actor="test")
    speeds = [[second, 0 if 40 <= second < 45 else 2**20 + second] for second in range(90)]
    Attempt.objects.filter(download=download).update(speeds=speeds)
    return download


def open_page(page: Page, owner: User, download: Download, more: str = "") -> None:
    sign_in(page, owner)
    page.goto(f"downloads/{download.correlation_id}/{more}")


def tops(page: Page, *parts: str) -> list[float]:
    boxes = [page.locator(part).bounding_box() for part in parts]
    return [box["y"] for box in boxes if box]


def test_the_error_comes_first_with_its_button_in_it(page: Page, staff: User) -> None:
    download = failed(staff)
    open_page(page, staff, download)
    show(page, "failed")
    parts = ("#part-header", "#part-problem", "#part-graph", "#part-history", "#part-technical")

    assert tops(page, *parts) == sorted(tops(page, *parts))
    page.locator("#part-problem").get_by_role("button", name="Retry: Up to 480p").click()

    expect(page.locator("#part-header")).to_contain_text("Waiting")
    expect(page.locator("#part-history")).to_contain_text("Options changed: Quality")
    download.refresh_from_db()
    assert download.options["quality"] == "480p"


def test_retry_is_one_press_and_needs_no_other_page(page: Page, staff: User) -> None:
    open_page(page, staff, failed(staff))
    mark(page)

    page.locator("#part-problem").get_by_role("button", name="Retry", exact=True).click()

    expect(page.locator("#part-header")).to_contain_text("Waiting")
    expect(page.locator("#part-problem .problem")).to_have_count(0)
    assert_not_reloaded(page)


def test_the_film_comes_first_and_its_chart_stays(page: Page, staff: User) -> None:
    open_page(page, staff, completed(staff))
    parts = ("#part-header", "#part-film video", "#part-chart", "#part-graph", "#part-files")
    expect(page.locator(".plot canvas")).to_be_visible()
    show(page, "completed")

    assert tops(page, *parts) == sorted(tops(page, *parts))
    expect(page.locator(".plot")).to_have_attribute("role", "img")
    expect(page.locator(".chart-sentence")).to_contain_text("1 stall")
    expect(page.locator(".chart-when")).to_contain_text("Recorded")
    page.get_by_text("Show as table").click()
    expect(page.locator(".speeds tbody tr")).to_have_count(3)
    assert inked(page.locator(".plot canvas")) > 0


def test_the_chart_marks_the_average_and_what_happened(page: Page, staff: User) -> None:
    download = completed(staff)
    before = timezone.now() - timedelta(seconds=80)
    Attempt.objects.filter(download=download).update(started_at=before)
    open_page(page, staff, download)
    canvas = page.locator(".plot canvas")
    expect(canvas).to_be_visible()

    rows, columns = canvas.evaluate(LINES)

    assert rows == 1
    assert columns >= 1
    when = str(page.locator(".chart-when").text_content())
    assert re.fullmatch(r"Recorded \d+:\d\d.* – .*\d+:\d\d.*", when), when  # noqa: RUF001


def test_what_is_said_of_the_speed_stays_for_half_a_minute(page: Page, staff: User) -> None:
    page.clock.install()
    running = lives.start(lives.submit(staff))
    open_page(page, staff, running)
    expect(page.locator("#chip-word")).to_have_text("Live")
    said, rows = page.locator(".chart-sentence"), page.locator(".speeds tbody tr")

    report_speed(running, 4 * 2**20)
    expect(said).to_have_text("Average 4.0 MiB/s, now 4.0 MiB/s")
    report_speed(running, 2**20)
    expect(page.locator("#part-now [data-at=speed]")).to_have_text("1.0 MiB/s")
    page.clock.run_for(2_000)
    expect(said).to_have_text("Average 4.0 MiB/s, now 4.0 MiB/s")
    expect(rows).to_have_count(1)


def test_progress_has_its_numbers_until_they_are_too_old(page: Page, staff: User) -> None:
    page.clock.install()
    running = lives.start(lives.submit(staff))
    open_page(page, staff, running)
    expect(page.locator("#chip-word")).to_have_text("Live")
    panel = page.locator("#part-now")

    Progress.objects.update(
        phase=Phase.FETCHING,
        received_bytes=140 * 2**20,
        total_bytes=280 * 2**20,
        eta_seconds=26.0,
        fragment=12,
        fragments=60,
    )
    report_speed(running, 6.2 * 2**20)

    for words in (
        "Downloading",
        "50 %",
        "140 MiB of 280 MiB",
        "6.2 MiB/s",
        "26 s left",
        "(fragment 12 of 60)",
    ):
        expect(panel).to_contain_text(words)
    bar = panel.get_by_role("progressbar", name="Progress")
    expect(bar).to_have_js_property("value", 50)
    assert running.worker
    expect(panel).to_contain_text(f"Attempt 1 of 3, worker 1 ({running.worker.name})")
    # Which would be read out, number by number.
    expect(page.locator(":is([aria-live], [role=status], [role=alert]) progress")).to_have_count(0)
    page.clock.fast_forward(12_000)
    expect(panel.locator("[data-at=speed]")).to_have_text("—")
    expect(panel).to_contain_text("No bytes for 1")


def report_speed(running: Download, speed: float) -> None:
    """As its worker does."""
    Progress.objects.filter(download=running).update(speed=speed, updated_at=timezone.now())


def inked(canvas: Locator) -> int:
    """How many pixels of a canvas are painted."""
    return int(
        canvas.evaluate(
            "(canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)"
            ".data.filter((value, index) => index % 4 === 3 && value > 0).length"
        )
    )


@pytest.mark.parametrize("site_settings", [{}])
def test_the_chart_follows_what_runs(page: Page, staff: User, media_server: MediaServer) -> None:
    sign_in(page, staff)
    page.get_by_role("textbox", name="Links").fill(media_server.url("/slow.mp4?rate=200000"))
    page.get_by_role("button", name="Add", exact=True).click()
    download = wait_for(Download.objects.first, what="the download")
    page.goto(f"downloads/{download.correlation_id}/")

    expect(page.locator(".chart-sentence")).to_contain_text("now ")
    expect(page.locator(".speeds tbody tr").first).to_contain_text("KiB/s")
    before = inked(page.locator(".plot canvas"))
    page.wait_for_function("document.querySelectorAll('.plot canvas').length === 1")
    show(page, "running")
    wait_for(lambda: inked(page.locator(".plot canvas")) != before, what="another point")


def test_attempts_fold_and_their_rows_can_be_chosen(page: Page, staff: User) -> None:
    open_page(page, staff, failed(staff))
    history = page.locator(".history-card")
    rows = history.locator("tbody tr:visible")
    expect(history.locator("details.attempt[open]")).to_have_count(2)

    every = rows.count()
    history.get_by_label("Warnings").check()
    expect(rows).to_have_count(2)
    history.get_by_label("Log lines").check()
    expect(rows).to_have_count(0)
    expect(history.get_by_text("Log of attempt 2")).to_be_visible()
    history.get_by_label("Transitions").check()
    expect(rows).to_have_count(every)
    expect(history.get_by_text("Log of attempt 2")).to_be_hidden()
    history.get_by_label("Everything").check()
    expect(history.locator(".utc").first).to_be_hidden()
    history.get_by_label("UTC").check()
    expect(history.locator(".utc").first).to_be_visible()
    history.locator("details.attempt > summary").first.click()
    assert 0 < rows.count() < every


def test_a_row_of_the_history_has_an_address_and_all_of_it_can_be_saved(
    page: Page, staff: User
) -> None:
    download = failed(staff)
    open_page(page, staff, download)
    link = page.locator(".history tbody tr a").last

    link.click()
    address = str(link.get_attribute("href"))
    assert page.url.endswith(address)
    expect(page.locator(f"tr{address}:target")).to_be_visible()
    with page.expect_download() as saving:
        page.get_by_role("link", name="Export JSON").click()

    saved = json.loads(saving.value.path().read_text())
    assert saving.value.suggested_filename == f"{download.correlation_id}.json"
    assert len(saved["history"]) == download.transitions.count()


def test_on_a_narrow_screen_the_graph_is_the_way_that_was_taken(page: Page, staff: User) -> None:
    page.set_viewport_size({"width": 600, "height": 900})
    open_page(page, staff, failed(staff))

    steps = page.locator(".step:visible")

    boxes = [step.bounding_box() or {} for step in steps.all()]
    assert [box["x"] for box in boxes] == [boxes[0]["x"]] * len(boxes)
    assert [box["y"] for box in boxes] == sorted(box["y"] for box in boxes)
    assert [text.split()[0] for text in steps.locator(".step-word").all_text_contents()] == [
        *("Waiting", "Preparing", "Ready", "Downloading", "Failed", "Cleaned"),
    ]


def test_a_file_says_what_it_is_and_where(page: Page, staff: User) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    download = completed(staff)
    open_page(page, staff, download)
    files = page.locator("#part-files")

    files.get_by_role("button", name="Copy path").click()

    expect(files).to_contain_text("Copied")
    path = settings.VNSITE.media_root / download.library_path / "clip.mp4"
    assert page.evaluate("navigator.clipboard.readText()") == str(path)
    expect(files).to_contain_text("Video · 5 B · video/mp4 · sha256 000000000000")
    expect(files.get_by_role("link", name="Play")).to_be_visible()
    with page.expect_download() as saving:
        files.get_by_role("link", name="Save").click()
    assert saving.value.path().read_bytes() == b"video"


def test_technical_details_name_the_worker_and_what_the_site_calls_it(
    page: Page, staff: User
) -> None:
    running = lives.start(lives.submit(staff))
    Download.objects.filter(pk=running.pk).update(
        extractor="vimeo", media_id="76979871", media={"format_id": "http-1080p+sound"}
    )
    open_page(page, staff, running)
    technical = page.locator("#part-technical")

    technical.locator("summary").click()

    for words in (
        running.correlation_id,
        running.url,
        "vimeo 76979871",
        "http-1080p+sound",
        "Best quality",
    ):
        expect(technical).to_contain_text(words)
    assert running.worker
    worker = running.worker.name
    expect(technical).to_contain_text(re.compile(rf"{worker} \(.+\), last heard .+"))
    expect(technical.get_by_role("button", name="Copy")).to_be_visible()


def test_a_step_of_the_graph_says_when_on_focus_and_opens_its_row(page: Page, staff: User) -> None:
    download = failed(staff)
    open_page(page, staff, download)
    expect(page.locator("#part-graph [aria-current=step]")).to_contain_text("Cleaned")
    page.locator("details.attempt > summary").first.click()
    link = page.locator("#part-graph .step-failed a")

    link.focus()
    expect(link.locator(".step-tip")).to_be_visible()
    page.keyboard.press("Enter")

    expect(page.locator(link.get_attribute("href") or "")).to_be_visible()


def test_the_graph_is_low(page: Page, staff: User) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    open_page(page, staff, failed(staff))

    box = page.locator("#part-graph").bounding_box()

    assert box
    assert box["height"] <= 125


def test_retry_with_changes_is_reached_by_its_address(page: Page, staff: User) -> None:
    download = failed(staff, is_clean=False)
    open_page(page, staff, download, "#retry")
    page.get_by_label("Quality").select_option("480p")
    show(page, "retry")
    # What is typed stays while the page is drawn again.
    actions.clean(download, actor="test")
    expect(page.locator("#part-history")).to_contain_text("Temp files removed")
    expect(page.get_by_label("Quality")).to_have_value("480p")

    page.get_by_role("button", name="Retry with these options").click()

    expect(page.locator("#part-header")).to_contain_text("Waiting")
    download.refresh_from_db()
    assert download.options["quality"] == "480p"


def test_a_file_that_was_removed_is_no_dead_player(page: Page, staff: User) -> None:
    download = completed(staff)
    (settings.VNSITE.media_root / download.library_path / "clip.mp4").unlink()
    open_page(page, staff, download)
    show(page, "removed")

    expect(page.locator("#part-film")).to_contain_text("It was removed outside vnsite.")
    expect(page.locator("video")).to_have_count(0)
    page.goto(f"media/{download.correlation_id}/clip.mp4")
    expect(page.get_by_role("heading", level=1)).to_contain_text("removed outside vnsite")
    page.get_by_role("link", name="To the download").click()
    expect(page.locator("#part-files")).to_contain_text("removed outside vnsite")


@pytest.mark.parametrize("width", [320, 360, 768, 1280])
def test_a_long_message_breaks_into_lines_and_not_into_letters(
    page: Page, staff: User, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, staff, failed(staff))

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for cell in page.locator(".history-card td:visible").all()[:10]:
        box = cell.bounding_box()
        assert box
        assert box["width"] >= 20
    reason = page.locator(".history-card .reason").first.bounding_box()
    assert reason
    assert reason["width"] >= min(200, width / 2)


def test_deleting_asks_and_says_what_becomes_of_the_files(page: Page, staff: User) -> None:
    download = completed(staff)
    open_page(page, staff, download)
    page.locator("summary", has_text="Delete…").click()
    expect(page.get_by_text("The files stay in the library.")).to_be_visible()
    show(page, "delete")

    page.get_by_label("from the library as well").check()
    expect(page.get_by_text("The files stay in the library.")).to_be_hidden()
    page.get_by_role("button", name="Delete", exact=True).click()

    wait_for(lambda: not Download.objects.exists(), what="the deletion")


def test_without_javascript_the_page_says_and_does_the_same(
    browser: Browser, site: Serving, staff: User
) -> None:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    page = context.new_page()
    failure, film = failed(staff), completed(staff)
    open_page(page, staff, film)
    page.get_by_text("Show as table").click()
    expect(page.locator(".speeds tbody tr")).to_have_count(3)
    expect(page.locator(".chart-sentence")).to_contain_text("Average")

    page.goto(f"downloads/{failure.correlation_id}/#retry")
    page.get_by_label("Warnings").check()
    expect(page.locator(".history-card tbody tr:visible")).to_have_count(2)
    page.get_by_label("Quality").select_option("480p")
    page.get_by_role("button", name="Retry with these options").click()

    expect(page.locator("#part-header")).to_contain_text("Waiting")
    context.close()


def test_on_plain_http_copy_selects_and_says_what_to_press(page: Page, staff: User) -> None:
    page.add_init_script(
        "Object.defineProperty(Navigator.prototype, 'clipboard', {value: undefined})"
    )
    open_page(page, staff, failed(staff))
    button = page.locator('[data-copy="error-detail"]')

    button.click()

    expect(button).to_contain_text("Press Ctrl+C")
    assert "HTTP Error" in page.evaluate("getSelection().toString()")
