"""What comes in the place of a fragment, and when it plays."""

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.media_server import MediaServer
from tests.helpers.streams import (
    INIT,
    SECONDS,
    SILENT,
    Fragments,
    Site,
    at_the_beginning,
    half,
    packets,
    seconds,
    stream_of,
)

Fetch = Callable[..., Ended]


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
def test_half_a_segment_with_a_length_that_fits_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, number: int
) -> None:
    film = packed(kind)
    bodies = [half(body) if at == number else body for at, body in enumerate(film.segments)]

    assert fetch(stream_of(site, bodies, init=film.init)).error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize(("number", "share"), [(0, "beginning"), (1, "beginning"), (1, "end")])
def test_half_a_segment_that_is_cut_between_packets_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], number: int, share: str
) -> None:
    bodies = list(packed("mpegts").segments)
    front = half(bodies[number], of=188)
    bodies[number] = front if share == "beginning" else bodies[number][len(front) :]

    assert fetch(stream_of(site, bodies)).error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("filling", ["zeros", "noise", "a page"])
def test_a_segment_with_something_else_in_its_middle_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], filling: str
) -> None:
    bodies = list(packed("mpegts").segments)
    third = len(bodies[1]) // 3
    other = {"zeros": b"\0" * third, "noise": random.Random(1).randbytes(third)}
    page = (b"<p>busy</p>" * third)[:third]
    bodies[1] = bodies[1][:third] + other.get(filling, page) + bodies[1][2 * third :]

    assert fetch(stream_of(site, bodies)).error_class is ErrorClass.INCOMPLETE


def test_half_of_the_last_segment_is_incomplete_when_its_duration_was_measured(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    *bodies, last = packed("mpegts").segments

    ended = fetch(stream_of(site, [*bodies, half(last, of=188)], last="1.96"))

    assert ended.error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("number", [0, 1])
def test_half_a_segment_of_bare_sound_is_incomplete(
    fetch: Fetch,
    site: Site,
    media_server: MediaServer,
    directory: Path,
    number: int,
) -> None:
    source = directory / "source.aac"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", media_server.file("audio.m4a"), source], check=True
    )
    bodies = [source.read_bytes()] * 2
    bodies[number] = half(bodies[number])

    assert fetch(stream_of(site, bodies)).error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("every", ["the first segment", "the whole film"])
def test_a_site_that_answers_every_segment_with_the_same_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, every: str
) -> None:
    film = packed(kind)
    body = film.segments[0] if every == "the first segment" else b"".join(film.segments)

    assert fetch(stream_of(site, [body] * 3, init=film.init)).error_class is ErrorClass.INCOMPLETE


def test_a_film_for_every_segment_is_longer_than_announced(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    """Of three films that differ, so that none came twice."""
    bodies = [packed("mpegts", "-metadata", f"title={number}").whole for number in range(3)]

    assert fetch(stream_of(site, bodies)).error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
def test_a_gap_that_the_site_has_itself_refuses_nothing(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str
) -> None:
    """Recordings of live streams have some, and announce them as part of the segment before."""
    gap = "if(gte(T,2),PTS+2/TB,PTS)"
    film = packed(kind, "-vf", f"setpts='{gap}'", "-af", f"asetpts='{gap}'", "-fps_mode", "vfr")
    lines = [INIT] if film.init else []
    site.body("/init.mp4", film.init)
    for number, body in enumerate(film.segments):
        lines += [f"#EXTINF:{1 if number else 4},", site.body(f"/{number}", body)]

    assert fetch(site.playlist(*lines)).fetched


@pytest.mark.parametrize(
    ("kind", "announced"),
    [("fmp4", "10"), ("fmp4", ""), *(("mpegts", each) for each in ("2.5", "10", "1.6", "0", ""))],
)
def test_a_playlist_that_misstates_every_duration_refuses_nothing(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, announced: str
) -> None:
    film = packed(kind)
    site.body("/init.mp4", film.init)
    lines = [INIT] if film.init else []
    for number, segment in enumerate(film.segments):
        lines += [f"#EXTINF:{announced},"] if announced else []
        lines.append(site.body(f"/{number}", segment))

    ended = fetch(site.playlist(*lines))

    assert seconds(ended.file) == pytest.approx(3 * SECONDS, abs=0.2)


def test_a_stream_of_less_than_a_second_is_not_live(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    path = site.body("/0", packed("mpegts", "-t", "0.6").segments[0])

    assert seconds(fetch(site.playlist("#EXTINF:0.6,", path)).file) == pytest.approx(0.6, abs=0.1)


def test_yt_dlp_alone_takes_a_stream_of_less_than_a_second_for_live() -> None:
    playlist = "#EXTM3U\n#EXTINF:0.6,\n/0\n#EXT-X-ENDLIST\n"
    # In a process of its own: another test may have mended yt-dlp in this one.
    program = (
        "import sys; from yt_dlp.extractor.common import InfoExtractor as extractor;"
        "print(extractor()._parse_m3u8_vod_duration(sys.argv[1], 'x'))"
    )

    told = subprocess.check_output([sys.executable, "-c", program, playlist], text=True)

    assert told == "None\n"


@pytest.mark.parametrize("has_own_beginnings", [False, True])
def test_fragments_that_each_begin_at_zero_follow_one_another(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], has_own_beginnings: bool
) -> None:
    film = packed("fmp4", *SILENT)
    bodies = at_the_beginning(film)
    if has_own_beginnings:
        bodies = [film.init + body for body in bodies]
    init = b"" if has_own_beginnings else film.init

    ended = fetch(stream_of(site, bodies, init=init))

    assert ended.file.read_bytes() == film.whole


def test_yt_dlp_alone_has_them_all_begin_at_once(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4", *SILENT)
    bodies = at_the_beginning(film)

    plain = fetch_with_yt_dlp(stream_of(site, bodies, init=film.init))

    assert plain == film.init + b"".join(bodies)


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
def test_parts_after_a_discontinuity_follow_the_part_before(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str
) -> None:
    """Program, advertisement, program: the advertisement begins at 0, the program goes on."""
    film, other = packed(kind), packed(kind, "-vf", "negate")
    parts = [film.segments[0], other.segments[0], film.segments[1]]
    init = [f'#EXT-X-MAP:URI="{site.body("/init.mp4", film.init)}"'] if film.init else []
    lines = []
    for number, part in enumerate(parts):
        lines += ["#EXT-X-DISCONTINUITY"] if number else []
        lines += [*init, "#EXTINF:2,", site.body(f"/{number}", part)]

    ended = fetch(site.playlist(*lines))

    assert seconds(ended.file) == pytest.approx(3 * SECONDS, abs=0.2)
    assert len(packets(ended.file, "v")) == 3 * SECONDS * 25
