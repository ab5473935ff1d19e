"""The library in the API: whose entries, what is said of one, its removal and the undo."""

import pytest
from django.contrib.auth.models import User
from pytest_django import DjangoAssertNumQueries

from downloads.library import removal
from downloads.library.models import Card, Removal
from tests.api.test_api import Caller
from tests.library.conftest import Shelve, shelve

__all__ = ["shelve"]  # the fixture

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

CHAPTERS = [{"start_time": 0, "title": "Intro"}, {"start_time": 30.5, "title": "End"}]


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


def titles(caller: Caller, query: str = "") -> list[str]:
    return [each["title"] for each in caller.get(f"/library{query}").json()["items"]]


def test_an_entry_says_what_is_known(caller: Caller, user: User, shelve: Shelve) -> None:
    about = {"description": "Of it", "tags": ["maths"], "chapters": CHAPTERS, "language": "en"}
    card = shelve(user, "A talk", about=about, uploader="Ada", duration=90, height=720, width=1280)

    entry = caller.get(f"/library/{card.pk}").json()

    assert entry["correlation_id"] == card.entry.correlation_id
    assert (entry["title"], entry["uploader"], entry["kind"]) == ("A talk", "Ada", "video")
    assert (entry["duration"], entry["height"], entry["size"]) == (90, 720, 5)
    assert (entry["description"], entry["tags"]) == ("Of it", ["maths"])
    assert entry["chapters"] == [{"start": 0, "title": "Intro"}, {"start": 30.5, "title": "End"}]
    assert [file["name"] for file in entry["files"]] == ["clip.mp4"]
    assert (entry["owner"], entry["download"], entry["missing"]) == ("ursula", True, False)


def test_a_list_is_searched_filtered_and_read_in_pages(
    caller: Caller, user: User, shelve: Shelve
) -> None:
    for number in range(3):
        shelve(user, f"Talk {number}", uploader="Ada" if number else "Bea")
    shelve(None, "Foreign")

    assert titles(caller) == ["Talk 2", "Talk 1", "Talk 0"]
    assert titles(caller, "?q=talk 1") == ["Talk 1"]
    assert titles(caller, "?uploader=Bea&kind=&sort=title") == ["Talk 0"]
    first = caller.get("/library?limit=2").json()
    second = caller.get(f"/library?limit=2&cursor={first['next']}").json()
    assert [each["title"] for each in second["items"]] == ["Talk 0"]
    assert second["next"] is None


def test_an_entry_without_its_download(caller: Caller, user: User, shelve: Shelve) -> None:
    card = shelve(user)
    assert card.entry.download
    card.entry.download.forget()

    entry = caller.get(f"/library/{card.pk}").json()

    assert (entry["download"], entry["thumbnail_url"], entry["title"]) == (False, None, "A talk")


def test_a_removal_and_its_undo(caller: Caller, user: User, shelve: Shelve) -> None:
    card = shelve(user)

    assert caller.delete(f"/library/{card.pk}").status_code == 204
    assert caller.get(f"/library/{card.pk}").status_code == 404
    assert Removal.objects.get().actor == "user:ursula"
    restored = caller.post(f"/library/{card.pk}/restore")

    assert (restored.status_code, restored.json()["id"]) == (200, card.pk)
    assert caller.post(f"/library/{card.pk}/restore").status_code == 200  # it is there


def test_an_undo_that_is_too_late(caller: Caller, user: User, shelve: Shelve) -> None:
    card = shelve(user)
    caller.delete(f"/library/{card.pk}")
    removal.empty(Removal.objects.all())

    answer = caller.post(f"/library/{card.pk}/restore")

    assert answer.status_code == 409
    assert answer.json() == {"detail": "It is too late: the files are gone."}


def test_a_position_is_kept_for_who_asks(
    caller: Caller, user: User, staff: User, shelve: Shelve
) -> None:
    card = shelve(user, duration=600)
    path = f"/library/{card.pk}"
    before = caller.get(path).json()

    answer = caller.put(f"{path}/position", {"seconds": 83.4})

    assert (before["position"], before["watched"]) == (None, False)
    assert (answer.status_code, answer.content) == (204, b"")
    assert caller.get(path).json()["position"] == 83
    assert Caller(staff).get(path).json()["position"] is None
    caller.put(f"{path}/position", {"seconds": 590, "duration": 1})
    (listed,) = caller.get("/library").json()["items"]
    assert (listed["position"], listed["watched"]) == (590, True)


def test_how_far_you_are_narrows_the_list_and_can_be_marked(
    caller: Caller, user: User, staff: User, shelve: Shelve
) -> None:
    card, _other = shelve(user, "One", duration=600), shelve(user, "Two")
    path = f"/library/{card.pk}/watched"

    marked = caller.put(path, {"watched": True})
    assert (marked.status_code, marked.json()["watched"]) == (200, True)
    assert (titles(caller, "?watched=watched"), titles(caller, "?watched=")) == (
        ["One"],
        ["Two", "One"],
    )
    assert titles(caller, "?watched=unwatched") == ["Two"]
    assert titles(Caller(staff), "?watched=watched") == []

    assert caller.put(path, {"watched": False}).json()["position"] is None
    assert titles(caller, "?watched=watched") == []
    assert caller.put(path, {}).status_code == 422
    assert caller.get("/library?watched=half").status_code == 422


@pytest.mark.parametrize(
    "body", [{}, {"seconds": -1}, {"seconds": 10**8}, {"seconds": "x"}, {"seconds": 1, "at": 2}]
)
def test_a_position_that_makes_no_sense(
    caller: Caller, user: User, shelve: Shelve, body: dict[str, object]
) -> None:
    card = shelve(user)

    assert caller.put(f"/library/{card.pk}/position", body).status_code == 422


@pytest.mark.parametrize("number", ["0", "-1", str(2**70)])
def test_a_number_of_no_entry(caller: Caller, number: str) -> None:
    for answer in (caller.get(f"/library/{number}"), caller.delete(f"/library/{number}")):
        assert answer.status_code == 404
        assert answer.json() == {"detail": "There is no such entry in the library."}


def test_foreign_entries_are_not_there(caller: Caller, shelve: Shelve) -> None:
    card = shelve(None)

    assert caller.get(f"/library/{card.pk}").status_code == 404
    assert caller.delete(f"/library/{card.pk}").status_code == 404
    assert caller.put(f"/library/{card.pk}/position", {"seconds": 1}).status_code == 404
    assert caller.put(f"/library/{card.pk}/watched", {"watched": True}).status_code == 404
    removal.remove([card], actor="test")
    assert caller.post(f"/library/{card.pk}/restore").status_code == 404
    assert not Card.objects.exists()


@pytest.mark.parametrize("query", ["kind=film", "sort=best", "limit=0", "q=%00"])
def test_a_query_that_makes_no_sense(caller: Caller, query: str) -> None:
    assert caller.get(f"/library?{query}").status_code == 422


def test_a_list_asks_as_much_for_many_as_for_one(
    caller: Caller,
    user: User,
    shelve: Shelve,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(4):
        shelve(user, f"Talk {number}")

    with django_assert_max_num_queries(5):
        caller.get("/library")
