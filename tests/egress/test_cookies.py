"""A cookie goes back to whoever set it, in the same download; a lent one to its domain alone."""

from dataclasses import asdict
from pathlib import Path

import pytest

from downloads.fetch.protocol import Lent
from downloads.rules.cookies import Cookie
from tests.egress.networks import SITE, Networks
from tests.helpers.attempts import attempt, job_for, make_directory
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request

SECRET = "canary-of-a-cookie"


@pytest.fixture
def two_hosts(networks: Networks, media_server: MediaServer) -> Networks:
    """A site of which every answer sets a cookie, and another that has the video."""
    for name in ("site.example", "other.example", "www.site.example"):
        networks.names.answer(name, [SITE])
    video = Answer(body=media_server.file("video.mp4").read_bytes(), media_type="video/mp4")
    networks.site.serve("/video.mp4", video)
    return networks


def cookies_by_host(networks: Networks) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for request in networks.site.requests:
        host = request.headers["Host"]
        found.setdefault(host, set()).add(request.headers.get("Cookie", ""))
    return found


@pytest.mark.parametrize(
    "domain",
    [
        "",
        "; Domain=site.example",
        "; Domain=example",
        "; Domain=.example",
        "; Domain=other.example",
    ],
)
@pytest.mark.parametrize("way", ["redirect", "video"])
def test_a_cookie_is_not_sent_to_another_host(
    two_hosts: Networks, directory: Path, domain: str, way: str
) -> None:
    target = "http://other.example/video.mp4"
    headers = {"Set-Cookie": f"name={SECRET}; Path=/{domain}"}
    answers = {
        "redirect": Answer(status=302, headers={**headers, "Location": target}),
        "video": Answer(body=f'<title>x</title><video src="{target}"></video>', headers=headers),
    }
    two_hosts.site.serve("/start", answers[way])

    ended = attempt(two_hosts.fork_server, job_for("http://site.example/start", directory))

    assert ended.fetched.files
    assert cookies_by_host(two_hosts)["other.example"] == {""}
    assert SECRET not in str(ended.messages)
    assert all(SECRET.encode() not in path.read_bytes() for path in directory.iterdir())


def test_a_cookie_goes_back_to_its_host_and_ends_with_the_download(
    two_hosts: Networks, tmp_path: Path
) -> None:
    def page(_request: Request) -> Answer:
        body = '<title>x</title><video src="/video.mp4"></video>'
        return Answer(body=body, headers={"Set-Cookie": f"name={SECRET}; Path=/; Max-Age=9999"})

    two_hosts.site.serve("/start", page)
    url = "http://site.example/start"

    attempt(two_hosts.fork_server, job_for(url, make_directory(tmp_path)))
    sent = [request.headers.get("Cookie", "") for request in two_hosts.site.requests]
    two_hosts.site.requests.clear()
    attempt(two_hosts.fork_server, job_for(url, make_directory(tmp_path)))

    assert sent[0] == ""
    assert f"name={SECRET}" in sent
    assert two_hosts.site.requests[0].headers.get("Cookie", "") == ""


def test_a_cookie_that_was_lent_goes_to_its_domain_alone(
    two_hosts: Networks, directory: Path
) -> None:
    answer = Answer(status=302, headers={"Location": "http://www.site.example/page"})
    two_hosts.site.serve("/start", answer)
    target = "http://other.example/video.mp4"
    two_hosts.site.serve("/page", Answer(body=f'<title>x</title><video src="{target}"></video>'))
    lent = Cookie(domain="site.example", path="/", name="name", value=SECRET)
    job = job_for("http://site.example/start", directory)

    ended = attempt(two_hosts.fork_server, job, Lent(cookies={"site.example": [asdict(lent)]}))

    sent = {f"name={SECRET}"}
    assert ended.fetched.files
    assert cookies_by_host(two_hosts) == {
        "site.example": sent,
        "www.site.example": sent,
        "other.example": {""},
    }
