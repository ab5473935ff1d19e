"""`GET /media/…`, by a real server process: ranges, conditions, who may, what is never served."""

import email.utils
import hashlib
import http.client
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import RequestFactory

from downloads import actions
from downloads.accounts import tokens
from downloads.models import Download, PublishedFile
from downloads.web.media import NotSatisfiable, open_beneath, wanted_part
from tests.helpers import lives
from tests.helpers.processes import open_files
from tests.helpers.serving import Answer, Serving, headers_of, serving, sign_in
from tests.helpers.waiting import wait_for

CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
MODIFIED = 1_780_000_000
BIG = 200 * 2**20


@pytest.fixture(scope="module")
def process(django_db_setup: None) -> Iterator[Serving]:
    with serving("--no-worker") as process:
        yield process


@pytest.fixture
def server(process: Serving, shared_db: None, clean_disk: None) -> Serving:
    return process


@dataclass(frozen=True)
class Published:
    """A file in the library and how to ask for it."""

    server: Serving
    download: Download
    path: Path
    url: str
    owner: User

    def get(self, *, method: str = "GET", query: str = "", **headers: str) -> Answer:
        return self.server.ask(self.url + query, method=method, user=self.owner, **headers)


def publish(server: Serving, owner: User, *, name: str = "clip.mp4") -> Published:
    download = lives.complete(lives.submit(owner), name=name)
    path = settings.VNSITE.media_root / download.library_path / name
    path.write_bytes(CONTENT)
    os.utime(path, (MODIFIED, MODIFIED))
    PublishedFile.objects.update(size=SIZE, sha256=ETAG.strip('"'))
    url = f"/media/{download.correlation_id}/{name}"
    return Published(server, download, path, url, owner)


def resize(published: Published, size: int) -> None:
    """As if a file of so many bytes, which the disk need not hold, had been published."""
    os.truncate(published.path, size)
    PublishedFile.objects.update(size=size)


@pytest.fixture
def published(server: Serving, user: User) -> Published:
    return publish(server, user)


# The whole file


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"+", b""])
def test_a_file_that_was_changed_outside_is_not_served(
    published: Published, content: bytes
) -> None:
    published.path.write_bytes(content)

    assert [published.get().status, published.get(method="HEAD").status] == [404, 404]
    assert published.get(Range="bytes=0-9").status == 404


def test_the_owner_gets_the_file(published: Published) -> None:
    answer = published.get()

    assert answer.status == 200
    assert answer.body == CONTENT
    assert answer.headers["Content-Type"] == "video/mp4"
    assert answer.headers["Content-Length"] == str(SIZE)
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert answer.headers["ETag"] == ETAG
    assert answer.headers["Last-Modified"] == email.utils.formatdate(MODIFIED, usegmt=True)
    assert answer.headers["Content-Disposition"] == 'inline; filename="clip.mp4"'


def test_a_file_cannot_act_as_a_page(published: Published) -> None:
    headers = published.get().headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == (
        "sandbox allow-same-origin; default-src 'none'; media-src 'self'"
    )


@pytest.mark.parametrize("name", ["page.html", "drawing.svg", "unknown"])
def test_the_type_is_what_was_found_in_it_and_not_what_its_name_says(
    server: Serving, user: User, name: str
) -> None:
    assert publish(server, user, name=name).get().headers["Content-Type"] == "video/mp4"


def test_it_can_be_saved(published: Published) -> None:
    answer = published.get(query="?download=1")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="clip.mp4"'


def test_a_name_with_quotes_and_other_letters_is_quoted(server: Serving, user: User) -> None:
    file = publish(server, user, name='été "1".mp4')
    answer = server.ask(
        f"/media/{file.download.correlation_id}/%C3%A9t%C3%A9%20%221%22.mp4", user=user
    )

    assert answer.body == CONTENT
    assert answer.headers["Content-Disposition"] == (
        "inline; filename*=utf-8''%C3%A9t%C3%A9%20%221%22.mp4"
    )


