"""What yt-dlp learns of a site: the next download knows it, whoever it is of; nobody's secrets."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from yt_dlp.version import __version__ as VERSION

from downloads.disk import site_memory
from downloads.models import Download, SiteCookies
from downloads.rules.cookies import Cookie
from downloads.sandbox import landlock
from tests.helpers.environment import Environment
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.worker import WorkerProcess, running_worker, submit, wait_for_state

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk", "nothing_known")

ANSWER = "a" * 32


@pytest.fixture
def nothing_known() -> None:
    for path in files():
        path.unlink()


@pytest.fixture
def site(scripted_site: ScriptedSite, media_server: MediaServer) -> ScriptedSite:
    """It lets in who answers its challenge."""

    def prove(request: Request) -> Answer:
        is_right = request.path.endswith(f"?{ANSWER}")
        return Answer(body="welcome") if is_right else Answer(status=503)

    video = media_server.file("video.mp4").read_bytes()
    scripted_site.serve("/video.mp4", Answer(body=video, media_type="video/mp4"))
    scripted_site.serve("/challenge", Answer(body=ANSWER))
    scripted_site.serve("/proof", prove)
    return scripted_site


@pytest.fixture
def worker(
    shared_db: None,
    nothing_known: None,
    environment: Environment,
    site: ScriptedSite,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[WorkerProcess]:
    monkeypatch.setattr(sys, "executable", str(environment.python))
    with running_worker(
        VNSITE_ALLOW_PRIVATE_HOSTS=site.origin, VNSITE_EXTRACTOR_PLUGINS="vnsite-test-plugins"
    ) as worker:
        yield worker


def files() -> list[Path]:
    root = settings.VNSITE.memory_root
    return [path for path in root.rglob("*") if path.is_file()]


def known() -> Path:
    return site_memory.path_of(
        settings.VNSITE.memory_root, "soundcloud", "client_id", version=VERSION
    )


def remember(value: Any) -> None:
    root = settings.VNSITE.memory_root
    assert site_memory.keep(root, "soundcloud", "client_id", value, version=VERSION)


def fetch(site: ScriptedSite, name: str) -> Download:
    download = submit(site.url(f"/learning/{name}"))
    return wait_for_state(download, "cleaned")


@pytest.mark.usefixtures("worker")
def test_the_second_download_does_not_ask_again(site: ScriptedSite) -> None:
    outcomes = [fetch(site, name).outcome for name in ("first", "second")]

    assert outcomes == ["completed", "completed"]
    assert len(site.requests_of("/challenge")) == 1
    assert len(site.requests_of("/proof")) == 2


@pytest.mark.usefixtures("worker")
def test_only_what_is_listed_is_kept_for_this_user_alone(site: ScriptedSite) -> None:
    fetch(site, "first")

    assert files() == [known()]  # not the token that it stored as well
    assert known().stat().st_mode & 0o777 == 0o600
    assert known().parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.usefixtures("worker")
def test_what_is_known_wrongly_fails_one_attempt_and_is_replaced(site: ScriptedSite) -> None:
    remember("wrong")

    first, second = fetch(site, "first"), fetch(site, "second")

    assert (first.outcome, first.attempt) == ("completed", 2)
    assert (second.outcome, second.attempt) == ("completed", 1)
    assert len(site.requests_of("/challenge")) == 1


@pytest.mark.usefixtures("worker")
def test_a_file_that_is_damaged_is_as_one_that_is_not_there(site: ScriptedSite) -> None:
    remember(ANSWER)
    known().write_text('{"data": ["not", "a", "word"]}')

    download = fetch(site, "first")

    assert (download.outcome, download.attempt) == ("completed", 1)
    assert len(site.requests_of("/challenge")) == 1


def test_a_folder_that_cannot_be_written_costs_nothing_but_the_knowledge(
    worker: WorkerProcess, site: ScriptedSite
) -> None:
    root = settings.VNSITE.memory_root
    root.parent.mkdir(exist_ok=True)
    for path in sorted(root.rglob("*"), reverse=True):
        path.rmdir()
    root.rmdir() if root.exists() else None
    root.write_text("in the way")
    try:
        download = fetch(site, "first")
    finally:
        root.unlink()

    assert download.outcome == "completed"
    assert "what was learned of a site is not kept" in worker.log()


@pytest.mark.usefixtures("worker")
def test_what_fails_teaches_nothing(site: ScriptedSite) -> None:
    site.serve("/video.mp4", Answer(status=404))

    download = fetch(site, "first")

    assert download.outcome == "failed"
    assert files() == []


@pytest.mark.usefixtures("worker")
def test_what_a_child_with_cookies_of_a_user_learned_is_nobody_elses(
    site: ScriptedSite, user: User
) -> None:
    cookie = Cookie(domain="127.0.0.1", path="/", name="a", value="b", host_only=True)
    SiteCookies.objects.paste(user, "127.0.0.1", [cookie])

    wait_for_state(submit(site.url("/learning/first"), owner=user), "cleaned")

    assert site.requests_of("/challenge")[0].headers["Cookie"] == "a=b"
    assert files() == []


@pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock")
@pytest.mark.usefixtures("worker")
def test_a_child_reads_what_is_known_and_cannot_write_it(site: ScriptedSite) -> None:
    remember(ANSWER)
    before = known().read_text()

    download = submit(site.url("/writing/first"))
    wait_for_state(download, "cleaned")

    assert (download.outcome, download.title) == ("completed", "refused")
    assert known().read_text() == before
