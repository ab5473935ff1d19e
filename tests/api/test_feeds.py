"""Podcast feeds in the API: made, listed and revoked; each user's own."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.library.models import MAX_FEEDS, Feed
from downloads.rules.options import DownloadOptions
from downloads.subscriptions.models import Subscription
from tests.api.test_api import Caller, fields_of
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def a_subscription(owner: User) -> Subscription:
    subscription = Subscription(owner=owner, url="https://example.org/channel", name="A channel")
    subscription.store(options=DownloadOptions())
    return subscription


def test_a_feed_is_made_listed_read_and_revoked(caller: Caller) -> None:
    made = caller.post("/feeds", {"query": "talk", "uploader": "Ada", "kind": "video"})
    feed = made.json()

    assert made.status_code == 201
    assert (
        feed.items()
        >= {
            **{"title": "talk · video · Ada", "subscription": None, "list": None},
            **{"query": "talk", "uploader": "Ada", "kind": "video", "site": ""},
        }.items()
    )
    assert caller.get("/feeds").json() == {"items": [feed]}
    assert feed["url"].startswith("http://testserver/feeds/")
    assert Client().get(feed["url"]).status_code == 200

    assert caller.delete(f"/feeds/{feed['id']}").status_code == 204
    assert Client().get(feed["url"]).status_code == 404
    assert caller.delete(f"/feeds/{feed['id']}").json() == {"detail": "There is no such feed."}


def test_of_a_subscription_and_of_a_list(caller: Caller, user: User) -> None:
    subscription = a_subscription(user)
    listing = lives.list_up(lives.submit(user)).download

    of_subscription = caller.post("/feeds", {"subscription": subscription.pk}).json()
    of_list = caller.post("/feeds", {"list": listing.correlation_id}).json()

    assert (
        of_subscription.items()
        >= {
            **{"subscription": subscription.pk, "list": None, "query": None, "title": "A channel"}
        }.items()
    )
    assert (
        of_list.items()
        >= {**{"subscription": None, "list": listing.correlation_id, "query": None}}.items()
    )


def test_each_has_an_address_of_its_own(caller: Caller) -> None:
    first = caller.post("/feeds", {"query": ""}).json()
    second = caller.post("/feeds", {"query": ""}).json()

    assert first["title"] == second["title"] == "vnsite"
    assert first["url"] != second["url"]
    assert [each["id"] for each in caller.get("/feeds").json()["items"]] == [
        second["id"],
        first["id"],
    ]


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "body"),
        ({"query": "", "subscription": 1}, "body"),
        ({"list": " "}, "body"),
        ({"query": "a\0b"}, "query"),
        ({"query": "x" * 501}, "query"),
        ({"subscription": 0}, "subscription"),
        ({"query": "", "kind": "smell"}, "kind"),
        ({"query": "", "colour": "red"}, "colour"),
    ],
)
def test_a_refusal_names_the_field(caller: Caller, wish: dict[str, Any], field: str) -> None:
    answer = caller.post("/feeds", wish)

    assert answer.status_code == 422
    assert fields_of(answer) == [field]


def test_of_what_is_foreign_there_is_none(caller: Caller, user: User, staff: User) -> None:
    theirs = a_subscription(staff)
    listing = lives.list_up(lives.submit(staff)).download
    video = lives.submit(user)
    foreign = Caller(staff).post("/feeds", {"query": ""}).json()

    assert caller.post("/feeds", {"subscription": theirs.pk}).status_code == 404
    assert caller.post("/feeds", {"list": listing.correlation_id}).status_code == 404
    assert caller.post("/feeds", {"list": video.correlation_id}).status_code == 404
    assert caller.get("/feeds").json() == {"items": []}
    for number in (foreign["id"], 0, 2**70):
        assert caller.delete(f"/feeds/{number}").status_code == 404
    assert Feed.objects.count() == 1


def test_there_are_so_many_and_no_more(caller: Caller, user: User) -> None:
    rows = [Feed(owner=user, digest=str(number), sealed=b"") for number in range(MAX_FEEDS)]
    Feed.objects.bulk_create(rows)

    refused = caller.post("/feeds", {"query": ""})

    assert (refused.status_code, refused.json()) == (
        409,
        {"detail": "You have 200 feeds. Revoke one first."},
    )
    # Their addresses cannot be read, as after a change of the secret key.
    assert caller.get("/feeds").json()["items"][0]["url"] is None
