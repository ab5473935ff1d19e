"""The pages of cookies: given, shown without values, deleted, and asked for where they help."""

from time import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from downloads import actions
from downloads.models import Download, SiteCookies
from downloads.rules.errors import ErrorClass
from downloads.rules.sealing import seal
from tests.helpers import lives
from tests.web.test_views import text_of, words_of

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

SECRET = "canary-of-a-cookie-0123456789"
LATER = int(time() + 9e6)
LINE = f".example.org\tTRUE\t/\tTRUE\t{LATER}\tsession_id\t{SECRET}"
PAGE = "/sites/example.org/cookies"


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def other_browser(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_user("otto"))
    return client


def give(client: Client, text: str = LINE, **more: Any) -> Any:
    return client.post(PAGE, {"cookies": text, **more}, follow=True)


def stored(user: User) -> list[str]:
    return [cookie.value for cookie in SiteCookies.objects.get(owner=user).open()]


def test_pasted_cookies_are_stored_and_shown_without_values(browser: Client, user: User) -> None:
    answer = give(browser, f"{LINE}\n{LINE.replace('example.org', 'tracker.example')}")

    assert stored(user) == [SECRET]
    said = words_of(answer)
    assert "1 cookie of example.org saved. Those of tracker.example are of another site." in said
    assert "session_id .example.org · until" in said
    assert SECRET not in text_of(answer)
    assert SECRET not in text_of(browser.get("/cookies/")) + text_of(browser.get(PAGE))
    assert "example.org 1 cookie, stored" in words_of(browser.get("/cookies/"))


def test_a_file_is_taken_as_well(browser: Client, user: User) -> None:
    file = SimpleUploadedFile("cookies.txt", f"\ufeff{LINE}\r\n".encode())

    give(browser, "", file=file)

    assert stored(user) == [SECRET]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe\x00", "The file is not a text in UTF-8."),
        (b"x" * (256 * 1024 + 1), "The file has more than 256 KiB."),
        (b"nonsense", "Line 1: a cookie has 7 fields, and here are 1."),
    ],
)
def test_a_wrong_file_is_refused_in_words(browser: Client, content: bytes, sentence: str) -> None:
    answer = give(browser, "", file=SimpleUploadedFile("cookies.txt", content))

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert not SiteCookies.objects.exists()


def test_a_wrong_text_is_refused_and_not_lost_and_what_is_stored_stays(
    browser: Client, user: User
) -> None:
    give(browser)

    answer = give(browser, "typed with care")

    assert answer.status_code == 422
    assert "Line 1: a cookie has 7 fields, and here are 3." in words_of(answer)
    assert "typed with care" in text_of(answer)
    assert answer["Cache-Control"] == "no-store"
    assert stored(user) == [SECRET]


def test_nothing_given_is_said(browser: Client) -> None:
    assert "Paste the cookies, or choose a file." in words_of(browser.post(PAGE))


def test_cookies_are_replaced_and_deleted(browser: Client, user: User) -> None:
    give(browser)
    give(browser, LINE.replace(SECRET, "other"))
    assert stored(user) == ["other"]

    answer = browser.post(f"{PAGE}/delete", follow=True)

    assert "Your cookies of example.org are deleted." in words_of(answer)
    assert not SiteCookies.objects.exists()


def test_each_user_has_their_own(browser: Client, other_browser: Client, user: User) -> None:
    give(browser)
    assert "session_id" not in text_of(other_browser.get(PAGE))
    assert "1 cookie" not in words_of(other_browser.get("/cookies/"))

    give(other_browser, LINE.replace(SECRET, "other"))
    other_browser.post(f"{PAGE}/delete")

    assert stored(user) == [SECRET]


@pytest.mark.parametrize("path", ["/cookies/", PAGE])
def test_a_stranger_is_asked_to_sign_in(client: Client, path: str) -> None:
    assert client.get(path).headers["Location"].startswith("/login/")
    assert client.post(f"{PAGE}/delete").headers["Location"].startswith("/login/")


def test_forms_want_the_token_of_this_site(user: User) -> None:
    checking = Client(enforce_csrf_checks=True)
    checking.force_login(user)

    assert checking.post(PAGE, {"cookies": LINE}).status_code == 403
    assert checking.post(f"{PAGE}/delete").status_code == 403


