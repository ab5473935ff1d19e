"""Extractor plugins in a fork server: exactly those that are named, and what they alone may ask."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer, fault_of_plugins
from downloads.fetch.processes import ChildFailed
from downloads.rules.classify import code_of
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended, attempt, facts, job_for
from tests.helpers.environment import Environment
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite

FIND = """
from downloads.fetch import plugins, downloader
plugins.load({names!r})
built = downloader.build(deno=None)
names = [built.matcher.find(url) for url in {urls!r}]
print(*[built.get_info_extractor(name).IE_NAME for name in names])
"""
OF_PLUGIN = "https://www.youtube.com/watch?v=plugin12345"
OF_YOUTUBE = "https://www.youtube.com/watch?v=BaW_jenozKc"
OF_VIMEO = "https://vimeo.com/56015672"


@pytest.fixture(scope="module")
def forked(environment: Environment) -> Iterator[ForkServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", str(environment.python))
        process = ForkServer(plugins=["vnsite-test-plugins"])
        process.start()
    yield process
    process.close()


@pytest.fixture
def server() -> Iterator[ScriptedSite]:
    """What listens beside vnsite, for plugins."""
    with ScriptedSite() as site:
        site.serve("/token", Answer(body="{}", media_type="application/json"))
        yield site


@pytest.fixture
def site(scripted_site: ScriptedSite, media_server: MediaServer) -> ScriptedSite:
    video = media_server.file("video.mp4").read_bytes()
    scripted_site.serve("/video.mp4", Answer(body=video, media_type="video/mp4"))
    return scripted_site


def fetch(forked: ForkServer, directory: Path, url: str, *, servers: tuple[str, ...] = ()) -> Ended:
    allowed = (url.split("/")[2],)
    job = job_for(url, directory, allow_private_hosts=allowed, servers=servers)
    return attempt(forked, job)


# Which are loaded.


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["yt_dlp_plugins.extractor.loopback"], ["BeforeYoutube", "youtube", "vimeo+better"]),
        (["vnsite-test-plugins"], ["BeforeYoutube", "youtube", "vimeo+better"]),
        ([], ["youtube", "youtube", "vimeo"]),
    ],
    ids=["a module", "a package", "none"],
)
def test_extractors_of_named_plugins_are_found_before_those_of_yt_dlp(
    environment: Environment, names: list[str], found: list[str]
) -> None:
    done = environment.run(
        "-P", "-s", "-c", FIND.format(names=names, urls=[OF_PLUGIN, OF_YOUTUBE, OF_VIMEO])
    )

    assert done.stdout.split() == found, done.stderr


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (
            "vnsite-test-broken",
            "broken: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("vnsite-test-hidden", "vnsite-test-hidden: the package has no plugin for extractors"),
        ("not-installed", "not-installed: no package of this name is installed"),
        ("yt_dlp_plugins.extractor.absent", "No module named 'yt_dlp_plugins.extractor.absent'"),
    ],
)
def test_a_plugin_that_cannot_be_loaded_keeps_the_fork_server_from_starting(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, name: str, fault: str
) -> None:
    monkeypatch.setattr(sys, "executable", str(environment.python))
    process = ForkServer(plugins=[name])

    with pytest.raises(ChildFailed) as failed:
        process.start()
    process.close()

    assert fault in str(failed.value)
    assert fault in fault_of_plugins([name])


# What they may ask.


@pytest.mark.parametrize("habit", ["asking", "provided"])
def test_a_plugin_asks_a_named_server(
    forked: ForkServer, directory: Path, site: ScriptedSite, server: ScriptedSite, habit: str
) -> None:
    url = f"{site.url(f'/{habit}/a')}?{server.origin}"

    ended = fetch(forked, directory, url, servers=(server.origin,))

    assert ended.fetched.title == "a"
    assert len(server.requests_of("/token")) == 1


def test_a_server_that_is_not_named_is_refused_to_plugins_as_well(
    forked: ForkServer, directory: Path, site: ScriptedSite, server: ScriptedSite
) -> None:
    ended = fetch(forked, directory, f"{site.url('/asking/a')}?{server.origin}")

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert server.requests == []


@pytest.mark.parametrize("habit", ["manifest", "media"])
def test_what_a_page_names_does_not_lead_to_the_server(
    forked: ForkServer, directory: Path, site: ScriptedSite, server: ScriptedSite, habit: str
) -> None:
    url = f"{site.url(f'/{habit}/a')}?{server.origin}"

    ended = fetch(forked, directory, url, servers=(server.origin,))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert server.requests == []


def test_a_redirect_of_a_site_does_not_lead_to_the_server_that_a_plugin_has_just_asked(
    forked: ForkServer, directory: Path, site: ScriptedSite, server: ScriptedSite
) -> None:
    """The connection of the plugin is still open."""
    site.serve("/redirect", Answer(status=302, headers={"Location": f"http://{server.origin}/x"}))

    ended = fetch(
        forked, directory, f"{site.url('/led/a')}?{server.origin}", servers=(server.origin,)
    )

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert [request.path for request in server.requests] == ["/token"]


def test_a_page_without_a_plugin_is_not_led_to_the_server(
    forked: ForkServer, directory: Path, site: ScriptedSite, server: ScriptedSite
) -> None:
    site.serve("/page", Answer(status=302, headers={"Location": f"http://{server.origin}/token"}))

    ended = fetch(forked, directory, site.url("/page"), servers=(server.origin,))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert server.requests == []


# What they want.


def test_a_plugin_that_wants_to_look_like_a_browser_is_said_to_want_that(
    forked: ForkServer, directory: Path, site: ScriptedSite
) -> None:
    site.serve("/browser/a/api", Answer(status=403))

    ended = fetch(forked, directory, site.url("/browser/a"))

    assert (ended.error_class, code_of(facts(ended.broke))) == (ErrorClass.FORBIDDEN, "handshake")
