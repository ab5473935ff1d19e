"""Saved views in the API."""

import pytest
from django.contrib.auth.models import User

from tests.api.test_api import Caller, fields_of

pytestmark = pytest.mark.django_db

WISH = {"name": "Films", "state": "failed", "q": "host:example.org", "sort": "oldest"}
SHOWN = {"key": "films", **WISH}


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def test_a_view_is_saved_listed_changed_and_removed(caller: Caller) -> None:
    saved = caller.post("/views", WISH)
    assert (saved.status_code, saved.json()) == (201, SHOWN)
    assert caller.get("/views").json() == {"items": [SHOWN]}

    changed = caller.put("/views/FILMS", {"name": "New films", "q": "after:7d"})
    assert changed.json() == {
        **{"key": "new films", "name": "New films"},
        **{"state": "all", "q": "after:7d", "sort": "now"},
    }

    assert caller.delete("/views/new films").status_code == 204
    assert caller.delete("/views/new films").json() == {
        "detail": "You have no view named “new films”."
    }


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "films"}, "name"),
        ({"state": "created"}, "state"),
        ({"q": "state:nonsense"}, "q"),
        ({"sort": "size"}, "sort"),
        ({"after": "1"}, "after"),
    ],
)
def test_a_refusal_names_the_field(wish: dict[str, str], field: str, caller: Caller) -> None:
    caller.post("/views", WISH)

    answer = caller.post("/views", {**WISH, "name": "Other", **wish})

    assert answer.status_code == 422
    assert fields_of(answer) == [field]


def test_nobody_reads_or_writes_those_of_another(caller: Caller, staff: User) -> None:
    Caller(staff).post("/views", WISH)

    assert caller.get("/views").json() == {"items": []}
    assert caller.put("/views/Films", WISH).status_code == 404
    assert caller.delete("/views/Films").status_code == 404
