"""Lists in the API: what a download says of one, its entries, and making downloads of them."""

from typing import Any

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from downloads import actions
from downloads.models import Download, Listing, add_entries
from downloads.models.archive import archive
from downloads.rules.archive import MediaId
from downloads.rules.options import DownloadOptions
from downloads.rules.states import State
from tests.api.test_api import Caller
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


@pytest.fixture
def listing(user: User) -> Listing:
    return lives.list_up(lives.submit(user), *map(lives.entry, range(1, 6)))


def path_of(listing: Listing, action: str = "") -> str:
    return f"/downloads/{listing.download.correlation_id}/entries{action}"


def download_of(listing: Listing, position: int) -> Download:
    chosen = listing.entries.filter(position=position)
    (addition,) = add_entries(listing, chosen, options=DownloadOptions(), actor="test")
    assert addition.entry.download
    return addition.entry.download


# What a download says of its list.


def test_a_download_says_what_it_listed(caller: Caller, listing: Listing) -> None:
    download_of(listing, 2)

    body = caller.get(f"/downloads/{listing.download.correlation_id}").json()

    assert (body["state"], body["result"]) == ("completed", "listing")
    assert body["listing"] == {
        "title": "A list",
        "kind": "playlist",
        "count": 5,
        "complete": True,
        "added": 1,
    }


def test_a_download_names_the_list_that_it_was_made_of(caller: Caller, listing: Listing) -> None:
    download = download_of(listing, 2)

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    assert body["listed_in"] == listing.download.correlation_id
    assert body["listing"] is body["result"] is body["have"] is None


def test_a_download_names_the_one_that_was_had(caller: Caller, user: User) -> None:
    other = lives.complete(lives.submit(user))
    running = lives.start(lives.submit(user))
    running.complete_as_had(have=other, actor="test")

    body = caller.get(f"/downloads/{running.correlation_id}").json()

    assert (body["result"], body["have"]) == ("have_it", other.correlation_id)


def test_a_check_says_what_the_site_has(caller: Caller, user: User) -> None:
    formats = [{"kind": "video", "height": 720, "container": "mp4", "bytes": 9}, {"kind": "audio"}]
    running = lives.start(lives.submit(user, check=True))
    running.complete_as_checked(actor="test", media={"bytes": 9, "formats": formats})

    body = caller.get(f"/downloads/{running.correlation_id}").json()

    assert (body["result"], body["media"]["bytes"]) == ("checked", 9)
    unknown = {"height": None, "container": None, "bytes": None}
    assert body["media"]["formats"] == [formats[0], {**unknown, "kind": "audio"}]


def test_an_error_says_what_the_site_has_instead(caller: Caller, user: User) -> None:
    running = lives.start(lives.submit(user))
    error = {"error_class": "format_unavailable", "error_data": {"formats": [{"kind": "audio"}]}}
    running.move(State.FAILED, actor="test", reason=error["error_class"], **error)

    body = caller.get(f"/downloads/{running.correlation_id}").json()

    assert [each["kind"] for each in body["error"]["formats"]] == ["audio"]


def test_a_page_of_lists_takes_as_many_queries_as_one_list(caller: Caller, user: User) -> None:
    listings = [lives.list_up(lives.submit(user), lives.entry(1)) for _ in range(4)]
    with CaptureQueriesContext(connection) as for_one:
        caller.get("/downloads", limit=1)
    for listing in listings:
        download_of(listing, 1)

    with CaptureQueriesContext(connection) as for_all:
        page = caller.get("/downloads", limit=50)

    added = [item["listing"]["added"] for item in page.json()["items"] if item["listing"]]
    assert added == [1] * 4
    # Those that wait are asked why.
    assert len(for_all) - len(for_one) <= 7


# The entries.


def test_entries_have_the_fields_of_the_contract(
    caller: Caller, user: User, listing: Listing
) -> None:
    other = lives.complete(lives.submit(user))
    Download.objects.filter(pk=other.pk).update(extractor="site", media_id="video-2")
    made = download_of(listing, 1)
    archive(user, [MediaId("site", "video-3")])

    first, second, third, *_ = caller.get(path_of(listing)).json()["items"]

    assert first == {
        "position": 1,
        "extractor": "site",
        "media_id": "video-1",
        "url": "https://example.org/video/1",
        "title": "Video 1",
        "duration": None,
        "uploaded_at": None,
        "live": False,
        "list": False,
        "download": made.correlation_id,
        "have": None,
        "archived": False,
    }
    assert second["have"] == other.correlation_id
    assert third["archived"]


def test_pages_of_entries(caller: Caller, listing: Listing) -> None:
    seen, cursor = [], ""
    while cursor is not None:
        page = caller.get(path_of(listing), limit=2, cursor=cursor).json()
        seen.append([item["position"] for item in page["items"]])
        cursor = page["next"]

    assert seen == [[1, 2], [3, 4], [5]]


def test_entries_are_searched(caller: Caller, listing: Listing) -> None:
    (found,) = caller.get(path_of(listing), q="Video 4").json()["items"]

    assert found["position"] == 4


def test_what_is_no_list_has_no_entries(caller: Caller, user: User) -> None:
    download = lives.submit(user)
    path = f"/downloads/{download.correlation_id}/entries"

    assert caller.get(path).json() == {"items": [], "next": None}
    answer = caller.post(path, {"positions": "all"})
    assert (answer.status_code, answer.json()["state"]) == (409, "created")


