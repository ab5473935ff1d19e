"""Subscriptions in the API."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse

from downloads.models import Download
from downloads.rules.errors import ErrorClass
from downloads.subscriptions import checks
from downloads.subscriptions.models import Check, Subscription
from tests.api.test_api import Caller as Script
from tests.api.test_api import fields_of
from tests.helpers import following, lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

URL = "https://example.org/@somebody"
WISH = {
    "url": f"Look: {URL} !",
    "name": "Somebody",
    "preset": "podcast",
    "options": {"quality": "720p"},
    "interval_seconds": 3600,
    "first": "newest:5",
    "include": "/^ep/",
    "exclude": "trailer",
    "min_seconds": 60,
    "max_seconds": 7200,
    "since": "2026-01-01",
    "shorts": False,
    "live": True,
    "keep_last": 5,
    "keep_days": 30,
}
SAME = ("name", "preset", "interval_seconds", "first", "include", "exclude", "min_seconds")
SAME += ("max_seconds", "since", "shorts", "live", "keep_last", "keep_days")


class Caller(Script):
    def patch(self, path: str, **body: Any) -> HttpResponse:
        return self.client.patch(f"/api/v1{path}", body, "application/json")


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def test_a_subscription_is_made_as_it_is_wished(caller: Caller) -> None:
    answer = caller.post("/subscriptions", WISH)

    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in SAME} == {name: WISH[name] for name in SAME}
    assert made["url"] == URL
    assert made["options"]["audio"] == "mp3"  # of the preset
    assert made["options"]["quality"] == "720p"
    assert (made["paused"], made["checking"], made["failures"]) == (False, False, 0)
    assert made["next_check_at"] == made["created_at"]
    assert made["error"] is made["last_check"] is made["checked_at"] is None
    assert caller.get(f"/subscriptions/{made['id']}").json() == made
    assert caller.get("/subscriptions").json() == {"items": [made], "next": None}


def test_the_same_key_makes_one_subscription(caller: Caller) -> None:
    first = caller.post("/subscriptions", {"url": URL}, **{"Idempotency-Key": "k"})
    again = caller.post("/subscriptions", {"url": URL}, **{"Idempotency-Key": "k"})

    assert first.json() == again.json()
    assert Subscription.objects.count() == 1


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"url": "no link"}, "url"),
        ({"url": "http://127.0.0.1/feed"}, "url"),
        ({"interval_seconds": 60}, "interval_seconds"),
        ({"first": "some"}, "first"),
        ({"include": "/(/"}, "include"),
        ({"min_seconds": 9, "max_seconds": 8}, "max_seconds"),
        ({"preset": "nobody's"}, "preset"),
        ({"options": {"playlist": "all"}}, "options.playlist"),
        ({"options": {"quality": "1p"}}, "options.quality"),
        ({"since": "yesterday"}, "since"),
        ({"keep_last": 0}, "keep_last"),
        ({"name": "a\0b"}, "name"),
    ],
)
def test_a_refusal_names_the_field(caller: Caller, wish: dict[str, Any], field: str) -> None:
    answer = caller.post("/subscriptions", {"url": URL, **wish})

    assert answer.status_code == 422
    assert fields_of(answer) == [field]
    assert not Subscription.objects.exists()


def test_the_same_link_with_the_same_options_is_refused(caller: Caller) -> None:
    caller.post("/subscriptions", {"url": URL})

    assert fields_of(caller.post("/subscriptions", {"url": URL})) == ["url"]
    assert caller.post("/subscriptions", {"url": URL, "preset": "m4a"}).status_code == 201


def test_what_is_changed_is_changed_and_the_rest_stays(caller: Caller) -> None:
    made = caller.post("/subscriptions", WISH).json()

    changed = caller.patch(
        f"/subscriptions/{made['id']}",
        include="",
        since=None,
        keep_last=None,
        options={"quality": "360p"},
    ).json()

    options = {**made["options"], "quality": "360p"}
    assert changed == {**made, "include": "", "since": None, "keep_last": None, "options": options}


def test_a_paused_one_has_no_next_check_and_a_resumed_one_has(caller: Caller) -> None:
    made = caller.post("/subscriptions", {"url": URL}).json()
    path = f"/subscriptions/{made['id']}"

    paused = caller.patch(path, paused=True).json()
    assert (paused["paused"], paused["next_check_at"]) == (True, None)

    resumed = caller.patch(path, paused=False).json()
    assert resumed["paused"] is False
    assert resumed["next_check_at"]


def test_check_now_begins_one_check(caller: Caller) -> None:
    made = caller.post("/subscriptions", {"url": URL}).json()

    first = caller.post(f"/subscriptions/{made['id']}/check").json()
    again = caller.post(f"/subscriptions/{made['id']}/check").json()

    download = Download.objects.get()
    assert first == again
    assert (first["checking"], first["next_check_at"]) == (True, None)
    assert first["last_check"]["download"] == download.correlation_id
    assert first["last_check"]["ended_at"] is None
    assert download.priority == 0


def test_the_last_check_says_what_it_found(caller: Caller, user: User) -> None:
    subscription = following.subscribe(user, exclude="Video 2")
    following.check(subscription, lives.entry(1), lives.entry(2))

    [shown] = caller.get("/subscriptions").json()["items"]

    last = shown["last_check"]
    assert (last["listed"], last["added"], last["left"], last["error"]) == (2, 1, 1, None)
    assert shown["title"] == shown["name"] == "A list"


def test_a_failing_one_says_so(caller: Caller, user: User) -> None:
    subscription = following.subscribe(user)
    for _ in range(3):
        following.fail(subscription, ErrorClass.NETWORK)

    shown = caller.get(f"/subscriptions/{subscription.pk}").json()

    assert (shown["failures"], shown["needs_attention"]) == (3, True)
    assert shown["error"]["class"] == "network"
    assert shown["error"]["message"]
    assert shown["last_check"]["error"] == "network"


def test_deleting_keeps_what_was_fetched(caller: Caller, user: User) -> None:
    subscription = following.subscribe(user)
    following.check(subscription, lives.entry(1))

    assert caller.delete(f"/subscriptions/{subscription.pk}").status_code == 204

    assert not Subscription.objects.exists()
    assert Download.objects.filter(url=lives.entry(1).url).exists()
    gone = caller.get(f"/subscriptions/{subscription.pk}")
    assert (gone.status_code, gone.json()) == (404, {"detail": "There is no such subscription."})


def test_pages_follow_each_other(caller: Caller, user: User) -> None:
    made = [following.subscribe(user).pk for _ in range(3)]

    first = caller.get("/subscriptions", limit=2).json()
    second = caller.get("/subscriptions", limit=2, cursor=first["next"]).json()

    assert [each["id"] for each in first["items"] + second["items"]] == made[::-1]
    assert second["next"] is None


def test_a_list_costs_as_many_queries_for_many_as_for_one(
    caller: Caller, user: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(10):
        checks.begin(following.subscribe(user))

    with django_assert_max_num_queries(6):
        caller.get("/subscriptions")


# Preview


def test_a_preview_reads_the_list_once_and_says_what_would_be_fetched(caller: Caller) -> None:
    wish = {"url": URL, "exclude": "Video 2", "first": "newest:2"}
    first = caller.post("/subscriptions/preview", wish).json()
    assert first == {
        **{"download": Download.objects.get().correlation_id, "state": "created"},
        **{"listed": None, "lists": 0, "would_fetch": None, "items": []},
    }

    lives.list_up(Download.objects.get(), *map(lives.entry, (4, 3, 2, 1)))
    seen = caller.post("/subscriptions/preview", wish).json()

    assert (seen["listed"], seen["would_fetch"]) == (4, 2)
    assert [each["title"] for each in seen["items"]] == ["Video 4", "Video 3"]
    assert Download.objects.count() == 1
    assert not Subscription.objects.exists()
    assert not Check.objects.exists()


def test_a_preview_fetches_nothing_of_a_link_of_one_video(caller: Caller) -> None:
    caller.post("/subscriptions/preview", {"url": URL})

    assert Download.objects.get().options["check"] is True


# Whose


def test_nobody_sees_or_touches_those_of_another(user: User, caller: Caller) -> None:
    path = f"/subscriptions/{following.subscribe(user).pk}"
    stranger = Caller(User.objects.create_user("stranger"))

    assert stranger.get("/subscriptions").json()["items"] == []
    assert stranger.get(path).status_code == 404
    assert stranger.patch(path, name="mine").status_code == 404
    assert stranger.post(f"{path}/check").status_code == 404
    assert stranger.delete(path).status_code == 404
    assert Subscription.objects.get().name == ""


def test_staff_see_all(user: User, staff: User) -> None:
    following.subscribe(user)

    [shown] = Caller(staff).get("/subscriptions").json()["items"]

    assert shown["owner"] == "ursula"
