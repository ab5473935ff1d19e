"""One body: what proves that it is whole, and what proves nothing."""

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, ScriptedSite
from tests.helpers.streams import (
    SILENT,
    SOUND,
    Fragments,
    Site,
    half,
    seconds,
)
from tests.helpers.transport import with_streams_of_types

Fetch = Callable[..., Ended]


@pytest.mark.parametrize("types", [(0x86,), (0x86, 0x15), (0xC0,)])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_streams_of_a_type_that_nobody_knows_refuse_nothing(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    packed: Callable[..., Fragments],
    types: tuple[int, ...],
    is_chunked: bool,
) -> None:
    film = with_streams_of_types(packed("mpegts").whole, *types)
    answer = Answer(body=film, media_type="video/mp2t", is_chunked=is_chunked)

    ended = fetch(scripted_site.serve("/film.ts", answer))

    assert ended.file.read_bytes() == film


def test_a_stream_of_a_type_that_nobody_knows_refuses_no_playlist(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    lines = []
    for number, segment in enumerate(packed("mpegts").segments):
        lines += ["#EXTINF:2,", site.body(f"/{number}", with_streams_of_types(segment, 0x86))]

    assert seconds(fetch(site.playlist(*lines)).file) == pytest.approx(6, abs=0.2)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("kind", ["mp4", "ts", "page"])
def test_a_chunked_answer_that_breaks_off_is_tried_again(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
    packed: Callable[..., Fragments],
    share: float,
    kind: str,
) -> None:
    """Without its last chunk it is not whole, even if all of its bytes came (RFC 9112, 8)."""
    body = {
        "mp4": media_server.file("video.mp4").read_bytes(),
        "ts": packed("mpegts").whole,
        "page": b"<!doctype html><title>A page</title>" + b"<p>text</p>" * 10_000,
    }[kind]
    cut = Answer(
        body=body, media_type="video/mp4", is_chunked=True, cut_after=int(share * len(body))
    )
    if kind == "page":
        cut = replace(cut, media_type="text/html")

    ended = fetch(scripted_site.serve(f"/film.{kind}", cut))

    assert ended.error_class in (ErrorClass.INCOMPLETE, ErrorClass.NETWORK), ended.broke


def page_of(scripted_site: ScriptedSite, film: str, *, duration: str) -> str:
    """Serve a page that says in JSON-LD how long its film is; returns its URL."""
    video = {"@context": "https://schema.org", "@type": "VideoObject", "name": "A film"}
    video |= {"contentUrl": scripted_site.url(film), "duration": duration}
    body = f'<script type="application/ld+json">{json.dumps(video)}</script>'
    return scripted_site.serve("/page", Answer(body=f"<!doctype html><html>{body}</html>"))


@pytest.mark.parametrize("kind", ["mp4", "ts"])
@pytest.mark.parametrize("ends_with", ["its last chunk", "its connection"])
def test_a_page_that_misstates_a_duration_refuses_nothing_that_is_proven(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
    packed: Callable[..., Fragments],
    kind: str,
    ends_with: str,
) -> None:
    film = packed("mpegts").whole
    if kind == "mp4":
        film = media_server.file("video.mp4").read_bytes()
    answer = Answer(body=film, media_type="video/mp4", is_chunked=ends_with == "its last chunk")
    if not answer.is_chunked:
        answer = replace(answer, headers={"Content-Length": "unknown"}, cut_after=len(film))
    scripted_site.serve(f"/film.{kind}", answer)

    ended = fetch(page_of(scripted_site, f"/film.{kind}", duration="PT17S"))

    if kind == "ts" and not answer.is_chunked:
        # Nothing else says where it ends.
        assert ended.error_class is ErrorClass.INCOMPLETE
    else:
        assert ended.file.read_bytes() == film


WITHOUT_LENGTH = {
    "ts": (),
    "aac": SOUND,
    "mp3": SOUND,
    "ogg": (*SOUND, "-c:a", "libvorbis"),
    "webm": (*SILENT, "-c:v", "libvpx", "-deadline", "realtime", "-live", "1"),
    "mp4": ("-movflags", "frag_keyframe+empty_moov"),
}


@pytest.mark.parametrize("suffix", WITHOUT_LENGTH)
@pytest.mark.parametrize("share", [0.6, 1.0])
def test_half_a_body_that_ends_with_its_connection_is_incomplete(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
    directory: Path,
    suffix: str,
    share: float,
) -> None:
    source = directory / f"source.{suffix}"
    command = ["ffmpeg", "-v", "error", "-i", media_server.file("video.mp4")]
    subprocess.run([*command, *WITHOUT_LENGTH[suffix], source], check=True)
    body = source.read_bytes()
    answer = Answer(
        body=body[: int(len(body) * share)],
        media_type="video/mp4",
        headers={"Content-Length": "unknown"},
        cut_after=len(body),
    )

    ended = fetch(scripted_site.serve(f"/film.{suffix}", answer))

    if share < 1:
        assert ended.error_class is ErrorClass.INCOMPLETE
    else:
        assert ended.file.read_bytes() == body


def test_a_length_for_half_a_film_in_fragments_does_not_make_it_complete(
    fetch: Fetch, scripted_site: ScriptedSite, packed: Callable[..., Fragments]
) -> None:
    answer = Answer(body=half(packed("fmp4").whole), media_type="video/mp4")

    ended = fetch(scripted_site.serve("/film.mp4", answer))

    assert ended.error_class is ErrorClass.INCOMPLETE
