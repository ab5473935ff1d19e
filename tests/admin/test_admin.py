"""The admin: look, clean up by correlation id, delete; never write a state or a history."""

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import CHANGE, DELETION, LogEntry
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from downloads import actions
from downloads.accounts import tokens
from downloads.models import (
    ApiToken,
    Download,
    LibraryEntry,
    Preferences,
    Preset,
    SiteCookies,
    Transition,
    presets,
)
from downloads.rules.cookies import Cookie
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ENDED
from tests.helpers import lives
from tests.helpers.presets import save

pytestmark = pytest.mark.both_databases

LIST = "/admin/downloads/download/"
CLEAN_UP = LIST + "clean-up/"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture
def browser(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.fixture
def clerk(db: None) -> Client:
    """Staff who may look at downloads and nothing more."""
    person = User.objects.create_user("clerk", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_download"))
    client = Client()
    client.force_login(person)
    return client


def act(browser: Client, action: str, *downloads: Download, **more: str) -> HttpResponse:
    """Tick downloads in the list and choose an action."""
    ticked = [download.pk for download in downloads]
    return browser.post(LIST, {"action": action, "_selected_action": ticked, **more}, follow=True)


def confirm(
    browser: Client, *ids: str, further: str = "", count: str | None = None
) -> HttpResponse:
    """Confirm with the number that the page shows, unless another one is given."""
    ended = Download.objects.filter(correlation_id__in=ids, state__in=ENDED).count()
    typed = str(ended) if count is None else count
    data = {"selected": " ".join(ids), "further": further, "count": typed, "confirm": ""}
    return browser.post(CLEAN_UP, data, follow=True)


def text_of(response: HttpResponse) -> str:
    """What a person reads: without tags, white space made one space."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", response.content.decode())).split())


def directory_of(download: Download) -> Path:
    directory: Path = settings.VNSITE.temp_root / download.directory
    return directory


# Finding and looking.


@pytest.mark.parametrize("search", ["needle", "Wanted", "{correlation_id}"])
def test_a_download_is_found_by_url_title_and_correlation_id(browser: Client, search: str) -> None:
    wanted = lives.submit(url="https://example.org/needle")
    wanted.note(title="Wanted title")
    other = lives.submit()

    page = browser.get(LIST, {"q": search.format(correlation_id=wanted.correlation_id)})

    assert wanted.correlation_id in text_of(page)
    assert other.correlation_id not in text_of(page)


@pytest.mark.parametrize("filter_", ["state__exact=failed", "outcome__exact=failed"])
def test_the_list_is_filtered(browser: Client, filter_: str) -> None:
    failed = lives.fail(lives.submit())
    other = lives.submit()

    page = text_of(browser.get(f"{LIST}?{filter_}"))

    assert failed.correlation_id in page
    assert other.correlation_id not in page


def test_the_list_shows_state_and_host(browser: Client) -> None:
    lives.fail(lives.submit(url="https://video.example.org/a"))

    page = browser.get(LIST)

    assert '<span class="state state-failed">Failed</span>' in page.content.decode()
    assert "video.example.org" in text_of(page)


def test_a_page_of_the_list_costs_the_same_for_one_and_for_many(
    browser: Client, staff: User, django_assert_max_num_queries: Callable[[int], Any]
) -> None:
    for _ in range(20):
        lives.submit(staff)

    with django_assert_max_num_queries(8):
        browser.get(LIST)


@pytest.mark.parametrize(
    ("query", "shown"), [("", 3), ("?state__exact=created", 2), ("?q=example", 3)]
)
def test_the_list_counts_downloads_only_when_it_shows_some(
    browser: Client, query: str, shown: int
) -> None:
    lives.fail(lives.submit())
    lives.submit()
    lives.submit()

    with CaptureQueriesContext(connection) as asked:
        page = browser.get(LIST + query)

    counted = [
        each for each in asked if re.match(r'SELECT COUNT.*"downloads_download"', each["sql"])
    ]
    assert page.context["cl"].result_count == shown
    assert bool(counted) is bool(query)


def test_the_options_are_shown_in_words(browser: Client) -> None:
    download = lives.submit(quality="720p", audio="mp3")

    page = browser.get(f"/admin/downloads/download/{download.pk}/change/").content.decode()

    assert DownloadOptions(quality="720p", audio="mp3").summary in page


def test_the_history_is_there_and_cannot_be_written(browser: Client) -> None:
    download = lives.complete(lives.submit())

    page = browser.get(f"{LIST}{download.pk}/change/")

    assert "Ready → Downloading worker" in text_of(page)
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", text_of(page))
    assert "clip.mp4" in text_of(page)
    html = page.content.decode()
    field = r'<(?:input|select|textarea)(?![^>]* type="(?:hidden|submit)")[^>]* name="([^"]*)"'
    assert re.findall(field, html) == ["priority"]


def test_only_the_priority_is_written(browser: Client) -> None:
    download = lives.submit()
    page = f"{LIST}{download.pk}/change/"
    data = {
        "priority": "5", "state": "failed", "title": "x", "url": "x",
        "transitions-TOTAL_FORMS": "0", "transitions-INITIAL_FORMS": "0",
        "files-TOTAL_FORMS": "0", "files-INITIAL_FORMS": "0",
        "logs-TOTAL_FORMS": "0", "logs-INITIAL_FORMS": "0",
    }  # fmt: skip

    response = browser.post(page, data)

    assert response.status_code == 302
    row = Download.objects.get()
    assert (row.priority, row.state, row.title, row.url) == (5, "created", "", download.url)
    assert Transition.objects.count() == 1


def test_what_the_site_said_is_escaped(browser: Client) -> None:
    download = lives.fail(lives.submit(url=f"https://example.org/{SCRIPT}"))
    download.note(title=SCRIPT, error_data={"message": SCRIPT})

    for page in (LIST, f"{LIST}{download.pk}/change/", f"{LIST}{download.pk}/delete/"):
        assert SCRIPT not in browser.get(page).content.decode()


@pytest.mark.parametrize("model", ["download", "transition", "worker", "apitoken"])
def test_nothing_is_added_in_the_admin(browser: Client, model: str) -> None:
    assert browser.get(f"/admin/downloads/{model}/add/").status_code == 403


@pytest.mark.parametrize("model", ["transition", "worker"])
def test_history_and_workers_are_only_looked_at(browser: Client, model: str) -> None:
    lives.start(lives.submit())
    (key,) = {"transition": [1], "worker": [lives.make_worker().pk]}[model]

    assert browser.get(f"/admin/downloads/{model}/").status_code == 200
    assert browser.get(f"/admin/downloads/{model}/{key}/change/").status_code == 200
    assert browser.post(f"/admin/downloads/{model}/{key}/change/", {}).status_code == 403
    assert (
        browser.post(f"/admin/downloads/{model}/{key}/delete/", {"post": "yes"}).status_code == 403
    )


def test_a_token_is_seen_without_itself_and_revoked(browser: Client, user: User) -> None:
    text = tokens.issue(user, name="laptop")
    (token,) = ApiToken.objects.all()

    page = browser.get(f"/admin/downloads/apitoken/{token.pk}/change/").content.decode()
    browser.post(f"/admin/downloads/apitoken/{token.pk}/delete/", {"post": "yes"})

    assert "laptop" in page
    assert text not in page
    assert token.digest not in page
    assert tokens.find(text) is None


def test_a_user_without_rights_is_sent_to_the_login(client: Client, user: User) -> None:
    client.force_login(user)

    for page in (LIST, CLEAN_UP):
        response = client.get(page)
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))


def test_deleting_a_user_leaves_their_downloads(browser: Client, user: User) -> None:
    tokens.issue(user, name="laptop")
    save(user, "TV")
    presets.make_default(user, "tv")
    download = lives.start(lives.submit(user))
    page = reverse("admin:auth_user_delete", args=[user.pk])

    asked = browser.get(page)
    response = browser.post(page, {"post": "yes"}, follow=True)

    assert "Are you sure" in text_of(asked)
    assert "was deleted successfully" in text_of(response)
    download.refresh_from_db()
    assert (download.owner, download.state) == (None, "downloading")


# Deleting.


def test_deleting_forgets_row_history_and_directory(browser: Client) -> None:
    download = lives.fail(lives.submit())
    directory = directory_of(download)

    response = browser.post(f"{LIST}{download.pk}/delete/", {"post": "yes"}, follow=True)

    assert "was deleted successfully" in text_of(response)
    assert not Download.objects.exists()
    assert not directory.exists()
    assert LogEntry.objects.get().action_flag == DELETION


def test_the_page_that_asks_says_what_stays(browser: Client) -> None:
    download = lives.complete(lives.submit())

    page = browser.get(f"{LIST}{download.pk}/delete/")

    assert "its published files stay in the library" in text_of(page)


def test_a_running_download_is_not_deleted(browser: Client) -> None:
    download = lives.start(lives.submit())

    response = browser.post(f"{LIST}{download.pk}/delete/", {"post": "yes"}, follow=True)

    assert "It cannot be deleted: it is downloading." in text_of(response)
    assert Download.objects.exists()
    assert not LogEntry.objects.exists()


def test_a_running_download_is_refused_before_anybody_is_asked(browser: Client) -> None:
    running, failed = lives.start(lives.submit()), lives.fail(lives.submit())

    one = browser.get(f"{LIST}{running.pk}/delete/", follow=True)
    several = act(browser, "delete_selected", running, failed)
    alone = act(browser, "delete_selected", running)

    refusal = "It cannot be deleted: it is downloading. Cancel it first."
    assert refusal in text_of(one)
    assert "Are you sure" not in text_of(one)
    assert f"Download {running}: {refusal}" in text_of(several)
    assert f"{failed}: its row" in text_of(several)
    assert f"{running}: its row" not in text_of(several)
    assert "Are you sure" not in text_of(alone)


def test_staff_set_the_speed_limit_of_others(browser: Client, user: User) -> None:
    place = "/admin/downloads/preferences/add/"

    browser.post(place, {"user": user.pk, "rate_limit": 500_000})

    assert Preferences.objects.get(user=user).rate_limit == 500_000


def test_deleting_many_deletes_those_that_can_be(browser: Client) -> None:
    running, failed = lives.start(lives.submit()), lives.fail(lives.submit())
    asked = act(browser, "delete_selected", running, failed)

    response = act(browser, "delete_selected", running, failed, post="yes")

    assert "Are you sure" in text_of(asked)
    assert "1 deleted." in text_of(response)
    assert f"Download {running}: It cannot be deleted: it is downloading." in text_of(response)
    assert [download.pk for download in Download.objects.all()] == [running.pk]
    assert LogEntry.objects.get().object_id == str(failed.pk)


def test_many_are_cancelled_and_those_that_cannot_be_are_named(
    browser: Client, staff: User
) -> None:
    failed, waiting = lives.fail(lives.submit()), lives.submit()

    page = text_of(act(browser, "cancel_selected", waiting, failed))

    waiting.refresh_from_db()
    assert waiting.outcome == "cancelled"
    assert waiting.transitions.filter(actor=f"user:{staff.username}").exists()
    assert "1 cancelled or asked to stop." in page
    assert f"Download {failed}: " in page


def test_many_are_tried_again(browser: Client) -> None:
    failed = lives.fail(lives.submit())

    page = text_of(act(browser, "retry_selected", failed))

    failed.refresh_from_db()
    assert failed.state == "created"
    assert "1 will be tried again." in page


@pytest.mark.parametrize("action", ["cancel_selected", "retry_selected"])
def test_who_may_only_look_is_offered_no_action(clerk: Client, action: str) -> None:
    download = lives.submit()

    act(clerk, action, download)

    download.refresh_from_db()
    assert download.state == "created"
    assert action not in clerk.get(LIST).content.decode()


def test_deleting_needs_the_permission(clerk: Client) -> None:
    download = lives.fail(lives.submit())

    assert clerk.post(f"{LIST}{download.pk}/delete/", {"post": "yes"}).status_code == 403
    act(clerk, "delete_selected", download, post="yes")

    assert Download.objects.exists()


# Cleaning up.


def test_the_action_shows_what_would_be_removed(browser: Client) -> None:
    download = lives.fail(lives.submit())

    page = act(browser, "clean_up", download)

    assert str(directory_of(download)) in text_of(page)
    assert "1.0 KiB" in text_of(page)
    assert "Clean up 1 download" in text_of(page)
    assert directory_of(download).exists()


def test_confirming_cleans_up_and_says_so(browser: Client, staff: User) -> None:
    failed, completed = lives.fail(lives.submit()), lives.complete(lives.submit())
    directories = [directory_of(failed), directory_of(completed)]

    response = confirm(browser, failed.correlation_id, completed.correlation_id)

    assert f"2 cleaned: {failed} , {completed}" in text_of(response)
    assert f'<a href="{LIST}{failed.pk}/change/">{failed}</a>' in response.content.decode()
    assert "skipped" not in text_of(response)
    assert not any(directory.exists() for directory in directories)
    assert {download.state for download in Download.objects.all()} == {"cleaned"}
    assert Transition.objects.filter(to_state="cleaned", actor="user:stefan").count() == 2
    entries = LogEntry.objects.filter(user=staff, action_flag=CHANGE)
    assert {entry.object_repr for entry in entries} == {str(failed), str(completed)}
    assert "1.0 KiB freed" in entries[0].change_message


def test_the_list_is_as_it_was_when_the_clean_up_is_done(browser: Client) -> None:
    download = lives.fail(lives.submit())
    filtered = f"{LIST}?state__exact=failed&q=example"
    ticked = {"action": "clean_up", "_selected_action": [download.pk]}

    asked = browser.post(filtered, ticked).content.decode()
    action = re.search(r'<form method="post" action="([^"]+)"', asked)
    back = re.search(r'<a href="([^"]+)" class="closelink"', asked)
    assert action
    assert back
    done = browser.post(
        unescape(action[1]), {"selected": download.correlation_id, "count": "1", "confirm": ""}
    )

    assert unescape(back[1]) == done.headers["Location"] == filtered


def test_published_files_stay(browser: Client) -> None:
    download = lives.complete(lives.submit())

    confirm(browser, download.correlation_id)

    assert (settings.VNSITE.media_root / download.library_path / "clip.mp4").exists()


def test_waiting_and_running_downloads_are_skipped_with_their_state(browser: Client) -> None:
    running, waiting = lives.start(lives.submit()), lives.submit()

    page = act(browser, "clean_up", running, waiting)
    response = confirm(browser, running.correlation_id, waiting.correlation_id)

    assert f"{running} It is downloading: cancel it first." in text_of(page)
    assert f"{waiting} It is created: cancel it first." in text_of(page)
    assert 'name="confirm"' not in page.content.decode()
    assert f"1 skipped. It is downloading: cancel it first. {running}" in text_of(response)
    assert f"1 skipped. It is created: cancel it first. {waiting}" in text_of(response)
    assert directory_of(running).exists()


def test_cleaning_up_twice_finds_nothing_to_do(browser: Client) -> None:
    download = lives.fail(lives.submit())
    confirm(browser, download.correlation_id)

    page = act(browser, "clean_up", download)
    response = confirm(browser, download.correlation_id)

    assert "It is clean already." in text_of(page)
    assert 'name="confirm"' not in page.content.decode()
    assert f"0 to clean. 1 skipped. It is clean already. {download}" in text_of(response)
    assert Transition.objects.filter(to_state="cleaned").count() == 1


def test_an_id_counts_once(browser: Client) -> None:
    download = lives.fail(lives.submit())

    response = confirm(browser, download.correlation_id, download.correlation_id)

    assert f"1 cleaned: {download}" in text_of(response)


@pytest.mark.parametrize("typed", ["", "1", "3", "two"])
def test_another_number_than_that_of_the_plan_cleans_nothing(browser: Client, typed: str) -> None:
    downloads = [lives.fail(lives.submit()) for _ in range(2)]

    page = confirm(browser, *(each.correlation_id for each in downloads), count=typed)

    assert page.status_code == 422
    assert all(directory_of(each).exists() for each in downloads)
    assert "Clean up 2 downloads" in text_of(page)


def test_a_long_list_is_shown_in_part_and_counted_whole(browser: Client) -> None:
    downloads = [lives.fail(lives.submit()) for _ in range(22)]

    asked = act(browser, "clean_up", *downloads)
    done = confirm(browser, *(each.correlation_id for each in downloads))

    assert sum(str(directory_of(each)) in text_of(asked) for each in downloads) == 20
    assert "and 2 more 22 downloads 22 21 KiB" in text_of(asked)
    assert "22 cleaned: " in text_of(done)
    assert "and 2 more" in text_of(done)


def test_ids_that_were_typed_are_shown_before_anything_is_done(browser: Client) -> None:
    ticked, typed = lives.fail(lives.submit()), lives.fail(lives.submit())

    page = confirm(browser, ticked.correlation_id, further=f"{typed.correlation_id}, 000000000000")

    assert "Clean up 2 downloads" in text_of(page)
    assert "000000000000 There is no such download." in text_of(page)
    assert directory_of(ticked).exists()
    hidden = f'value="{ticked.correlation_id} {typed.correlation_id} 000000000000"'
    assert hidden in page.content.decode()


@pytest.mark.parametrize(
    "further", ["*", "../x", "a_b", "a b/../c", "x" * 65, "ü", "[ab]", "%2e", "<b>"]
)
def test_a_malformed_id_is_said_and_nothing_is_done(browser: Client, further: str) -> None:
    download = lives.fail(lives.submit())

    page = confirm(browser, download.correlation_id, further=further)

    assert page.status_code == 422
    assert "is not a correlation id" in text_of(page)
    assert "Clean up 1 download" in text_of(page)  # the selection is kept
    assert directory_of(download).exists()


def test_a_nul_is_said_and_nothing_is_done(browser: Client) -> None:
    page = confirm(browser, further="a\0b")

    assert page.status_code == 422
    assert "Null characters are not allowed." in text_of(page)


def test_a_tampered_selection_is_refused(browser: Client) -> None:
    page = confirm(browser, "../../etc")

    assert page.status_code == 422
    assert "is not a correlation id" in text_of(page)


def test_the_page_opens_without_a_selection(browser: Client) -> None:
    assert CLEAN_UP in browser.get(LIST).content.decode()
    assert "0 to clean." in text_of(browser.get(CLEAN_UP))


def test_a_directory_that_cannot_be_removed_does_not_stop_the_others(browser: Client) -> None:
    stuck, other = lives.fail(lives.submit()), lives.fail(lives.submit())
    directory = directory_of(stuck)
    directory.rename(directory.with_name("elsewhere"))
    directory.write_text("a file where the directory was")

    response = confirm(browser, stuck.correlation_id, other.correlation_id)

    assert f"1 cleaned: {other}" in text_of(response)
    told = f"1 failed, its directory cannot be removed (Not a directory): {stuck}"
    assert told in text_of(response)


def test_cleaning_up_needs_its_permission(clerk: Client) -> None:
    download = lives.fail(lives.submit())

    assert CLEAN_UP not in clerk.get(LIST).content.decode()
    assert clerk.get(CLEAN_UP).status_code == 403
    assert confirm(clerk, download.correlation_id).status_code == 403
    assert directory_of(download).exists()


def test_cleaning_up_needs_the_csrf_token(staff: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(staff)

    assert confirm(browser, "000000000000").status_code == 403


def test_our_pages_have_no_inline_script_or_style(browser: Client) -> None:
    page = act(browser, "clean_up", lives.fail(lives.submit())).content.decode()

    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=", page)


# The library

ENTRIES = "/admin/downloads/libraryentry/"


def test_entries_are_listed_with_their_downloads_or_without(browser: Client) -> None:
    kept, forgotten = lives.complete(lives.submit()), lives.complete(lives.submit())
    actions.forget(forgotten)

    page = browser.get(ENTRIES)

    assert kept.library_path in text_of(page)
    assert forgotten.library_path in text_of(page)


def test_an_entry_cannot_be_changed(browser: Client) -> None:
    entry = lives.complete(lives.submit()).files.get().entry

    response = browser.post(f"{ENTRIES}{entry.pk}/change/", {"title": "other"})

    assert response.status_code == 403


@pytest.mark.parametrize("by", ["page", "action"])
def test_deleting_an_entry_deletes_its_files(browser: Client, by: str) -> None:
    entry = lives.complete(lives.submit()).files.get().entry
    directory = settings.VNSITE.media_root / entry.path

    if by == "page":
        browser.post(f"{ENTRIES}{entry.pk}/delete/", {"post": "yes"})
    else:
        chosen = {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"}
        browser.post(ENTRIES, chosen)

    assert not directory.exists()
    assert not LibraryEntry.objects.exists()
    assert Download.objects.get().state == "completed"


def test_cookies_are_shown_by_their_names_alone_and_can_be_deleted(
    browser: Client, user: User
) -> None:
    secret = Cookie(domain="example.org", path="/", name="session", value="canary-of-a-cookie")
    row = SiteCookies.objects.paste(user, "example.org", [secret])
    place = "/admin/downloads/sitecookies/"

    pages = [text_of(browser.get(path)) for path in (place, f"{place}{row.pk}/change/")]
    browser.post(f"{place}{row.pk}/delete/", {"post": "yes"})

    assert "session (example.org)" in pages[1]
    assert "canary" not in "".join(pages)
    assert bytes(row.sealed).hex()[:20] not in "".join(pages)
    assert not SiteCookies.objects.exists()


def test_presets_are_listed_in_words_and_can_be_deleted(browser: Client, user: User) -> None:
    download = lives.submit(user, quality="720p")
    preset = save(user, "TV", quality="720p")
    save(user, "Newer")
    Preset.objects.filter(name="Newer").update(options={"holograms": True})
    place = "/admin/downloads/preset/"

    page = text_of(browser.get(f"{place}?q=ursula"))
    browser.post(f"{place}{preset.pk}/delete/", {"post": "yes"})

    assert DownloadOptions(quality="720p").summary in page
    assert "holograms: unknown option" in page
    assert [each.name for each in Preset.objects.all()] == ["Newer"]
    assert Download.objects.get().options == download.options
