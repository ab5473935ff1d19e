"""Adding links with the form, before and after it is sent, and what leads to it."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from downloads.models import Download
from downloads.rules.links import MAX_LINKS
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from downloads.web.choice_form import Shown
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

SCRIPT = {"HX-Request": "true"}
URL = "https://example.org/1"


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def checking_browser(user: User) -> Client:
    """One that is asked for the CSRF token, as real ones are."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return str(answer.content.decode())


def words_of(answer: Any) -> str:
    """What a person reads: no tags, single spaces."""
    return " ".join(re.sub(r"<[^>]*>", " ", text_of(answer)).split())


def add(client: Client, urls: str, **more: str) -> Any:
    return client.post("/downloads/", {"urls": urls, "quality": "best", "audio": "", **more})


def box_of(answer: Any) -> str:
    found = re.search(r"<textarea[^>]*>\n(.*?)</textarea>", text_of(answer), re.DOTALL)
    return found[1] if found else ""


def test_one_link_is_added(browser: Client, user: User) -> None:
    answer = add(browser, "https://Example.org/1", quality="720p", audio="m4a")

    download = Download.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert (download.owner, download.url) == (user, "https://example.org/1")
    assert download.options == DownloadOptions(quality="720p", audio="m4a").as_dict()
    assert download.transitions.get().actor == "user:ursula"
    assert "1 download added." in text_of(browser.get("/"))


def test_many_links_are_added(browser: Client) -> None:
    add(browser, "https://example.org/1\r\nhttps://example.org/2 https://example.org/3")

    assert Download.objects.count() == 3


def test_a_link_that_is_waiting_is_not_added_twice(browser: Client) -> None:
    add(browser, "https://example.org/1")

    answer = browser.post(
        "/downloads/",
        {"urls": "https://example.org/1\nhttps://example.org/2", "quality": "best"},
        follow=True,
    )

    assert Download.objects.count() == 2
    assert "1 download added. 1 was waiting or running already." in text_of(answer)


def test_words_around_links_are_left_out_and_named(browser: Client) -> None:
    text = "Watch this: https://example.org/1 via App\n[a](example.org/2).\n<b>\nand more"

    answer = browser.post("/downloads/", {"urls": text, "quality": "best"}, follow=True)

    urls = Download.objects.order_by("id").values_list("url", flat=True)
    assert list(urls) == ["https://example.org/1", "https://example.org/2"]
    words = words_of(answer)
    assert "2 downloads added. Show them" in words
    assert "Left out: “Watch this:”, “via App”, “a” and 2 more." in words


def test_the_answer_links_to_what_was_added_together(browser: Client, user: User) -> None:
    lives.submit(user)
    answer = browser.post("/downloads/", {"urls": f"{URL} https://example.org/2"}, follow=True)
    link = re.search(r'<a href="([^"]*)">Show them', text_of(answer))

    assert link
    page = browser.get(link[1])

    shown = set(re.findall(r'data-row="([^"]+)"', text_of(page)))
    assert shown == {each.correlation_id for each in Download.objects.exclude(batch=None)}


def test_the_good_links_are_added_and_a_wrong_one_stays_in_the_box(browser: Client) -> None:
    answer = add(browser, "https://example.org/1\nftp://example.org/2", quality="480p")

    page = text_of(answer)
    assert answer.status_code == 422
    assert Download.objects.get().url == "https://example.org/1"
    assert "1 download added." in page
    assert "1 link stays in the box:" in page
    assert "Line 1, “ftp://example.org/2”: A link must begin with http" in page
    assert ">\nftp://example.org/2</textarea>" in page
    assert 'aria-invalid="true"' in page
    assert 'aria-describedby="id_urls_error"' in page
    assert '"options": {"quality": "480p"}' in unescape(page)


def test_when_all_links_are_wrong_nothing_is_added_and_what_was_typed_stays(
    browser: Client,
) -> None:
    answer = add(browser, "see ftp://example.org/1\nand ftp://example.org/2")

    page = text_of(answer)
    assert answer.status_code == 422
    assert not Download.objects.exists()
    assert "Nothing was added. 2 of the links are wrong:" in page
    assert "see ftp://example.org/1\nand ftp://example.org/2</textarea>" in page
    assert 'aria-invalid="true"' in page
    assert 'aria-describedby="id_urls_error"' in page


def test_what_was_typed_is_escaped(browser: Client) -> None:
    hostile = "</textarea><script>alert(1)</script>"

    for typed in (hostile, f"{hostile}\n{hostile}"):  # more than one: the sentences repeat them
        assert "<script>alert" not in text_of(add(browser, typed))


def test_ten_thousand_lines_get_one_sentence(browser: Client) -> None:
    answer = add(browser, "\n".join(f"https://example.org/{n}" for n in range(10_000)))

    assert answer.status_code == 422
    assert f"At most {MAX_LINKS:,} can be added at once." in text_of(answer)
    assert not Download.objects.exists()


