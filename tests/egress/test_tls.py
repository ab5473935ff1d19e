"""A site that cannot prove who it is gets no request: never is anything tried without proof."""

import ssl
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.egress.authority import Authority
from tests.egress.networks import SITE, Networks
from tests.helpers.attempts import attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite

Start = Callable[..., ScriptedSite]
HOST = "site.example"
URL = f"https://{HOST}/video.mp4"


@pytest.fixture
def start(networks: Networks, media_server: MediaServer) -> Iterator[Start]:
    """Start the site over TLS, with a certificate; it serves a video."""
    with ExitStack() as running:

        def start(certificate: Path, *, newest: ssl.TLSVersion | None = None) -> ScriptedSite:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            if newest is not None:
                with warnings.catch_warnings(action="ignore"):
                    context.minimum_version = context.maximum_version = newest
                context.set_ciphers("ALL:@SECLEVEL=0")
            site = networks.internet.call(lambda: ScriptedSite(SITE, 443, tls=context))
            running.enter_context(site)
            video = media_server.file("video.mp4").read_bytes()
            site.serve("/video.mp4", Answer(body=video, media_type="video/mp4"))
            return site

        yield start


def test_a_site_that_proves_who_it_is_is_asked(
    networks: Networks, directory: Path, start: Start
) -> None:
    site = start(networks.authority.sign(HOST))

    ended = attempt(networks.fork_server, job_for(URL, directory))

    assert ended.fetched.files
    assert site.requests


FAULTS: dict[str, Callable[[Authority, Path], Path]] = {
    "expired": lambda authority, _folder: authority.sign(HOST, days=-1),
    "of another host": lambda authority, _folder: authority.sign("other.example"),
    "of a part of the host": lambda authority, _folder: authority.sign("example"),
    "of an authority that nobody knows": lambda _authority, folder: Authority(
        folder, "unknown"
    ).sign(HOST),
    "signed by itself": lambda _authority, folder: Authority(folder, HOST).own(),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_certificate_is_refused_that_is(
    networks: Networks,
    directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
    start: Start,
    fault: str,
) -> None:
    site = start(FAULTS[fault](networks.authority, tmp_path_factory.mktemp("authority")))

    ended = attempt(networks.fork_server, job_for(URL, directory))

    assert ended.error_class is ErrorClass.TLS
    assert site.requests == []


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_a_version_of_tls_is_refused_that_is_broken(
    networks: Networks, directory: Path, start: Start, version: ssl.TLSVersion
) -> None:
    site = start(networks.authority.sign(HOST), newest=version)

    ended = attempt(networks.fork_server, job_for(URL, directory))

    assert ended.error_class is ErrorClass.TLS
    assert site.requests == []


@pytest.mark.parametrize("fault", FAULTS)
def test_nor_is_a_page_sent_on_to_such_a_site(
    networks: Networks,
    directory: Path,
    tmp_path_factory: pytest.TempPathFactory,
    start: Start,
    fault: str,
) -> None:
    site = start(FAULTS[fault](networks.authority, tmp_path_factory.mktemp("authority")))
    networks.site.serve("/start", Answer(status=302, headers={"Location": URL}))

    ended = attempt(networks.fork_server, job_for(f"http://{HOST}/start", directory))

    assert ended.error_class is ErrorClass.TLS
    assert site.requests == []
