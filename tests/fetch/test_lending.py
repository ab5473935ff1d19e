"""A child that is lent cookies and a proxy: who gets them, what comes back, and what is said."""

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from time import time

import pytest
import requests

from downloads.fetch import client
from downloads.fetch import downloader as downloading
from downloads.fetch.client import ForkServer
from downloads.fetch.lending import Lending
from downloads.fetch.processes import ChildFailed
from downloads.fetch.protocol import Lent, Renewed
from downloads.rules.cookies import MAX_COOKIES, Cookie
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended, attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Canary, Request, ScriptedSite
from tests.helpers.site_proxy import SiteProxy
from tests.helpers.streams import SECONDS, Fragments

SECRET = "canary-of-a-cookie-0123456789"
LATER = int(time()) + 100_000
PAGE = '<title>A film</title><video src="/video.mp4"></video>'
HOSTS = ("site.example", "www.site.example", "other.example")

Get = Callable[..., Ended]


def cookie(**values: object) -> Cookie:
    usual: dict[str, object] = {"domain": "site.example", "path": "/", "name": "session"}
    return Cookie(**{**usual, "value": SECRET, "expires": LATER, **values})  # type: ignore[arg-type]


def lent(*cookies: Cookie, host: str = "site.example", proxy: str = "") -> Lent:
    return Lent(cookies={host: [asdict(each) for each in cookies]} if cookies else {}, proxy=proxy)


def cookies_sent(site: ScriptedSite) -> dict[str, set[str]]:
    """The cookie headers that each host got; "" for a request without one."""
    found: dict[str, set[str]] = {}
    for request in site.requests:
        found.setdefault(request.headers["Host"], set()).add(request.headers.get("Cookie", ""))
    return found


def renewed(ended: Ended) -> dict[str, dict[str, str]]:
    """The values that came back, by host and name."""
    return {
        message.host: {values["name"]: values["value"] for values in message.cookies}
        for message in ended.messages
        if isinstance(message, Renewed)
    }


@pytest.fixture
def site(scripted_site: ScriptedSite, media_server: MediaServer) -> ScriptedSite:
    video = Answer(body=media_server.file("video.mp4").read_bytes(), media_type="video/mp4")
    scripted_site.serve("/video.mp4", video)
    scripted_site.serve("/watch", Answer(body=PAGE))
    return scripted_site


@pytest.fixture
def proxy(site: ScriptedSite) -> Iterator[SiteProxy]:
    """It leads to the site by several names, of which no name server knows."""
    host, _, port = site.origin.partition(":")
    with SiteProxy(leads=dict.fromkeys(HOSTS, (host, int(port)))) as proxy:
        yield proxy


@pytest.fixture
def get(fork_server: ForkServer, directory: Path, proxy: SiteProxy) -> Get:
    def get(url: str, *cookies: Cookie, host: str = "site.example") -> Ended:
        through = lent(*cookies, host=host, proxy=f"http://{proxy.endpoint}")
        return attempt(fork_server, job_for(url, directory), through)

    return get


def needs_cookie(request: Request) -> Answer:
    if f"session={SECRET}" in request.headers.get("Cookie", ""):
        return Answer(body=PAGE)
    return Answer(status=401, body="Sign in")


def test_a_site_that_wants_a_login_gives_its_video_for_a_cookie(
    site: ScriptedSite, get: Get
) -> None:
    site.serve("/watch", needs_cookie)

    assert get("http://site.example/watch").error_class is ErrorClass.LOGIN_REQUIRED
    assert get("http://site.example/watch", cookie()).fetched.title == "A film"


@pytest.mark.parametrize(
    ("values", "hosts"),
    [
        ({}, {"site.example", "www.site.example"}),
        ({"host_only": True}, {"site.example"}),
        ({"domain": "www.site.example"}, {"www.site.example"}),
        ({"secure": True}, set()),
        ({"path": "/elsewhere"}, set()),
        ({"expires": None}, {"site.example", "www.site.example"}),
        ({"expires": 12}, set()),
    ],
)
def test_a_cookie_goes_where_its_browser_would_send_it(
    site: ScriptedSite, get: Get, values: dict[str, object], hosts: set[str]
) -> None:
    for host in HOSTS[:-1]:
        get(f"http://{host}/watch", cookie(**values))

    sent = cookies_sent(site)
    assert {host for host in sent if sent[host] == {f"session={SECRET}"}} == hosts
    assert {host for host in sent if sent[host] == {""}} == set(HOSTS[:-1]) - hosts


@pytest.mark.parametrize("way", ["redirect", "video"])
def test_another_domain_does_not_get_it(site: ScriptedSite, get: Get, way: str) -> None:
    target = "http://other.example/video.mp4"
    answers = {
        "redirect": Answer(status=302, headers={"Location": target}),
        "video": Answer(body=f'<title>x</title><video src="{target}"></video>'),
    }
    site.serve("/watch", answers[way])

    ended = get("http://site.example/watch", cookie())

    assert ended.fetched.files
    assert cookies_sent(site) == {"site.example": {f"session={SECRET}"}, "other.example": {""}}


