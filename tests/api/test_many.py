"""Many downloads at once, and the queue, in the JSON API."""

from typing import Any

import pytest
from django.contrib.auth.models import User

from downloads.models import Download, Queue
from tests.api.test_api import Caller
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

NOTHING = {"done": 0, "asked": 0, "refused": {}, "reason": "", "left": 0}


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def act(caller: Caller, action: str, **which: Any) -> Any:
    answer = caller.post("/downloads/many", {"action": action, **which})
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_those_that_are_named_are_cancelled_and_the_rest_counted(
    caller: Caller, user: User, staff: User
) -> None:
    ended = lives.fail(lives.submit(user))
    running = lives.start(lives.submit(user))
    waiting, foreign = lives.submit(user), lives.submit(staff)
    ids = [each.correlation_id for each in (ended, running, waiting, foreign)]

    done = act(caller, "cancel", ids=[*ids, "gone", ids[0]])

    assert done == {**NOTHING, "done": 2, "asked": 1, "refused": {"ended": 1, "gone": 2}}
    assert Download.objects.get(pk=foreign.pk).state == "created"


def test_of_all_that_match_those_are_meant_to_which_the_action_applies(
    caller: Caller, user: User
) -> None:
    for name in ("cat", "cat", "dog"):
        lives.submit(user, url=f"https://example.org/{name}/{next(lives.numbers)}")
    lives.fail(Download.objects.earliest("pk"))

    assert act(caller, "cancel", query={"q": "cat"}) == {**NOTHING, "done": 1}
    assert act(caller, "retry", query={"state": "failed"}) == {**NOTHING, "done": 1}
    assert Download.objects.filter(state="created").count() == 2


def test_a_deletion_leaves_the_published_files_unless_told_otherwise(
    caller: Caller, user: User
) -> None:
    first, second = lives.complete(lives.submit(user)), lives.complete(lives.submit(user))

    act(caller, "delete", ids=[first.correlation_id])
    act(caller, "delete", ids=[second.correlation_id], files=True)

    assert (first.entry.files.count(), second.entry.files.count()) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"action": "cancel"},
        {"action": "cancel", "ids": [], "query": {}},
        {"action": "burn", "ids": ["a"]},
        {"action": "cancel", "query": {"state": "burning"}},
        {"action": "cancel", "ids": ["\0"]},
        {"action": "delete", "query": {"q": "state:nonsense"}},
    ],
)
def test_what_makes_no_sense_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert caller.post("/downloads/many", body).status_code == 422


def test_one_is_paused_resumed_and_put_in_order(caller: Caller, user: User) -> None:
    first, second = lives.submit(user), lives.submit(user)
    path = f"/downloads/{second.correlation_id}"

    paused = caller.post(f"{path}/pause").json()
    assert (paused["waiting"]["why"], paused["waiting"]["since"]) == ("paused", paused["paused_at"])
    assert caller.post(f"{path}/resume").json()["paused_at"] is None
    for move, expected in (("first", second), ("down", first), ("up", second), ("last", first)):
        assert caller.post(f"{path}/{move}").status_code == 200
        assert Download.objects.claimable(first.created_at).first() == expected
    assert lives.claim_next(lives.make_worker()) == first


def test_what_runs_is_not_paused(caller: Caller, user: User) -> None:
    running = lives.start(lives.submit(user))

    answer = caller.post(f"/downloads/{running.correlation_id}/pause")

    assert (answer.status_code, answer.json()["state"]) == (409, "downloading")


def test_staff_pause_the_queue_and_everybody_is_told(caller: Caller, user: User) -> None:
    boss = Caller(User.objects.create_user("boss", is_staff=True))
    lives.submit(user)

    assert caller.post("/queue/pause").status_code == 403
    paused = boss.post("/queue/pause").json()

    seen = caller.get("/queue").json()
    assert seen == {**paused, "paused_by": "user:boss", "waiting": 1, "running": 0, "paused": 0}
    [item] = caller.get("/downloads").json()["items"]
    assert (item["waiting"]["why"], item["waiting"]["who"]) == ("queue_paused", "user:boss")
    assert boss.post("/queue/resume").json()["paused_at"] is None
    assert Queue.current().paused_at is None
