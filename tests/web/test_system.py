"""The page of the system: which yt-dlp is used, what is newer, what failed; and its buttons."""

import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Extractors, Wanted
from downloads.updates.state import State, installed_version
from tests.helpers.package_index import newer

pytestmark = pytest.mark.django_db


@pytest.fixture
def page(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


def host(name: str = "box", *, mode: str = "check", **values: Any) -> Extractors:
    state = {**State(**values).as_dict(), "used": installed_version()}
    return Extractors.objects.create(host=name, state=state, mode=mode, channel="stable")


def shown(client: Client, address: str = "/system/") -> str:
    return client.get(address).content.decode()


def test_it_says_which_yt_dlp_is_used_and_which_is_newer(page: Client) -> None:
    host(newest=newer(9), channel="stable", looked_at=time.time())

    html = shown(page)

    assert f"yt-dlp {installed_version()}, stable, " in html
    assert f"Update to {newer(9)}" in html


def test_a_host_without_a_newer_one_offers_an_update_all_the_same(page: Client) -> None:
    host(newest=installed_version(), channel="stable", looked_at=time.time())

    html = shown(page)

    assert "Update to" not in html
    assert 'name="wanted" value="update"' in html


def test_why_the_last_update_failed_is_said(page: Client) -> None:
    failure = {"code": "wrong_hash", "at": time.time(), "file": "<b>yt_dlp.whl"}
    host(failure=failure)

    assert "&lt;b&gt;yt_dlp.whl is not the file" in shown(page)


@pytest.mark.parametrize(
    ("previous", "words"),
    [("", "Go back to what was installed"), (f"{newer(1)}-0123abcd", f"Go back to {newer(1)}")],
)
def test_the_way_back_is_offered_where_there_is_one(
    page: Client, previous: str, words: str
) -> None:
    host("one")
    assert "Go back" not in shown(page)
    host("two", previous=previous)

    assert words in shown(page)


def test_switched_off_no_update_is_offered(page: Client) -> None:
    host(mode="off")

    html = shown(page)

    assert "VNSITE_EXTRACTORS_UPDATE" in html
    assert 'value="update"' not in html


def test_what_another_version_of_vnsite_stored_breaks_no_page(page: Client) -> None:
    Extractors.objects.create(host="box", state={"failure": {"code": "from_the_future"}, "x": 1})

    assert page.get("/system/").status_code == 200


@pytest.mark.parametrize("wanted", Wanted)
def test_a_button_asks_the_workers_of_its_host(page: Client, wanted: Wanted, staff: User) -> None:
    host("one", previous="")
    host("two")

    response = page.post("/system/one/extractors", {"wanted": wanted})

    assert response["Location"] == "/system/"
    assert [(row.host, row.wanted) for row in Extractors.objects.asked()] == [("one", wanted)]
    assert f"{staff.get_username()} asked for " in shown(page)


@pytest.mark.parametrize(("name", "wanted"), [("box", "everything"), ("elsewhere", "update")])
def test_what_nobody_can_be_asked_is_not_found(page: Client, name: str, wanted: str) -> None:
    host("box")

    assert page.post(f"/system/{name}/extractors", {"wanted": wanted}).status_code == 404
    assert not Extractors.objects.asked()


def test_a_wish_without_a_worker_says_so(page: Client) -> None:
    host("box")
    page.post("/system/box/extractors", {"wanted": "update"})

    assert "No worker of this host is running." in shown(page)


def test_the_dashboard_tells_staff_of_a_newer_one(page: Client, user: User) -> None:
    host(newest=newer(9), channel="stable")
    assert f"yt-dlp {newer(9)} is there" in shown(page, "/")

    page.force_login(user)

    assert f"yt-dlp {newer(9)} is there" not in shown(page, "/")


def test_where_it_comes_by_itself_the_dashboard_is_silent(page: Client) -> None:
    host(mode="auto", newest=newer(9), channel="stable")

    assert "is there, and" not in shown(page, "/")


def test_the_wish_that_was_read_is_fulfilled_and_not_a_newer_one() -> None:
    read = host()
    Extractors.objects.ask(Wanted.LOOK, actor="user:stefan")
    read.refresh_from_db()
    Extractors.objects.ask(Wanted.ROLLBACK, actor="user:stefan")

    read.fulfil()

    assert Extractors.objects.get().wanted == Wanted.ROLLBACK
