"""The page of a listing, its row, and what may be done with its entries, without JavaScript."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from downloads import actions, many
from downloads.models import Download, Listing, add_entries
from downloads.models.archive import archive
from downloads.rules.archive import MediaId
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome
from downloads.web import entries as entries_module
from downloads.web.details import CODES
from tests.helpers import lives
from tests.helpers.presets import save
from tests.web.test_views import path_of, row_of, shown_ids, text_of, words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def make_listing(user: User) -> Callable[..., Listing]:
    def make(count: int = 5, *, code: str = "", **columns: Any) -> Listing:
        made = [lives.entry(number, **columns) for number in range(1, count + 1)]
        return lives.list_up(lives.submit(user), *made, code=code)

    return make


@pytest.fixture
def listing(make_listing: Callable[..., Listing]) -> Listing:
    return make_listing()


def page_of(browser: Client, listing: Listing, **query: Any) -> Any:
    return browser.get(path_of(listing.download), query)


def positions(answer: Any) -> list[int]:
    boxes = re.findall(r'<input type="checkbox" name="position" value="(\d+)"', text_of(answer))
    return [int(each) for each in boxes]


def ticked(answer: Any) -> list[int]:
    boxes = re.findall(r'<input type="checkbox" name="position"[^>]*>', text_of(answer))
    return [int(re.findall(r'value="(\d+)"', box)[0]) for box in boxes if " checked" in box]


def add(browser: Client, listing: Listing, which: str, **more: Any) -> Any:
    data = {"which": which, **more}
    return browser.post(path_of(listing.download, "entries"), data, follow=True)


def added(listing: Listing) -> list[int]:
    made = listing.entries.exclude(download=None).order_by("position")
    return list(made.values_list("position", flat=True))


def download_of(listing: Listing, position: int) -> Download:
    """The download of one entry, newly added."""
    chosen = listing.entries.filter(position=position)
    (addition,) = add_entries(listing, chosen, options=DownloadOptions(), actor="test")
    assert addition.entry.download
    return addition.entry.download


# The page.


def test_the_page_says_what_was_listed(
    browser: Client, make_listing: Callable[..., Listing]
) -> None:
    listing = make_listing(3, duration_seconds=3600.0)

    words = words_of(page_of(browser, listing))

    assert "3 videos Playlist · together 3 h 00 min" in words
    assert "Files They were deleted" not in words


@pytest.mark.parametrize("code", ["list_limit", "list_repeats", "list_known", "another"])
def test_a_reading_that_ended_before_the_list_is_said(
    browser: Client, make_listing: Callable[..., Listing], code: str
) -> None:
    words = words_of(page_of(browser, make_listing(3, code=code)))

    assert f"3 videos Playlist {CODES.get(code, 'The list may hold more.')}" in words


def test_lengths_that_the_site_does_not_say_are_counted(user: User, browser: Client) -> None:
    known = lives.entry(1, duration_seconds=60.0)
    listing = lives.list_up(lives.submit(user), known, lives.entry(2), lives.entry(3, is_list=True))

    words = words_of(page_of(browser, listing))

    assert "3 entries Playlist · together 1 min 00 s, 1 of unknown length" in words


def test_an_entry_says_all_that_is_known_of_it(user: User, browser: Client) -> None:
    listing = lives.list_up(
        lives.submit(user),
        lives.entry(
            1,
            title="A <title>",
            duration_seconds=3725.0,
            uploaded_at=datetime(2024, 5, 17, tzinfo=UTC),
            is_live=True,
        ),
    )

    answer = page_of(browser, listing)

    assert "A &lt;title&gt;" in text_of(answer)
    assert "1:02:05 2024-05-17" in words_of(answer)
    assert 'class="chip">live<' in text_of(answer)
    assert 'href="https://example.org/video/1"' in text_of(answer)


def test_an_address_that_is_not_of_the_web_is_no_link(user: User, browser: Client) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1, url="javascript:alert(1)"))

    assert "javascript:" not in text_of(page_of(browser, listing))


def test_an_entry_that_is_a_list_says_so(user: User, browser: Client) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1, is_list=True))

    answer = page_of(browser, listing)

    assert 'class="chip">list<' in text_of(answer)
    assert "1 list Playlist" in words_of(answer)


def test_an_entry_links_to_what_the_owner_has(
    browser: Client, user: User, listing: Listing
) -> None:
    other = lives.complete(lives.submit(user))
    Download.objects.filter(pk=other.pk).update(extractor="site", media_id="video-2")
    archive(user, [MediaId("site", "video-2"), MediaId("site", "video-3")])

    answer = text_of(page_of(browser, listing))

    assert f'<a href="{path_of(other)}">You have it already</a>' in answer
    assert answer.count("In your archive: you had it") == 1


def test_an_entry_links_to_the_download_that_was_made_of_it(
    browser: Client, listing: Listing
) -> None:
    download = lives.complete(download_of(listing, 2))

    answer = text_of(page_of(browser, listing))

    state = answer.partition('id="entry-2-state"')[2].partition("</span>\n")[0]
    assert path_of(download) in state
    assert "Completed" in state
    assert "You have it already" not in answer


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries_module, "PAGE_SIZE", 2)


@pytest.mark.usefixtures("small_pages")
def test_pages_by_position_there_and_back(browser: Client, listing: Listing) -> None:
    seen, answer = [], page_of(browser, listing)
    while True:
        seen.append(positions(answer))
        further = re.search(r'rel="next" href="([^"]+)"', text_of(answer))
        if not further:
            break
        answer = browser.get(further[1].replace("&amp;", "&"))
    back = re.search(r'rel="prev" href="([^"]+)"', text_of(answer))
    assert back

    assert seen == [[1, 2], [3, 4], [5]]
    assert positions(browser.get(back[1].replace("&amp;", "&"))) == [3, 4]


@pytest.mark.parametrize("query", [{"after": "99999999999999999999"}, {"after": "x"}, {"q": "\0"}])
def test_any_address_is_answered(browser: Client, listing: Listing, query: dict[str, str]) -> None:
    assert page_of(browser, listing, **query).status_code == 200


def test_entries_are_searched(browser: Client, listing: Listing) -> None:
    answer = page_of(browser, listing, q="Video 4")

    assert positions(answer) == [4]
    assert "1 video found" in words_of(answer)


def test_all_of_a_page_are_ticked_without_a_script(browser: Client, listing: Listing) -> None:
    assert ticked(page_of(browser, listing)) == []
    assert ticked(page_of(browser, listing, tick="page")) == [1, 2, 3, 4, 5]


def test_a_page_takes_as_many_queries_for_many_entries_as_for_one(
    browser: Client,
    user: User,
    make_listing: Callable[..., Listing],
) -> None:
    small, large = make_listing(1), make_listing(300)
    for position in range(1, 100, 9):
        download_of(large, position)
    archive(user, [MediaId("site", f"video-{number}") for number in range(1, 200)])
    download_of(small, 1)
    page_of(browser, small)  # what is asked for once

    with CaptureQueriesContext(connection) as for_one:
        page_of(browser, small)
    with CaptureQueriesContext(connection) as for_many:
        answer = page_of(browser, large)

    assert len(positions(answer)) == entries_module.PAGE_SIZE
    assert len(for_many) == len(for_one)


def test_the_parts_are_the_same_on_the_page_and_as_a_fragment(
    browser: Client, listing: Listing
) -> None:
    lives.start(download_of(listing, 1))

    page = text_of(page_of(browser, listing, after="1"))
    fragment = text_of(browser.get(path_of(listing.download, "fragment"), {"after": "1"}))

    states = re.findall(r'id="(entry-\d+-state)" data-part', fragment)
    assert states == [f"entry-{position}-state" for position in range(2, 6)]
    token = re.compile(r'<input type="hidden" name="csrfmiddlewaretoken"[^>]*>')
    assert token.sub("", fragment).strip() in token.sub("", page)


# Adding entries.


@pytest.mark.parametrize(
    ("which", "more", "expected"),
    [
        ("ticked", {"position": ["2", "4"]}, [2, 4]),
        ("ticked", {"position": ["2", "4,5"]}, [2, 4, 5]),  # of other pages, by a script
        ("some", {"some": "1-2, 5"}, [1, 2, 5]),
        ("some", {"some": "4-"}, [4, 5]),
        ("some", {"some": "4–99"}, [4, 5]),  # noqa: RUF001
        ("first", {"first": "3"}, [1, 2, 3]),
        ("first", {"first": "300"}, [1, 2, 3, 4, 5]),
        ("all", {}, [1, 2, 3, 4, 5]),
        ("all", {"q": "Video 3"}, [3]),
        ("first", {"first": "1", "q": "Video 3"}, [3]),
        ("new", {}, [2, 3, 4, 5]),
    ],
)
def test_the_chosen_entries_become_downloads(
    browser: Client,
    user: User,
    listing: Listing,
    which: str,
    more: dict[str, Any],
    expected: list[int],
) -> None:
    archive(user, [MediaId("site", "video-1")])

    answer = add(browser, listing, which, quality="720p", **more)

    assert added(listing) == expected
    number = f"{len(expected)} download{'' if len(expected) == 1 else 's'} added."
    assert number in words_of(answer)
    made = Download.objects.filter(listed_in=listing.download)
    assert {each.options["quality"] for each in made} == {"720p"}
    assert {each.transitions.get().actor for each in made} == {"user:ursula"}


def test_adding_leads_back_to_the_same_page(browser: Client, listing: Listing) -> None:
    here = f"{path_of(listing.download)}?q=Video&after=2"

    answer = add(browser, listing, "ticked", position=["3"], next=here)

    assert answer.redirect_chain == [(here, 302)]


def test_adding_again_says_what_was_added_already(browser: Client, listing: Listing) -> None:
    add(browser, listing, "first", first="2")

    words = words_of(add(browser, listing, "first", first="3"))

    assert "1 download added. 2 were added already." in words


def test_what_does_not_fit_stays_an_entry_and_is_said(
    browser: Client, listing: Listing, settings: LazySettings
) -> None:
    settings.VNSITE = settings.VNSITE.model_copy(update={"user_waiting": 3})

    words = words_of(add(browser, listing, "all"))

    assert "3 downloads added. 2 do not fit: at most 3 of your downloads may wait." in words
    assert added(listing) == [1, 2, 3]


def test_a_list_that_is_too_deep_is_said(browser: Client, user: User) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1, is_list=True))
    Download.objects.filter(pk=listing.pk).update(list_depth=2)

    assert "1 is a list too deep inside other lists" in words_of(add(browser, listing, "all"))


@pytest.mark.parametrize(
    ("which", "more", "sentence"),
    [
        ("ticked", {}, "Tick the videos that you want, or choose another way."),
        ("ticked", {"position": ["x", ""]}, "Tick the videos that you want"),
        ("some", {"some": " , "}, "Say which positions, as 1-20 or 3, 7-12, 40-."),
        ("some", {"some": "1, two"}, "“two” is not a position or a range like 7-12."),
        ("some", {"some": "9-3"}, "“9-3” ends before it begins."),
        ("some", {"some": ",".join(["1"] * 101)}, "At most 100 ranges at once."),
        ("first", {}, "Say how many of the first ones, as a whole number."),
        ("first", {"first": "0"}, "Say how many of the first ones, as a whole number."),
        ("others", {}, "Say which are to be added."),
        ("", {}, "Say which are to be added."),
        ("all", {"quality": "9000p"}, "Quality: "),
        ("all", {"container": "webm", "compatible": "true"}, "Plays everywhere: "),
    ],
)
def test_a_wrong_choice_adds_nothing_and_is_said(
    browser: Client, listing: Listing, which: str, more: dict[str, Any], sentence: str
) -> None:
    answer = add(browser, listing, which, **more)

    assert answer.status_code == 422
    assert f"Nothing was added. {sentence}" in words_of(answer)
    assert not Download.objects.filter(listed_in=listing.download).exists()


@pytest.mark.usefixtures("small_pages")
def test_a_wrong_choice_keeps_the_page_and_all_that_was_chosen(
    browser: Client, listing: Listing
) -> None:
    path = f"{path_of(listing.download, 'entries')}?after=2"
    data = {"which": "some", "some": "nonsense", "position": ["4", "1,5"], "quality": "720p"}

    answer = browser.post(path, data)

    assert (positions(answer), ticked(answer)) == ([3, 4], [4])
    assert 'id="ticked-elsewhere" value="1,5"' in text_of(answer)
    assert 'value="some" checked' in text_of(answer)
    assert 'value="nonsense"' in text_of(answer)
    assert '<option value="720p" selected>' in text_of(answer)


def test_the_form_begins_with_the_options_of_the_list(browser: Client, user: User) -> None:
    listing = lives.list_up(lives.submit(user, quality="480p"), lives.entry(1))

    assert '<option value="480p" selected>' in text_of(page_of(browser, listing))


def test_a_preset_is_taken_for_all_entries_with_what_was_changed(
    browser: Client, user: User
) -> None:
    save(user, "TV", quality="720p", compatible=True, playlist="all")
    listing = lives.list_up(lives.submit(user, quality="480p"), lives.entry(1))
    page = text_of(page_of(browser, listing))
    assert '<option value="" selected>As the list was asked for</option>' in page
    (shown,) = re.findall(r'name="shown" value="([^"]*)"', page)
    drawn = {"shown": unescape(shown), "quality": "480p", "container": "auto", "live": "wait"}

    add(browser, listing, "all", **drawn, preset="tv", audio="opus")  # the thumbnail was unticked

    made = DownloadOptions.from_mapping(listing.downloads.get().options)
    expected = {"quality": "720p", "audio": "opus", "compatible": True, "thumbnail": False}
    assert made.chosen() == expected


def test_a_preset_that_is_gone_adds_no_entry(browser: Client, listing: Listing) -> None:
    answer = add(browser, listing, "all", preset="gone")

    assert answer.status_code == 422
    assert "There is no preset named “gone”." in words_of(answer)
    assert added(listing) == []


def test_what_belongs_to_the_link_of_the_list_is_not_of_its_entries(
    browser: Client, user: User
) -> None:
    listing = lives.list_up(lives.submit(user, clip="10-20", playlist="all"), lives.entry(1))

    assert "10-20" not in text_of(page_of(browser, listing))


def test_a_refused_form_that_is_opened_again_leads_to_the_page(
    browser: Client, listing: Listing
) -> None:
    answer = browser.get(path_of(listing.download, "entries"))

    assert answer["Location"] == path_of(listing.download)


def test_what_is_no_list_has_no_entries(browser: Client, user: User) -> None:
    download = lives.complete(lives.submit(user))

    assert browser.post(path_of(download, "entries"), {"which": "all"}).status_code == 404


@pytest.mark.parametrize(
    "action",
    ["entries", "entries/cancel", "entries/retry", "entries/cleanup", "again", "whole-list"],
)
def test_nobody_touches_a_list_that_is_not_theirs(
    browser: Client, staff: User, action: str
) -> None:
    foreign = lives.list_up(lives.submit(staff), lives.entry(1))
    before = Download.objects.count()

    answer = browser.post(path_of(foreign.download, action), {"which": "all"})

    assert answer.status_code == 404
    assert Download.objects.count() == before


# What became of the entries.


def test_the_page_says_what_became_of_the_entries(browser: Client, listing: Listing) -> None:
    first, second, third = (download_of(listing, position) for position in (1, 2, 3))
    lives.complete(first)
    lives.fail(second)
    actions.cancel(third, actor="test")
    lives.start(download_of(listing, 4))

    words = words_of(page_of(browser, listing))

    assert "4 of 5 added · 1 running · 1 failed · 1 completed · 1 cancelled" in words
    assert "Cancel all 1 " in words
    assert "Retry all 1 failed" in words
    assert "Clean up all 2" in words


def test_all_are_cancelled(browser: Client, listing: Listing) -> None:
    for position in (1, 2):
        download_of(listing, position)

    answer = browser.post(path_of(listing.download, "entries/cancel"), follow=True)

    assert "2 downloads cancelled." in words_of(answer)
    assert set(listing.downloads.values_list("outcome", flat=True)) == {Outcome.CANCELLED}


def test_what_could_not_be_done_and_what_is_left_are_said(
    browser: Client, listing: Listing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "MAX_AT_ONCE", 2)
    publishing = lives.start(download_of(listing, 1))
    publishing.decide_to_publish(library_path="x", manifest={})
    for position in (2, 3, 4):
        download_of(listing, position)

    first = words_of(browser.post(path_of(listing.download, "entries/cancel"), follow=True))
    second = words_of(browser.post(path_of(listing.download, "entries/cancel"), follow=True))

    assert "2 downloads cancelled. 2 more are left: do it once more." in first
    assert "1 could not be stopped any more" in second


def test_all_failed_are_retried_and_all_ended_cleaned_up(browser: Client, listing: Listing) -> None:
    for position in (1, 2):
        lives.fail(download_of(listing, position))

    retried = browser.post(path_of(listing.download, "entries/retry"), follow=True)
    lives.fail(Download.objects.get(made_of__position=1))
    cleaned = browser.post(path_of(listing.download, "entries/cleanup"), follow=True)

    assert "2 downloads will be tried again." in words_of(retried)
    assert "1 download cleaned up." in words_of(cleaned)


# Rows, and the ways between lists and downloads.


def test_the_row_of_a_list_says_how_many_there_are_to_choose(
    browser: Client, listing: Listing
) -> None:
    row = row_of(browser.get("/"), listing.download)

    assert f'5 videos: <a href="{path_of(listing.download)}">choose' in row


def test_the_row_of_a_list_counts_what_became_of_it(browser: Client, listing: Listing) -> None:
    lives.fail(download_of(listing, 1))
    download_of(listing, 2)

    row = row_of(browser.get("/"), listing.download)

    assert "2 of 5 added · 1 waiting · 1 failed" in row


def test_rows_of_lists_are_counted_in_one_query(
    browser: Client, make_listing: Callable[..., Listing], django_assert_num_queries: Any
) -> None:
    first, *others = [make_listing(2) for _ in range(5)]
    download_of(first, 1)
    browser.get("/")
    with CaptureQueriesContext(connection) as for_one:
        browser.get("/")
    for listing in others:
        download_of(listing, 1)

    with django_assert_num_queries(len(for_one)):
        browser.get("/")


def test_a_download_names_the_list_that_it_is_from(
    browser: Client, user: User, listing: Listing
) -> None:
    download = download_of(listing, 1)
    link = re.escape(f'<a href="{path_of(listing.download)}" dir="auto">')

    row = row_of(browser.get("/"), download)
    page = text_of(browser.get(path_of(download)))

    assert re.search(f"{link}A list</a>", row)
    assert re.search(f'(?s)aria-label="Back">.*{link}.*A list</a>.*</nav>', page)


def test_a_list_without_a_title_is_named_by_its_link(
    browser: Client, user: User, listing: Listing
) -> None:
    download = download_of(listing, 1)
    Download.objects.filter(pk=listing.pk).update(title="")

    assert f">{listing.download.url}</a>" in row_of(browser.get("/"), download)


def test_a_list_within_lists_leads_up_to_each_of_them(
    browser: Client, user: User, listing: Listing
) -> None:
    listing.entries.filter(position=1).update(is_list=True)
    inner = lives.list_up(download_of(listing, 1), lives.entry(20))
    innermost = download_of(inner, 1)

    page = text_of(browser.get(path_of(innermost)))

    back = page.partition('aria-label="Back"')[2].partition("</nav>")[0]
    assert re.findall(r'<a href="([^"]+)"', back) == [
        "/",
        path_of(listing.download),
        path_of(inner.download),
    ]


def test_downloads_go_on_when_their_list_is_deleted(
    browser: Client, user: User, listing: Listing
) -> None:
    download = download_of(listing, 1)

    browser.post(path_of(listing.download, "delete"))

    assert shown_ids(browser.get("/")) == [download.correlation_id]


# What the owner has already.


@pytest.fixture
def had(user: User) -> Download:
    """A download that ended because its owner had the video."""
    other = lives.complete(lives.submit(user))
    other.note(title="The first one")
    running = lives.start(lives.submit(user, quality="720p"))
    running.complete_as_had(have=other, actor="test")
    return running


def test_what_was_had_links_to_the_other_download(browser: Client, had: Download) -> None:
    assert had.have
    link = f'<a href="{path_of(had.have)}"'

    row = row_of(browser.get("/"), had)
    page = text_of(browser.get(path_of(had)))

    assert f"You have it already: {link}>The first one</a>" in row
    assert "You have this already" in page
    assert f'{link} dir="auto">The first one</a>' in page
    assert "They were deleted from the library" not in page


def test_what_was_had_says_that_the_other_was_deleted(browser: Client, had: Download) -> None:
    assert had.have
    actions.forget(had.have)

    assert "You had it already" in row_of(browser.get("/"), had)
    assert "It was deleted since." in words_of(browser.get(path_of(had)))


def test_what_was_had_is_downloaded_again_on_purpose(browser: Client, had: Download) -> None:
    answer = browser.post(path_of(had, "again"))

    again = Download.objects.latest("pk")
    assert answer["Location"] == path_of(again)
    assert (again.url, again.options, again.owner) == (had.url, had.options, had.owner)
    assert again.is_again
    assert again.transitions.get().actor == "user:ursula"


def test_nothing_is_downloaded_again_when_too_many_wait(
    browser: Client, had: Download, user: User, settings: LazySettings
) -> None:
    lives.submit(user)
    settings.VNSITE = settings.VNSITE.model_copy(update={"user_waiting": 1})

    answer = browser.post(path_of(had, "again"), follow=True)

    assert "You have 1 download queued (limit 1)" in words_of(answer)
    assert not Download.objects.filter(is_again=True).exists()


# A video of a list.


def test_a_video_whose_link_names_a_list_offers_to_read_it(browser: Client, user: User) -> None:
    url = "https://example.org/watch?v=1&list=2"
    running = lives.start(lives.submit(user, url=url, playlist="no", quality="720p"))
    running.decide_to_publish(library_path="one", manifest={})
    running.complete([], actor="test", title="One", data={"code": "in_a_list"})

    page = text_of(browser.get(path_of(running)))
    browser.post(path_of(running, "whole-list"))

    assert f'formaction="{path_of(running, "whole-list")}"' in page
    added = Download.objects.latest("pk")
    assert (added.url, added.owner) == (url, user)
    assert (added.options["playlist"], added.options["quality"]) == ("ask", "720p")


def test_other_videos_offer_no_list(browser: Client, user: User) -> None:
    page = text_of(browser.get(path_of(lives.complete(lives.submit(user)))))

    assert "whole-list" not in page