def test_head_has_the_headers_and_no_body(published: Published) -> None:
    whole, head = published.get(), published.get(method="HEAD")

    assert head.status == 200
    assert head.body == b""
    assert head.headers["Content-Length"] == str(SIZE)
    assert {**head.headers, "Date": ""} == {**whole.headers, "Date": ""}


def test_an_empty_file_is_served(published: Published) -> None:
    resize(published, 0)

    assert published.get().body == b""
    assert published.get(Range="bytes=0-").status == 416


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_written(published: Published, method: str) -> None:
    assert published.get(method=method).status in (403, 405)


# Ranges


@pytest.mark.parametrize(
    ("wanted", "start", "stop"),
    [
        ("bytes=0-", 0, SIZE),
        ("bytes=0-0", 0, 1),
        ("bytes=10-19", 10, 20),
        ("bytes=10-", 10, SIZE),
        ("bytes=-10", SIZE - 10, SIZE),
        (f"bytes=-{SIZE + 5}", 0, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        (f"bytes=10-{SIZE * 2}", 10, SIZE),
        ("BYTES=10-19", 10, 20),
        ("bytes= 10-19 ", 10, 20),
    ],
)
def test_one_range_is_served(published: Published, wanted: str, start: int, stop: int) -> None:
    answer = published.get(Range=wanted)

    assert answer.status == 206
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
    assert answer.headers["Content-Length"] == str(stop - start)
    assert answer.body == CONTENT[start:stop]


@pytest.mark.parametrize("wanted", [f"bytes={SIZE}-", f"bytes={SIZE}-{SIZE + 1}"])
def test_a_range_behind_the_end_is_refused(published: Published, wanted: str) -> None:
    answer = published.get(Range=wanted)

    assert answer.status == 416
    assert answer.headers["Content-Range"] == f"bytes */{SIZE}"


@pytest.mark.parametrize(
    "wanted",
    [
        "bytes=0-1,5-6",
        "bytes=0-10,5-6",
        "bytes=19-10",
        "bytes=--5",
        "bytes=-0",
        "bytes=a-b",
        "bytes=1.5-2",
        "bytes",
        "bytes=",
        "items=0-1",
        "0-1",
        "bytes=" + ",".join(f"{n}-{n}" for n in range(1000)),
    ],
)
def test_what_is_not_one_range_gets_the_whole_file(published: Published, wanted: str) -> None:
    answer = published.get(Range=wanted)

    assert answer.status == 200
    assert answer.body == CONTENT
    assert "Content-Range" not in answer.headers


def test_head_of_a_range_has_its_length(published: Published) -> None:
    answer = published.get(method="HEAD", Range="bytes=10-19")

    assert (answer.status, answer.body) == (206, b"")
    assert answer.headers["Content-Length"] == "10"


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        (ETAG, 206),
        ('"another"', 200),
        (f"W/{ETAG}", 200),
        (email.utils.formatdate(MODIFIED, usegmt=True), 206),
        (email.utils.formatdate(MODIFIED + 1, usegmt=True), 200),
        ("nonsense", 200),
    ],
)
def test_a_range_of_another_version_is_not_served(
    published: Published, condition: str, status: int
) -> None:
    answer = published.get(Range="bytes=0-9", If_Range=condition)

    assert answer.status == status


# Conditions


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("If_None_Match", ETAG),
        ("If_None_Match", f'"x", W/{ETAG}'),
        ("If_None_Match", "*"),
        ("If_Modified_Since", email.utils.formatdate(MODIFIED, usegmt=True)),
    ],
)
def test_what_the_browser_has_is_not_sent_again(
    published: Published, header: str, value: str
) -> None:
    answer = published.get(**{header: value})

    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers["ETag"] == ETAG


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("If_None_Match", '"another"'),
        ("If_Modified_Since", email.utils.formatdate(MODIFIED - 1, usegmt=True)),
        ("If_Modified_Since", "nonsense"),
    ],
)
def test_what_the_browser_does_not_have_is_sent(
    published: Published, header: str, value: str
) -> None:
    assert published.get(**{header: value}).body == CONTENT


