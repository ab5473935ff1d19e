"""A real Chromium against a real `manage.py serve`."""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.color import no_style
from django.db import connection, transaction
from django.utils import timezone
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright
from pytest_django import DjangoDbBlocker

from downloads import actions
from downloads.accounts import tokens
from downloads.library import catalogue, removal
from downloads.library.models import Card, Feed, Position
from downloads.models import Download, LostDownload, SavedView
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from downloads.subscriptions.models import Subscription
from tests.conftest import PASSWORD
from tests.helpers import lives
from tests.helpers.media_server import MediaServer
from tests.helpers.presets import save
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import wait_for

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome")
     if (path := shutil.which(name))),
    None,
)  # fmt: skip
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TIMEOUT_MS = 60_000
MADE_BY_MIGRATIONS = {"auth_permission", "django_content_type", "django_migrations"}
OF_THE_SITE = frozenset({"downloads_streamposition", "downloads_worker"})


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Ended with the module: while it runs, so does an event loop in the thread of the tests."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    # Playwright's synchronous API runs an event loop in this thread, and Django takes every use
    # of the database beside a running loop for a mistake.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def site_settings() -> dict[str, str]:
    """Settings of the site beside those of every test; a test may parametrize them."""
    return {}


class Sites:
    """The one `serve` of a module; another one when a test has other settings."""

    def __init__(self) -> None:
        self._settings: dict[str, str] = {}
        self._server: Serving | None = None

    def serve(self, settings: dict[str, str]) -> Serving:
        server = self._server
        if server is None or server.process.poll() is not None or settings != self._settings:
            self.close()
            self._settings, self._server = settings, Serving(**settings)
            self._server.wait_until_ready()
        assert self._server is not None
        return self._server

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


@pytest.fixture(scope="module")
def sites(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Sites]:
    sites = Sites()
    yield sites
    sites.close()
    with django_db_blocker.unblock():
        empty_database()


@pytest.fixture
def shared_db(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, sites: Sites
) -> Iterator[None]:
    """The tests' database, emptied afterwards but for what belongs to the site that goes on."""
    with django_db_blocker.unblock():
        yield
        empty_database(but=OF_THE_SITE)


@pytest.fixture(scope="module")
def unattended(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Serving]:
    """The one `serve` of a module whose downloads do only what its tests do: it has no worker."""
    with serving("--no-worker") as server:
        yield server
    with django_db_blocker.unblock():
        empty_database()


def empty_database(*, but: frozenset[str] = frozenset()) -> None:
    Download.objects.update(forgotten_at=timezone.now())
    tables = connection.introspection.django_table_names(only_existing=True)
    emptied = [name for name in tables if name not in but | MADE_BY_MIGRATIONS]
    connection.ops.execute_sql_flush(connection.ops.sql_flush(no_style(), emptied))