def test_the_playlist_and_each_fragment_of_a_stream_are_asked_for_with_it(
    site: ScriptedSite, get: Get, packed: Callable[..., Fragments]
) -> None:
    segments = packed("mpegts").segments
    lines = [f"#EXTINF:{SECONDS},\n/{number}" for number in range(len(segments))]
    head = f"#EXTM3U\n#EXT-X-TARGETDURATION:{SECONDS}"
    playlist = "\n".join([head, *lines, "#EXT-X-ENDLIST"])
    site.serve("/index.m3u8", Answer(body=playlist, media_type="application/x-mpegURL"))
    for number, segment in enumerate(segments):
        site.serve(f"/{number}", Answer(body=segment, media_type="video/mp2t"))

    ended = get("http://site.example/index.m3u8", cookie())

    assert ended.fetched.files
    assert {"/0", "/1", "/2"} <= {request.path for request in site.requests}
    assert cookies_sent(site) == {"site.example": {f"session={SECRET}"}}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_addresses_and_single_names_have_cookies_too(
    site: ScriptedSite, fork_server: ForkServer, directory: Path, host: str
) -> None:
    site.serve("/watch", needs_cookie)
    port = site.origin.rpartition(":")[2]
    job = job_for(f"http://{host}:{port}/watch", directory, allow_private_hosts=(f"{host}:{port}",))

    def renew(request: Request) -> Answer:
        return Answer(body=PAGE, headers={"Set-Cookie": "other=1; Path=/"})

    only = cookie(domain=host, host_only=True)
    assert attempt(fork_server, job, lent(only, host=host)).fetched.files
    site.serve("/watch", renew)
    ended = attempt(fork_server, job, lent(only, host=host))

    assert renewed(ended) == {host: {"session": SECRET, "other": "1"}}


def test_what_the_site_renewed_comes_back_after_success(site: ScriptedSite, get: Get) -> None:
    fresh = {"Set-Cookie": "session=fresh; Domain=site.example; Path=/; Max-Age=1000"}
    site.serve("/watch", Answer(body=PAGE, headers=fresh))

    ended = get("http://site.example/watch", cookie(), cookie(name="other"))

    assert renewed(ended) == {"site.example": {"session": "fresh", "other": SECRET}}


def test_nothing_comes_back_when_nothing_changed_or_the_download_failed(
    site: ScriptedSite, get: Get
) -> None:
    assert renewed(get("http://site.example/watch", cookie())) == {}

    site.serve("/watch", Answer(status=404, headers={"Set-Cookie": "session=fresh"}))
    assert renewed(get("http://site.example/watch", cookie())) == {}


def test_neither_other_sites_nor_a_log_out_change_what_is_kept(
    site: ScriptedSite, get: Get
) -> None:
    gone = {"Set-Cookie": "session=; Domain=site.example; Path=/; Max-Age=0"}
    answer = Answer(body='<title>x</title><video src="http://other.example/tracked"></video>')
    site.serve("/watch", Answer(body=answer.body, headers=gone))
    video = Answer(body=b"", status=302, headers={"Location": "/video.mp4", "Set-Cookie": "id=1"})
    site.serve("/tracked", video)

    ended = get("http://site.example/watch", cookie())

    assert ended.fetched.files
    assert renewed(ended) == {}


def test_a_cookie_comes_back_for_the_host_that_it_was_given_for(
    site: ScriptedSite, fork_server: ForkServer, directory: Path, proxy: SiteProxy
) -> None:
    fresh = {"Set-Cookie": "session=fresh; Domain=site.example; Path=/; Max-Age=1000"}
    site.serve("/watch", Answer(body=PAGE, headers=fresh))
    near = cookie(domain="www.site.example", name="near")
    both = Lent(
        cookies={"www.site.example": [asdict(near)], "site.example": [asdict(cookie())]},
        proxy=f"http://{proxy.endpoint}",
    )

    ended = attempt(fork_server, job_for("http://www.site.example/watch", directory), both)

    assert renewed(ended) == {"site.example": {"session": "fresh"}}


def test_a_site_cannot_send_more_cookies_than_are_kept(site: ScriptedSite, get: Get) -> None:
    numbers = iter(range(100))

    def flood(request: Request) -> Answer:
        number = next(numbers)
        flood = "; Path=/else\r\nSet-Cookie: ".join(
            f"c{number}x{each}={'y' * 900}" for each in range(60)
        )
        location = {"Location": f"/watch?{number}"} if number < 12 else {}
        return Answer(
            status=302 if location else 200,
            body=PAGE,
            headers={"Set-Cookie": f"{flood}; Path=/else", **location},
        )

    site.serve("/watch", flood)

    ended = get("http://site.example/watch", cookie(path="/elsewhere"))

    assert ended.fetched.files
    (back,) = [message for message in ended.messages if isinstance(message, Renewed)]
    assert ended.fetched.files
    assert 0 < len(back.cookies) <= MAX_COOKIES
    assert len(json.dumps(back.cookies)) < 2**20
    assert back.cookies[0]["value"] == SECRET