def test_a_form_that_is_too_large_gets_a_page(browser: Client) -> None:
    browser.raise_request_exception = False

    answer = add(browser, "x" * (5 * 2**20))

    assert answer.status_code == 400
    assert "too large" in text_of(answer)


def test_a_refused_form_that_is_opened_again_leads_to_the_dashboard(browser: Client) -> None:
    assert browser.get("/downloads/")["Location"] == "/"


def test_the_options_are_remembered(browser: Client) -> None:
    add(browser, "https://example.org/1", quality="720p", audio="opus")

    page = unescape(text_of(browser.get("/")))

    assert '"options": {"quality": "720p", "audio": "opus"}' in page


def test_a_script_gets_the_form_with_what_was_added(browser: Client) -> None:
    form = {"urls": "https://example.org/1", "quality": "best", "audio": ""}

    answer = browser.post("/downloads/", form, headers=SCRIPT)

    assert answer.status_code == 200
    added = [Download.objects.get().correlation_id]
    assert json.loads(answer["HX-Trigger"]) == {"vnsite:added": added, "vnsite:changed": added}
    assert "1 download added." in text_of(answer)
    assert "<html" not in text_of(answer)


def test_a_script_gets_the_form_with_the_errors(browser: Client) -> None:
    answer = browser.post("/downloads/", {"urls": "", "quality": "best"}, headers=SCRIPT)

    assert answer.status_code == 422
    assert "Enter a link." in text_of(answer)
    assert "<html" not in text_of(answer)


def test_forms_need_their_token(checking_browser: Client) -> None:
    answer = add(checking_browser, "https://example.org/1")

    assert answer.status_code == 403
    assert "is older than your sign-in" in text_of(answer)
    assert not Download.objects.exists()


# What its user has already.


@pytest.fixture
def had(user: User) -> Download:
    return lives.complete(lives.submit(user, url=URL))


def test_what_its_user_has_is_not_added_but_named(browser: Client, had: Download) -> None:
    answer = add(browser, f"{URL}\nhttps://example.org/2")

    assert Download.objects.exclude(pk=had.pk).get().url == "https://example.org/2"
    words = words_of(answer)
    assert "1 download added. You have 1 already." in words
    assert f"{URL} downloaded on " in words
    assert f'href="/downloads/{had.correlation_id}/"' in text_of(answer)
    assert box_of(answer) == ""


def test_again_adds_it_and_keeps_what_else_was_typed_or_is_known(
    browser: Client, user: User, had: Download
) -> None:
    other = lives.complete(lives.submit(user, url="https://example.org/other"))

    answer = add(browser, "https://example.org/2", again=URL, known=other.url)

    again = Download.objects.latest("pk")
    assert (again.url, again.is_again, again.state) == (URL, True, State.CREATED)
    assert Download.objects.count() == 3
    assert "1 download added." in words_of(answer)
    assert f"{other.url} downloaded on " in words_of(answer)
    assert box_of(answer) == "https://example.org/2"


@pytest.mark.parametrize(
    "wish", [{"urls": URL, "quality": "480p"}, {"urls": f"{URL}?x=1"}, {"urls": f"{URL}/"}]
)
def test_another_link_or_other_options_are_not_known(
    browser: Client, had: Download, wish: dict[str, str]
) -> None:
    browser.post("/downloads/", wish)

    assert Download.objects.exclude(pk=had.pk).count() == 1


def test_a_download_is_not_known_when_its_files_are_gone(
    browser: Client, had: Download, settings: LazySettings
) -> None:
    for file in settings.VNSITE.media_root.glob("*/clip.mp4"):
        file.unlink()

    assert add(browser, URL).status_code == 302
    assert Download.objects.count() == 2


def test_a_list_is_read_again_when_it_is_added_again(browser: Client, user: User) -> None:
    lives.list_up(lives.submit(user, url=URL), lives.entry(1))

    assert add(browser, URL).status_code == 302
    assert Download.objects.count() == 2


def test_nobody_is_told_of_the_downloads_of_others(browser: Client, staff: User) -> None:
    lives.complete(lives.submit(staff, url=URL))

    assert "downloaded on" not in words_of(browser.post("/downloads/preview", {"urls": URL}))


# Before it is sent.


def preview(client: Client, urls: str, **more: Any) -> Any:
    return client.post("/downloads/preview", {"urls": urls, **more}, headers=SCRIPT)


def test_a_preview_counts_what_would_be_added_and_adds_nothing(
    browser: Client, had: Download
) -> None:
    answer = preview(browser, f"See {URL} and\nexample.org/2,\nftp://example.org/3")

    words = words_of(answer)
    assert words.startswith("2 links, 1 known, 1 wrong, 2 words left out: “See”, “and”")
    assert "Line 3, “ftp://example.org/3”: " in words
    assert "downloaded on " in words
    assert Download.objects.count() == 1


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_preview_of_nothing_says_nothing(browser: Client, text: str) -> None:
    answer = preview(browser, text)

    assert (answer.status_code, words_of(answer)) == (200, "")


