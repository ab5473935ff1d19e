"""What a hostile visitor sends to a real server: other places in `next` and Host, paths around a
lock, names that would be headers, and far too much."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Download, PublishedFile
from tests.conftest import PASSWORD
from tests.helpers import lives
from tests.helpers.serving import Answer, Serving, serving, sign_in
from tests.web.test_authorisation import ALL_ROUTES, address_of

SECRET = b"bytes that only their owner may have"
EVIL = "evil.example"


@pytest.fixture(scope="module")
def temp_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server would put what it does not keep in memory."""
    return tmp_path_factory.mktemp("spool")


@pytest.fixture(scope="module")
def process(django_db_setup: None, temp_dir: Path) -> Iterator[Serving]:
    with serving("--no-worker", TMPDIR=str(temp_dir)) as process:
        yield process


@pytest.fixture
def server(process: Serving, shared_db: None, clean_disk: None) -> Serving:
    return process


def publish(owner: User, *, name: str = "clip.mp4") -> Download:
    download = lives.complete(lives.submit(owner), name=name)
    (settings.VNSITE.media_root / download.library_path / name).write_bytes(SECRET)
    PublishedFile.objects.update(size=len(SECRET))
    return download


def cookie_of(user: User) -> dict[str, str]:
    return {"Cookie": sign_in(user)}


def ask_raw(server: Serving, path: str, *, method: str = "GET", **headers: str) -> Answer:
    """The path as it is: nothing encodes or shortens it."""
    browser = server.connect()
    browser.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers.items():
        browser.putheader(name, value)
    browser.endheaders()
    answer = Answer.of(browser.getresponse())
    browser.close()
    return answer


# Places on other sites.

ELSEWHERE = [
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"///{EVIL}/",
    f"/\\{EVIL}/",
    f"\\\\{EVIL}/",
    f"https:{EVIL}",
    f"http:///{EVIL}",
    f"javascript:alert('{EVIL}')",
    f" https://{EVIL}/",
    f"\thttps://{EVIL}/",
    f"/\t/{EVIL}/",
]


@pytest.mark.django_db
@pytest.mark.parametrize("place", ELSEWHERE)
@pytest.mark.parametrize("form", ["login", "add", "cancel"])
def test_no_form_sends_anybody_to_another_site(
    client: Client, user: User, place: str, form: str
) -> None:
    waiting = lives.submit(user)
    data = {"next": place}
    if form == "login":
        data |= {"username": user.get_username(), "password": PASSWORD}
        answer = client.post("/login/", data)
    else:
        client.force_login(user)
        data |= {"urls": "https://example.org/x", "quality": "best"}
        path = "/downloads/" if form == "add" else f"/downloads/{waiting.correlation_id}/cancel"
        answer = client.post(path, data)

    assert answer.status_code == 302
    assert re.fullmatch(r"/(downloads/\w+/)?", answer["Location"])


@pytest.mark.parametrize("path", ["/", "/login/", "/events/", "/api/v1/stats", "/admin/"])
@pytest.mark.parametrize("host", [EVIL, f"localhost.{EVIL}", f"localhost@{EVIL}", "a b", ""])
def test_no_answer_is_made_for_another_host(
    server: Serving, user: User, path: str, host: str
) -> None:
    answer = server.ask(path, Host=host, **cookie_of(user))

    assert answer.status == 400
    # It may be named, and leads nowhere.
    assert not re.search(rb'(?:href|src|action)="[^"]*evil', answer.body)
    assert EVIL not in answer.headers.get("Location", "")


def test_a_forwarded_host_is_not_believed(server: Serving) -> None:
    answer = server.ask("/", X_Forwarded_Host=EVIL, Forwarded=f"host={EVIL}")

    assert answer.status == 302
    assert EVIL not in answer.headers["Location"]


# Names that would be headers.


@pytest.mark.parametrize(
    "name",
    [
        'a"; filename="evil.html.mp4',
        "a\rX-Evil: 1.mp4",
        "a\tb\x0bc.mp4",
        "a\\.mp4",
        "été \u202e4pm.mp4",
        "%0d%0aX-Evil: 1.mp4",
    ],
)
def test_a_name_adds_no_header_and_no_other_name(server: Serving, user: User, name: str) -> None:
    download = publish(user, name=name)
    path = f"/media/{download.correlation_id}/{quote(name)}"

    answer = server.ask(f"{path}?download=1", user=user)

    disposition = answer.headers["Content-Disposition"]
    assert answer.body == SECRET
    assert not {"Set-Cookie", "X-Evil"} & set(answer.headers)
    assert re.fullmatch(
        r"""attachment; (filename="([^"\\]|\\.)*"|filename\*=utf-8''[\w%.~!#$&+^`|-]*)""",
        disposition,
    )


def test_a_name_with_line_breaks_is_none(server: Serving, user: User) -> None:
    name = "a\r\nX-Evil: 1\r\n.mp4"
    download = publish(user, name=name)

    answer = server.ask(f"/media/{download.correlation_id}/{quote(name)}", user=user)

    assert answer.status == 404
    assert "X-Evil" not in answer.headers


# Ways around a lock.

