from typing import Any

import pytest
from django.contrib.auth.models import User

from downloads.models import Download, Preset
from downloads.rules.options import DownloadOptions
from downloads.rules.presets import SHIPPED
from tests.api.test_api import URL, Caller, fields_of
from tests.helpers.presets import save

pytestmark = pytest.mark.django_db

TV = {"name": "For the TV", "options": {"quality": "720p", "embed": ["chapters"]}}
SHOWN = {
    "key": "for the tv",
    "name": "For the TV",
    "origin": "own",
    "owner": "ursula",
    "shared": False,
    "options": {"quality": "720p", "embed": ["chapters"]},
    "fault": None,
}


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


@pytest.fixture
def boss(db: None) -> User:
    return User.objects.create_user("boss", is_staff=True)


def test_a_preset_is_saved_read_changed_and_deleted(caller: Caller) -> None:
    saved = caller.post("/presets", TV)
    assert (saved.status_code, saved.json()) == (201, SHOWN)
    assert caller.get("/presets/for%20the%20TV").json() == SHOWN

    changed = caller.put("/presets/For the TV", {"name": "TV", "options": {"audio": "mp3"}})
    assert changed.status_code == 200
    assert changed.json() == {**SHOWN, "key": "tv", "name": "TV", "options": {"audio": "mp3"}}

    assert caller.delete("/presets/TV").status_code == 204
    assert caller.get("/presets/TV").status_code == 404
    assert caller.delete("/presets/TV").json() == {"detail": "There is no preset named “TV”."}


def test_the_list_has_the_own_the_shared_and_the_shipped(caller: Caller, boss: User) -> None:
    caller.post("/presets", TV)
    save(boss, "Hers")
    save(boss, "Everybody's", is_shared=True)

    items = caller.get("/presets").json()["items"]

    assert [(each["name"], each["origin"], each["owner"]) for each in items] == [
        ("For the TV", "own", "ursula"),
        ("Everybody's", "shared", "boss"),
        *[(each.name, "shipped", None) for each in SHIPPED],
    ]
    assert items[-1]["options"] == SHIPPED[-1].options.chosen()


def test_staff_share(boss: User) -> None:
    answer = Caller(boss).post("/presets", {"name": "TV", "shared": True})

    assert answer.json()["shared"] is True
    assert Caller(boss).put("/presets/tv", {"options": {}}).json()["shared"] is False


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["name"]),
        ({"name": ""}, ["name"]),
        ({"name": "a/b"}, ["name"]),
        ({"name": "x\0y"}, ["name"]),
        ({"name": "best"}, ["name"]),
        ({"name": "There"}, ["name"]),
        ({"name": "TV", "shared": True}, ["shared"]),
        ({"name": "TV", "options": {"quality": "4k", "x": 1}}, ["options.quality", "options.x"]),
        ({"name": "TV", "options": {"clip": "1-2"}}, ["options.clip"]),
        ({"name": "TV", "options": {"embed": ["subtitles"]}}, ["options.embed"]),
        ({"name": "TV", "default": True}, ["default"]),
    ],
)
def test_a_wrong_preset_is_refused_with_the_field(
    caller: Caller, user: User, body: Any, fields: list[str]
) -> None:
    save(user, "there")

    answer = caller.post("/presets", body)

    assert (answer.status_code, fields_of(answer)) == (422, fields)
    assert Preset.objects.count() == 1


@pytest.mark.parametrize("name", ["podcast", "Everybody's"])
def test_what_is_not_ones_own_is_not_written(caller: Caller, boss: User, name: str) -> None:
    save(boss, "Everybody's", is_shared=True)

    for answer in (
        caller.put(f"/presets/{name}", {"options": {}}),
        caller.delete(f"/presets/{name}"),
    ):
        assert answer.status_code == 403
        assert "not yours" in answer.json()["detail"]
    assert Preset.objects.count() == 1


def test_somebody_elses_preset_is_not_there(caller: Caller, boss: User) -> None:
    save(boss, "Hers")

    assert caller.get("/presets/Hers").status_code == 404
    assert caller.put("/presets/Hers", {"options": {}}).status_code == 404
    assert caller.delete("/presets/Hers").status_code == 404


def test_a_name_that_no_preset_has_is_not_found(caller: Caller) -> None:
    for name in ("%00", "..", "x%2Fy"):
        assert caller.put(f"/presets/{name}", {"options": {}}).status_code == 404


@pytest.mark.parametrize(
    ("path", "link"), [("/downloads", {"url": URL}), ("/downloads/batch", {"urls": [URL]})]
)
@pytest.mark.parametrize(
    ("wish", "chosen"),
    [
        ({"preset": "tv"}, {"quality": "720p", "compatible": True}),
        ({"preset": "tv", "options": {"quality": "best"}}, {"compatible": True}),
        ({"preset": "archive", "options": {"subtitles": [], "embed": []}}, {"container": "mkv"}),
        ({"preset": None, "options": {"audio": "mp3"}}, {"audio": "mp3"}),
    ],
)
def test_a_download_has_the_options_of_the_preset_below_those_that_are_sent(
    caller: Caller, user: User, path: str, link: Any, wish: Any, chosen: dict[str, Any]
) -> None:
    save(user, "TV", quality="720p", compatible=True)

    caller.post(path, {**link, **wish})

    options = DownloadOptions.from_mapping(Download.objects.get().options)
    assert options.chosen() == chosen


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"preset": "nobody's"}, "preset"),
        ({"preset": ""}, "preset"),
        ({"preset": "a\0b"}, "preset"),
        ({"preset": 7}, "preset"),
        ({"preset": "newer"}, "preset"),
        ({"preset": "devices", "options": {"container": "webm"}}, "options.compatible"),
    ],
)
def test_a_preset_that_cannot_be_used_is_refused(
    caller: Caller, user: User, wish: Any, field: str
) -> None:
    save(user, "newer")
    Preset.objects.update(options={"holograms": True})

    answer = caller.post("/downloads", {"url": URL, **wish})

    assert (answer.status_code, fields_of(answer)) == (422, [field])
    assert not Download.objects.exists()


def test_a_preset_of_another_version_is_listed_with_its_fault(caller: Caller, user: User) -> None:
    save(user, "newer")
    Preset.objects.update(options={"holograms": True})

    shown = caller.get("/presets/newer").json()

    assert shown["options"] == {"holograms": True}
    assert "“holograms”" in shown["fault"]


def test_a_request_that_is_sent_again_is_answered_although_its_preset_is_gone(
    caller: Caller, user: User
) -> None:
    save(user, "TV", quality="720p")
    first = caller.post("/downloads", {"url": URL, "preset": "TV"}, **{"Idempotency-Key": "1"})
    caller.delete("/presets/TV")

    again = caller.post("/downloads", {"url": URL, "preset": "TV"}, **{"Idempotency-Key": "1"})

    assert (again.status_code, again.json()) == (first.status_code, first.json())
