"""The history of a download on its page: attempts, who, warnings, the way back."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads import actions
from downloads.models import Download, retention
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Reason, State
from downloads.web.actors import actor_in_words, workers_among
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page_of(client: Client, download: Download, query: str = "") -> str:
    return client.get(f"/downloads/{download.correlation_id}/{query}").content.decode()


def attempts_in(page: str) -> list[tuple[bool, str]]:
    """Whether each attempt is open, and its summary; the newest first."""
    found = re.findall(r'<details class="attempt"( open)?>\s*<summary>(.*?)</summary>', page, re.S)
    return [
        (bool(opened), " · ".join(re.sub(r"<[^>]*>", " ", summary).split("</span>")[0].split()))
        for opened, summary in found
    ]


def fail_once(download: Download) -> None:
    lives.start(download).move(
        State.CREATED,
        actor="worker:vm-1-aaaa",
        reason=Reason.WILL_RETRY,
        error_class=ErrorClass.NETWORK,
        not_before=timezone.now() - timedelta(seconds=1),
    )


def test_attempts_have_a_line_each_and_the_failed_and_the_last_are_open(
    browser: Client, user: User
) -> None:
    download = lives.submit(user)
    fail_once(download)
    running = lives.start(download)
    running.move(
        State.CREATED, actor="test", reason=Reason.SHUTDOWN, uncounted=running.uncounted + 1
    )
    lives.start(download)

    page = page_of(browser, download)

    (last, last_line), (stopped, stopped_line), (failed, failed_line) = attempts_in(page)
    assert (last, stopped, failed) == (True, False, True)
    assert last_line.startswith("Attempt · 3 · Downloading")
    assert stopped_line.endswith("The · worker · was · stopped")
    assert failed_line.startswith("Attempt · 1 · Failed · 0.")
    assert failed_line.endswith("The · site · could · not · be · reached.")


def test_what_was_cancelled_before_it_began_has_no_attempt(browser: Client, user: User) -> None:
    download = actions.cancel(lives.submit(user), actor="user:ann")

    ((is_open, line),) = attempts_in(page_of(browser, download))

    assert (is_open, line) == (True, "Not · begun · Cancelled")


def test_only_what_went_wrong_or_was_left_out_is_a_warning(browser: Client, user: User) -> None:
    download = lives.submit(user)
    fail_once(download)
    warnings = [{"code": "not_compatible"}]
    lives.complete(download, data={"warnings": warnings})

    page = page_of(browser, download)

    warned = re.findall(r'<tr id="seq-\d+" class="warned">(.*?)</tr>', page, re.S)
    assert len(warned) == 2
    assert "The site has no H.264 and AAC." in warned[0]
    assert "Will be tried again" in warned[1]


def test_people_and_programs_are_named_as_people_know_them() -> None:
    actors = ["user:root", "worker:vm-18566-0991", "recovery:box-2-7-ffff", "worker:vm-18566-0991"]
    workers = workers_among(actors)

    named = [actor_in_words(actor, workers=workers) for actor in actors]

    assert named == ["root", "worker 1 (vm)", "worker 2 (box-2)", "worker 1 (vm)"]
    assert actor_in_words("command") == "the command line"
    assert actor_in_words("command:stop_and_keep") == "the command line"
    assert actor_in_words("worker:vm-18566-0991") == "worker (vm)"
    assert actor_in_words("manager") == "manager"


def test_the_steps_of_the_graph_lead_to_their_rows(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    page = page_of(browser, download)

    steps = re.findall(r'<a href="#seq-(\d+)"><svg', page)
    assert steps == [str(entry.seq) for entry in download.transitions.all()]
    assert page.count('aria-current="step"') == 1


def test_the_way_back_is_to_the_list_as_it_was_left(browser: Client, user: User) -> None:
    download = lives.fail(lives.submit(user))

    page = page_of(browser, download, "?from=state%3Dfailed%26after%3D12")
    here = f"/downloads/{download.correlation_id}/?from=state%3Dfailed%26after%3D12"
    deleted = browser.post(f"/downloads/{download.correlation_id}/delete", {"next": here})

    assert '<a href="/?state=failed&amp;after=12">' in page
    assert deleted["Location"] == "/?state=failed&after=12"


def test_the_list_that_a_reader_comes_from_is_remembered(browser: Client, user: User) -> None:
    address = f"/downloads/{lives.fail(lives.submit(user)).correlation_id}/"

    ours = browser.get(address, headers={"Referer": "http://testserver/?state=failed&q=a"})
    other = browser.get(address, headers={"Referer": "http://evil.example/?state=failed"})

    assert 'href="/?state=failed&amp;q=a"' in ours.content.decode()
    assert f'name="next" value="{address}?from=state%3Dfailed%26q%3Da"' in ours.content.decode()
    assert "state=failed" not in other.content.decode()


def test_the_way_back_leads_nowhere_else(browser: Client, user: User) -> None:
    page = page_of(browser, lives.submit(user), "?from=//evil.example/%22%3E%3Cscript%3E")

    assert "<script>" not in page
    assert 'href="//evil' not in page


def test_deleting_says_what_becomes_of_the_files(browser: Client, user: User) -> None:
    page = page_of(browser, lives.complete(lives.submit(user)))

    assert "The files stay in the library." in page
    assert "Remove 1 file (5 B) from the library as well" in page


def test_a_history_that_was_pruned_says_so_and_is_not_drawn_as_a_graph(
    browser: Client, user: User
) -> None:
    download = lives.complete(lives.submit(user))
    actions.clean(download, actor="test")
    whole = page_of(browser, download)

    retention.prune([download], days=30)

    page = page_of(browser, download)
    assert "Earlier history was removed" not in whole
    assert "Earlier history was removed after 30 days." in page
    assert attempts_in(page) == [(True, "Attempt · 1 · Cleaned")]
    assert 'class="step ' in whole
    assert 'class="step ' not in page
    assert re.search(r'id="part-graph"[^>]* hidden>', page)
