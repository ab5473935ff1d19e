"""The JSON API: answers, refusals, and who sees what."""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import IntegrityError, connection
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from downloads import actions
from downloads.accounts import tokens
from downloads.api.operations import api
from downloads.models import Download, IdempotentAnswer, Progress, Transition, retention
from downloads.rules.errors import ErrorClass
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.states import Outcome, Phase, State
from tests.helpers import lives

pytestmark = pytest.mark.both_databases

API = "/api/v1"
URL = "https://example.org/watch?v=1"

DOWNLOAD_FIELDS = {
    "correlation_id", "url", "title", "state", "outcome", "phase", "error", "attempt",
    "tries", "max_attempts", "priority", "not_before", "waiting", "created_at", "started_at",
    "finished_at", "progress", "owner", "worker", "result", "listing", "listed_in", "have",
    "remux_of", "paused_at",
}  # fmt: skip


class Caller:
    """A script with a token."""

    def __init__(self, user: User) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='test')}"})

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(API + path, query)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        text = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return self.client.post(API + path, text, "application/json", headers=headers)

    def put(self, path: str, body: Any = None) -> HttpResponse:
        return self.client.put(API + path, json.dumps(body), "application/json")

    def delete(self, path: str) -> HttpResponse:
        return self.client.delete(API + path)

    def add(self, url: str = URL, **headers: str) -> HttpResponse:
        return self.post("/downloads", {"url": url}, **headers)


@pytest.fixture
def caller(user: User) -> Caller:
    return Caller(user)


@pytest.fixture
def stranger(db: None) -> Caller:
    return Caller(User.objects.create_user("other"))


def fields_of(response: HttpResponse) -> list[str]:
    return [error["field"] for error in json.loads(response.content)["errors"]]


# Adding one.


def test_adding_answers_201_with_the_download(caller: Caller) -> None:
    response = caller.add()

    assert response.status_code == 201
    body = response.json()
    assert body.keys() == DOWNLOAD_FIELDS | {"history", "history_days", "files", "media"}
    assert (body["url"], body["state"], body["owner"]) == (URL, "created", "ursula")
    assert body["outcome"] is body["error"] is body["progress"] is body["worker"] is None
    assert body["files"] == []
    assert body["media"] is None


def test_adding_writes_the_history(caller: Caller) -> None:
    (entry,) = caller.add().json()["history"]

    assert entry.keys() == {
        "seq",
        "from",
        "to",
        "at",
        "actor",
        "reason",
        "detail",
        "data",
        "attempt",
    }
    assert (entry["from"], entry["to"]) == (None, "created")
    assert (entry["actor"], entry["reason"]) == ("user:ursula", "submitted")


@pytest.mark.parametrize("text", [" {} ", "Watch this: <{}> via App", "\u200b{}\u200b."])
def test_the_url_is_taken_out_of_its_text_and_normalised(caller: Caller, text: str) -> None:
    assert caller.add(text.format("HTTPS://Example.ORG/watch?v=1#t=5")).json()["url"] == URL


def test_options_are_kept(caller: Caller) -> None:
    caller.post("/downloads", {"url": URL, "options": {"quality": "720p", "audio": "mp3"}})

    chosen = DownloadOptions(quality="720p", audio="mp3")
    assert Download.objects.get().options == chosen.as_dict()


def test_the_same_wish_answers_200_with_the_download_that_is_there(caller: Caller) -> None:
    first = caller.add().json()

    response = caller.add()

    assert response.status_code == 200
    assert response.json()["correlation_id"] == first["correlation_id"]
    assert Download.objects.count() == 1


def test_the_same_url_with_other_options_is_another_download(caller: Caller) -> None:
    caller.add()

    response = caller.post("/downloads", {"url": URL, "options": {"audio": "opus"}})

    assert response.status_code == 201


