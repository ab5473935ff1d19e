"""Many downloads at once, and the queue, as a browser without JavaScript and our script ask."""

import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from downloads import queueing
from downloads.models import Deletion, Download, LibraryEntry, Queue
from tests.helpers import lives
from tests.web.test_views import SCRIPT, path_of, row_of, text_of, words_of

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
def boss(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def act(browser: Client, action: str, *downloads: Download, **more: Any) -> Any:
    ids = [each.correlation_id for each in downloads]
    data = {"action": action, "ids": ids, **more}
    return browser.post("/downloads/many", data, follow=True)


def confirm(browser: Client, question: Any, **more: str) -> Any:
    """Press the button of a question, with the fields that are hidden in it."""
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', text_of(question))
    return browser.post("/downloads/many", {**dict(hidden), **more}, follow=True)


# The selection.


def test_each_outcome_is_said(browser: Client, user: User) -> None:
    ended = [lives.fail(lives.submit(user)) for _ in range(2)]
    running = lives.start(lives.submit(user))
    waiting = [lives.submit(user) for _ in range(3)]

    answer = act(browser, "cancel", *ended, running, *waiting, next="/?state=failed")

    said = "3 downloads cancelled. 1 running download is being stopped. 2 had ended already."
    assert said in words_of(answer)
    assert answer.redirect_chain == [("/?state=failed", 302)]


def test_a_script_gets_the_sentence_alone(browser: Client, user: User) -> None:
    waiting = lives.submit(user)
    data = {"action": "pause", "ids": waiting.correlation_id}

    answer = browser.post("/downloads/many", data, headers=SCRIPT)

    assert (answer.status_code, text_of(answer)) == (200, "1 download paused.")
    assert answer["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"action": "cancel"}, "No download is selected."),
        ({"action": "burn", "ids": "a"}, "Choose what to do with the selected downloads."),
        ({"action": "delete", "all": "1", "state": "no such"}, "There is no such filter."),
        ({"action": "cancel", "all": "1", "q": "state:nonsense"}, "nonsense"),
        ({"action": "cancel", "ids": "a\0"}, "1 does not exist any more."),
    ],
)
def test_what_is_not_clear_changes_nothing_and_is_said(
    browser: Client, user: User, data: dict[str, str], said: str
) -> None:
    lives.submit(user)

    answer = browser.post("/downloads/many", data, follow=True)

    assert said in words_of(answer)
    assert Download.objects.get().state == "created"


def test_nobody_acts_on_downloads_of_others(browser: Client, staff: User) -> None:
    foreign = lives.submit(staff)

    answer = act(browser, "cancel", foreign)

    assert "1 does not exist any more." in words_of(answer)
    assert Download.objects.get().state == "created"


def test_all_that_match_filter_and_search_are_meant(browser: Client, user: User) -> None:
    cats = [lives.submit(user, url=f"https://example.org/cat/{number}") for number in range(3)]
    other = lives.submit(user)
    query = {"all": "1", "state": "waiting", "q": "cat"}

    assert text_of(browser.get("/downloads/many", query)) == "3"
    answer = act(browser, "cancel", other, **query)

    assert "3 downloads cancelled." in words_of(answer)
    assert list(Download.objects.filter(state="created")) == [other]
    assert all(Download.objects.get(pk=cat.pk).outcome == "cancelled" for cat in cats)


def test_the_menu_retries_all_failed_and_cancels_all_waiting(browser: Client, user: User) -> None:
    lives.fail(lives.submit(user))
    lives.submit(user)

    words = words_of(browser.get("/"))
    assert "Retry all failed 1" in words
    assert "Cancel all waiting 1" in words
    answer = act(browser, "cancel", all="1", state="waiting")
    assert "1 download cancelled." in words_of(answer)
    assert "1 download will be tried again." in words_of(
        act(browser, "retry", all="1", state="failed")
    )


def test_the_links_of_the_selected_are_shown_to_be_copied(browser: Client, user: User) -> None:
    first, second = lives.submit(user), lives.submit(user)

    answer = act(browser, "links", first, second)

    assert f"{first.url}\n{second.url}</textarea>" in text_of(answer)


# Questions.


def test_a_deletion_says_what_goes_before_it_does(browser: Client, user: User) -> None:
    completed = [lives.complete(lives.submit(user)) for _ in range(2)]
    running = lives.start(lives.submit(user))

    question = act(browser, "delete", *completed, running)

    words = words_of(question)
    assert "Delete 2 downloads?" in words
    assert f"2.0 KiB of temp files are removed from {settings.VNSITE.temp_root}" in words
    assert "Delete 2 files (10 B) from the library as well" in words
    assert str(settings.VNSITE.media_root) in words
    assert "1 is running: cancel it first." in words
    assert Download.objects.count() == 3


