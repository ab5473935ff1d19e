"""Nothing that a site says leads a download to a private address, in whatever way it says so."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.egress.networks import METADATA, NEIGHBOUR, OWN, SITE, Networks
from tests.egress.spellings import FOLLOWED, FOR_FFMPEG, IGNORED, LEADING, NAMES, ODD, Way
from tests.helpers.attempts import Ended, attempt, job_for, make_directory
from tests.helpers.scripted_site import Answer

HOSTS = (*LEADING, *ODD)
SAMPLE = 1  # spellings for each way


@pytest.fixture
def named(networks: Networks) -> Networks:
    """The networks, with names that lead to private addresses."""
    for name, addresses in NAMES.items():
        networks.names.answer(name, addresses)
    return networks


def follow(networks: Networks, way: Way, host: str, root: Path) -> Ended:
    """Paste the URL of a site that leads to a host."""
    url = way(networks.site, f"http://{host}/secret.mp4")
    allowed = (f"{SITE}:80",)
    return attempt(
        networks.fork_server, job_for(url, make_directory(root), allow_private_hosts=allowed)
    )


def sample(way: str, *, nightly: bool) -> tuple[str, ...]:
    """Some of the spellings, others for every way; all of them nightly."""
    if nightly:
        return HOSTS
    first = SAMPLE * [*FOLLOWED, *IGNORED].index(way)
    return tuple(HOSTS[(first + number) % len(HOSTS)] for number in range(SAMPLE))


def test_each_address_would_be_reached_without_a_guard(named: Networks) -> None:
    """Else nothing below would say anything."""

    def connect(host: str) -> None:
        with suppress(OSError):
            socket.create_connection((host.strip("[]"), 80), timeout=5).close()

    missed = []
    for host in LEADING:
        named.machine.call(connect, host)
        if not named.touched():
            missed.append(host)

    assert missed == []


@pytest.mark.parametrize("way", FOLLOWED)
def test_what_a_site_leads_to_is_judged(named: Networks, tmp_path: Path, way: str) -> None:
    ended = follow(named, FOLLOWED[way], "private.example", tmp_path)

    port = 443 if way == "redirect to https" else 80
    sentence = f"private.example: {NEIGHBOUR} is not a public address (port {port})"
    assert (ended.error_class, ended.broke.message) == (ErrorClass.POLICY_BLOCKED, sentence)


@pytest.mark.parametrize("way", FOR_FFMPEG)
def test_what_only_ffmpeg_could_fetch_is_not_fetched(
    named: Networks, tmp_path: Path, way: str
) -> None:
    """ffmpeg has no network, not even to the site itself."""
    ended = follow(named, FOR_FFMPEG[way], "private.example", tmp_path)

    assert ended.error_class is ErrorClass.UNSUPPORTED
    assert named.site.requests_of("/segment.ts") == []


@pytest.mark.parametrize("way", IGNORED)
def test_what_a_download_does_not_need_is_not_asked_for(
    named: Networks, tmp_path: Path, way: str
) -> None:
    ended = follow(named, IGNORED[way], "private.example", tmp_path)

    assert ended.last is not None
    assert named.site.requests != []


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("way", [*FOLLOWED, *IGNORED])
def test_no_spelling_is_a_way_around(
    named: Networks, tmp_path: Path, way: str, nightly: bool
) -> None:
    for host in sample(way, nightly=nightly):
        ended = follow(named, {**FOLLOWED, **IGNORED}[way], host, tmp_path)

        assert named.touched() == [], host
        if way in FOLLOWED and host in LEADING:
            assert ended.error_class is ErrorClass.POLICY_BLOCKED, host


# Names that lead somewhere else the second time


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", NEIGHBOUR, METADATA, OWN])
def test_a_name_that_is_public_at_first_is_judged_again(
    networks: Networks, directory: Path, address: str
) -> None:
    networks.names.answer("rebinding.example", [SITE], [address])
    page = '<!doctype html><title>A page</title><video src="/video.mp4"></video>'
    networks.site.serve("/page", Answer(body=page, headers={"Connection": "close"}))

    ended = attempt(networks.fork_server, job_for("http://rebinding.example/page", directory))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert ended.broke.message.startswith(f"rebinding.example: {address} is ")
    assert [request.path for request in networks.site.requests] == ["/page"]


@pytest.mark.parametrize("addresses", [[SITE, NEIGHBOUR], [NEIGHBOUR, SITE], [METADATA, "::1"]])
def test_of_several_addresses_each_is_judged(
    networks: Networks, directory: Path, addresses: list[str]
) -> None:
    """Nobody is at that port of the site, so that the next address is tried."""
    networks.names.answer("several.example", addresses)

    ended = attempt(networks.fork_server, job_for("http://several.example:81/video.mp4", directory))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert ended.broke.message.startswith("several.example: ")


def test_an_allowed_name_is_allowed_only_where_it_led_at_first(
    networks: Networks, directory: Path
) -> None:
    networks.names.answer("home.example", ["10.0.0.9"], [METADATA])
    job = job_for(
        "http://home.example/video.mp4", directory, allow_private_hosts=("home.example:80",)
    )

    ended = attempt(networks.fork_server, job)

    assert ended.error_class is ErrorClass.POLICY_BLOCKED
    assert METADATA in ended.broke.message


def test_a_public_site_is_reached_by_its_name(networks: Networks, directory: Path) -> None:
    """Without anything that allows it: the networks do not block by themselves."""
    attempt(networks.fork_server, job_for("http://site.example/nothing", directory))

    assert networks.site.requests_of("/nothing")