def test_the_same_wish_of_another_owner_is_another_download(
    caller: Caller, stranger: Caller
) -> None:
    caller.add()

    assert stranger.add().status_code == 201


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "Enter a link."),
        ("ftp://example.org/a", "A link must begin with http:// or https://."),
        ("http:///a", "The link names no site after http:// or https://."),
        (
            "http://ursula:pw@example.org/",
            "A link cannot contain a user name or password before an @.",
        ),
        ("http://127.0.0.1/a", "The link leads to a private address, which is not allowed."),
        ("http://localhost/a", "The link leads to a private address, which is not allowed."),
        ("http://example.org/\x07", "The link contains control or invisible characters."),
        ("http://example.org/" + "a" * 2030, "A link can have at most 2,048 characters."),
    ],
)
def test_a_wrong_link_is_refused_with_field_and_reason(
    caller: Caller, url: str, sentence: str
) -> None:
    response = caller.add(url)

    assert response.status_code == 422
    assert response.json() == {
        "detail": f"url: {sentence}",
        "errors": [{"field": "url", "reason": sentence}],
    }
    assert not Download.objects.exists()


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, ["url"]),
        ({"url": None}, ["url"]),
        ({"url": ["https://example.org"]}, ["url"]),
        ({"url": "\ud800"}, ["url"]),
        ({"url": URL, "option": {}}, ["option"]),
        ({"url": URL, "options": {"outtmpl": "/etc/passwd"}}, ["options.outtmpl"]),
        ({"url": URL, "options": {"quality": "4k"}}, ["options.quality"]),
        ({"url": URL, "options": {"audio": "wav"}}, ["options.audio"]),
        ({"url": URL, "options": "best"}, ["options"]),
        ({"url": "", "options": {"audio": "wav", "x": 1}}, ["url", "options.audio", "options.x"]),
        ([], ["body"]),
        (7, ["body"]),
        (None, ["body"]),
    ],
)
def test_a_wrong_body_is_refused_with_every_field(
    caller: Caller, body: Any, fields: list[str]
) -> None:
    response = caller.post("/downloads", body)

    assert response.status_code == 422
    assert fields_of(response) == fields
    assert not Download.objects.exists()


def test_an_empty_body_is_refused(caller: Caller) -> None:
    response = caller.post("/downloads", "")

    assert (response.status_code, fields_of(response)) == (422, ["body"])


@pytest.mark.parametrize("text", ["{", "not json", b"\xff\xfe", "[" * 100_000])
def test_what_is_no_json_is_refused_in_json(caller: Caller, text: str | bytes) -> None:
    response = caller.post("/downloads", text)

    assert response.status_code == 400
    assert response.json() == {"detail": "Cannot parse request body"}


def test_a_body_that_is_too_large_is_refused_in_json(caller: Caller) -> None:
    response = caller.post("/downloads", "x" * (settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1))

    assert response.status_code == 413
    assert response.json() == {"detail": "The request is larger than 4194304 bytes."}


# Adding many.


def test_a_batch_answers_each_url_in_order(caller: Caller) -> None:
    there = caller.add().json()["correlation_id"]
    urls = ["https://example.org/new", "nonsense", URL, "https://example.org/new"]

    response = caller.post("/downloads/batch", {"urls": urls})

    assert response.status_code == 200
    new = Download.objects.get(url="https://example.org/new").correlation_id
    assert response.json() == {
        "results": [
            {"url": urls[0], "result": "created", "correlation_id": new, "reason": None},
            {
                "url": "nonsense",
                "result": "error",
                "correlation_id": None,
                "reason": "A link must begin with http:// or https://.",
            },
            {"url": URL, "result": "duplicate", "correlation_id": there, "reason": None},
            {"url": urls[3], "result": "duplicate", "correlation_id": new, "reason": None},
        ]
    }


def test_a_batch_of_wrong_links_adds_nothing(caller: Caller) -> None:
    response = caller.post("/downloads/batch", {"urls": ["a", "b"]})

    assert [each["result"] for each in response.json()["results"]] == ["error", "error"]
    assert not Transition.objects.exists()


def test_a_batch_of_200_is_a_handful_of_queries(
    caller: Caller, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    urls = [f"https://example.org/{number}" for number in range(200)]
    caller.get("/stats")  # notes the use of the token

    with django_assert_max_num_queries(25):
        caller.post("/downloads/batch", {"urls": urls})

    assert Download.objects.count() == 200
    assert list(Transition.objects.values_list("seq", flat=True)) == list(range(1, 201))


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"urls": []}, ["urls"]),
        ({"urls": [URL] * 1001}, ["urls"]),
        ({"urls": URL}, ["urls"]),
        ({"urls": [URL, 7]}, ["urls.1"]),
        ({"urls": [URL], "options": {"x": 1}}, ["options.x"]),
        ({}, ["urls"]),
    ],
)
def test_a_wrong_batch_is_refused_as_a_whole(caller: Caller, body: Any, fields: list[str]) -> None:
    response = caller.post("/downloads/batch", body)

    assert (response.status_code, fields_of(response)) == (422, fields)
    assert not Download.objects.exists()