def test_a_deletion_leaves_files_that_can_be_found(browser: Client, user: User) -> None:
    completed = lives.complete(lives.submit(user))

    answer = confirm(browser, act(browser, "delete", completed))

    assert "1 download deleted." in words_of(answer)
    assert not Download.objects.exists()
    assert LibraryEntry.objects.get().owner == user
    file = browser.get(f"/media/{completed.correlation_id}/clip.mp4")
    assert (file.status_code, file["Content-Length"]) == (200, "5")
    file.close()


def test_whoever_deletes_one_is_told_that_its_files_stay(browser: Client, user: User) -> None:
    kept, removed = lives.complete(lives.submit(user)), lives.complete(lives.submit(user))

    answer = browser.post(path_of(kept, "delete"), follow=True)
    other = browser.post(path_of(removed, "delete"), {"with_files": "on"}, follow=True)

    assert "Its files stay in the library." in words_of(answer)
    assert "stay in the library" not in words_of(other)


def test_with_the_tick_the_files_go_as_well(browser: Client, user: User) -> None:
    completed = lives.complete(lives.submit(user))

    confirm(browser, act(browser, "delete", completed), with_files="on")

    assert not LibraryEntry.objects.exists()
    assert not (settings.VNSITE.media_root / completed.library_path).exists()


def test_what_is_confirmed_is_what_was_shown(browser: Client, user: User) -> None:
    lives.fail(lives.submit(user))
    question = act(browser, "delete", all="1", state="ended")
    later = lives.fail(lives.submit(user))

    answer = confirm(browser, question)

    assert "1 download deleted." in words_of(answer)
    assert list(Download.objects.all()) == [later]


def test_a_clean_up_asks_and_keeps_the_history(browser: Client, user: User) -> None:
    failed = lives.fail(lives.submit(user))

    question = act(browser, "cleanup", failed)
    answer = confirm(browser, question)

    assert "Clean up 1 download?" in words_of(question)
    assert "The history and the files in the library stay." in words_of(question)
    assert "1 download cleaned up." in words_of(answer)
    assert Download.objects.get().state == "cleaned"


def test_a_clean_up_asks_only_about_what_has_temp_files(browser: Client, user: User) -> None:
    clean = lives.fail(lives.submit(user))
    confirm(browser, act(browser, "cleanup", clean))
    failed, waiting = lives.fail(lives.submit(user)), lives.submit(user)

    question = words_of(act(browser, "cleanup", clean, waiting, failed))

    assert "Clean up 1 download?" in question
    assert "1 had no temp files left." in question
    assert "1 is waiting: nothing was done to it." in question


def test_a_script_gets_the_question_without_a_page(browser: Client, user: User) -> None:
    failed = lives.fail(lives.submit(user))
    data = {"action": "delete", "ids": failed.correlation_id}

    answer = browser.post("/downloads/many", data, headers=SCRIPT)

    assert text_of(answer).lstrip().startswith("<form")


def test_deleting_one_asks_and_a_running_one_is_refused_at_once(
    browser: Client, user: User
) -> None:
    failed = lives.fail(lives.submit(user))
    running = lives.start(lives.submit(user))

    assert "Delete 1 download?" in words_of(browser.get(path_of(failed, "delete")))
    answer = browser.get(path_of(running, "delete"), follow=True)

    assert "1 is running: cancel it first." in words_of(answer)


def test_a_deletion_is_an_event_of_its_owner(browser: Client, user: User) -> None:
    failed = lives.fail(lives.submit(user))

    confirm(browser, act(browser, "delete", failed))

    deletion = Deletion.objects.get()
    assert (deletion.correlation_id, deletion.owner) == (failed.correlation_id, user)


# The queue.


def test_staff_pause_the_queue_and_everybody_sees_who_did(
    browser: Client, boss: Client, user: User
) -> None:
    waiting = lives.submit(user)

    assert browser.post("/queue/pause").status_code == 403
    page = boss.post("/queue/pause", follow=True)

    assert "The queue is paused by stefan since" in words_of(page)
    assert text_of(page).count('formaction="/queue/resume"') == 1
    seen = browser.get("/")
    assert "The queue is paused by stefan since" in words_of(seen)
    assert "/queue/resume" not in text_of(seen)
    assert "The queue is paused" in row_of(seen, waiting)
    assert 'data-queue="queue_paused"' in text_of(seen)


def test_the_queue_is_resumed(boss: Client) -> None:
    queueing.pause_queue(actor="user:ann")

    page = boss.post("/queue/resume", follow=True)

    assert "The queue is paused" not in words_of(page)
    assert Queue.current().paused_at is None


def test_one_is_paused_and_resumed_from_a_page(browser: Client, user: User) -> None:
    waiting = lives.submit(user)

    browser.post(path_of(waiting, "pause"))
    assert ">Paused<" in re.sub(r"\s", "", row_of(browser.get("/"), waiting))
    browser.post(path_of(waiting, "resume"))

    assert Download.objects.get().paused_at is None
