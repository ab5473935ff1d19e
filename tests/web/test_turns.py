"""Who waits because as many as may are running: pages, API and stream say so."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from downloads.accounts import tokens
from downloads.models import Download, Site, SiteStart
from downloads.rules.states import Reason, State
from downloads.stream.cursor import Cursor
from downloads.stream.frames import Stats
from tests.helpers import lives
from tests.models.test_fairness import claim, configured
from tests.web.test_views import words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

BATCH = "/api/v1/downloads/batch"


def browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def caller(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='test')}"})


def submit(owner: User | None, number: int = 1, *, host: str = "example.org") -> list[Download]:
    return [lives.submit(owner, url=f"https://{host}/{next(lives.numbers)}") for _ in range(number)]


@pytest.fixture
def one_each() -> Iterator[None]:
    """One download of each user may run."""
    with configured(user_running=1):
        yield


# Pages.


@pytest.mark.usefixtures("one_each")
def test_a_row_and_a_page_say_that_as_many_of_yours_run_as_may(user: User) -> None:
    _, waiting = submit(user, 2)
    browser = browser_of(user)
    assert "It starts when one ends" not in words_of(browser.get("/"))

    claim()

    said = "You have 1 running, the limit for you is 1. It starts when one ends"
    assert words_of(browser.get("/")).count(said) == 1
    page = words_of(browser.get(f"/downloads/{waiting.correlation_id}/"))
    assert f"{said}." in page


@pytest.mark.usefixtures("one_each")
def test_staff_see_whose_they_are(user: User, staff: User) -> None:
    submit(user, 2)
    submit(None, 2)
    claim()
    claim()

    words = words_of(browser_of(staff).get("/"))

    assert f"{user.get_username()} has 1 running, the limit is 1." in words
    assert "the command line has 1 running, the limit is 1." in words


def test_a_row_says_that_as_many_of_its_site_run_as_may(user: User) -> None:
    with configured(site_running=2):
        submit(user, 3, host="busy.example")
        submit(user, 1, host="fine.example")
        claim()
        claim()

        words = words_of(browser_of(user).get("/"))

    assert words.count("busy.example has 2 running, its limit is 2.") == 1
    assert "fine.example has" not in words


@pytest.mark.usefixtures("one_each")
def test_turns_cost_the_same_for_one_row_and_for_many(user: User, staff: User) -> None:
    submit(user, 2)
    claim()
    browser = browser_of(staff)
    browser.get("/")
    with CaptureQueriesContext(connection) as few:
        browser.get("/")
    submit(user, 20)

    with CaptureQueriesContext(connection) as many:
        browser.get("/")

    assert len(many) == len(few)


def test_without_limits_nobody_asks_who_runs(user: User) -> None:
    submit(user)

    with CaptureQueriesContext(connection) as queries:
        assert Stats.read().obstacles.owners() == {}

    assert not [each for each in queries if '"site" FROM' in each["sql"]]


# API.


@pytest.mark.usefixtures("one_each")
def test_the_api_says_for_what_a_download_waits(user: User) -> None:
    running, waiting = submit(user, 2)
    claim()
    ask = caller(user)

    detail = ask.get(f"/api/v1/downloads/{waiting.correlation_id}").json()
    [item, other] = ask.get("/api/v1/downloads").json()["items"]

    waits = detail["waiting"]
    assert (waits["why"], waits["running"], waits["limit"]) == ("user_limit", 1, 1)
    assert item["waiting"] == waits
    assert other["correlation_id"] == running.correlation_id
    assert other["waiting"] is None


def test_one_too_many_is_refused_with_field_and_reason(user: User) -> None:
    submit(user, 2)

    with configured(user_waiting=2):
        answer = caller(user).post(
            "/api/v1/downloads", {"url": "https://example.org/x"}, content_type="application/json"
        )

    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["field"] == "url"
    assert problem["reason"].startswith("You have 2 downloads queued (limit 2).")


def test_of_a_batch_what_fits_is_added_and_the_rest_are_errors(user: User) -> None:
    [there] = submit(user, 1)
    urls = ["https://example.org/a", there.url, "https://example.org/b", "https://example.org/c"]

    with configured(user_waiting=3):
        answer = caller(user).post(BATCH, {"urls": urls}, content_type="application/json")

    results = answer.json()["results"]
    assert [each["result"] for each in results] == ["created", "duplicate", "created", "error"]
    assert results[3]["reason"].startswith("At most 3 of your downloads may wait.")
    assert Download.objects.count() == 3


def test_the_form_adds_what_fits_and_keeps_the_rest(user: User) -> None:
    submit(user, 2)
    typed = "https://example.org/kept-1\nhttps://example.org/kept-2"

    with configured(user_waiting=3):
        answer = browser_of(user).post("/downloads/", {"urls": typed, "quality": "best"})

    words = words_of(answer)
    assert answer.status_code == 422
    assert "1 link stays in the box: You have 3 downloads queued (limit 3)." in words
    assert ">\nhttps://example.org/kept-2</textarea>" in answer.content.decode()
    assert Download.objects.count() == 3


def test_the_form_refuses_with_a_sentence_when_nothing_fits(user: User) -> None:
    submit(user, 3)

    with configured(user_waiting=3):
        answer = browser_of(user).post("/downloads/", {"urls": "https://example.org/kept"})

    assert answer.status_code == 422
    assert "You have 3 downloads queued (limit 3)." in words_of(answer)
    assert ">\nhttps://example.org/kept</textarea>" in answer.content.decode()


# The stream.


def told(event: bytes) -> Any:
    assert event.startswith(b"event: waiting\ndata: ")
    return json.loads(event.removeprefix(b"event: waiting\ndata: "))


NOTHING: dict[str, Any] = {"sites": {}, "owners": {}, "queue": "", "paused": []}


@pytest.mark.usefixtures("one_each")
def test_the_stream_says_who_waits_when_that_changes(user: User, staff: User) -> None:
    lives.make_worker()
    submit(user, 2)
    mine, all_of_them = Cursor(seq=0, owner_id=user.pk), Cursor(seq=0, owner_id=None)
    other = Cursor(seq=0, owner_id=staff.pk)
    assert told(mine.take_waiting(Stats.read())) == NOTHING
    assert told(other.take_waiting(Stats.read())) == NOTHING

    claimed = claim()
    stats = Stats.read()

    waits = {**NOTHING, "owners": {str(user.pk): "user_limit"}}
    assert told(mine.take_waiting(stats)) == waits
    assert told(all_of_them.take_waiting(stats)) == waits
    assert other.take_waiting(stats) == b""
    assert mine.take_waiting(Stats.read()) == b""
    assert claimed
    claimed.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    assert told(mine.take_waiting(Stats.read())) == NOTHING


def test_a_pause_of_a_site_is_said_by_row_page_api_and_stream(user: User, staff: User) -> None:
    Site.objects.set_limits("slow.example", pause_seconds=600)
    _, waiting = submit(user, 2, host="slow.example")
    claim()

    item = caller(user).get("/api/v1/downloads").json()["items"][0]
    stats = Stats.read()

    assert item["correlation_id"] == waiting.correlation_id
    assert (item["waiting"]["why"], item["waiting"]["site"]) == ("site_pause", "slow.example")
    until = datetime.fromisoformat(item["waiting"]["until"])
    end = SiteStart.objects.get(host="slow.example").started_at + timedelta(minutes=10)
    assert until == end.replace(microsecond=until.microsecond)
    word = f"site_pause {until:%FT%TZ}"
    assert told(stats.waiting_event_for(user.pk)) == {**NOTHING, "sites": {"slow.example": word}}
    assert told(stats.waiting_event_for(staff.pk)) == NOTHING
    browser, said = browser_of(user), "Pause between downloads of slow.example: next in"
    assert words_of(browser.get("/")).count(said) == 1
    page = browser.get(f"/downloads/{waiting.correlation_id}/")
    assert said in words_of(page)
    assert f'data-waiting="{word}"' in page.content.decode()


def test_a_site_at_its_own_limit_says_that_limit(user: User) -> None:
    Site.objects.set_limits("slow.example", running_limit=1)
    submit(user, 2, host="slow.example")
    claim()

    [waiting, _] = caller(user).get("/api/v1/downloads").json()["items"]

    assert waiting["waiting"]["why"] == "site_limit"
    assert (waiting["waiting"]["running"], waiting["waiting"]["limit"]) == (1, 1)


def test_nobody_is_told_of_a_site_that_they_want_nothing_of(user: User, staff: User) -> None:
    with configured(site_running=1):
        submit(user, 2, host="busy.example")
        submit(staff, 1, host="fine.example")
        claim()
        claim()

        stats = Stats.read()

    assert told(stats.waiting_event_for(user.pk)) == {
        **NOTHING,
        "sites": {"busy.example": "site_limit"},
    }
    assert told(stats.waiting_event_for(staff.pk)) == NOTHING