@pytest.mark.parametrize(
    ("typed", "host"),
    [("example.org", "example.org"), ("https://www.example.org/watch?v=1", "example.org"),
     ("youtu.be", "youtube.com")],
)  # fmt: skip
def test_a_site_is_found_by_what_people_type(browser: Client, typed: str, host: str) -> None:
    answer = browser.get("/cookies/", {"site": typed})

    assert answer.headers["Location"] == f"/sites/{host}/cookies"


def test_what_is_not_a_site_is_refused_in_words(browser: Client) -> None:
    answer = browser.get("/cookies/", {"site": "a site"})

    assert answer.status_code == 422
    assert "a space" in words_of(answer)
    assert "a site" in text_of(answer)


@pytest.mark.parametrize("host", ["www.example.org", "EXAMPLE.org", "example.org:8443"])
def test_other_names_of_a_site_lead_to_its_page(browser: Client, host: str) -> None:
    assert browser.get(f"/sites/{host}/cookies").headers["Location"] == PAGE


@pytest.mark.parametrize("host", ["a%20b", "a@b", "%00", "..", "a%5Cb"])
def test_what_can_be_no_site_is_not_found(browser: Client, host: str) -> None:
    assert browser.get(f"/sites/{host}/cookies").status_code == 404
    assert browser.post(f"/sites/{host}/cookies/delete").status_code == 404


def test_cookies_of_another_secret_key_are_named_everywhere(browser: Client, user: User) -> None:
    give(browser)
    SiteCookies.objects.update(sealed=seal("[]", secret_key="x" * 50, place="elsewhere"))

    sentence = "These cookies cannot be read any more: paste them again."
    assert sentence in words_of(browser.get("/cookies/"))
    assert sentence in words_of(browser.get(PAGE))
    give(browser)
    assert stored(user) == [SECRET]


# On the page of a download.


def failed(owner: User, error_class: ErrorClass = ErrorClass.LOGIN_REQUIRED) -> Download:
    return lives.fail(lives.submit(owner, url="https://video.example.org/watch"), error_class)


def words_about(client: Client, download: Download) -> str:
    return words_of(client.get(f"/downloads/{download.correlation_id}/"))


@pytest.mark.parametrize("error_class", [ErrorClass.LOGIN_REQUIRED, ErrorClass.FORBIDDEN])
def test_a_download_that_wants_a_login_leads_to_its_site_s_cookies_and_back(
    browser: Client, user: User, error_class: ErrorClass
) -> None:
    download = failed(user, error_class)
    address = f"/downloads/{download.correlation_id}/"

    assert "Add cookies of example.org" in words_about(browser, download)
    page = text_of(browser.get(PAGE, {"next": address}))
    answer = browser.post(PAGE, {"cookies": LINE, "next": address})

    assert f'name="next" value="{address}"' in page
    assert answer.headers["Location"] == address
    assert "You gave cookies of example.org after that. A retry uses them." in words_about(
        browser, download
    )


def test_it_says_that_cookies_were_sent_in_vain(browser: Client, user: User) -> None:
    give(browser)
    download = failed(user)

    said = words_about(browser, download)

    assert "Your cookies of example.org were sent." in said
    assert "Replace cookies of example.org" in said


def test_it_says_that_cookies_cannot_be_read(browser: Client, user: User) -> None:
    give(browser)
    SiteCookies.objects.update(sealed=b"")

    assert "These cookies cannot be read any more: paste them again." in words_about(
        browser, failed(user)
    )


def test_other_errors_and_other_people_s_downloads_ask_for_no_cookies(
    browser: Client, user: User, staff: User
) -> None:
    gone = failed(user, ErrorClass.UNAVAILABLE)
    assert "Add cookies of" not in words_about(browser, gone)

    browser.force_login(staff)
    assert "Add cookies of" not in words_about(browser, failed(user))


def test_a_retry_is_one_click_from_there(browser: Client, user: User) -> None:
    download = failed(user)
    give(browser)

    actions.retry(download, actor="test")

    download.refresh_from_db()
    assert download.state == "created"


def test_no_other_site_is_led_to_after_pasting(browser: Client) -> None:
    answer = browser.post(PAGE, {"cookies": LINE, "next": "https://evil.example/"})

    assert answer.headers["Location"] == PAGE
