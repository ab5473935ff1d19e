"""Through a proxy with TLS: the site proves who it is to the download, and the proxy does too."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from downloads.fetch.protocol import Lent
from downloads.rules.errors import ErrorClass
from tests.egress.authority import Authority
from tests.egress.networks import SITE, Networks
from tests.helpers.attempts import Ended, attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.site_proxy import SiteProxy

HOST = "site.example"
URL = f"https://{HOST}/video.mp4"

Fetch = Callable[..., Ended]


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def fetch_through(
    networks: Networks, media_server: MediaServer, directory: Path
) -> Iterator[Fetch]:
    """Fetch the video by way of a proxy; the certificates are the site's and the proxy's."""
    video = Answer(body=media_server.file("video.mp4").read_bytes(), media_type="video/mp4")
    networks.names.answer("proxy.example", [SITE])
    with ExitStack() as running:

        def fetch(scheme: str, *, of_site: Path, of_proxy: Path | None = None) -> Ended:
            context = server_context(of_site)
            site = networks.internet.call(lambda: ScriptedSite(SITE, 443, tls=context))
            running.enter_context(site)
            site.serve("/video.mp4", video)
            tls = server_context(of_proxy) if of_proxy else None
            leads = {HOST: (SITE, 443)}
            proxy = networks.internet.call(lambda: SiteProxy(leads=leads, host=SITE, tls=tls))
            running.enter_context(proxy)
            port = proxy.endpoint.rpartition(":")[2]
            through = Lent(proxy=f"{scheme}://proxy.example:{port}")
            ended = attempt(networks.fork_server, job_for(URL, directory), through)
            assert set(proxy.asked) <= {f"{HOST}:443"}
            return ended

        yield fetch


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_site_is_reached_by_tls_through_a_proxy(
    networks: Networks, fetch_through: Fetch, scheme: str
) -> None:
    of_proxy = networks.authority.sign("proxy.example") if scheme == "https" else None

    ended = fetch_through(scheme, of_site=networks.authority.sign(HOST), of_proxy=of_proxy)

    assert ended.fetched.files


@pytest.mark.parametrize("scheme", ["http", "socks5"])
def test_a_proxy_cannot_stand_for_the_site(
    fetch_through: Fetch, tmp_path: Path, scheme: str
) -> None:
    ended = fetch_through(scheme, of_site=Authority(tmp_path, "unknown").sign(HOST))

    assert ended.error_class is ErrorClass.TLS


def test_a_proxy_that_cannot_prove_who_it_is_gets_nothing(
    networks: Networks, fetch_through: Fetch, tmp_path: Path
) -> None:
    ended = fetch_through(
        "https",
        of_site=networks.authority.sign(HOST),
        of_proxy=Authority(tmp_path, "unknown").sign("proxy.example"),
    )

    assert ended.error_class in (ErrorClass.NETWORK, ErrorClass.TLS)