# Who may, and what


def test_nobody_is_sent_to_the_login(published: Published) -> None:
    answer = published.server.ask(published.url)

    assert answer.status == 302
    assert answer.headers["Location"] == f"/login/?next={published.url}"


def test_a_wrong_token_is_told_so(published: Published) -> None:
    answer = published.server.ask(published.url, Authorization="Bearer wrong")

    assert answer.status == 401


def test_a_token_gets_the_file(published: Published) -> None:
    token = tokens.issue(published.owner, name="test")

    answer = published.server.ask(published.url, Authorization=f"Bearer {token}")
    assert answer.body == CONTENT


def test_staff_get_every_file(published: Published, staff: User) -> None:
    assert published.server.ask(published.url, user=staff).body == CONTENT


def test_a_deleted_download_leaves_its_files_where_they_were(
    published: Published, staff: User
) -> None:
    other = User.objects.create_user("otto")
    actions.forget(published.download)

    assert published.get().body == CONTENT
    assert published.server.ask(published.url, user=staff).body == CONTENT
    assert published.server.ask(published.url, user=other).status == 404


def test_a_deleted_user_leaves_files_for_staff(published: Published, staff: User) -> None:
    published.owner.delete()

    assert published.server.ask(published.url, user=staff).body == CONTENT


def test_a_file_of_another_user_is_not_found(published: Published) -> None:
    other = User.objects.create_user("olga")

    assert published.server.ask(published.url, user=other).status == 404


@pytest.mark.parametrize(
    "name",
    [
        "other.mp4",
        "clip.mp4/",
        "clip.mp",
        "../../vnsite.sqlite3",
        "..%2f..%2fsecret_key",
        "%2e%2e/secret_key",
        "/etc/passwd",
        "%2fetc%2fpasswd",
        ".",
        "clip.mp4%00",
    ],
)
def test_only_published_names_are_found(published: Published, name: str) -> None:
    path = f"/media/{published.download.correlation_id}/{name}"

    assert published.server.ask(path, user=published.owner).status == 404


def test_a_file_that_is_gone_from_the_disk_is_not_found(published: Published) -> None:
    published.path.unlink()

    answer = published.get()
    assert answer.status == 404
    assert "This file was removed outside vnsite" in answer.body.decode()
    assert f"/downloads/{published.download.correlation_id}/" in answer.body.decode()


def make_link(path: Path, elsewhere: Path) -> None:
    path.symlink_to(elsewhere / "clip.mp4")


def make_linked_directory(path: Path, elsewhere: Path) -> None:
    path.parent.rmdir()
    path.parent.symlink_to(elsewhere)


def make_fifo(path: Path, elsewhere: Path) -> None:
    os.mkfifo(path)