def test_a_batch_may_have_1000_links(caller: Caller) -> None:
    urls = [f"https://example.org/{number}" for number in range(1000)]

    assert caller.post("/downloads/batch", {"urls": urls}).status_code == 200
    assert Download.objects.count() == 1000


# The same request twice.


def test_a_repeated_key_gives_the_stored_answer(caller: Caller) -> None:
    first = caller.add(**{"Idempotency-Key": "k1"})
    lives.fail(Download.objects.get())

    second = caller.add(**{"Idempotency-Key": "k1"})

    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert Download.objects.count() == 1


def test_a_batch_honours_a_key_too(caller: Caller) -> None:
    first = caller.post("/downloads/batch", {"urls": [URL]}, **{"Idempotency-Key": "k1"})

    second = caller.post("/downloads/batch", {"urls": [URL]}, **{"Idempotency-Key": "k1"})

    assert first.json() == second.json()
    assert second.json()["results"][0]["result"] == "created"


def test_a_key_of_another_request_is_refused(caller: Caller) -> None:
    caller.add(**{"Idempotency-Key": "k1"})

    response = caller.add("https://example.org/other", **{"Idempotency-Key": "k1"})

    assert (response.status_code, fields_of(response)) == (422, ["Idempotency-Key"])
    assert Download.objects.count() == 1


def test_a_key_belongs_to_its_user(caller: Caller, stranger: Caller) -> None:
    caller.add(**{"Idempotency-Key": "k1"})

    response = stranger.add(**{"Idempotency-Key": "k1"})

    assert response.status_code == 201
    assert response.json()["owner"] == "other"


def test_a_refusal_does_not_use_the_key_up(caller: Caller) -> None:
    caller.add("nonsense", **{"Idempotency-Key": "k1"})

    assert caller.add(**{"Idempotency-Key": "k1"}).status_code == 201


def test_a_key_is_free_again_after_a_day(caller: Caller) -> None:
    caller.add(**{"Idempotency-Key": "k1"})
    IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))

    assert caller.add(**{"Idempotency-Key": "k1"}).status_code == 200  # the download that is there


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_of_a_wrong_length_is_refused(caller: Caller, key: str) -> None:
    response = caller.add(**{"Idempotency-Key": key})

    assert (response.status_code, fields_of(response)) == (422, ["Idempotency-Key"])