def test_a_preview_says_what_waits_already(browser: Client, user: User) -> None:
    waiting = lives.submit(user, url=URL)

    answer = preview(browser, URL)

    assert "1 link, 1 known" in words_of(answer)
    assert "is waiting or running already: Open" in words_of(answer)
    assert f"/downloads/{waiting.correlation_id}/" in text_of(answer)


def test_a_preview_lists_the_first_fifty_that_are_known(browser: Client) -> None:
    urls = "\n".join(f"https://example.org/{number}" for number in range(60))
    add(browser, urls)

    answer = preview(browser, urls)

    assert "60 links, 60 known" in words_of(answer)
    assert text_of(answer).count('class="known-link"') == 50
    assert "and 10 more" in words_of(answer)


def test_a_preview_reads_files_into_the_box(browser: Client) -> None:
    file = SimpleUploadedFile(
        "a.html", b'<p>Two</p><a href="https://example.org/2?a=1&amp;b">b</a>'
    )

    answer = preview(browser, "https://example.org/1 ", file=file)

    assert box_of(answer) == "https://example.org/1\nhttps://example.org/2?a=1&amp;b"
    assert words_of(answer).startswith("2 links, 2 words left out: “Two”, “b”")
    assert 'id="id_file"' in text_of(answer)  # empty again


def test_a_preview_names_what_is_wrong_with_a_file_and_leaves_the_box(browser: Client) -> None:
    answer = preview(browser, URL, file=SimpleUploadedFile("a.png", b"\x89PNG\0\0\xff"))

    assert "“a.png” is not a text." in words_of(answer)
    assert "<textarea" not in text_of(answer)


def test_a_preview_gives_the_options_of_another_preset(browser: Client) -> None:
    shown = str(Shown("best", DownloadOptions()))

    answer = preview(browser, "", preset="archive", shown=shown)

    assert '<option value="mkv" selected>' in text_of(answer)
    assert 'id="add-options" hx-swap-oob="true"' in text_of(answer)
    assert "id_container" not in text_of(preview(browser, "", preset="best", shown=shown))


def test_the_options_state_how_much_of_a_list_is_read(browser: Client) -> None:
    shown = str(Shown("best", DownloadOptions()))

    answer = preview(browser, "", preset="archive", shown=shown)

    assert "At most 10,000 are read." in words_of(answer)


def test_a_preview_leaves_folded_options_folded(browser: Client) -> None:
    shown = str(Shown("best", DownloadOptions(quality="480p"), is_folded=True))

    same = text_of(preview(browser, "", preset="best", shown=shown))
    other = text_of(preview(browser, "", preset="archive", shown=shown))

    assert "Changed:" not in same
    assert 'id="add-options" hx-swap-oob="true"' in other
    assert "&quot;preset&quot;: &quot;archive&quot;" in other
    assert "<select" not in other


def test_a_preview_names_the_options_that_were_changed(browser: Client) -> None:
    shown = str(Shown("best", DownloadOptions()))

    answer = preview(browser, "", preset="best", shown=shown, thumbnail="on", quality="480p")

    assert "Changed: Quality" in words_of(answer)


# What leads to it.


def test_an_address_fills_the_form_and_adds_nothing(browser: Client) -> None:
    answer = browser.get("/add", {"url": "https://example.org/1?a=b&c", "title": "A film"})

    assert box_of(answer) == "https://example.org/1?a=b&amp;c"
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    ("shared", "filled"),
    [
        ({"text": f"Mira esto {URL} vía App", "title": "Vídeo"}, URL),
        ({"title": f"A film {URL}", "text": ""}, URL),
        ({"url": URL, "text": URL}, URL),
        ({"url": URL, "text": "https://example.org/2"}, f"{URL}\nhttps://example.org/2"),
        ({"text": "no link"}, "no link"),
        ({}, ""),
    ],
)
def test_what_a_phone_shares_fills_the_form(
    browser: Client, shared: dict[str, str], filled: str
) -> None:
    answer = browser.post("/add/share", shared, follow=True)

    assert answer.redirect_chain[0][1] == 303
    assert box_of(answer) == filled
    assert not Download.objects.exists()


def test_sharing_needs_no_token_and_more_than_an_address_holds_is_refused(
    checking_browser: Client,
) -> None:
    assert checking_browser.post("/add/share", {"text": URL}).status_code == 303
    assert checking_browser.post("/add/share", {"text": "x" * 9000}).status_code == 400


def test_who_is_signed_out_comes_back_to_the_filled_form(client: Client, user: User) -> None:
    answer = client.get(client.post("/add/share", {"text": URL})["Location"])
    came_from = parse_qs(urlsplit(answer["Location"]).query)["next"][0]

    form = {"username": "ursula", "password": "password", "next": came_from}
    answer = client.post("/login/", form, follow=True)

    assert box_of(answer) == URL
