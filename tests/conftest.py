"""What every test may ask for: the faulty site, people, a database that can be emptied."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection, connections
from django.utils import timezone, translation
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from downloads.fetch.client import ForkServer
from tests.helpers import choices, plugin_code
from tests.helpers.attempts import make_directory, new_fork_server
from tests.helpers.choices import Choices
from tests.helpers.environment import Environment
from tests.helpers.media_server import MediaServer
from tests.helpers.postgresql import Cluster
from tests.helpers.scripted_site import Canary, ScriptedSite

PASSWORD = "password"
SLOW_ROOMS = {"browser", "crash", "fetch", "management", "models", "sandbox", "stream", "worker"}

# A busy machine is slow at any moment. The same examples in every run: what a new one finds is no
# fault of the change at hand. Others are tried every night.
hypothesis_settings.register_profile(
    "repeatable",
    deadline=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow],
)
hypothesis_settings.register_profile(
    "nightly",
    deadline=None,
    max_examples=1000,
    suppress_health_check=[HealthCheck.too_slow],
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("vnsite")
    group.addoption(
        "--nightly",
        action="store_true",
        help="the long sweeps as a whole: every call, every spelling, every row of a table",
    )
    group.addoption(
        "--kill-seconds",
        type=float,
        metavar="SECONDS",
        help="how long the random kills go on (default: 5; nightly: 300)",
    )
    group.addoption(
        "--kill-downloads",
        type=int,
        metavar="N",
        help="how many downloads run at once meanwhile (default: 12)",
    )
    group.addoption(
        "--kill-seed", type=int, metavar="SEED", help="repeat the random kills of this seed"
    )


def pytest_configure(config: pytest.Config) -> None:
    usual = "nightly" if config.getoption("--nightly") else "repeatable"
    hypothesis_settings.load_profile(config.getoption("--hypothesis-profile") or usual)


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Leave PostgreSQL's database to the end of its server: somebody may still be connected."""
    return connection.vendor == "postgresql"


@pytest.fixture(scope="session")
def nightly(pytestconfig: pytest.Config) -> bool:
    """Whether there is time for a whole sweep, not only for one point of it."""
    return bool(pytestconfig.getoption("--nightly"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On PostgreSQL only what differs between the databases, on SQLite everything else as well.

    What takes long begins first, so that no process is still at it when the others have ended.
    """
    kept = [item for item in items if runs_on(connection.vendor, item)]
    config.hook.pytest_deselected(items=list(set(items).difference(kept)))
    items[:] = sorted(kept, key=lambda item: item.path.parent.name not in SLOW_ROOMS)


def runs_on(vendor: str, item: pytest.Item) -> bool:
    marks = {mark.name for mark in item.iter_markers()}
    if vendor == "sqlite":
        return "postgresql" not in marks
    is_wanted = "postgresql" in marks or ("both_databases" in marks and "sqlite" not in marks)
    return is_wanted and touches_database(item)


def touches_database(item: pytest.Item) -> bool:
    fixtures = set(getattr(item, "fixturenames", ()))
    return item.get_closest_marker("django_db") is not None or bool(
        fixtures & {"db", "transactional_db"}
    )


@pytest.fixture(scope="session")
def media_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MediaServer]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    # Beside the folders of the processes of one run: whoever comes first makes the media for all.
    with MediaServer(tmp_path_factory.getbasetemp().parent / "media") as server:
        yield server


@pytest.fixture
def allowed(media_server: MediaServer) -> dict[str, str]:
    """What a worker or a `serve` needs in its environment to reach the faulty site."""
    return {"VNSITE_ALLOW_PRIVATE_HOSTS": media_server.origin}


@pytest.fixture(autouse=True)
def _english_again() -> Iterator[None]:
    """A page that was asked for in Spanish leaves its thread, which is that of the tests, so."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _nothing_cached() -> None:
    """What one test found out about the machine is no page's news in the next."""
    cache.clear()


@pytest.fixture
def user(db: None) -> User:
    return User.objects.create_user("ursula", password=PASSWORD)


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_superuser("stefan", password=PASSWORD)


@pytest.fixture
def shared_db(transactional_db: None) -> Iterator[None]:
    """A database that other threads and processes see; emptied afterwards.

    The triggers refuse to delete a history without its download, and emptying is just that.
    """
    from downloads.models import Download

    yield
    Download.objects.update(forgotten_at=timezone.now())


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """The tests' PostgreSQL server, to be stopped and started; it runs again afterwards."""
    server: Cluster = settings.CLUSTER
    yield server
    if not server.is_running:
        server.start()
    connections.close_all()


@pytest.fixture
def clean_disk() -> None:
    """No isolated directory and no library of an earlier test."""
    for root in (settings.VNSITE.temp_root, settings.VNSITE.media_root):
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def fork_server() -> Iterator[ForkServer]:
    """A fork server that has ffmpeg, shared by all tests that only fork from it."""
    process = new_fork_server()
    process.start()
    yield process
    process.close()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Another Python environment, with packages of extractor plugins."""
    made = Environment(tmp_path_factory.mktemp("environment"))
    made.install("vnsite-test-plugins", {"loopback": plugin_code.LOOPBACK})
    made.install("vnsite-test-broken", {"broken": plugin_code.BROKEN})
    made.install("vnsite-test-hidden", {"_hidden": plugin_code.HIDDEN})
    return made


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """An isolated directory for one attempt."""
    return make_directory(tmp_path)


@pytest.fixture
def scripted_site() -> Iterator[ScriptedSite]:
    with ScriptedSite() as site:
        yield site


@pytest.fixture(scope="session")
def choices_media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The media of the site, made once for all processes of a run."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    finished = tmp_path_factory.getbasetemp().parent / "choices"
    if not finished.exists():
        made = tmp_path_factory.mktemp("choices")
        choices.make(made)
        if not finished.exists():
            made.rename(finished)
    return finished


@pytest.fixture
def offer(scripted_site: ScriptedSite, choices_media: Path) -> Choices:
    site = Choices(site=scripted_site, media=choices_media)
    site.serve_all()
    return site


@pytest.fixture
def canary() -> Iterator[Canary]:
    """What must not be reached; the test fails when it was."""
    with Canary() as listening:
        yield listening
        assert not listening.was_touched


@pytest.fixture
def hasty_stream(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A stream whose heartbeats and looks at the rights are a moment apart."""
    from downloads.stream import consumer, listener

    monkeypatch.setattr(listener, "HEARTBEAT_SECONDS", 0.2)
    monkeypatch.setattr(consumer, "RECHECK_SECONDS", 0.2)
    return monkeypatch