def test_nothing_is_added_when_the_answer_cannot_be_stored(caller: Caller) -> None:
    def refuse(execute: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        if sql.startswith("INSERT") and IdempotentAnswer._meta.db_table in sql:
            raise IntegrityError("somebody else was first")
        return execute(sql, *arguments)

    with connection.execute_wrapper(refuse), pytest.raises(IntegrityError):
        caller.add(**{"Idempotency-Key": "k1"})

    assert not Download.objects.exists()
    assert not IdempotentAnswer.objects.exists()


def test_the_same_request_sent_at_once_is_done_once(shared_db: None) -> None:
    text = tokens.issue(User.objects.create_user("ursula"), name="test")

    def send(_: int) -> HttpResponse:
        try:
            client = Client(headers={"Authorization": f"Bearer {text}", "Idempotency-Key": "k1"})
            return client.post(f"{API}/downloads", {"url": URL}, "application/json")
        finally:
            connection.close()

    with ThreadPoolExecutor(max_workers=8) as pool:
        responses = list(pool.map(send, range(8)))

    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert Download.objects.count() == 1


# Looking.


def test_a_list_has_the_newest_first(caller: Caller, user: User) -> None:
    downloads = [lives.submit(user) for _ in range(3)]

    body = caller.get("/downloads").json()

    assert [item["correlation_id"] for item in body["items"]] == [
        download.correlation_id for download in reversed(downloads)
    ]
    assert body["items"][0].keys() == DOWNLOAD_FIELDS
    assert body["next"] is None


def pages(caller: Caller, **query: Any) -> Iterator[list[str]]:
    cursor = ""
    while cursor is not None:
        body = caller.get("/downloads", cursor=cursor, **query).json()
        yield [item["correlation_id"] for item in body["items"]]
        cursor = body["next"]


def test_the_cursor_leads_through_all_pages(caller: Caller, user: User) -> None:
    expected = [lives.submit(user).correlation_id for _ in range(5)][::-1]

    found = list(pages(caller, limit=2))

    assert found == [expected[:2], expected[2:4], expected[4:]]


def test_new_and_forgotten_downloads_do_not_move_the_pages(caller: Caller, user: User) -> None:
    downloads = [lives.submit(user) for _ in range(4)]
    body = caller.get("/downloads", limit=2).json()
    lives.submit(user)
    downloads[2].forget()  # the one that the cursor names

    rest = caller.get("/downloads", limit=2, cursor=body["next"]).json()

    assert [item["correlation_id"] for item in rest["items"]] == [
        downloads[1].correlation_id,
        downloads[0].correlation_id,
    ]
    assert rest["next"] is None


def test_a_list_is_filtered_by_state(caller: Caller, user: User) -> None:
    failed = lives.fail(lives.submit(user))
    lives.submit(user)

    items = caller.get("/downloads", state="failed").json()["items"]

    assert [item["correlation_id"] for item in items] == [failed.correlation_id]


def test_a_list_is_searched(caller: Caller, user: User) -> None:
    wanted = lives.submit(user, url="https://example.org/needle")
    lives.submit(user)

    for text in ("NEEDLE", wanted.correlation_id):
        items = caller.get("/downloads", q=text).json()["items"]
        assert [item["correlation_id"] for item in items] == [wanted.correlation_id]


def test_empty_filters_are_no_filters(caller: Caller, user: User) -> None:
    lives.submit(user)

    assert len(caller.get("/downloads", state="", q="", cursor="").json()["items"]) == 1


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("state", "lost"),
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "many"),
        ("cursor", "abc"),
        ("cursor", "0"),
        ("cursor", str(2**63)),
        ("cursor", "9" * 5000),
        ("q", "\0"),
        ("q", "a" * 501),
    ],
)
def test_a_wrong_parameter_is_refused_by_its_name(caller: Caller, name: str, value: str) -> None:
    response = caller.get("/downloads", **{name: value})

    assert (response.status_code, fields_of(response)) == (422, [name])


