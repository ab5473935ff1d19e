"""How static files are named, kept by browsers, and sent; and that pages are sent compressed."""

import gzip
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import brotli
import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User
from pytest_django import Settings

from downloads.models import PublishedFile
from tests.helpers import lives
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import DEADLINE_SECONDS, wait_for
from tests.helpers.worker import ROOT, worker_environment
from vnsite import static_files
from vnsite.as_served import as_served
from vnsite.settings import fingerprint

SOURCE = ROOT / "downloads/static"
NAMED = re.compile(r'(?:src|href)="(/static/[^"#]+)')
NEEDED = {"Cache-Control", "Content-Type", "Content-Length", "Content-Encoding", "Vary"} | {
    "X-Content-Type-Options"
}  # fmt: skip
DECODERS = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}
IMPORTED = re.compile(r"""(?:from |import |import\(|new URL\()["'](\./[^"']+)["']""")

pytestmark = [pytest.mark.usefixtures("shared_db", "clean_disk")]


@pytest.fixture(scope="module")
def site(django_db_setup: None) -> Iterator[Serving]:
    with serving("--no-worker") as server:
        yield server


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ursula")


def test_a_page_names_files_that_are_kept_for_a_year(site: Serving, person: User) -> None:
    named = set(NAMED.findall(site.ask("/", user=person).body.decode()))

    assert named
    for url in named:
        answer = site.ask(url)
        assert answer.status == 200, url
        assert answer.headers["Cache-Control"] == "max-age=31536000, public, immutable"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert set(answer.headers) <= NEEDED


def test_a_module_finds_what_it_imports_in_the_folder_of_the_same_version(site: Serving) -> None:
    for module in (SOURCE / "downloads").glob("*.js"):
        for name in IMPORTED.findall(module.read_text()):
            url = urljoin(f"{settings.STATIC_URL}downloads/{module.name}", name)
            assert site.ask(url).status == 200, (module.name, name)


def test_static_files_and_pages_come_compressed(site: Serving, person: User) -> None:
    style = site.ask(f"{settings.STATIC_URL}downloads/vnsite.css", Accept_Encoding="br, gzip")
    pages = {
        accepted: site.ask("/", user=person, Accept_Encoding=accepted)
        for accepted in ("gzip, deflate, br, zstd", "gzip, deflate", "gzip, br;q=0", "identity")
    }

    assert style.headers["Content-Encoding"] == "gzip"
    text = gzip.decompress(style.body).decode()
    assert text == as_served(SOURCE / "downloads/vnsite.css")
    encodings = [page.headers.get("Content-Encoding") for page in pages.values()]
    assert encodings == ["br", "gzip", "gzip", None]
    texts = [DECODERS[page.headers.get("Content-Encoding")](page.body) for page in pages.values()]
    assert all(text.rstrip().endswith(b"</html>") for text in texts)


def test_media_and_events_are_sent_as_they_are(site: Serving, person: User) -> None:
    download = lives.complete(lives.submit(person), name="clip.mp4")
    content = bytes(5000)
    (settings.VNSITE.media_root / download.library_path / "clip.mp4").write_bytes(content)
    PublishedFile.objects.update(size=len(content))

    media = site.ask(
        f"/media/{download.correlation_id}/clip.mp4", user=person, Accept_Encoding="gzip"
    )
    with site.listen(user=person, Accept_Encoding="gzip") as stream:
        assert stream.response.headers["Content-Encoding"] is None
        stream.next("hello")

    assert "Content-Encoding" not in media.headers
    assert media.headers["Content-Length"] == "5000"
    assert media.body == content


def test_a_changed_a_new_and_a_renamed_file_each_make_another_version(tmp_path: Path) -> None:
    file = tmp_path / "a.css"
    versions = set()
    for change in (
        lambda: file.write_text("a {}"),
        lambda: file.write_text("b {}"),
        lambda: (tmp_path / "new.js").write_text(""),
        lambda: file.rename(tmp_path / "b.css"),
    ):
        change()
        versions.add(fingerprint(tmp_path))

    assert len(versions) == 4
    assert fingerprint(tmp_path) in versions


@pytest.fixture
def root(settings: Settings, tmp_path: Path) -> Path:
    settings.STATIC_ROOT = tmp_path / "static" / "this"
    return tmp_path / "static" / "this"


def test_collecting_makes_both_compressed_forms_and_removes_other_versions(root: Path) -> None:
    (root.parent / "that").mkdir(parents=True)

    static_files.collect()

    style = root / "downloads/vnsite.css"
    assert gzip.decompress(style.with_name("vnsite.css.gz").read_bytes()) == style.read_bytes()
    assert brotli.decompress(style.with_name("vnsite.css.br").read_bytes()) == style.read_bytes()
    assert (root / "admin/css/base.css.gz").exists()
    assert list(root.parent.iterdir()) == [root]


def test_what_was_collected_once_is_left_alone(root: Path) -> None:
    root.mkdir(parents=True)

    static_files.collect()

    assert list(root.iterdir()) == []


def test_where_nothing_can_be_written_files_are_served_as_they_lie(tmp_path: Path) -> None:
    """A server that another program starts may have nothing but a database."""
    static_files.collect()
    (settings.VNSITE.data_dir / "static").rename(tmp_path / "aside")
    (settings.VNSITE.data_dir / "static").write_text("in the way")
    try:
        with serving("--no-worker") as site:
            answer = site.ask(f"{settings.STATIC_URL}downloads/vnsite.css")
            said = site.said()
    finally:
        (settings.VNSITE.data_dir / "static").unlink()
        (tmp_path / "aside").rename(settings.VNSITE.data_dir / "static")

    assert answer.status == 200
    assert "Content-Encoding" not in answer.headers
    assert "Static files are not compressed" in said


def test_another_server_that_imports_the_site_finds_its_files(person: User) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    site = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "daphne", "-p", str(port), "vnsite.asgi:application"]
    with subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, **worker_environment()}, stderr=subprocess.DEVNULL
    ) as server:
        try:
            wait_for(lambda: answers(f"{site}/login/"), what="the server")
            page = requests.get(f"{site}/login/", timeout=DEADLINE_SECONDS).text
            style = requests.get(site + NAMED.findall(page)[0], timeout=DEADLINE_SECONDS)
        finally:
            server.terminate()

    assert style.status_code == 200
    assert style.headers["Content-Encoding"] == "gzip"


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=DEADLINE_SECONDS).ok
    except requests.ConnectionError:
        return False