def make_directory(path: Path, elsewhere: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("plant", [make_link, make_linked_directory, make_fifo, make_directory])
def test_only_regular_files_of_the_library_are_served(
    published: Published, tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"secret")
    published.path.unlink()
    plant(published.path, tmp_path)

    assert published.get().status == 404


@pytest.mark.parametrize("path", ["../file", "a/../../file", "/file"])
def test_nothing_above_the_root_is_opened(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "root" / "a").mkdir(parents=True)

    with pytest.raises(OSError):
        open_beneath(tmp_path / "root", Path(path))


# Big files and browsers that leave


@pytest.fixture
def big(published: Published) -> Published:
    resize(published, BIG)
    return published


def start_reading(file: Published) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
    browser = file.server.connect()
    browser.request("GET", file.url, headers=headers_of(file.owner, {}))
    response = browser.getresponse()
    assert len(response.read(1000)) == 1000
    return browser, response


def test_a_big_file_takes_constant_memory(big: Published) -> None:
    before = big.server.resident_bytes()
    most = 0
    browser, response = start_reading(big)
    received = 1000
    while part := response.read(2**20):
        received += len(part)
        most = max(most, big.server.resident_bytes())
    browser.close()

    assert received == BIG
    assert most - before < 20 * 2**20


def test_four_gibibytes_take_constant_memory(published: Published) -> None:
    size = 4 * 2**30 + 10  # more than 32 bits can count; the disk holds nothing of it
    resize(published, size)
    before = published.server.resident_bytes()

    head = published.get(method="HEAD")
    end = published.get(Range="bytes=-10")
    late = published.get(Range=f"bytes={2**32}-")
    browser, response = start_reading(published)
    received = sum(len(response.read(2**20)) for _ in range(64))
    browser.close()

    assert head.headers["Content-Length"] == str(size)
    assert end.headers["Content-Range"] == f"bytes {size - 10}-{size - 1}/{size}"
    assert (late.status, late.body) == (206, bytes(10))
    assert received == 64 * 2**20
    assert published.server.resident_bytes() - before < 20 * 2**20


def test_a_browser_that_does_not_read_fills_no_memory(big: Published) -> None:
    headers = "\r\n".join(": ".join(item) for item in headers_of(big.owner, {}).items())
    before = big.server.resident_bytes()
    with closing(socket.socket()) as browser:
        browser.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        browser.settimeout(30)
        browser.connect(big.server.address)
        browser.sendall(f"GET {big.url} HTTP/1.0\r\nHost: localhost\r\n{headers}\r\n\r\n".encode())
        assert browser.recv(12) == b"HTTP/1.0 200"
        # Other requests are answered meanwhile, and the file has not moved into memory.
        for _ in range(20):
            assert big.get(Range="bytes=0-9").body == CONTENT[:10]

        assert big.server.resident_bytes() - before < 20 * 2**20


def test_many_read_at_once(big: Published) -> None:
    cookie = sign_in(big.owner)
    bodies = []

    def read() -> None:
        bodies.append(big.server.ask(big.url, Cookie=cookie, Range=f"bytes=0-{2**20}").body)

    readers = [threading.Thread(target=read) for _ in range(10)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()

    assert len(bodies) == 10
    assert all(body.startswith(CONTENT) and len(body) == 2**20 + 1 for body in bodies)


def opens(file: Published) -> bool:
    return str(file.path) in open_files(file.server.process.pid)


def test_the_file_is_closed_when_the_browser_leaves(big: Published) -> None:
    browser, response = start_reading(big)
    assert opens(big)

    response.close()
    browser.close()

    wait_for(lambda: not opens(big), what="the file to be closed")


def test_a_file_that_is_deleted_while_it_is_read_is_read_to_the_end(big: Published) -> None:
    browser, response = start_reading(big)
    big.path.unlink()

    rest = 0
    while part := response.read(2**20):
        rest += len(part)
    browser.close()

    assert rest == BIG - 1000


def test_a_file_that_becomes_shorter_ends_the_connection(big: Published) -> None:
    browser, response = start_reading(big)
    os.truncate(big.path, 10 * 2**20)

    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        while response.read(2**20):
            pass
    browser.close()
    resize(big, 10 * 2**20)
    assert big.get(Range="bytes=0-9").body == CONTENT[:10]


# The decision about a range, alone


@pytest.mark.parametrize(
    ("headers", "part"),
    [
        ({}, None),
        ({"Range": "bytes=5-"}, (5, 100)),
        ({"Range": "bytes=5-", "If-Range": '"tag"'}, (5, 100)),
        ({"Range": "bytes=5-", "If-Range": '"other"'}, None),
    ],
)
def test_the_wanted_part(headers: dict[str, str], part: tuple[int, int] | None) -> None:
    request = RequestFactory().get("/", headers=headers)

    assert wanted_part(request, etag='"tag"', modified=0, size=100) == part


def test_a_part_behind_the_end_cannot_be_had() -> None:
    request = RequestFactory().get("/", headers={"Range": "bytes=100-"})

    with pytest.raises(NotSatisfiable):
        wanted_part(request, etag='"tag"', modified=0, size=100)