def test_a_list_costs_the_same_for_one_and_for_many(
    caller: Caller, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        lives.start(lives.submit(user))
        lives.complete(lives.submit(user))
    caller.get("/downloads")  # notes the use of the token

    with django_assert_num_queries(2):  # the token, and the list
        items = caller.get("/downloads").json()["items"]

    assert len(items) == 10


def test_one_download_costs_four_queries(
    caller: Caller, user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    download = lives.complete(lives.submit(user))
    caller.get("/downloads")

    with django_assert_num_queries(4):  # the token, the download, its files, its history
        caller.get(f"/downloads/{download.correlation_id}")


def test_a_running_download_shows_its_progress(caller: Caller, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.filter(download=download).update(
        phase="fetching",
        received_bytes=50,
        resumed_bytes=20,
        total_bytes=200,
        speed=12.5,
        eta_seconds=12,
    )

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    assert body["phase"] == "fetching"
    assert body["progress"] == {
        "bytes": 50, "resumed_bytes": 20, "total": 200, "speed": 12.5, "eta": 12.0, "percent": 25.0,
        "entries": 0, "fragment": 0, "fragments": 0,
    }  # fmt: skip
    assert body["worker"] == download.worker.name


def test_a_completed_download_shows_its_files(caller: Caller, user: User) -> None:
    download = lives.complete(lives.submit(user), name="clip 1.mp4")

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    assert body["files"] == [
        {
            "name": "clip 1.mp4",
            "size": 5,
            "sha256": "0" * 64,
            "media_type": "video/mp4",
            "role": "video",
            "language": "",
            "url": f"/media/{download.correlation_id}/clip%201.mp4",
            "fault": "",
        }
    ]
    assert [entry["to"] for entry in body["history"]] == [
        "created", "initializing", "ready", "downloading", "completed"
    ]  # fmt: skip


def test_a_download_shows_what_the_site_said_and_what_came(caller: Caller, user: User) -> None:
    media = {"uploader": "Ursula", "duration": 62, "height": 720, "container": "webm", "live": True}
    download = lives.complete(lives.submit(user), media=media, data={"warnings": [{"code": "x"}]})
    Download.objects.update(extractor="studio", media_id="42")

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    known = {name: value for name, value in body["media"].items() if value is not None}
    assert known == {"extractor": "studio", "media_id": "42", **media}
    assert body["history"][-1]["data"] == {"warnings": [{"code": "x"}]}


def delete(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, 3)


def replace_by_a_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("change", "fault"),
    [(delete, "missing"), (truncate, "changed"), (replace_by_a_link, "changed")],
)
def test_a_file_that_was_changed_outside_is_said_to_be(
    caller: Caller, user: User, change: Callable[[Path], None], fault: str
) -> None:
    download = lives.complete(lives.submit(user))
    change(settings.VNSITE.media_root / download.library_path / "clip.mp4")

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    assert [file["fault"] for file in body["files"]] == [fault]


def test_a_failed_download_says_what_happened_and_what_to_do(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user), ErrorClass.INCOMPLETE)

    body = caller.get(f"/downloads/{download.correlation_id}").json()

    assert body["error"] == {
        "class": "incomplete",
        "message": "The site delivered less than it promised.",
        "advice": "Retry.",
        "formats": None,
    }


def test_instants_are_iso_8601_in_utc(caller: Caller) -> None:
    created_at = caller.add().json()["created_at"]

    assert created_at.endswith("Z")
    assert created_at[:10] == timezone.now().date().isoformat()


# Who sees what.


class Request(Protocol):
    def __call__(self, caller: Caller, correlation_id: str) -> HttpResponse: ...


REQUESTS: dict[str, Request] = {
    "get": lambda caller, name: caller.get(f"/downloads/{name}"),
    "cancel": lambda caller, name: caller.post(f"/downloads/{name}/cancel"),
    "keep": lambda caller, name: caller.post(f"/downloads/{name}/keep"),
    "retry": lambda caller, name: caller.post(f"/downloads/{name}/retry"),
    "remux": lambda caller, name: caller.post(f"/downloads/{name}/remux"),
    "cleanup": lambda caller, name: caller.post(f"/downloads/{name}/cleanup"),
    "delete": lambda caller, name: caller.delete(f"/downloads/{name}"),
}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
@pytest.mark.parametrize(
    "correlation_id", ["000000000000", "*", "%2e%2e", "a%00b", "a%0Ab", "%F0%9F%98%80", "x" * 300]
)
def test_an_unknown_or_malformed_id_is_404(
    caller: Caller, request_: Request, correlation_id: str
) -> None:
    response = request_(caller, correlation_id)

    assert response.status_code == 404
    assert response.json() == {"detail": "There is no such download."}


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_foreign_download_is_404(caller: Caller, stranger: Caller, request_: Request) -> None:
    correlation_id = caller.add().json()["correlation_id"]

    response = request_(stranger, correlation_id)

    assert response.status_code == 404
    assert response.json() == {"detail": "There is no such download."}
    assert Download.objects.get().state == State.CREATED


def test_a_user_lists_their_own(caller: Caller, stranger: Caller) -> None:
    caller.add()

    assert stranger.get("/downloads").json()["items"] == []
    assert stranger.get("/stats").json()["counts"]["created"] == 0


def test_staff_see_all(caller: Caller, staff: User) -> None:
    correlation_id = caller.add().json()["correlation_id"]

    response = Caller(staff).get(f"/downloads/{correlation_id}")

    assert response.json()["owner"] == "ursula"


PATHS = ["/downloads", "/downloads/000000000000", "/stats", "/openapi.json"]


@pytest.mark.sqlite
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("header", ["", "Bearer ", "Bearer wrong", "Basic dTpw", "Bearer a b"])
@pytest.mark.django_db
def test_a_stranger_is_refused_in_json(client: Client, path: str, header: str) -> None:
    response = client.get(API + path, headers={"Authorization": header} if header else {})

    assert response.status_code == 401
    assert response["WWW-Authenticate"] == "Bearer"
    assert response.json().keys() == {"detail"}


@pytest.mark.django_db
def test_a_stranger_cannot_write(client: Client) -> None:
    response = client.post(f"{API}/downloads", {"url": URL}, "application/json")

    assert response.status_code == 401
    assert not Download.objects.exists()


def test_a_session_can_read(client: Client, user: User) -> None:
    client.force_login(user)

    assert client.get(f"{API}/downloads").status_code == 200


def test_a_session_cannot_write_without_the_csrf_token(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    response = browser.post(f"{API}/downloads", {"url": URL}, "application/json")

    assert response.status_code == 403
    assert not Download.objects.exists()


def test_a_session_writes_with_the_csrf_token(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    token = "t" * 32
    browser.cookies["csrftoken"] = token

    response = browser.post(
        f"{API}/downloads", {"url": URL}, "application/json", headers={"X-CSRFToken": token}
    )

    assert response.status_code == 201


def test_a_wrong_token_is_refused_although_there_is_a_session(client: Client, user: User) -> None:
    client.force_login(user)

    response = client.get(f"{API}/downloads", headers={"Authorization": "Bearer wrong"})

    assert response.status_code == 401
    assert response.json() == {"detail": "The token is not known, or has expired."}


# Acting.


def test_a_waiting_download_is_cancelled_at_once(caller: Caller) -> None:
    correlation_id = caller.add().json()["correlation_id"]

    response = caller.post(f"/downloads/{correlation_id}/cancel")

    assert response.status_code == 200
    assert (response.json()["state"], response.json()["outcome"]) == ("cleaned", "cancelled")
    assert response.json()["history"][1]["actor"] == "user:ursula"


def test_a_running_download_is_asked_to_stop(caller: Caller, user: User) -> None:
    download = lives.start(lives.submit(user))

    response = caller.post(f"/downloads/{download.correlation_id}/cancel")

    assert (response.status_code, response.json()["state"]) == (200, "downloading")
    download.refresh_from_db()
    assert download.cancel_requested_by == "user:ursula"


def test_a_recording_is_asked_to_stop_and_keep(caller: Caller, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.filter(download=download).update(phase=Phase.RECORDING)

    response = caller.post(f"/downloads/{download.correlation_id}/keep")

    assert (response.status_code, response.json()["state"]) == (200, "downloading")
    download.refresh_from_db()
    assert download.keep_requested_by == "user:ursula"


def test_a_failed_download_is_retried(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user))

    response = caller.post(f"/downloads/{download.correlation_id}/retry")

    assert (response.status_code, response.json()["state"]) == (200, "created")
    assert response.json()["error"] is None


def test_a_retry_may_change_options(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user, quality="720p", container="mkv"))
    address = f"/downloads/{download.correlation_id}/retry"

    wrong = caller.post(address, {"options": {"quality": "9p"}})
    response = caller.post(address, {"options": {"quality": "480p"}})

    assert (wrong.status_code, response.status_code) == (422, 200)
    download.refresh_from_db()
    assert (download.options["quality"], download.options["container"]) == ("480p", "mkv")
    assert response.json()["history"][-1]["data"] == {"changed": "quality"}


def test_a_kept_directory_is_cleaned_up(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user))
    directory = settings.VNSITE.temp_root / download.directory

    response = caller.post(f"/downloads/{download.correlation_id}/cleanup")

    assert (response.status_code, response.json()["state"]) == (200, "cleaned")
    assert response.json()["outcome"] == "failed"
    assert not directory.exists()


@pytest.mark.parametrize(
    ("action", "walk", "state"),
    [
        ("cancel", lives.complete, "completed"),
        ("cancel", lives.fail, "failed"),
        ("keep", lives.start, "downloading"),
        ("keep", lives.complete, "completed"),
        ("retry", lives.complete, "completed"),
        ("retry", lives.start, "downloading"),
        ("retry", lambda download: download, "created"),
        ("cleanup", lives.start, "downloading"),
        ("cleanup", lambda download: download, "created"),
    ],
)
def test_an_action_that_the_state_does_not_allow_is_409(
    caller: Caller, user: User, action: str, walk: Callable[[Download], Download], state: str
) -> None:
    download = walk(lives.submit(user))
    seqs = Transition.objects.count()

    response = caller.post(f"/downloads/{download.correlation_id}/{action}")

    assert response.status_code == 409
    assert response.json().keys() == {"detail", "state"}
    assert response.json()["state"] == state
    assert response.json()["detail"].startswith("It cannot be ")
    assert Transition.objects.count() == seqs


def test_a_history_that_was_pruned_says_so(caller: Caller, user: User) -> None:
    download = lives.complete(lives.submit(user))
    actions.clean(download, actor="test")
    address = f"/downloads/{download.correlation_id}"
    assert caller.get(address).json()["history_days"] is None

    retention.prune([download], days=30)

    body = caller.get(address).json()
    assert body["history_days"] == 30
    assert [(entry["from"], entry["to"]) for entry in body["history"]] == [("completed", "cleaned")]
    assert len(body["files"]) == 1


def test_deleting_forgets_row_and_history(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user))

    response = caller.delete(f"/downloads/{download.correlation_id}")

    assert (response.status_code, response.content) == (204, b"")
    assert not Download.objects.exists()
    assert not Transition.objects.exists()


