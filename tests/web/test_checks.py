"""What was only looked up, on the pages: what the site has, and a button that downloads it."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads import actions
from downloads.models import Download
from downloads.rules.options import DownloadOptions
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

MEDIA = {
    **{"duration": 723, "height": 1080, "bytes": 281 * 2**20},
    "formats": [
        {"kind": "video", "height": 1080, "container": "webm", "bytes": 281 * 2**20},
        {"kind": "video", "height": 720, "container": "mp4"},
        {"kind": "audio", "container": "m4a", "bytes": 9 * 2**20},
    ],
}


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def checked(user: User) -> Download:
    return check(user)


def check(owner: User, *, media: dict[str, Any] = MEDIA, **options: Any) -> Download:
    running = lives.start(lives.submit(owner, check=True, container="webm", **options))
    running.complete_as_checked(actor="test", title="A film", media=media)
    actions.clean(running, actor="test")
    return running


def words_of(answer: Any) -> str:
    text = re.sub(r"<[^>]*>", " ", unescape(answer.content.decode()))
    return " ".join(text.split())


def page_of(browser: Client, download: Download) -> Any:
    return browser.get(f"/downloads/{download.correlation_id}/")


def form_of(page: Any, button: str) -> tuple[str, dict[str, str]]:
    """The address and the hidden fields of the form with this button, without the token."""
    for form in re.findall(r"(?s)<form.*?</form>", unescape(page.content.decode())):
        if button in form:
            fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', form))
            fields.pop("csrfmiddlewaretoken", None)
            return re.findall(r'action="([^"]+)"', form)[0], fields
    raise AssertionError(f"no button {button}")


def test_the_row_says_what_was_found_and_downloads_it(browser: Client, checked: Download) -> None:
    list_page = browser.get("/")

    assert "Checked: 12 min 03 s, 1080p, about 281 MiB" in words_of(list_page)
    address = re.search(r'form="actions" formaction="([^"]+/download)"', list_page.content.decode())
    assert address
    browser.post(address[1])
    made = Download.objects.latest("id")
    assert (made.url, made.owner) == (checked.url, checked.owner)
    assert DownloadOptions.from_mapping(made.options).chosen() == {"container": "webm"}


@pytest.mark.parametrize(
    ("button", "chosen"),
    [
        ("1080p · webm · about 281 MiB", {"quality": "1080p"}),
        ("720p · mp4", {"quality": "720p"}),
        ("Audio only · m4a · about 9.0 MiB", {"audio": "best"}),
    ],
)
def test_its_page_offers_what_the_site_has_each_with_one_click(
    browser: Client, checked: Download, button: str, chosen: dict[str, str]
) -> None:
    address, fields = form_of(page_of(browser, checked), button)

    answer = browser.post(address, fields)

    made = Download.objects.latest("id")
    assert answer["Location"] == f"/downloads/{made.correlation_id}/"
    assert DownloadOptions.from_mapping(made.options).chosen() == chosen


def test_a_site_that_says_nothing_is_said_to_have_it(browser: Client, user: User) -> None:
    download = check(user, media={"live": False, "formats": [{"kind": "video"}]})

    page = words_of(page_of(browser, download))

    assert "Checked: the site has it" in page
    assert "Video and sound" in page


def test_a_check_and_a_download_of_one_link_are_two_wishes(user: User) -> None:
    first = lives.submit(user, url="https://example.org/1", check=True)
    second = lives.submit(user, url="https://example.org/1")

    assert first != second


def test_what_was_checked_can_be_searched_for(browser: Client, checked: Download) -> None:
    lives.submit(checked.owner)

    page = browser.get("/", {"q": "is:checked"}).content.decode()

    assert re.findall(r'data-row="([^"]+)"', page) == [checked.correlation_id]


def test_no_wrong_option_is_taken(browser: Client, checked: Download) -> None:
    answer = browser.post(f"/downloads/{checked.correlation_id}/download", {"quality": "9p"})

    assert (answer.status_code, Download.objects.count()) == (400, 1)


def test_the_form_offers_to_look_up_only(browser: Client) -> None:
    browser.post("/downloads/", {"urls": "https://example.org/1", "preset": "best", "check": "on"})

    assert Download.objects.get().options["check"] is True