AROUND = [
    "/media/{id}/clip.mp4",
    "/media/{id}/clip.mp4/",
    "/media/{id}//clip.mp4",
    "//media/{id}/clip.mp4",
    "/media//{id}/clip.mp4",
    "/./media/{id}/clip.mp4",
    "/static/../media/{id}/clip.mp4",
    "/static/..%2fmedia/{id}/clip.mp4",
    "/static/%2e%2e/%2e%2e/media/{id}/clip.mp4",
    "/healthz/../media/{id}/clip.mp4",
    "/login/..%2f..%2fmedia/{id}/clip.mp4",
    "/media/{id}%2fclip.mp4",
    "/media%2f{id}%2fclip.mp4",
    "/media/{id}/%63lip.mp4",
    "/media/{id}/clip.mp4%00",
    "/media/{id}/clip.mp4;x=1",
    "/media/{id}/x/../clip.mp4",
    "/MEDIA/{id}/clip.mp4",
    "http://localhost/media/{id}/clip.mp4",
    "/static/downloads/../../../../../media/{entry}/clip.mp4",
    "/static/..%2f..%2f..%2fvnsite.sqlite3",
    "/static/%2e%2e%2f%2e%2e%2fmanage.py",
]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", AROUND)
def test_no_spelling_of_a_path_gets_somebody_else_s_file(
    server: Serving, user: User, staff: User, method: str, path: str
) -> None:
    download = publish(user)
    other = User.objects.create_user("other")
    entry = download.library_path.replace(" ", "%20")
    asked = path.format(id=download.correlation_id, entry=entry)

    for headers in ({}, cookie_of(other)):
        answer = ask_raw(server, asked, method=method, **headers)

        assert answer.status in (301, 302, 400, 401, 404), f"{asked}: {answer.status}"
        assert SECRET not in answer.body
        assert answer.headers.get("Content-Length") != str(len(SECRET))


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    ["/events/", "/events", "//events/", "/events//", "/./events/", "/static/..%2fevents/",
     "/events%2f", "/EVENTS/", "/events/;x", "/events/%00", "/events/../events/"],
)  # fmt: skip
def test_no_spelling_of_a_path_listens_without_signing_in(
    server: Serving, method: str, path: str
) -> None:
    answer = ask_raw(server, path, method=method)

    assert answer.status in (301, 302, 400, 401, 403, 404, 405), f"{path}: {answer.status}"
    assert "text/event-stream" not in answer.headers.get("Content-Type", "")


@pytest.mark.parametrize("path", ["/", "/events/", "/ws/", "/admin/", "/api/v1/stats"])
def test_there_is_no_websocket_anywhere(server: Serving, user: User, path: str) -> None:
    answer = server.ask(
        path,
        Connection="Upgrade",
        Upgrade="websocket",
        Sec_WebSocket_Version="13",
        Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==",
        Origin=f"https://{EVIL}",
    )

    assert answer.status in (302, 401, 404)


# Far too much.


def spooled_bytes(server: Serving, temp_dir: Path) -> int:
    """What the server has in files of its temp directory, also in such as have no name."""
    total = 0
    for descriptor in Path(f"/proc/{server.process.pid}/fd").iterdir():
        try:
            target, size = str(descriptor.readlink()), descriptor.stat().st_size
        except FileNotFoundError:
            continue
        if target.startswith(str(temp_dir)):
            total += size
    return total


def test_a_gibibyte_to_any_path_is_refused_before_it_comes(
    server: Serving, user: User, temp_dir: Path
) -> None:
    download = publish(user)
    paths = {address_of(route, download) for route in ALL_ROUTES}

    for path in sorted(paths | {"/events/", "/static/downloads/vnsite.css", "/nowhere"}):
        answer = ask_raw(server, path, method="POST", **{"Content-Length": str(2**30)})

        assert answer.status == 413, path
    assert spooled_bytes(server, temp_dir) == 0


def test_a_gibibyte_that_was_not_announced_is_cut_off(server: Serving, temp_dir: Path) -> None:
    most = [0]
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            most[0] = max(most[0], spooled_bytes(server, temp_dir))

    watching = threading.Thread(target=watch)
    before = server.resident_bytes()
    watching.start()
    sent = 0
    browser = server.connect()
    browser.putrequest("POST", "/login/")
    browser.putheader("Transfer-Encoding", "chunked")
    browser.endheaders()
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    try:
        while sent < 2**30:
            browser.send(chunk)
            sent += 2**20
    except (ConnectionResetError, BrokenPipeError):
        pass
    finally:
        done.set()
        watching.join()
        browser.close()

    assert sent < 2**27
    assert most[0] <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    assert server.resident_bytes() - before < 20 * 2**20
    assert spooled_bytes(server, temp_dir) == 0


@pytest.mark.django_db
def test_a_form_with_too_many_fields_is_refused(client: Client, user: User) -> None:
    client.force_login(user)

    answer = client.post("/downloads/", {f"field{number}": "x" for number in range(2_000)})

    assert answer.status_code == 400


@pytest.mark.django_db
def test_ten_thousand_links_are_refused_and_nothing_is_added(client: Client, user: User) -> None:
    client.force_login(user)
    urls = [f"https://example.org/{number}" for number in range(10_000)]

    form = client.post("/downloads/", {"urls": "\n".join(urls), "quality": "best"})
    batch = client.post("/api/v1/downloads/batch", {"urls": urls}, content_type="application/json")

    assert (form.status_code, batch.status_code) == (422, 422)
    assert Download.objects.count() == 0


@pytest.mark.django_db
@pytest.mark.parametrize("depth", [100_000])
def test_deeply_nested_json_is_refused(client: Client, user: User, depth: int) -> None:
    client.force_login(user)

    answer = client.post(
        "/api/v1/downloads", "[" * depth + "]" * depth, content_type="application/json"
    )

    assert answer.status_code in (400, 422)