def test_deleting_leaves_published_files_alone(caller: Caller, user: User) -> None:
    download = lives.complete(lives.submit(user))

    caller.delete(f"/downloads/{download.correlation_id}")

    assert (settings.VNSITE.media_root / download.library_path / "clip.mp4").exists()


def test_deleting_takes_published_files_along_when_asked(caller: Caller, user: User) -> None:
    download = lives.complete(lives.submit(user))

    caller.delete(f"/downloads/{download.correlation_id}?files=true")

    assert not (settings.VNSITE.media_root / download.library_path).exists()


def test_a_running_download_is_not_deleted(caller: Caller, user: User) -> None:
    download = lives.start(lives.submit(user))

    response = caller.delete(f"/downloads/{download.correlation_id}")

    assert (response.status_code, response.json()["state"]) == (409, "downloading")
    assert Download.objects.exists()


def test_acting_twice_is_acting_once(caller: Caller, user: User) -> None:
    download = lives.fail(lives.submit(user))
    caller.post(f"/downloads/{download.correlation_id}/cleanup")

    response = caller.post(f"/downloads/{download.correlation_id}/cleanup")

    assert response.status_code == 200
    assert [entry["to"] for entry in response.json()["history"]].count("cleaned") == 1


# The whole.


def test_stats_count_everything(caller: Caller, user: User) -> None:
    worker = lives.make_worker(slots=3)
    download = lives.start(lives.submit(user), worker)
    Progress.objects.filter(download=download).update(speed=1000, updated_at=timezone.now())
    lives.submit(user)

    body = caller.get("/stats").json()

    assert body.keys() == {"counts", "outcomes", "speed", "free_bytes", "workers"}
    assert body["counts"] == {state: int(state in ("created", "downloading")) for state in State}
    assert body["outcomes"] == dict.fromkeys(Outcome, 0)
    assert body["speed"] == 1000
    assert body["free_bytes"] > 0
    (row,) = body["workers"]
    assert row.keys() == {"name", "host", "alive", "slots", "busy", "yt_dlp", "heartbeat_at"}
    assert (row["name"], row["alive"], row["slots"], row["busy"]) == (worker.name, True, 3, 1)


