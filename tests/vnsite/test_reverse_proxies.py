"""The configurations of nginx and Caddy in docs/security.md, tried with the real programs."""

import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User

from downloads.models import PublishedFile
from tests.conftest import PASSWORD
from tests.helpers import lives
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT

HOST = "videos.example.org"
CONTENT = bytes(range(256)) * 40

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for HOST, signed by itself; its key is beside it."""
    place = tmp_path_factory.mktemp("tls") / "site.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}",
         "-keyout", str(place.with_suffix(".key")), "-out", str(place)],
        check=True, capture_output=True,
    )  # fmt: skip
    return place


@pytest.fixture(scope="module")
def accel_prefix() -> str:
    """VNSITE_ACCEL_PREFIX; a test may parametrize it."""
    return ""


@pytest.fixture(scope="module")
def site(django_db_setup: None, accel_prefix: str) -> Iterator[Serving]:
    environment = {
        "VNSITE_HTTPS": "true",
        "VNSITE_ALLOWED_HOSTS": HOST,
        "VNSITE_TRUSTED_PROXIES": "127.0.0.1",
        "VNSITE_ACCEL_PREFIX": accel_prefix,
    }
    with serving("--no-worker", **environment) as server:
        yield server


def documented(language: str, number: int = 0) -> str:
    """A configuration in docs/security.md."""
    text = (ROOT / "docs/security.md").read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found[number]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def nginx_that_sends_files(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    media = f"{settings.VNSITE.media_root}/"
    lines = documented("nginx", 1).replace("/srv/vnsite/media/", media)
    return nginx(site, port, certificate, place, more=lines)


def nginx(site: Serving, port: int, certificate: Path, place: Path, *, more: str = "") -> list[str]:
    server = (
        documented("nginx")
        .replace("    location / {", f"{more}    location / {{")
        .replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace(f"/etc/ssl/{HOST}.pem", str(certificate))
        .replace(f"/etc/ssl/{HOST}.key", str(certificate.with_suffix(".key")))
        .replace("127.0.0.1:8000", "{}:{}".format(*site.address))
    )
    paths = "".join(
        f"{name}_temp_path {place}/{name};"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''}"
        f"daemon off; pid {place}/pid; error_log {place}/error.log;"
        f"events {{}} http {{ access_log off; {paths} {server} }}"
    )
    return ["nginx", "-c", str(place / "nginx.conf"), "-e", f"{place}/error.log"]


def caddy(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    block = (
        documented("caddy")
        .replace(f"{HOST} {{", f"https://{HOST}:{port} {{")
        .replace("127.0.0.1:8000", "{}:{}".format(*site.address))
    )
    # No authority signs a certificate for a test.
    options = ["admin off", "auto_https off", "default_bind 127.0.0.1"]
    head = "\n".join(["{", *options, f"storage file_system {place}", "}", ""])
    tls = f"tls {certificate} {certificate.with_suffix('.key')}"
    (place / "Caddyfile").write_text(head + block.replace("{\n", f"{{\n    {tls}\n", 1))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(place / "Caddyfile")]


PROXIES = {"nginx": nginx, "caddy": caddy, "nginx that sends files": nginx_that_sends_files}
ANY = ["nginx", "caddy"]


class Browser(requests.Session):
    """Speaks with the proxy as a browser that finds HOST there."""

    def __init__(self, port: int, certificate: Path) -> None:
        super().__init__()
        self.trust_env = False  # it names other authorities
        self.verify = str(certificate)
        self.url = f"https://{HOST}:{port}"


@pytest.fixture(params=ANY)
def browser(
    request: pytest.FixtureRequest,
    site: Serving,
    certificate: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Browser]:
    program = request.param.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed: apt-get install {program}")
    port = free_port()
    command = PROXIES[request.param](site, port, certificate, tmp_path)
    with (
        resolving_to_loopback(monkeypatch),
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as proxy,
    ):
        try:
            wait_for(lambda: speaks_tls(port, certificate), what=f"{request.param} to listen")
            yield Browser(port, certificate)
        finally:
            proxy.terminate()


@contextmanager
def resolving_to_loopback(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """HOST is this machine, as an entry in the list of hosts would say."""
    resolve = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: object, **keywords: object) -> object:
        return resolve("127.0.0.1" if host == HOST else host, *arguments, **keywords)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        yield


def speaks_tls(port: int, certificate: Path) -> bool:
    context = ssl.create_default_context(cafile=str(certificate))
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            context.wrap_socket(plain, server_hostname=HOST).close()
    except OSError:
        return False
    return True


def sign_in(browser: Browser, user: User, password: str) -> requests.Response:
    page = browser.get(f"{browser.url}/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token
    return browser.post(
        f"{browser.url}/login/",
        data={
            "username": user.get_username(),
            "password": password,
            "csrfmiddlewaretoken": token[1],
        },
        headers={"Referer": f"{browser.url}/login/", "Origin": browser.url},
    )


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ursula", password=PASSWORD)


def test_one_signs_in_and_sees_the_downloads(browser: Browser, person: User) -> None:
    answer = sign_in(browser, person, PASSWORD)

    assert answer.status_code == 200
    assert answer.url == f"{browser.url}/"
    assert all(cookie.secure for cookie in browser.cookies)


def test_the_stream_is_not_held_back(browser: Browser, person: User) -> None:
    sign_in(browser, person, PASSWORD)

    with browser.get(f"{browser.url}/events/", stream=True, timeout=10) as stream:
        assert next(stream.iter_lines()).startswith(b"retry: ")


def test_a_giant_body_is_refused(browser: Browser, person: User) -> None:
    try:
        answer = browser.post(f"{browser.url}/login/", data=b"." * (8 * 2**20))
    except requests.ConnectionError:
        return  # cut off in the middle of it
    assert answer.status_code in (413, 502)


def test_wrong_passwords_count_for_the_browser_and_not_for_the_proxy(
    browser: Browser, site: Serving, person: User
) -> None:
    """A made-up address in the header gives no new tries."""
    for number in range(10):
        browser.headers["X-Forwarded-For"] = f"198.51.100.{number}"
        answer = sign_in(browser, person, "wrong")

    assert answer.status_code == 429


# nginx sends the files.


@pytest.fixture(params=["clip.mp4", "100 % été; #1?.mp4"])
def published(request: pytest.FixtureRequest, person: User) -> tuple[str, str]:
    """The paths of a file, as vnsite and as nginx have it."""
    download = lives.complete(lives.submit(person), name=request.param)
    place = settings.VNSITE.media_root / download.library_path / request.param
    place.write_bytes(CONTENT)
    PublishedFile.objects.update(size=len(CONTENT))
    name = quote(request.param)
    return (
        f"/media/{download.correlation_id}/{name}",
        f"/protected/{quote(download.library_path)}/{name}",
    )


def by_nginx(test: Callable[..., None]) -> Callable[..., None]:
    test = pytest.mark.parametrize("accel_prefix", ["/protected/"], scope="module")(test)
    return pytest.mark.parametrize("browser", ["nginx that sends files"], indirect=True)(test)


@by_nginx
def test_nginx_sends_the_file_with_its_headers_and_ranges(
    browser: Browser, person: User, published: tuple[str, str]
) -> None:
    sign_in(browser, person, PASSWORD)
    url = browser.url + published[0]

    whole = browser.get(url)
    part = browser.get(url, headers={"Range": "bytes=10-19"})
    beyond = browser.get(url, headers={"Range": f"bytes={len(CONTENT)}-"})
    head = browser.head(url)
    again = browser.get(url, headers={"If-None-Match": whole.headers["ETag"]})

    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Content-Type"] == "video/mp4"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Content-Security-Policy"].startswith("sandbox ")
    assert whole.headers["Content-Disposition"].startswith("inline; filename")
    assert (part.status_code, part.content) == (206, CONTENT[10:20])
    assert beyond.status_code == 416
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(CONTENT))
    assert again.status_code == 304


@by_nginx
def test_nobody_gets_a_file_past_vnsite(
    browser: Browser, person: User, published: tuple[str, str]
) -> None:
    ours, its_own = published
    unknown = browser.get(browser.url + ours, allow_redirects=False)
    User.objects.create_user("other", password=PASSWORD)
    sign_in(browser, User.objects.get(username="other"), PASSWORD)
    foreign = browser.get(browser.url + ours)
    direct = browser.get(browser.url + its_own)

    assert unknown.status_code == 302
    assert foreign.status_code == 404
    assert direct.status_code == 404
    assert CONTENT not in unknown.content + foreign.content + direct.content
