"""The fork servers of a worker follow the set that is wanted, and give up what does not start."""

import importlib.metadata
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yt_dlp

from downloads.fetch import client
from downloads.fetch.extractors import known_needs
from downloads.updates.state import INSTALLED, Home, State
from downloads.worker import fork_servers as module
from downloads.worker.fork_servers import ForkServers
from tests.helpers.package_index import INSTALLED as INSTALLED_VERSION
from tests.helpers.package_index import newer
from tests.helpers.processes import is_alive
from tests.helpers.waiting import wait_for

KILLED = "import os; os.kill(os.getpid(), 9)"
BROKEN = "raise RuntimeError('this set is broken')"
HANGING = "import time; time.sleep(1000)"
MakeSet = Callable[..., str]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def make_set(home: Home) -> MakeSet:
    def make(days: int, *, code: str = "") -> str:
        """A set like the installed one but for its version, or one that only has this code."""
        version = newer(days)
        name = f"{version}-0123abcd"
        folder = home.path_of(name)
        info = folder / f"yt_dlp-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: yt-dlp\nVersion: {version}\n")
        if code:
            (folder / "yt_dlp").mkdir()
            (folder / "yt_dlp" / "__init__.py").write_text(code)
        else:
            (folder / "yt_dlp").symlink_to(Path(yt_dlp.__file__).parent)
        return name

    return make


@pytest.fixture
def servers(home: Home, monkeypatch: pytest.MonkeyPatch) -> Iterator[ForkServers]:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    with closing(ForkServers(home)) as made:
        yield made


def use(home: Home, name: str) -> None:
    with home.locked():
        home.use(name)


def used_after(servers: ForkServers, condition: Callable[[], object]) -> str:
    """The version that is used when, in the course of time, this is true."""

    def is_so() -> bool:
        servers.tend(())
        return bool(condition())

    wait_for(is_so, what="the fork servers to follow")
    return servers.current.yt_dlp


def test_it_starts_with_the_installed_set(servers: ForkServers) -> None:
    servers.start()

    assert servers.current.yt_dlp == INSTALLED_VERSION == importlib.metadata.version("yt-dlp")


def test_another_set_is_followed_and_the_one_before_stays_while_it_is_in_use(
    servers: ForkServers, home: Home, make_set: MakeSet
) -> None:
    servers.start()
    before = servers.current
    use(home, make_set(1))

    def is_followed() -> bool:
        servers.tend([before])
        return servers.current is not before

    wait_for(is_followed, what="the set to be used")
    assert servers.current.yt_dlp == newer(1)
    servers.tend([before])
    assert is_alive(before.pid)

    servers.tend([servers.current])
    assert not is_alive(before.pid)


def test_the_way_back_is_followed_as_well(
    servers: ForkServers, home: Home, make_set: MakeSet
) -> None:
    use(home, make_set(1))
    servers.start()
    assert servers.current.yt_dlp == newer(1)

    use(home, INSTALLED)

    before = servers.current
    assert used_after(servers, lambda: servers.current is not before) == INSTALLED_VERSION


@pytest.mark.parametrize("code", [BROKEN, HANGING], ids=["broken", "hanging"])
def test_a_set_that_does_not_start_is_given_up_and_the_one_in_use_stays(
    servers: ForkServers,
    home: Home,
    make_set: MakeSet,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
) -> None:
    servers.start()
    if code == HANGING:
        monkeypatch.setattr(client, "START_TIMEOUT_SECONDS", 0.5)
    before = servers.current
    use(home, make_set(1, code=code))

    used = used_after(servers, lambda: home.read().current == INSTALLED)

    assert servers.current is before
    assert (used, home.read().failure["code"]) == (INSTALLED_VERSION, "given_up")


def test_at_the_start_the_set_before_takes_the_place_of_a_broken_one(
    servers: ForkServers, home: Home, make_set: MakeSet
) -> None:
    good, broken = make_set(1), make_set(2, code=BROKEN)
    use(home, good)
    use(home, broken)

    servers.start()

    assert servers.current.yt_dlp == newer(1)
    assert (home.read().current, home.read().refused) == (good, (broken,))


def test_a_set_whose_fork_server_is_killed_is_not_given_up(
    servers: ForkServers, home: Home, make_set: MakeSet
) -> None:
    """It may be for want of memory."""
    name = make_set(1, code=KILLED)
    use(home, name)

    servers.start()

    assert servers.current.yt_dlp == INSTALLED_VERSION
    assert (home.read().current, home.read().failure) == (name, {})


def test_what_cannot_be_written_down_keeps_nobody_from_starting(
    servers: ForkServers, home: Home, make_set: MakeSet
) -> None:
    name = make_set(1, code=BROKEN)
    use(home, name)

    with home.locked():  # by an update that is at work
        servers.start()

    assert servers.current.yt_dlp == INSTALLED_VERSION
    assert home.read() == State(current=name, previous=INSTALLED)


def test_a_fork_server_that_died_is_replaced(servers: ForkServers) -> None:
    servers.start()
    first = servers.current
    first.close()

    assert servers.is_ready()
    assert servers.current is not first


def test_what_was_launched_is_what_starts(home: Home) -> None:
    with closing(ForkServers(home)) as servers:
        servers.launch()
        launched = servers.current.pid

        servers.start()

        assert servers.is_ready()
        assert servers.current.pid == launched


def test_one_that_was_launched_and_killed_is_started_again(home: Home) -> None:
    with closing(ForkServers(home)) as servers:
        servers.launch()
        launched = servers.current.pid
        os.kill(launched, signal.SIGKILL)
        wait_for(lambda: not servers.current.is_alive(), what="its end")

        servers.start()

        assert servers.is_ready()
        assert servers.current.pid != launched


def test_the_next_start_knows_what_extractors_need(home: Home) -> None:
    with closing(ForkServers(home)) as servers:
        servers.start()

    assert "Youtube" in known_needs(home.path / module.NEEDS)