@pytest.fixture
def site(
    shared_db: None,
    clean_disk: None,
    media_server: MediaServer,
    site_settings: dict[str, str],
    sites: Sites,
) -> Iterator[Serving]:
    """A site that is ready and empty."""
    yield sites.serve({"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin, **site_settings})
    for download in Download.objects.active().select_related("worker"):
        with suppress(actions.NotAllowed, LostDownload):  # it has ended meanwhile
            end(download)
    wait_for(lambda: not Download.objects.active().exists(), what="downloads to end")


def end(download: Download) -> None:
    """A worker that only the test made does not answer, and its lease is long."""
    if download.worker and download.worker.host == lives.HOST:
        download.move(State.CANCELLED, actor="test", reason=Reason.CANCELLED)
    else:
        actions.cancel(download, actor="test")


@pytest.fixture
def page(browser: Browser, site: Serving) -> Iterator[Page]:
    """A fresh browser window on the site. An error in its console fails the test."""
    context = browser.new_context(base_url=site.url)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.extend(complaint_of(message)))
    yield page
    context.close()
    assert complaints == []


def complaint_of(message: ConsoleMessage) -> list[str]:
    """An error of ours. A refused action (409) and a server that is gone are no surprises."""
    expected = ("status of 4", "ERR_", "error occurred when fetching the script")
    is_ours = message.type == "error" and not any(words in message.text for words in expected)
    return [message.text] if is_ours else []


@pytest.fixture
def user(shared_db: None) -> User:
    return User.objects.create_user("ursula", password=PASSWORD)


@pytest.fixture
def staff(shared_db: None) -> User:
    return User.objects.create_superuser("stefan", password=PASSWORD)


@pytest.fixture
def lived_in(site: Serving, staff: User) -> dict[str, str]:
    """A site with something on every page: the pages' names and addresses."""
    downloads = {
        "failed": lives.fail(lives.submit(staff), ErrorClass.LOGIN_REQUIRED),
        "completed": lives.complete(lives.submit(staff)),
        "cancelled": actions.cancel(lives.submit(staff), actor="user:stefan"),
        "running": start_for_long(staff),
        "cancelling": actions.cancel(start_for_long(staff), actor="user:stefan"),
    }
    checked = lives.start(lives.submit(staff, check=True))
    formats = [{"kind": "video", "height": 720, "container": "mp4"}, {"kind": "audio"}]
    checked.complete_as_checked(actor="test", media={"height": 720, "formats": formats})
    downloads["checked"] = checked
    removed = lives.complete(lives.submit(staff))
    (settings.VNSITE.media_root / removed.library_path / "clip.mp4").unlink()
    left = lives.complete(lives.submit(staff))
    while catalogue.catch_up():
        pass
    removal.remove(Card.objects.filter(entry__download=left), actor="user:stefan")
    begun = Card.objects.filter(entry__download=downloads["completed"]).get()
    Position.objects.keep(user=staff, entry=begun.pk, seconds=30, duration=100)
    listing = lives.list_up(lives.submit(staff), *(lives.entry(number) for number in range(3)))
    downloads |= {"removed": removed, "list": listing.download, "waiting": lives.submit(staff)}
    view = SavedView(owner=staff, filter="all", text="example", sort="newest")
    view.store(name="Examples")
    preset = save(staff, "Mine")
    subscription = Subscription(owner=staff, url="https://example.org/@somebody", keep_last=3)
    with transaction.atomic():  # the site's worker must not check it
        subscription.store(options=DownloadOptions())
        subscription.pause()
    tokens.issue(staff, name="script")
    Feed.objects.make(staff, title="Talks", filters={"q": "talk"})
    pages = {name: f"downloads/{each.correlation_id}/" for name, each in downloads.items()}
    return pages | {
        "dashboard": "",
        "nothing found": "?q=nothing",
        "view": "?q=example&sort=newest",
        "library": "library/",
        "library as a list": "library/?view=list&q=state:x",
        "library of what is begun": "library/?watched=begun",
        "library without a match": "library/?q=nothing",
        "storage": "library/storage/",
        "removed from the library": "library/removed/",
        "files that no download knows": "library/unknown/",
        "subscriptions": "subscriptions/",
        "new subscription": "subscriptions/new",
        "subscription": f"subscriptions/{subscription.pk}/",
        "podcast feeds": "feeds/",
        "account": "account/",
        "help": "help/",
        "presets": "presets/",
        "preset": f"presets/{preset.pk}/",
        "new preset": "presets/new",
        "cookies": "cookies/",
        "site's cookies": "sites/example.org/cookies",
        "sites": "sites/",
        "site": "sites/example.org/",
        "system": "system/",
        "workers": "workers/",
        "add": "add",
        "404": "nothing",
        "question": f"{pages['completed']}delete",
        "refusal": f"media/{removed.correlation_id}/clip.mp4",
    }


def start_for_long(owner: User) -> Download:
    """Running, and its worker is not missed for an hour."""
    in_an_hour = timezone.now() + timedelta(hours=1)
    return lives.start(lives.submit(owner), lives.make_worker(heartbeat_at=in_an_hour))


def sign_in(page: Page, user: User, *, password: str = PASSWORD) -> None:
    page.goto("login/")
    page.get_by_label("Username").fill(user.get_username())
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "login" not in url)


def sign_out(page: Page) -> None:
    page.locator("[popovertarget=menu]").click()
    page.locator("#menu form[action*=logout] button").click()