def test_a_lost_worker_is_shown_as_not_alive(caller: Caller) -> None:
    lives.make_worker(heartbeat_at=lives.long_ago())

    (row,) = caller.get("/stats").json()["workers"]

    assert row["alive"] is False


def test_an_old_speed_is_no_speed(caller: Caller, user: User) -> None:
    download = lives.start(lives.submit(user))
    Progress.objects.filter(download=download).update(speed=1000, updated_at=lives.long_ago())

    assert caller.get("/stats").json()["speed"] == 0


def test_openapi_describes_every_path_of_the_contract(caller: Caller) -> None:
    paths = caller.get("/openapi.json").json()["paths"]

    assert {(method, path) for path, methods in paths.items() for method in methods} == {
        ("post", "/api/v1/downloads"),
        ("get", "/api/v1/downloads"),
        ("post", "/api/v1/downloads/batch"),
        ("get", "/api/v1/downloads/{correlation_id}"),
        ("get", "/api/v1/downloads/{correlation_id}/log"),
        ("delete", "/api/v1/downloads/{correlation_id}"),
        ("post", "/api/v1/downloads/{correlation_id}/cancel"),
        ("post", "/api/v1/downloads/{correlation_id}/keep"),
        ("post", "/api/v1/downloads/{correlation_id}/retry"),
        ("post", "/api/v1/downloads/{correlation_id}/remux"),
        ("post", "/api/v1/downloads/{correlation_id}/cleanup"),
        ("post", "/api/v1/downloads/many"),
        ("post", "/api/v1/downloads/{correlation_id}/pause"),
        ("post", "/api/v1/downloads/{correlation_id}/resume"),
        ("post", "/api/v1/downloads/{correlation_id}/first"),
        ("post", "/api/v1/downloads/{correlation_id}/up"),
        ("post", "/api/v1/downloads/{correlation_id}/down"),
        ("post", "/api/v1/downloads/{correlation_id}/last"),
        ("get", "/api/v1/queue"),
        ("post", "/api/v1/queue/pause"),
        ("post", "/api/v1/queue/resume"),
        ("get", "/api/v1/downloads/{correlation_id}/entries"),
        ("post", "/api/v1/downloads/{correlation_id}/entries"),
        ("post", "/api/v1/downloads/{correlation_id}/entries/cancel"),
        ("post", "/api/v1/downloads/{correlation_id}/entries/retry"),
        ("post", "/api/v1/downloads/{correlation_id}/entries/cleanup"),
        ("get", "/api/v1/feeds"),
        ("post", "/api/v1/feeds"),
        ("delete", "/api/v1/feeds/{id}"),
        ("get", "/api/v1/library"),
        ("get", "/api/v1/library/{number}"),
        ("delete", "/api/v1/library/{number}"),
        ("put", "/api/v1/library/{number}/position"),
        ("put", "/api/v1/library/{number}/pin"),
        ("put", "/api/v1/library/{number}/watched"),
        ("post", "/api/v1/library/{number}/restore"),
        ("get", "/api/v1/archive"),
        ("post", "/api/v1/archive"),
        ("get", "/api/v1/stats"),
        ("get", "/api/v1/sites"),
        ("get", "/api/v1/sites/{host}"),
        ("put", "/api/v1/sites/{host}"),
        ("post", "/api/v1/sites/{host}/try"),
        ("get", "/api/v1/presets"),
        ("post", "/api/v1/presets"),
        ("get", "/api/v1/presets/{name}"),
        ("put", "/api/v1/presets/{name}"),
        ("delete", "/api/v1/presets/{name}"),
        ("get", "/api/v1/views"),
        ("post", "/api/v1/views"),
        ("put", "/api/v1/views/{name}"),
        ("delete", "/api/v1/views/{name}"),
        ("get", "/api/v1/sites/{host}/cookies"),
        ("put", "/api/v1/sites/{host}/cookies"),
        ("delete", "/api/v1/sites/{host}/cookies"),
        ("get", "/api/v1/subscriptions"),
        ("post", "/api/v1/subscriptions"),
        ("post", "/api/v1/subscriptions/preview"),
        ("get", "/api/v1/subscriptions/{id}"),
        ("patch", "/api/v1/subscriptions/{id}"),
        ("delete", "/api/v1/subscriptions/{id}"),
        ("post", "/api/v1/subscriptions/{id}/check"),
    }