def test_a_page_of_entries_takes_as_many_queries_for_many_as_for_one(
    caller: Caller, user: User, listing: Listing
) -> None:
    for position in range(1, 6):
        download_of(listing, position)
    caller.get(path_of(listing))  # what is asked for once

    with CaptureQueriesContext(connection) as for_one:
        caller.get(path_of(listing), limit=1)
    with CaptureQueriesContext(connection) as for_many:
        caller.get(path_of(listing))

    assert len(for_many) == len(for_one)


# Making downloads of them.


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ({"positions": [4, 2]}, [2, 4]),
        ({"positions": [4, 99]}, [4]),
        ({"positions": "all"}, [1, 2, 3, 4, 5]),
        ({"first": 2}, [1, 2]),
        ({"new": True}, [2, 3, 4, 5]),
    ],
)
def test_the_named_entries_become_downloads(
    caller: Caller, user: User, listing: Listing, wish: dict[str, Any], expected: list[int]
) -> None:
    archive(user, [MediaId("site", "video-1")])

    answer = caller.post(path_of(listing), {**wish, "options": {"quality": "720p"}})

    results = answer.json()["results"]
    assert [each["position"] for each in results] == expected
    assert {each["result"] for each in results} == {"created"}
    made = Download.objects.filter(listed_in=listing.download)
    assert {each.options["quality"] for each in made} == {"720p"}
    assert {each["correlation_id"] for each in results} == {each.correlation_id for each in made}


def test_a_preset_goes_below_the_options(caller: Caller, listing: Listing) -> None:
    wish = {"first": 1, "preset": "m4a", "options": {"thumbnail": False}}

    caller.post(path_of(listing), wish)

    options = Download.objects.get(listed_in=listing.download).options
    assert (options["audio"], options["thumbnail"]) == ("m4a", False)


def test_each_entry_has_its_own_answer(
    caller: Caller, listing: Listing, settings: LazySettings
) -> None:
    listing.entries.filter(position=2).update(url=listing.download.url)
    settings.VNSITE = settings.VNSITE.model_copy(update={"user_waiting": 2})
    present = download_of(listing, 1)

    results = caller.post(path_of(listing), {"positions": "all"}).json()["results"]

    assert [each["result"] for each in results] == [
        *("duplicate", "error", "created"),
        *("error", "error"),
    ]
    assert results[0]["correlation_id"] == present.correlation_id
    assert results[1]["reason"].startswith("This is the list itself")
    assert results[3]["reason"].startswith("At most 2 of your downloads may wait.")


def test_a_request_that_is_sent_twice_with_one_key_is_done_once(
    caller: Caller, listing: Listing
) -> None:
    key = {"Idempotency-Key": "one"}
    first = caller.post(path_of(listing), {"first": 1}, **key).json()
    actions.cancel(Download.objects.get(listed_in=listing.download), actor="test")

    assert caller.post(path_of(listing), {"first": 1}, **key).json() == first
    assert Download.objects.filter(listed_in=listing.download).count() == 1


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({}, "body"),
        ({"first": 1, "new": True}, "body"),
        ({"positions": [1], "first": 1}, "body"),
        ({"positions": [0]}, "positions"),
        ({"positions": ["1"]}, "positions"),
        ({"positions": [2**31]}, "positions"),
        ({"positions": "some"}, "positions"),
        ({"positions": [1] * 10_001}, "positions"),
        ({"first": 0}, "first"),
        ({"first": 1, "options": {"quality": "9000p"}}, "options.quality"),
        ({"first": 1, "preset": "nonsense"}, "preset"),
        ({"some": 1}, "some"),
    ],
)
def test_a_wrong_wish_adds_nothing(
    caller: Caller, listing: Listing, wish: dict[str, Any], field: str
) -> None:
    answer = caller.post(path_of(listing), wish)

    assert answer.status_code == 422
    assert field in [error["field"] for error in answer.json()["errors"]]
    assert not Download.objects.filter(listed_in=listing.download).exists()


# Acting on all of them.


@pytest.mark.parametrize(
    ("action", "end", "state"),
    [
        ("/cancel", None, "cleaned"),
        ("/retry", lives.fail, "created"),
        ("/cleanup", lives.complete, "cleaned"),
    ],
)
def test_all_downloads_of_a_list_are_acted_on(
    caller: Caller, listing: Listing, action: str, end: Any, state: str
) -> None:
    for position in (1, 2):
        download = download_of(listing, position)
        if end is not None:
            end(download)

    answer = caller.post(path_of(listing, action))

    assert answer.json() == {
        "done": 2,
        "asked": 0,
        "refused": {},
        "reason": "",
        "left": 0,
    }
    assert set(listing.downloads.values_list("state", flat=True)) == {state}


@pytest.mark.parametrize("action", ["", "/cancel", "/retry", "/cleanup"])
def test_a_foreign_list_is_not_found(caller: Caller, staff: User, action: str) -> None:
    foreign = lives.list_up(lives.submit(staff), lives.entry(1))

    assert caller.post(path_of(foreign, action), {"first": 1}).status_code == 404
    assert caller.get(path_of(foreign)).status_code == 404
    assert Download.objects.count() == 1


# Fetching again what one has.


@pytest.mark.parametrize("path", ["/downloads", "/downloads/batch"])
@pytest.mark.parametrize("again", [True, False])
def test_again_is_a_wish(caller: Caller, path: str, again: bool) -> None:
    links = {"url": "https://example.org/1"} if path == "/downloads" else {}
    links = links or {"urls": ["https://example.org/1"]}

    caller.post(path, {**links, "again": again})

    assert Download.objects.get().is_again is again
