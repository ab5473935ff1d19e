"""Cookies with a real worker: who gets them, what is renewed, and where they never are."""

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import time

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.auth.models import User
from django.core import serializers
from django.db import connection
from django.test import Client

from downloads.models import AttemptLog, Download, Site, SiteCookies
from downloads.rules.cookies import Cookie
from downloads.rules.errors import ErrorClass
from downloads.rules.sealing import seal
from downloads.rules.states import State
from tests.helpers.media_server import MediaServer
from tests.helpers.processes import descendants
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.searching import files_with
from tests.helpers.site_proxy import SiteProxy
from tests.helpers.waiting import wait_for
from tests.helpers.worker import WorkerProcess, child_of, running_worker, submit, wait_for_state
from tests.worker.test_resumption import no_breach

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]

SECRET = "canary-of-a-cookie-0123456789"
RENEWED = "canary-of-a-renewed-cookie-0123456789"
HOST = "127.0.0.1"
ENDED = (State.CLEANED, State.COMPLETED, State.FAILED)


class PrivateSite:
    """A site whose page wants a cookie, and whose video can be held back until `let_go`."""

    def __init__(self, site: ScriptedSite, video: bytes) -> None:
        self.site = site
        self.answer = Answer(body="<title>A film</title><video src='/video.mp4'></video>")
        self._video = Answer(body=video, media_type="video/mp4")
        self._may_go = threading.Event()
        self._may_go.set()
        self.url = site.serve("/watch", self.page)
        site.serve("/video.mp4", self.video)

    def page(self, request: Request) -> Answer:
        sent = request.headers.get("Cookie", "")
        is_known = f"session={SECRET}" in sent or f"session={RENEWED}" in sent
        return self.answer if is_known else Answer(status=401, body="Sign in")

    def video(self, request: Request) -> Answer:
        self._may_go.wait()
        return self._video

    def hold(self) -> None:
        self._may_go.clear()

    def cut(self) -> None:
        """Send half of the video, and nothing more."""
        half, headers = len(self._video.body) // 2, {"ETag": '"1"'}
        self._video = replace(self._video, hold_after=half, headers=headers)

    def let_go(self) -> None:
        self._may_go.set()

    def renews(self) -> None:
        headers = {"Set-Cookie": f"session={RENEWED}; Path=/; Max-Age=10000"}
        self.answer = Answer(body=self.answer.body, headers=headers)

    def is_asked_for(self, path: str) -> bool:
        return bool(self.site.requests_of(path))

    def cookies_sent(self) -> list[str]:
        return [request.headers.get("Cookie", "") for request in self.site.requests_of("/watch")]


@pytest.fixture
def private(scripted_site: ScriptedSite, media_server: MediaServer) -> Iterator[PrivateSite]:
    private = PrivateSite(scripted_site, media_server.file("video.mp4").read_bytes())
    yield private
    private.let_go()


@pytest.fixture
def worker(private: PrivateSite) -> Iterator[WorkerProcess]:
    environment = {"VNSITE_ALLOW_PRIVATE_HOSTS": private.site.origin, "VNSITE_LOG_LEVEL": "debug"}
    with running_worker(**environment) as worker:
        yield worker


@pytest.fixture
def other_user(db: None) -> User:
    return User.objects.create_user("otto")


def paste(owner: User, *, value: str = SECRET, host: str = HOST) -> SiteCookies:
    cookie = Cookie(
        domain=host,
        path="/",
        name="session",
        value=value,
        host_only=True,
        expires=int(time() + 9e6),
    )
    return SiteCookies.objects.paste(owner, host, [cookie])


def values_of(owner: User) -> list[str]:
    return [cookie.value for cookie in SiteCookies.objects.get(owner=owner).open()]


def finished(download: Download) -> Download:
    wait_for_state(download, *ENDED)
    return download


def test_only_the_owner_s_download_gets_them(
    private: PrivateSite, worker: WorkerProcess, user: User, other_user: User
) -> None:
    paste(user)

    own = finished(submit(private.url, owner=user))
    after = len(private.site.requests)
    foreign = finished(submit(private.url, owner=other_user))
    of_nobody = finished(submit(private.url))

    assert own.outcome == "completed"
    assert {foreign.error_class, of_nobody.error_class} == {ErrorClass.LOGIN_REQUIRED}
    later = private.site.requests[after:]
    assert {request.headers.get("Cookie", "") for request in later} == {""}