def test_openapi_has_the_names_of_the_contract(caller: Caller) -> None:
    document = caller.get("/openapi.json").json()

    schemas = document["components"]["schemas"]
    assert schemas["DownloadDetail"]["properties"].keys() == DOWNLOAD_FIELDS | {
        "files",
        "history",
        "history_days",
        "media",
    }
    assert "from" in schemas["TransitionOut"]["properties"]
    assert "class" in schemas["ErrorOut"]["properties"]
    parameters = document["paths"]["/api/v1/downloads"]["post"]["parameters"]
    assert [each["name"] for each in parameters] == ["Idempotency-Key"]


@pytest.mark.parametrize("name", OPTIONS)
def test_openapi_describes_every_option_with_its_type(caller: Caller, name: str) -> None:
    schemas = caller.get("/openapi.json").json()["components"]["schemas"]

    described, option = schemas["Options"]["properties"][name], OPTIONS[name]
    assert described.pop("default", None) == DownloadOptions().as_dict()[name]
    words = {"title": option.label, "description": option.description}
    assert described == {**option.schema, **words}
    for wish in ("Wish", "Batch"):
        assert "/schemas/Options" in str(schemas[wish]["properties"]["options"])


def test_there_is_no_page_that_loads_scripts_from_elsewhere(caller: Caller) -> None:
    assert caller.get("/docs").status_code == 404


def test_all_operations_share_the_model_of_an_answer() -> None:
    operations = [
        operation
        for _, router in api._routers
        for view in router.path_operations.values()
        for operation in view.operations
    ]
    refusals = [each.response_models[401] for each in operations if 401 in each.response_models]

    assert len(refusals) > 60
    assert len(set(refusals)) == 1
