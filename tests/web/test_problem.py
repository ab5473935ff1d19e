"""The error of a download on its page: what happened, what to do, what exactly."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation
from django.utils.translation import gettext
from pytest_django.fixtures import Settings

from downloads.models import AttemptLog, Download, Extractors
from downloads.rules.errors import BY_CODE, ErrorClass, advice_of
from downloads.rules.states import State
from downloads.rules.words import say
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

SECRET = "hunter2"
# The first thing to do about each error, for somebody who is not staff; "": only to read.
FIRST_STEPS = {
    ErrorClass.NETWORK: "Retry",
    ErrorClass.RATE_LIMITED: "Retry",
    ErrorClass.FORBIDDEN: "Retry",
    ErrorClass.UNAVAILABLE: "Open the source page",
    ErrorClass.LOGIN_REQUIRED: "Add cookies of example.org",
    ErrorClass.GEO_BLOCKED: "Open the source page",
    ErrorClass.DRM: "Open the source page",
    ErrorClass.UNSUPPORTED: "Open the source page",
    ErrorClass.EXTRACTOR_BROKEN: "Retry",
    ErrorClass.JS_RUNTIME_MISSING: "Retry",
    ErrorClass.FFMPEG_MISSING: "Retry",
    ErrorClass.FORMAT_UNAVAILABLE: "Retry: Container of the site",
    ErrorClass.LIVE_NOT_STARTED: "Retry",
    ErrorClass.STALLED: "Retry",
    ErrorClass.TIMED_OUT: "Retry",
    ErrorClass.TOO_LARGE: "Retry: Up to 480p",
    ErrorClass.DISK_FULL: "Show what keeps temp files",
    ErrorClass.INCOMPLETE: "Retry",
    ErrorClass.POLICY_BLOCKED: "Retry",
    ErrorClass.TLS: "Open the source page",
    ErrorClass.STORAGE: "Retry",
    ErrorClass.WORKER_LOST: "Retry",
    ErrorClass.INTERNAL: "Retry",
}
COMMANDS = {
    ErrorClass.EXTRACTOR_BROKEN: "manage.py update_extractors",
    ErrorClass.JS_RUNTIME_MISSING: "bin/setup",
    ErrorClass.FFMPEG_MISSING: "apt-get install ffmpeg",
    ErrorClass.STORAGE: "manage.py doctor",
}


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def failed(owner: User, error_class: ErrorClass, **data: Any) -> Download:
    link = "https://example.org/watch"
    download = lives.start(lives.submit(owner, url=link, quality="720p", container="mkv"))
    download.move(
        State.FAILED,
        actor="test",
        reason=error_class,
        error_class=error_class,
        error_data={"message": f"GET https://ann:{SECRET}@example.org/?token={SECRET}", **data},
    )
    return download


def panel_of(client: Client, download: Download, *, language: str = "en") -> str:
    headers = {"Accept-Language": language}
    page = client.get(f"/downloads/{download.correlation_id}/", headers=headers).content.decode()
    return page.partition('id="part-problem"')[2].partition("</section>")[0]


def steps_in(panel: str) -> list[str]:
    """What can be pressed, in order."""
    steps = panel.partition('class="next-steps"')[2].partition("</div>")[0]
    pressed = re.findall(r"<(?:a|button)\b.*?</(?:a|button)>", steps, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]*>", " ", each).split()) for each in pressed]


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_error_says_what_happened_and_what_to_do_and_tells_no_secret(
    browser: Client, user: User, error_class: ErrorClass
) -> None:
    panel = panel_of(browser, failed(user, error_class))

    advice = advice_of(error_class, {})
    assert advice.sentence in panel.replace("&#x27;", "'")
    assert advice.next_step in panel.replace("&#x27;", "'")
    assert steps_in(panel)[0] == FIRST_STEPS[error_class]
    assert COMMANDS.get(error_class, "") in panel
    assert f"{error_class}: GET" in panel
    assert SECRET not in panel


@pytest.mark.parametrize("error_class", ErrorClass)
def test_every_error_says_the_same_in_spanish(
    browser: Client, user: User, error_class: ErrorClass
) -> None:
    download = failed(user, error_class)
    english, spanish = (panel_of(browser, download, language=each) for each in ("en", "es"))

    advice = advice_of(error_class, {})
    with translation.override("es"):
        sentence, next_step = say(advice.sentence), say(advice.next_step)
    assert sentence != advice.sentence
    assert sentence in html.unescape(spanish)
    assert next_step in html.unescape(spanish)
    assert len(steps_in(spanish)) == len(steps_in(english)) > 0
    assert not set(steps_in(spanish)) & set(steps_in(english)) - {COMMANDS.get(error_class)}
    assert SECRET not in spanish


@pytest.mark.parametrize("code", BY_CODE)
@pytest.mark.parametrize("language", ["en", "es"])
def test_every_code_of_an_error_has_its_own_sentence(
    browser: Client, user: User, code: str, language: str
) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE, code=code)

    panel = html.unescape(panel_of(browser, download, language=language))

    with translation.override(language):
        sentence, change = say(BY_CODE[code].sentence), gettext("Retry with changes…")
    assert sentence in panel
    assert (sentence == BY_CODE[code].sentence) == (language == "en")
    assert change in steps_in(panel)


FOUND = [
    {"kind": "video", "height": 540, "container": "webm"},
    {"kind": "video", "height": 360, "container": "mp4", "bytes": 2**20},
    {"kind": "audio"},
]


def test_a_wish_that_cannot_be_had_offers_what_can(browser: Client, user: User) -> None:
    panel = panel_of(browser, failed(user, ErrorClass.FORMAT_UNAVAILABLE, formats=FOUND))

    assert steps_in(panel)[:4] == [
        "Retry: 540p · webm",
        "Retry: 360p · mp4 · about 1.0 MiB",
        "Retry: Audio only",
        "Open the source page",
    ]


def test_a_choice_that_was_found_takes_back_what_stood_in_its_way(
    browser: Client, user: User
) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE, formats=FOUND)
    panel = panel_of(browser, download)
    form = next(each for each in panel.split("<form")[1:] if "360p · mp4" in each)
    fields = dict(re.findall(r'name="(quality|audio|container)" value="([^"]*)"', form))

    browser.post(f"/downloads/{download.correlation_id}/retry-changed", fields)

    download.refresh_from_db()
    assert (download.options["quality"], download.options["container"]) == ("360p", "auto")


@pytest.mark.parametrize("code", ["empty_clip", "live_refused", "is_list"])
def test_other_formats_are_not_offered_where_they_do_not_help(
    browser: Client, user: User, code: str
) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE, code=code, formats=FOUND)

    assert "540p" not in " ".join(steps_in(panel_of(browser, download)))


def test_what_was_asked_for_is_not_offered_as_another_choice(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user, audio="best"))
    data = {"formats": FOUND}
    download.move(
        State.FAILED,
        actor="test",
        reason=ErrorClass.FORMAT_UNAVAILABLE,
        error_class=ErrorClass.FORMAT_UNAVAILABLE,
        error_data=data,
    )

    assert "Retry: Audio only" not in steps_in(panel_of(browser, download))


def test_sound_is_not_offered_of_what_has_none(browser: Client, user: User) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE, code="no_sound", formats=FOUND)

    assert "Retry: Audio only" not in steps_in(panel_of(browser, download))


def test_what_is_too_large_offers_what_is_small_enough(
    browser: Client, user: User, settings: Settings
) -> None:
    settings.VNSITE = settings.VNSITE.model_copy(update={"max_bytes": 2**20})
    large = {"kind": "video", "height": 1080, "container": "mp4", "bytes": 2**21}

    panel = panel_of(browser, failed(user, ErrorClass.TOO_LARGE, formats=[large, *FOUND]))

    assert steps_in(panel)[:2] == ["Retry: 360p · mp4 · about 1.0 MiB", "Retry"]


def test_staff_are_led_to_what_only_they_can_change(user: User, staff: User) -> None:
    client = Client()
    client.force_login(staff)

    panel = panel_of(client, failed(user, ErrorClass.GEO_BLOCKED))
    blocked = panel_of(client, failed(user, ErrorClass.POLICY_BLOCKED))

    assert steps_in(panel)[0] == "Limits and proxy of example.org"
    assert "VNSITE_ALLOW_PRIVATE_HOSTS=example.org" in blocked


def test_the_report_has_versions_the_error_and_the_end_of_the_log(
    browser: Client, user: User
) -> None:
    download = failed(user, ErrorClass.INTERNAL)
    Extractors.objects.create(host="host", state={"used": "2026.1.2"})
    lines = "".join(f"line {number}\n" for number in range(60))
    AttemptLog.objects.keep(AttemptLog(download=download, attempt=1, text=lines))

    panel = panel_of(browser, download)

    report = panel.partition('id="report"')[2].partition("</pre>")[0]
    assert "Python 3." in report
    assert "yt-dlp 2026.1.2, " in report
    assert "yt-dlp 2026.1.2, " in panel.partition("<pre")[2].partition("</details>")[0]
    assert f"{download.correlation_id} · failed · attempt 1" in report
    assert "line 59" in report
    assert "line 9\n" not in report
    assert SECRET not in report


# Retry with changes.


def test_one_button_tries_again_with_one_option_changed(browser: Client, user: User) -> None:
    download = failed(user, ErrorClass.TOO_LARGE)

    browser.post(f"/downloads/{download.correlation_id}/retry-changed", {"quality": "480p"})

    download.refresh_from_db()
    assert download.state == State.CREATED
    assert (download.options["quality"], download.options["container"]) == ("480p", "mkv")
    panel = browser.get(f"/downloads/{download.correlation_id}/").content.decode()
    assert "Options changed: Quality" in panel


def test_the_form_shows_what_was_asked_for_and_tries_again_with_what_it_says(
    browser: Client, user: User
) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE)
    page = browser.get(f"/downloads/{download.correlation_id}/").content.decode()
    assert '<option value="720p" selected>' in page
    assert 'id="retry"' in page

    form = {"whole": "1", "quality": "best", "container": "mp4", "live": "wait", "playlist": "ask"}
    browser.post(f"/downloads/{download.correlation_id}/retry-changed", form)

    download.refresh_from_db()
    assert (download.options["quality"], download.options["container"]) == ("best", "mp4")
    assert download.options["thumbnail"] is False  # a box without its tick
    changed = download.transitions.last().data["changed"]
    assert changed == "quality container thumbnail"


def test_wrong_options_are_named_and_nothing_is_tried(browser: Client, user: User) -> None:
    download = failed(user, ErrorClass.FORMAT_UNAVAILABLE)

    form = {"whole": "1", "quality": "360p", "clip": "9-1", "subtitles": "en"}
    answer = browser.post(f"/downloads/{download.correlation_id}/retry-changed", form)

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Only this part: " in page
    assert '<option value="360p" selected>' in page
    assert 'value="9-1"' in page
    download.refresh_from_db()
    assert download.state == State.FAILED


def test_what_is_not_over_cannot_be_tried_again_with_changes(browser: Client, user: User) -> None:
    download = lives.start(lives.submit(user))
    page = browser.get(f"/downloads/{download.correlation_id}/").content.decode()

    answer = browser.post(
        f"/downloads/{download.correlation_id}/retry-changed", {"quality": "480p"}
    )

    assert answer.status_code == 409
    assert 'id="retry"' not in page


def test_the_same_wish_is_not_made_twice_by_a_retry_with_changes(
    browser: Client, user: User
) -> None:
    download = failed(user, ErrorClass.TOO_LARGE)
    lives.submit(user, url=download.url, quality="480p", container="mkv")

    answer = browser.post(
        f"/downloads/{download.correlation_id}/retry-changed", {"quality": "480p"}
    )

    assert answer.status_code == 409
    assert "The same link is waiting or running already." in answer.content.decode()