def test_a_retry_uses_what_was_pasted_meanwhile(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    from downloads import actions

    download = finished(submit(private.url, owner=user))
    assert download.error_class == ErrorClass.LOGIN_REQUIRED

    paste(user)
    actions.retry(download, actor="test")

    wait_for(lambda: finished(download).outcome == "completed", what="the retry to succeed")


def test_what_the_site_renewed_is_sent_by_the_next_download(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    row = paste(user)
    private.renews()

    finished(submit(private.url, owner=user))
    finished(submit(f"{private.url}?again", owner=user))

    row.refresh_from_db()
    assert private.cookies_sent() == [f"session={SECRET}", f"session={RENEWED}"]
    assert row.version > 1
    assert row.summary[0]["name"] == "session"


def test_what_was_pasted_meanwhile_is_not_overwritten(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    paste(user)
    private.renews()
    private.hold()

    download = submit(private.url, owner=user)
    wait_for(lambda: private.is_asked_for("/video.mp4"), what="the video to be asked for")
    paste(user, value="pasted-meanwhile")
    private.let_go()
    finished(download)

    assert download.outcome == "completed"
    assert values_of(user) == ["pasted-meanwhile"]


def test_what_was_deleted_meanwhile_does_not_come_back(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    paste(user)
    private.renews()
    private.hold()

    download = submit(private.url, owner=user)
    wait_for(lambda: private.is_asked_for("/video.mp4"), what="the video to be asked for")
    SiteCookies.objects.all().delete()
    private.let_go()
    finished(download)

    assert download.outcome == "completed"
    assert not SiteCookies.objects.exists()


def test_cookies_of_another_secret_key_cost_no_download_and_are_named_in_the_log(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    row = paste(user)
    sealed = seal("[]", secret_key="another" * 9, place="another")
    SiteCookies.objects.filter(pk=row.pk).update(sealed=sealed)

    download = finished(submit(private.url, owner=user))

    assert download.error_class == ErrorClass.LOGIN_REQUIRED
    said = AttemptLog.objects.get(download=download).text
    assert f"the cookies of {HOST} cannot be read with this secret key: paste them again" in said
    assert b"Traceback" not in worker.said()


def test_a_site_s_downloads_go_through_its_proxy(private: PrivateSite, user: User) -> None:
    host, _, port = private.site.origin.partition(":")
    leads = {"site.example": (host, int(port))}
    with SiteProxy(leads=leads, credentials="user:canary-of-a-proxy") as proxy:
        url = f"http://user:canary-of-a-proxy@{proxy.endpoint}"
        now = User.objects.get(pk=user.pk).date_joined
        Site.objects.create(host="site.example", proxy=url, changed_at=now)
        paste(user, host="site.example")
        with running_worker() as worker:
            download = finished(submit("http://site.example/watch", owner=user))
            said = AttemptLog.objects.get(download=download).text + worker.log()

        assert download.outcome == "completed"
        assert set(proxy.asked) == {"site.example:80"}
        assert f"through the proxy {proxy.endpoint}" in said
        assert "canary" not in said


def test_a_proxy_that_is_none_ends_the_download_with_a_sentence(user: User) -> None:
    Site.objects.create(host="site.example", proxy="nonsense", changed_at=user.date_joined)
    with running_worker():
        download = submit("http://site.example/watch", owner=user)

        def has_failed() -> bool:
            download.refresh_from_db()
            return download.error_class == ErrorClass.NETWORK

        wait_for(has_failed, what="the attempt to fail")

    assert download.advice is not None
    assert download.advice.sentence == "The proxy of this site does not work."


# Where a cookie never is.


def memory_has(pid: int, needle: bytes) -> bool:
    """Whether the needle is in what a process can write of its memory."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end in re.findall(r"^(\w+)-(\w+) rw", maps, re.MULTILINE):
            with suppress(OSError, ValueError):  # [vvar], and what was unmapped meanwhile
                memory.seek(int(start, 16))
                if needle in memory.read(int(end, 16) - int(start, 16)):
                    return True
    return False


def rows_as_text() -> str:
    """All rows of all tables, as an export has them."""
    rows = [row for model in apps.get_models() for row in model._default_manager.all()]
    return serializers.serialize("json", rows)


def answers_about(download: Download, *, reader: User) -> str:
    """What the pages and the API say of a download and of cookies."""
    client = Client()
    client.force_login(reader)
    one = download.correlation_id
    paths = ["/", f"/downloads/{one}/", "/cookies/", f"/sites/{HOST}/cookies"]
    paths += [f"/api/v1/downloads/{one}", f"/api/v1/downloads/{one}/log", "/api/v1/downloads"]
    answers = [client.get(path) for path in (*paths, f"/api/v1/sites/{HOST}/cookies")]
    assert {answer.status_code for answer in answers} == {200}
    return "".join(answer.content.decode() for answer in answers)


def test_a_cookie_is_in_its_own_child_and_nowhere_else(
    private: PrivateSite, worker: WorkerProcess, user: User, other_user: User, tmp_path: Path
) -> None:
    paste(user)
    private.renews()
    private.hold()
    other = private.site.serve("/open", Answer(body="<video src='/video.mp4?other'></video>"))

    own = submit(private.url, owner=user, extras=["nfo", "info"])
    wait_for(lambda: private.is_asked_for("/video.mp4"), what="the video to be asked for")
    foreign = submit(other, owner=other_user)
    wait_for(lambda: len(private.site.requests_of("/video.mp4")) == 2, what="the other's video")
    own.refresh_from_db()
    foreign.refresh_from_db()
    family = descendants(worker.process.pid)
    fork_server = family[0]

    for needle in (SECRET.encode(), RENEWED.encode()):
        for pid in (worker.process.pid, *family):
            assert needle not in Path(f"/proc/{pid}/cmdline").read_bytes()
            assert needle not in Path(f"/proc/{pid}/environ").read_bytes()
        assert memory_has(child_of(own).pid, needle)
        assert not memory_has(child_of(foreign).pid, needle)
        assert not memory_has(fork_server, needle)
        assert not files_with(needle, settings.VNSITE.data_dir, tmp_path)

    private.let_go()
    assert {finished(own).outcome, finished(foreign).outcome} == {"completed"}
    wait_for(lambda: values_of(user) == [RENEWED], what="the renewed one to be stored")
    exported, answers = rows_as_text(), answers_about(own, reader=user)
    for secret in (SECRET, RENEWED):
        assert secret not in exported
        assert secret not in answers
        assert secret not in worker.log()
        assert not files_with(secret.encode(), settings.VNSITE.data_dir)
    assert "session" in exported
    assert list(settings.VNSITE.media_root.rglob("*.info.json"))
    assert no_breach()


def test_a_killed_worker_leaves_the_old_cookies_and_no_file_with_one(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    paste(user)
    private.renews()
    private.cut()
    submit(private.url, owner=user)
    roots = (settings.VNSITE.temp_root, settings.VNSITE.media_root)
    wait_for(lambda: any(path.stat().st_size for path in roots[0].rglob("*.part")), what="a part")

    worker.send(signal.SIGKILL)
    worker.wait()

    left = [path for path in roots[0].rglob("*") if path.is_file()]
    assert len(left) > 1
    for secret in (SECRET, RENEWED):
        assert not files_with(secret.encode(), *roots)
        assert secret not in worker.log()
    assert values_of(user) == [SECRET]


def test_an_attempt_that_fails_tells_no_cookie_either(
    private: PrivateSite, worker: WorkerProcess, user: User
) -> None:
    paste(user)
    private.answer = Answer(status=302, headers={"Location": f"/gone?x={SECRET}"})

    download = finished(submit(private.url, owner=user))

    assert download.outcome == "failed"
    assert any(SECRET in request.path for request in private.site.requests)
    assert SECRET not in rows_as_text()
    assert SECRET not in worker.log()
    if connection.vendor == "sqlite":
        assert not files_with(SECRET.encode(), Path(settings.DATABASES["default"]["NAME"]).parent)
