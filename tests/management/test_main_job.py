"""The main job from end to end: six links through the API, the stream, the library, the end."""

import hashlib
import signal
import subprocess

import pytest
import requests
from django.conf import settings
from django.contrib.auth.models import User

from downloads.accounts import tokens
from downloads.models import Download, StreamPosition
from tests.helpers.media_server import MediaServer
from tests.helpers.serving import Serving, serving
from tests.helpers.waiting import wait_for
from tests.helpers.worker import staged_entries, temp_entries

pytestmark = pytest.mark.usefixtures("shared_db", "clean_disk")

BEGINNING = ["created", "initializing", "ready", "downloading"]
LINKS = {
    "mp4": "/video.mp4",
    "hls": "/hls/index.m3u8",
    "page": "/page.html",
    "redirect": "/redirect",
    "missing": "/status/404",
    "slow": "/slow.mp4?rate=50000",
}
ENDS = {
    "mp4": ["completed", "cleaned"],
    "hls": ["completed", "cleaned"],
    "page": ["completed", "cleaned"],
    "redirect": ["completed", "cleaned"],
    "missing": ["failed", "cleaned"],
    "slow": ["cancelled", "cleaned"],
}


@pytest.fixture
def api(staff: User) -> requests.Session:
    session = requests.Session()
    session.headers["Authorization"] = f"Bearer {tokens.issue(staff, name='test')}"
    return session


def test_six_links_get_their_right_ends(
    api: requests.Session, staff: User, media_server: MediaServer
) -> None:
    with serving(VNSITE_ALLOW_PRIVATE_HOSTS=media_server.origin) as server:
        ids = {name: add(server, api, media_server.url(path)) for name, path in LINKS.items()}
        wait_for(lambda: shown(server, api, ids["slow"])["progress"], what="progress of the slow")
        api.post(f"{server.url}api/v1/downloads/{ids['slow']}/cancel", timeout=30)
        wait_for(lambda: not Download.objects.exclude(state="cleaned").exists())

        for name, correlation_id in ids.items():
            history = [entry["to"] for entry in shown(server, api, correlation_id)["history"]]
            assert history == BEGINNING + ENDS[name], name
        for name in ("mp4", "page", "redirect"):
            [file] = shown(server, api, ids[name])["files"]
            original = media_server.file("video.mp4").read_bytes()
            content = api.get(f"{server.url}{file['url'].lstrip('/')}", timeout=30).content
            assert content == original
            assert file["sha256"] == hashlib.sha256(original).hexdigest()
        assert streams_of_hls(media_server) == streams_of(ids["hls"])

        with server.listen("?after=0", user=staff) as stream:
            seqs = [event.seq for event in stream.transitions(StreamPosition.current())]
        assert seqs == list(range(1, len(LINKS) * 6 + 1))

        server.send(signal.SIGINT)
        assert server.wait() == 0

    assert temp_entries() == staged_entries() == []


def add(server: Serving, api: requests.Session, url: str) -> str:
    answer = api.post(f"{server.url}api/v1/downloads", json={"url": url}, timeout=30)
    assert answer.status_code == 201, answer.text
    correlation_id: str = answer.json()["correlation_id"]
    return correlation_id


def shown(server: Serving, api: requests.Session, correlation_id: str) -> dict[str, object]:
    answer = api.get(f"{server.url}api/v1/downloads/{correlation_id}", timeout=30)
    answer.raise_for_status()
    download: dict[str, object] = answer.json()
    return download


def streams_of(correlation_id: str) -> list[str]:
    download = Download.objects.get(correlation_id=correlation_id)
    return hashes(
        str(settings.VNSITE.media_root / download.library_path / download.files.get().name)
    )


def streams_of_hls(media_server: MediaServer) -> list[str]:
    return hashes(str(media_server.file("hls/index.m3u8")))


def hashes(path: str) -> list[str]:
    """A hash of the decoded frames of each stream: the container around them may differ."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "streamhash", "-hash", "md5", "-"]
    return subprocess.check_output(command, text=True).split()