def test_as_many_cookies_as_a_site_may_have_arrive(site: ScriptedSite, get: Get) -> None:
    long = [
        cookie(name=f"n{number}", path=f"/{number}", value="x" * 4000)
        for number in range(MAX_COOKIES - 1)
    ]
    site.serve("/watch", needs_cookie)

    assert get("http://site.example/watch", *long, cookie()).fetched.files


@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=f"<title>Hello {SECRET}</title><video src='/video.mp4'></video>"),
        Answer(body=f"<title>x</title><video src='/{SECRET}.mp4'></video>"),
        Answer(body=f"<title>x</title><video src='ftp://{SECRET}/'></video>"),
        Answer(status=302, headers={"Location": f"/gone?x={SECRET}"}),
        Answer(status=302, headers={"Location": f"http://{SECRET}.example/"}),
        Answer(status=500, body=SECRET),
        Answer(
            media_type="application/rss+xml",
            body=f"<rss><channel><title>{SECRET}</title><item><title>{SECRET}</title>"
            "<link>https://site.example/1</link></item><item><title>b</title>"
            "<link>https://site.example/2</link></item></channel></rss>",
        ),
    ],
)
def test_no_log_line_title_entry_or_error_repeats_a_cookie(
    site: ScriptedSite, get: Get, directory: Path, answer: Answer
) -> None:
    site.serve("/watch", answer)

    ended = get("http://site.example/watch", cookie())

    told = [message for message in ended.messages if not isinstance(message, Renewed)]
    assert SECRET in " ".join(map(str, cookies_sent(site)["site.example"]))
    assert SECRET not in str(told)
    assert all(SECRET.encode() not in path.read_bytes() for path in directory.iterdir())


@pytest.mark.parametrize("scheme", ["http", "socks5", "socks5h"])
@pytest.mark.parametrize("credentials", ["", "user:canary-of-a-proxy"])
def test_a_download_goes_through_the_proxy_and_past_it_to_nothing(
    site: ScriptedSite,
    proxy: SiteProxy,
    fork_server: ForkServer,
    directory: Path,
    scheme: str,
    credentials: str,
) -> None:
    proxy.credentials = credentials
    before = f"{credentials}@" if credentials else ""
    through = lent(proxy=f"{scheme}://{before}{proxy.endpoint}")

    ended = attempt(fork_server, job_for("http://site.example/watch", directory), through)

    assert ended.fetched.title == "A film"
    assert set(proxy.asked) == {"site.example:80"}
    assert "canary" not in str(ended.messages)


def test_a_site_leads_nobody_past_the_proxy(site: ScriptedSite, get: Get, proxy: SiteProxy) -> None:
    with Canary() as canary:
        proxy.leads["127.0.0.1"] = proxy.leads["site.example"]
        target = f"http://127.0.0.1:{canary.port}/video.mp4"
        site.serve("/watch", Answer(status=302, headers={"Location": target}))

        assert get("http://site.example/watch").fetched.files
        assert f"127.0.0.1:{canary.port}" in proxy.asked
        assert not canary.was_touched


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
def test_a_proxy_that_does_not_work_is_named_as_the_cause(
    site: ScriptedSite, fork_server: ForkServer, directory: Path, scheme: str
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        through = lent(proxy=f"{scheme}://127.0.0.1:{closed.getsockname()[1]}")

        ended = attempt(fork_server, job_for("http://site.example/watch", directory), through)

    assert ended.error_class is ErrorClass.NETWORK


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("url", ["http://site.example/watch", "https://site.example/watch"])
def test_a_proxy_that_refuses_a_password_is_not_taken_for_the_site(
    proxy: SiteProxy, fork_server: ForkServer, directory: Path, scheme: str, url: str
) -> None:
    proxy.credentials = "user:right-password"
    through = lent(proxy=f"{scheme}://user:canary-of-a-proxy@{proxy.endpoint}")

    ended = attempt(fork_server, job_for(url, directory), through)

    assert ended.error_class is ErrorClass.NETWORK
    assert "canary" not in str(ended.messages)


def test_a_child_that_does_not_take_what_it_is_lent_is_given_up(
    fork_server: ForkServer, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    much = [cookie(name=f"n{number}", value="x" * 4000) for number in range(MAX_COOKIES)]
    child = fork_server.fork(job_for("http://site.example/watch", directory))
    monkeypatch.setattr(client, "ANSWER_TIMEOUT_SECONDS", 0.1)
    try:
        os.kill(child.process.pid, signal.SIGSTOP)
        with pytest.raises(ChildFailed):
            child.go(lent(*much))
    finally:
        child.end(grace_seconds=0)


def test_extractors_that_ask_whether_there_are_cookies_are_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(directory)
    jar = requests.sessions.RequestsCookieJar
    monkeypatch.setattr(requests.sessions, "RequestsCookieJar", jar)  # restored afterwards
    downloader = downloading.build()
    assert not downloader.get_info_extractor("Generic")._cookies_passed

    Lending(lent(cookie())).lend(downloader)

    assert downloader.get_info_extractor("Youtube")._cookies_passed
    downloader.close()
    assert not list(directory.iterdir())
