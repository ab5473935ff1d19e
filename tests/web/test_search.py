"""The search of the list, and the same language in the API."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads import actions, queueing
from downloads.accounts import tokens
from downloads.models import Download
from downloads.rules.errors import ErrorClass
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


@pytest.fixture
def browser(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def found(browser: Client, q: str, **more: str) -> set[str]:
    answer = browser.get("/", {"q": q, **more})
    return set(re.findall(r'data-row="([^"]+)"', answer.content.decode()))


@pytest.fixture
def some(staff: User, user: User) -> dict[str, Download]:
    """Downloads that differ in all that a search may ask for."""
    titled = lives.start(lives.submit(user, url="https://www.example.org/watch?v=1"))
    titled.note(title="Sunrise over the harbour")
    failed = lives.submit(staff, url="https://video.example.org/2")
    lives.fail(failed, ErrorClass.NETWORK)
    done = lives.complete(lives.submit(staff, url="https://clips.example/5"))
    actions.clean(done, actor="test")
    listing = lives.list_up(lives.submit(staff, url="https://clips.example/list"), lives.entry(1))
    port = lives.submit(staff, url="http://example.org:8000/3")
    queueing.pause(port, actor="test")
    other = lives.submit(staff, url="https://notexample.org/4")
    old = lives.submit(staff, url="https://clips.example/old")
    long_ago = timezone.now() - timedelta(days=30)
    Download.objects.filter(pk=old.pk).update(created_at=long_ago, batch="0a1b2c3d4e5f")
    names = {"titled": titled, "failed": failed, "port": port, "other": other, "done": done}
    return names | {"list": listing.download, "old": old}


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("harbour SUNRISE", {"titled"}),
        ('"sunrise over"', {"titled"}),
        ('"harbour sunrise"', set()),
        ("host:example.org", {"titled", "failed", "port"}),
        ("host:example.org:8000", {"port"}),
        ("-host:clips.example", {"titled", "failed", "port", "other"}),
        ("state:failed", {"failed"}),
        ("state:completed", {"done", "list"}),
        ("state:cleaned host:clips.example", {"done"}),
        ("state:waiting", {"port", "other", "old"}),
        ("state:running", {"titled"}),
        ("state:kept -is:list", {"failed"}),
        ("error:network", {"failed"}),
        ("-error:network host:example.org", {"titled", "port"}),
        ("before:7d", {"old"}),
        ("after:7d host:clips.example", {"done", "list"}),
        ("before:2000-01-01", set()),
        ("owner:URSULA", {"titled"}),
        ("batch:0a1b2c3d4e5f", {"old"}),
        ("is:paused", {"port"}),
        ("is:list", {"list"}),
        ("state:nonsense harbour", {"titled"}),
    ],
)
def test_what_a_search_finds(
    browser: Client, some: dict[str, Download], q: str, names: set[str]
) -> None:
    assert found(browser, q) == {some[name].correlation_id for name in names}


def test_an_id_is_found_by_its_beginning(browser: Client, some: dict[str, Download]) -> None:
    download = some["done"]

    assert download.correlation_id in found(browser, f"id:{download.correlation_id[:5].upper()}")


def test_each_part_is_a_link_that_takes_it_out(browser: Client, some: dict[str, Download]) -> None:
    answer = browser.get("/", {"q": 'host:example.org "over the"', "state": "active"})

    links = re.findall(r'class="chip[^"]*" href="([^"]+)"', answer.content.decode())
    shown = [set(re.findall(r'data-row="([^"]+)"', page)) for page in pages_of(browser, links)]
    assert [unescape(link) for link in links] == [
        "/?state=active&q=%22over+the%22",
        "/?state=active&q=host%3Aexample.org",
    ]
    assert shown == [{some["titled"].correlation_id}] * 2


def pages_of(browser: Client, links: list[str]) -> list[str]:
    return [browser.get(unescape(link)).content.decode() for link in links]


def test_a_part_that_makes_no_sense_is_named_and_stays_in_the_field(browser: Client) -> None:
    text = browser.get("/", {"q": "state:faild sun"}).content.decode()

    assert "does not know “faild”" in text
    assert 'value="state:faild sun"' in text


def test_nothing_is_done_to_all_that_match_what_makes_no_sense(
    browser: Client, some: dict[str, Download]
) -> None:
    wish = {"action": "cancel", "all": "1", "state": "all", "q": "state:faild"}

    answer = browser.post("/downloads/many", wish, follow=True)

    assert "does not know “faild”" in unescape(answer.content.decode())
    assert not Download.objects.filter(outcome="cancelled").exists()


@pytest.fixture
def api(client: Client, staff: User) -> Callable[..., Any]:
    headers = {"Authorization": f"Bearer {tokens.issue(staff, name='test')}"}
    return lambda q: client.get("/api/v1/downloads", {"q": q}, headers=headers)


def test_the_api_takes_the_same_search(api: Callable[..., Any], some: dict[str, Download]) -> None:
    answer = api("host:example.org state:waiting").json()

    assert [each["correlation_id"] for each in answer["items"]] == [some["port"].correlation_id]


def test_the_api_refuses_what_makes_no_sense(api: Callable[..., Any]) -> None:
    answer = api("after:yesterday")

    assert answer.status_code == 422
    assert "yesterday" in str(answer.json()["errors"])
