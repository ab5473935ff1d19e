"""The configurations of nginx and Caddy in docs/proxies.md, tried with the real programs."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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
ROOT_LOCATION = """\
    location / {
        proxy_pass http://127.0.0.1:8000;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $http_host;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
    }
"""

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
def accel_prefix(request: pytest.FixtureRequest) -> str:
    """VNSITE_ACCEL_PREFIX; a test may parametrize it."""
    return getattr(request, "param", "")


@pytest.fixture(scope="module")
def prefix(request: pytest.FixtureRequest) -> str:
    """VNSITE_PREFIX; a test may parametrize it."""
    return getattr(request, "param", "")


@pytest.fixture(scope="module")
def site(django_db_setup: None, accel_prefix: str, prefix: str) -> Iterator[Serving]:
    environment = {
        "VNSITE_HTTPS": "true",
        "VNSITE_ALLOWED_HOSTS": HOST,
        "VNSITE_TRUSTED_PROXIES": "127.0.0.1",
        "VNSITE_ACCEL_PREFIX": accel_prefix,
        "VNSITE_PREFIX": prefix,
        "VNSITE_AUTH_HEADER": "Remote-User",
        "VNSITE_AUTH_LOGOUT_URL": "https://auth.example.org/logout",
    }
    with serving("--no-worker", **environment) as server:
        yield server


def documented(language: str, number: int = 0) -> str:
    """A configuration in docs/proxies.md."""
    text = (ROOT / "docs/proxies.md").read_text()
    found: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    return found[number]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def nginx_that_sends_files(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    media = f"{settings.VNSITE.media_root}/"
    lines = documented("nginx", 1).replace("/srv/vnsite/media/", media)
    return nginx(site, port, certificate, place, locations=lines + ROOT_LOCATION)


def nginx_below_a_path(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    return nginx(site, port, certificate, place, locations=documented("nginx", 2))


def nginx_that_strips(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    lines = documented("nginx", 2).replace("8000;", "8000/;")
    return nginx(site, port, certificate, place, locations=lines)


def nginx_that_asks(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    return nginx(site, port, certificate, place, locations=documented("nginx", 3))


def nginx(
    site: Serving, port: int, certificate: Path, place: Path, *, locations: str = ""
) -> list[str]:
    server = (
        documented("nginx")
        .replace(ROOT_LOCATION, locations or ROOT_LOCATION)
        .replace("listen 443", f"listen 127.0.0.1:{port}")
        .replace(f"/etc/ssl/{HOST}.pem", str(certificate))
        .replace(f"/etc/ssl/{HOST}.key", str(certificate.with_suffix(".key")))
        .replace("127.0.0.1:8000", "{}:{}".format(*site.address))
        .replace("127.0.0.1:9091", "{}:{}".format(*OuterSession.address))
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


def caddy_below_a_path(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    return caddy(site, port, certificate, place, block=documented("caddy", 1))


def caddy_that_strips(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    block = documented("caddy", 1).replace("handle /", "handle_path /")
    return caddy(site, port, certificate, place, block=block)


def caddy_that_asks(site: Serving, port: int, certificate: Path, place: Path) -> list[str]:
    return caddy(site, port, certificate, place, block=documented("caddy", 2))


def caddy(
    site: Serving, port: int, certificate: Path, place: Path, *, block: str = ""
) -> list[str]:
    block = (
        (block or documented("caddy"))
        .replace(f"{HOST} {{", f"https://{HOST}:{port} {{")
        .replace("127.0.0.1:8000", "{}:{}".format(*site.address))
        .replace("127.0.0.1:9091", "{}:{}".format(*OuterSession.address))
    )
    # No authority signs a certificate for a test.
    options = ["admin off", "auto_https off", "default_bind 127.0.0.1"]
    head = "\n".join(["{", *options, f"storage file_system {place}", "}", ""])
    tls = f"tls {certificate} {certificate.with_suffix('.key')}"
    (place / "Caddyfile").write_text(head + block.replace("{\n", f"{{\n    {tls}\n", 1))
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(place / "Caddyfile")]


class OuterSession(BaseHTTPRequestHandler):
    """Whom the proxy asks who somebody is: the cookie `outer` says it, as nobody should do it."""

    address = ("127.0.0.1", 9091)

    def do_GET(self) -> None:
        user = SimpleCookie(self.headers.get("Cookie", "")).get("outer")
        self.send_response(200 if user else 401)
        if user:
            self.send_header("Remote-User", user.value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def outer_session() -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OuterSession) as server:
        OuterSession.address = ("127.0.0.1", server.server_port)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield
        server.shutdown()


PROXIES = {
    "nginx": nginx,
    "caddy": caddy,
    "nginx that sends files": nginx_that_sends_files,
    "nginx below a path": nginx_below_a_path,
    "nginx that strips": nginx_that_strips,
    "caddy below a path": caddy_below_a_path,
    "caddy that strips": caddy_that_strips,
    "nginx that asks": nginx_that_asks,
    "caddy that asks": caddy_that_asks,
}
ANY = ["nginx", "caddy"]


class Browser(requests.Session):
    """Speaks with the proxy as a browser that finds HOST there."""

    def __init__(self, port: int, certificate: Path, prefix: str) -> None:
        super().__init__()
        self.trust_env = False  # it names other authorities
        self.verify = str(certificate)
        self.origin = f"https://{HOST}:{port}"
        self.url = self.origin + prefix


@pytest.fixture(params=ANY)
def browser(
    request: pytest.FixtureRequest,
    site: Serving,
    prefix: str,
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
            yield Browser(port, certificate, prefix)
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


def submit(browser: Browser, page: str, action: str = "", **fields: str) -> requests.Response:
    """Get a page, fill its form in, and send it."""
    url = browser.url + page
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get(url).text)
    assert token
    return browser.post(
        browser.url + (action or page),
        data={**fields, "csrfmiddlewaretoken": token[1]},
        headers={"Referer": url, "Origin": browser.origin},
        allow_redirects=True,
    )


def sign_in(browser: Browser, user: User, password: str) -> requests.Response:
    return submit(browser, "/login/", username=user.get_username(), password=password)


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


# Below a path.


@pytest.mark.parametrize("prefix", ["/vnsite"], indirect=True)
@pytest.mark.parametrize(
    "browser",
    ["nginx below a path", "nginx that strips", "caddy below a path", "caddy that strips"],
    indirect=True,
)
def test_the_whole_site_lives_below_the_path(
    browser: Browser, site: Serving, person: User, prefix: str
) -> None:
    download = lives.complete(lives.submit(person), name="clip.mp4")
    (settings.VNSITE.media_root / download.library_path / "clip.mp4").write_bytes(CONTENT)
    PublishedFile.objects.update(size=len(CONTENT))

    away = browser.get(f"{browser.url}/downloads/{download.correlation_id}/")
    inside = sign_in(browser, person, PASSWORD)
    added = submit(browser, "/", "/downloads/", urls="http://site.example/new")
    pages = [added.text]
    pages += [
        browser.get(f"{browser.url}{path}").text
        for path in (
            f"/downloads/{download.correlation_id}/",
            *("/add", "/account/", "/cookies/", "/help/", "/workers/", "/nowhere"),
        )
    ]
    listed = browser.get(f"{browser.url}/api/v1/downloads").json()
    manifest = browser.get(f"{browser.url}/manifest.webmanifest").json()
    media = browser.get(f"{browser.url}/media/{download.correlation_id}/clip.mp4")
    with browser.get(f"{browser.url}/events/", stream=True, timeout=10) as stream:
        assert next(stream.iter_lines()).startswith(b"retry: ")
    admin = browser.get(f"{browser.url}/admin/", allow_redirects=False)

    assert away.url == f"{browser.url}/login/?next={prefix}/downloads/{download.correlation_id}/"
    assert inside.url == f"{browser.url}/"
    assert added.url == f"{browser.url}/"
    assert "site.example/new" in added.text
    for page in pages:
        for path in re.findall(r' (?:href|src|action|data-events)="(/[^"#?]*)', page):
            assert path.startswith(f"{prefix}/"), path
        for path in re.findall(rf'"({prefix}/static/[^"#]+)', page):
            assert browser.get(browser.origin + path).status_code == 200, path
    assert f'data-events="{prefix}/events/"' in added.text
    assert manifest["start_url"].startswith(f"{prefix}/")
    assert manifest["scope"] == f"{prefix}/"
    assert len(listed["items"]) == 2
    assert media.content == CONTENT
    assert admin.headers["Location"].startswith(f"{prefix}/admin/login/")
    assert {cookie.path for cookie in browser.cookies} == {prefix}
    assert site.url.endswith(f"{prefix}/")
    for path in ("/healthz", f"{prefix}/healthz"):
        assert site.ask(path, Host=HOST).status == 200


# The proxy says who somebody is.


@pytest.mark.usefixtures("outer_session")
@pytest.mark.parametrize("browser", ["nginx that asks", "caddy that asks"], indirect=True)
def test_who_is_signed_in_at_the_proxy_is_signed_in_here(browser: Browser, person: User) -> None:
    stranger = browser.get(f"{browser.url}/")
    browser.headers["Remote-User"] = "root"  # what anybody may claim
    browser.headers["Cookie"] = "outer=ursula"
    page = browser.get(f"{browser.url}/")
    del browser.headers["Cookie"]
    browser.cookies.set("outer", "ursula", domain=HOST, path="/")
    with browser.get(f"{browser.url}/events/", stream=True, timeout=10) as stream:
        assert next(stream.iter_lines()).startswith(b"retry: ")
    browser.cookies.set("outer", "unknown", domain=HOST, path="/")
    unknown = browser.get(f"{browser.url}/")

    assert stranger.status_code == 401
    assert page.status_code == 200
    assert "ursula" in page.text
    assert unknown.status_code == 403


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
    test = pytest.mark.parametrize("accel_prefix", ["/protected/"], indirect=True)(test)
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
