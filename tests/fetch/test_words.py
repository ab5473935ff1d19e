"""What a site does wrong is told by its own class or code, and not by one that misleads."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.rules.classify import code_of
from tests.helpers.attempts import Ended, facts
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite

Fetch = Callable[..., Ended]
RSS = "application/rss+xml"


def told_of(ended: Ended) -> tuple[str, str | None]:
    return str(ended.error_class), code_of(facts(ended.broke))


def stream(site: ScriptedSite, key: str) -> str:
    site.serve("/1.ts", Answer(body=b"\0" * 1880, media_type="video/mp2t"))
    lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:2", key, "#EXTINF:2,", "/1.ts", "#EXT-X-ENDLIST"]
    body = "\n".join(lines)
    return site.serve("/a.m3u8", Answer(body=body, media_type="application/vnd.apple.mpegurl"))


@pytest.mark.parametrize("method", ["SAMPLE-AES", "SAMPLE-AES-CTR", "AES-256", ""])
def test_an_encryption_that_is_not_supported(
    fetch: Fetch, scripted_site: ScriptedSite, method: str
) -> None:
    ended = fetch(stream(scripted_site, f'#EXT-X-KEY:METHOD={method},URI="/key"'))

    assert told_of(ended) == ("unsupported", "encryption")


@pytest.mark.parametrize("size_bytes", [0, 15, 17, 1000])
def test_a_key_of_a_wrong_length(
    fetch: Fetch, scripted_site: ScriptedSite, size_bytes: int
) -> None:
    scripted_site.serve("/key", Answer(body=b"k" * size_bytes))

    ended = fetch(stream(scripted_site, '#EXT-X-KEY:METHOD=AES-128,URI="/key"'))

    assert told_of(ended) == ("incomplete", "not_decrypted")


@pytest.mark.parametrize(
    "address",
    ["//[::1/x", "http://[::1/x.mp4", "//[", "http://a b/x.mp4", f"http://{'a' * 300}/x.mp4"],
)
@pytest.mark.parametrize(
    "tag", ['<video src="{}"></video>', '<meta property="og:video" content="{}">']
)
def test_an_address_in_a_page_that_is_not_one(
    fetch: Fetch, scripted_site: ScriptedSite, address: str, tag: str
) -> None:
    page = f"<html><title>t</title>{tag.format(address)}</html>"

    ended = fetch(scripted_site.serve("/page", Answer(body=page)))

    assert told_of(ended) == ("extractor_broken", "wrong_address")


@pytest.mark.parametrize("audio", ["m4a", "mp3", "opus"])
def test_the_sound_of_a_silent_video(
    fetch: Fetch, scripted_site: ScriptedSite, tmp_path: Path, audio: str
) -> None:
    silent = tmp_path / "silent.mp4"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"]
    subprocess.run([*command, "-t", "1", "-pix_fmt", "yuv420p", silent], check=True)
    film = Answer(body=silent.read_bytes(), media_type="video/mp4")

    ended = fetch(scripted_site.serve("/silent.mp4", film), audio=audio)

    assert told_of(ended) == ("format_unavailable", "no_sound")


def feed(site: ScriptedSite, *links: str) -> str:
    items = "".join(f"<item><title>t</title><link>{link}</link></item>" for link in links)
    body = (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>T</title>{items}</channel></rss>'
    )
    return site.serve("/feed", Answer(body=body, media_type=RSS))


def test_a_feed_of_dead_links_is_a_list(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    links = [scripted_site.url("/dead"), scripted_site.url("/gone")]

    ended = fetch(feed(scripted_site, *links))

    assert [entry.url for entry in ended.entries] == links
    assert scripted_site.requests_of("/dead") == []


def test_a_feed_of_one_video_is_that_video(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer
) -> None:
    film = Answer(body=media_server.file("small.mp4").read_bytes(), media_type="video/mp4")

    ended = fetch(feed(scripted_site, scripted_site.serve("/film.mp4", film)))

    assert ended.file.read_bytes() == film.body
