"""Streams of fragments: each rendition arrives whole and as it was made, or it is not complete."""

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad
from yt_dlp.extractor.common import InfoExtractor

from downloads.disk import timing
from downloads.fetch.client import ForkServer
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended, attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.transport import with_streams_of_types

Fetch = Callable[..., Ended]
SECONDS = 2  # of every segment
KEY = bytes(range(16))


@pytest.fixture
def fetch(fork_server: ForkServer, directory: Path) -> Fetch:
    def fetch(url: str, **values: object) -> Ended:
        allowed = (url.split("/")[2],)
        return attempt(fork_server, job_for(url, directory, allow_private_hosts=allowed, **values))

    return fetch


@pytest.fixture
def fetch_with_yt_dlp(directory: Path) -> Callable[[str], bytes]:
    """Fetch with yt-dlp alone, as its own command does.

    A test that asserts what is wrong with the result fails when yt-dlp has been mended: then what
    we do about it can go.
    """

    def fetch(url: str) -> bytes:
        command = [sys.executable, "-m", "yt_dlp", "--quiet", "--no-warnings", "--ignore-config"]
        subprocess.run([*command, "--output", "plain.mp4", url], cwd=directory, check=True)
        return (directory / "plain.mp4").read_bytes()

    return fetch


@dataclass(frozen=True, kw_only=True)
class Fragments:
    """A film of three segments, as ffmpeg packs it."""

    segments: list[bytes]
    init: bytes = b""

    @property
    def whole(self) -> bytes:
        return self.init + b"".join(self.segments)


@pytest.fixture(scope="session")
def packed(
    media_server: MediaServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Fragments]:
    """Pack a film as HLS does, once for each way; `arguments` are ffmpeg's, for the streams."""
    made: dict[tuple[str, ...], Fragments] = {}

    def pack(kind: str, *arguments: str) -> Fragments:
        if (kind, *arguments) not in made:
            folder = tmp_path_factory.mktemp("packed")
            command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"]
            command += ["-f", "lavfi", "-i", "sine=frequency=440", "-t", str(3 * SECONDS)]
            command += ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", *arguments]
            command += ["-f", "hls", "-hls_time", str(SECONDS), "-hls_playlist_type", "vod"]
            command += ["-hls_segment_type", kind, "-hls_segment_filename", "%d", "index.m3u8"]
            subprocess.run(command, cwd=folder, check=True)
            init = folder / "init.mp4"
            made[kind, *arguments] = Fragments(
                init=init.read_bytes() if init.exists() else b"",
                segments=[
                    path.read_bytes()
                    for number in range(3)
                    if (path := folder / str(number)).exists()
                ],
            )
        return made[kind, *arguments]

    return pack


def seconds(path: Path, kind: str = "") -> float:
    """How long a file can be played, or only its pictures ("v") or its sound ("a")."""
    command = ["ffprobe", "-v", "error", "-of", "csv=p=0"]
    command += ["-show_entries", "stream=duration", "-select_streams", kind] if kind else []
    command += [] if kind else ["-show_entries", "format=duration"]
    return float(subprocess.run([*command, path], capture_output=True, check=True).stdout)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A scripted site that offers one stream."""

    site: ScriptedSite

    def body(self, path: str, body: bytes) -> str:
        self.site.serve(path, Answer(body=body, media_type="application/octet-stream"))
        return path

    def playlist(self, *lines: str, path: str = "/index.m3u8", end: str = "#EXT-X-ENDLIST") -> str:
        head = ("#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{SECONDS}")
        body = "\n".join([*head, *lines, end, ""])
        media_type = "application/vnd.apple.mpegurl"
        return self.site.serve(path, Answer(body=body, media_type=media_type))


@pytest.fixture
def site(scripted_site: ScriptedSite) -> Site:
    return Site(site=scripted_site)


# Encrypted segments


def encrypted(content: bytes, *, number: int, key: bytes = KEY) -> bytes:
    """As RFC 8216, 5.2 has it without a vector: it is the number of the segment."""
    return AES.new(key, AES.MODE_CBC, iv=number.to_bytes(16)).encrypt(pad(content, 16))


def encrypted_stream(site: Site, film: Fragments, *head: str, first: int = 0) -> str:
    """Serve a film in encrypted segments whose beginning is clear; returns its playlist's URL."""
    site.body("/key", KEY)
    site.body("/init.mp4", film.init)
    lines = [f"#EXT-X-MEDIA-SEQUENCE:{first}", *head]
    for number, segment in enumerate(film.segments, start=first):
        lines += ["#EXTINF:2,", site.body(f"/{number}.m4s", encrypted(segment, number=number))]
    return site.playlist(*lines)


INIT, ENCRYPTED = '#EXT-X-MAP:URI="/init.mp4"', '#EXT-X-KEY:METHOD=AES-128,URI="/key"'


@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("head", [(INIT, ENCRYPTED), (ENCRYPTED, INIT)])
def test_an_encrypted_stream_with_a_clear_beginning_arrives_byte_for_byte(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    first: int,
    head: tuple[str, str],
) -> None:
    film = packed("fmp4")

    ended = fetch(encrypted_stream(site, film, *head, first=first))

    assert ended.file.read_bytes() == film.whole


def test_yt_dlp_alone_counts_the_beginning_as_a_segment(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")

    plain = fetch_with_yt_dlp(encrypted_stream(site, film, INIT, ENCRYPTED))

    assert len(plain) == len(film.whole)
    assert plain != film.whole


def test_an_advertisement_that_is_left_out_does_not_shift_the_vectors(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    site.body("/key", KEY)
    site.body("/init.mp4", film.init)
    lines = [INIT, ENCRYPTED]
    for number, segment in enumerate(film.segments):
        kind = "ad" if number == 1 else "master"
        lines += [f"#ANVATO-SEGMENT-INFO:type={kind}", "#EXTINF:2,"]
        lines.append(site.body(f"/{number}.m4s", encrypted(segment, number=number)))

    ended = fetch(site.playlist(*lines))

    assert ended.file.read_bytes() == film.init + film.segments[0] + film.segments[2]


def test_keys_that_change_and_end_are_followed(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    other_key = KEY[::-1]
    site.body("/init.mp4", film.init)
    site.body("/key", KEY)
    site.body("/other", other_key)
    first, second, third = film.segments
    bodies = [encrypted(first, number=5), encrypted(second, number=6, key=other_key), third]
    keys = [ENCRYPTED, ENCRYPTED.replace("/key", "/other"), "#EXT-X-KEY:METHOD=NONE"]
    lines = ["#EXT-X-MEDIA-SEQUENCE:5", INIT]
    for number, (key, body) in enumerate(zip(keys, bodies, strict=True)):
        lines += [key, "#EXTINF:2,", site.body(f"/{number}", body)]

    assert fetch(site.playlist(*lines)).file.read_bytes() == film.whole


def with_broken_padding(content: bytes) -> bytes:
    return AES.new(KEY, AES.MODE_CBC, iv=bytes(16)).encrypt(content[: len(content) // 16 * 16])


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("fault", ["padding", "length", "key"])
def test_a_segment_that_cannot_be_decrypted_whole_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, fault: str
) -> None:
    film = packed(kind)
    site.body("/key", KEY[::-1] if fault == "key" else KEY)
    site.body("/init.mp4", film.init)
    lines = [INIT] if film.init else []
    lines.append(f"{ENCRYPTED},IV=0x{0:032x}")
    for number, segment in enumerate(film.segments):
        body = encrypted(segment, number=0)
        if number == 1 and fault == "padding":
            body = with_broken_padding(segment[: len(segment) // 2])
        if number == 1 and fault == "length":
            body = body[: len(body) // 32 * 16 + 8]
        lines += ["#EXTINF:2,", site.body(f"/{number}", body)]

    assert fetch(site.playlist(*lines)).error_class is ErrorClass.INCOMPLETE


# One file that is a stream


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


# Chunked answers


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


# Durations that a site states


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

    assert InfoExtractor()._parse_m3u8_vod_duration(playlist, "x") is None


# Pieces of one file


def stream_of_pieces(site: Site, film: Fragments, whole: Callable[[Request], Answer]) -> str:
    """Serve a playlist of ranges of one file, which `whole` answers; returns its URL."""
    site.site.serve("/whole", whole)
    lines, offset = [], len(film.init)
    if film.init:
        lines.append(f'#EXT-X-MAP:URI="/whole",BYTERANGE="{len(film.init)}@0"')
    for segment in film.segments:
        lines += ["#EXTINF:2,", f"#EXT-X-BYTERANGE:{len(segment)}@{offset}", "/whole"]
        offset += len(segment)
    return site.playlist(*lines)


def piece(request: Request, body: bytes, *, shift: int = 0, less: int = 0) -> Answer:
    first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
    first, last = first + shift, last + shift - less
    headers = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
    return Answer(body=body[first : last + 1], status=206, media_type="video/mp2t", headers=headers)


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_pieces_are_cut_out_of_the_whole_when_the_site_ignores_ranges(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, is_chunked: bool
) -> None:
    film = packed(kind)
    answer = Answer(body=film.whole, media_type="video/mp2t", is_chunked=is_chunked)

    ended = fetch(stream_of_pieces(site, film, lambda _request: answer))

    assert seconds(ended.file) == pytest.approx(3 * SECONDS, abs=0.2)
    assert kind == "mpegts" or ended.file.read_bytes() == film.whole
    assert len(site.site.requests_of("/whole")) == 1


@pytest.mark.parametrize("knows_range", [True, False])
def test_pieces_that_follow_one_another_need_no_offset(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], knows_range: bool
) -> None:
    film = packed("fmp4")
    rest = b"".join(film.segments[:2])
    whole = Answer(body=rest, media_type="video/mp4")
    site.site.serve("/whole", (lambda request: piece(request, rest)) if knows_range else whole)
    sizes = [len(segment) for segment in film.segments]
    site.body("/init.mp4", film.init)
    lines = [INIT, "#EXTINF:2,", f"#EXT-X-BYTERANGE:{sizes[0]}@0", "/whole"]
    lines += ["#EXTINF:2,", f"#EXT-X-BYTERANGE:{sizes[1]}", "/whole"]
    lines += ["#EXTINF:2,", site.body("/last", film.segments[2])]

    assert fetch(site.playlist(*lines)).file.read_bytes() == film.whole


def test_yt_dlp_alone_takes_the_whole_for_every_piece(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    answer = Answer(body=film.whole, media_type="video/mp4")

    plain = fetch_with_yt_dlp(stream_of_pieces(site, film, lambda _request: answer))

    assert len(plain) > 2 * len(film.whole)


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("fault", ["another range", "less", "a whole that is cut"])
def test_a_piece_that_is_not_the_one_that_was_asked_for_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, fault: str
) -> None:
    film = packed(kind)
    short = film.whole[: -len(film.segments[-1]) // 2]
    answers: dict[str, Callable[[Request], Answer]] = {
        "another range": lambda request: piece(request, film.whole, shift=188),
        "less": lambda request: piece(request, film.whole, less=188),
        "a whole that is cut": lambda _request: Answer(body=short, media_type="video/mp2t"),
    }

    ended = fetch(stream_of_pieces(site, film, answers[fault]))

    assert ended.error_class is ErrorClass.INCOMPLETE


# What comes in the place of a fragment


def stream_of(
    site: Site, bodies: list[bytes], *, init: bytes = b"", name: str = "", last: str = "2"
) -> str:
    """Serve a playlist of fragments of 2 s, the last of which lasts `last`; returns its URL."""
    lines = [f'#EXT-X-MAP:URI="{site.body(f"/{name}init.mp4", init)}"'] if init else []
    for number, body in enumerate(bodies):
        lines += [f"#EXTINF:{2 if number < len(bodies) - 1 else last},"]
        lines.append(site.body(f"/{name}{number}", body))
    return site.playlist(*lines, path=f"/{name}index.m3u8")


def half(segment: bytes, *, of: int = 1) -> bytes:
    """Cut a segment to half, at a multiple of some bytes."""
    return segment[: len(segment) // 2 // of * of]


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


# Fragments that begin again


def at_the_beginning(film: Fragments) -> list[bytes]:
    """The segments of a film in fragments, each with the time of the first."""
    tracks, _ = timing.without_beginning(film.init)
    found = []
    for segment in film.segments:
        runs = timing.runs_of(segment, tracks)
        span = timing.span_of(runs)
        assert span is not None
        found.append(timing.moved(segment, runs, -span.start))
    return found


SILENT, SOUND = ("-an",), ("-vn",)


def packets(path: Path, kind: str) -> list[str]:
    """Time and hash of the packets of the pictures ("v") or the sound ("a") of a file."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", f"0:{kind}", "-c", "copy"]
    command += ["-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in lines if not line.startswith("#")]


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


# Sound in a rendition of its own


BOTH, SOUND_URI = 'CODECS="avc1.42c00b,mp4a.40.2"', 'URI="/sound-index.m3u8"'


def master(site: Site, *, variant: str, rendition: str) -> str:
    """Serve a master of one variant and one rendition of sound; returns its URL."""
    lines = ["#EXTM3U", f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",{rendition}']
    lines += [f"#EXT-X-STREAM-INF:{variant}", "/picture-index.m3u8"]
    media_type = "application/vnd.apple.mpegurl"
    return site.site.serve(
        "/master.m3u8", Answer(body="\n".join([*lines, ""]), media_type=media_type)
    )


def serve_apart(site: Site, packed: Callable[..., Fragments], kind: str = "fmp4") -> None:
    """Serve pictures and sound as two streams, the sound's fragments each from zero."""
    picture, sound = packed(kind, *SILENT), packed(kind, *SOUND)
    stream_of(site, picture.segments, init=picture.init, name="picture-")
    bodies = at_the_beginning(sound) if kind == "fmp4" else sound.segments
    stream_of(site, bodies, init=sound.init, name="sound-")


@pytest.mark.parametrize(
    "variant",
    [
        f"BANDWIDTH=1,{BOTH}",  # the variant does not name the group
        'BANDWIDTH=1,AUDIO="a"',  # nor what is in it
        "BANDWIDTH=1",
        f'BANDWIDTH=1,AUDIO="a",{BOTH}',
    ],
)
@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
def test_pictures_and_sound_each_arrive_whole(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], variant: str, kind: str
) -> None:
    serve_apart(site, packed, kind)

    ended = fetch(master(site, variant=variant, rendition=f"DEFAULT=YES,{SOUND_URI}"))

    assert seconds(ended.file, "v") == pytest.approx(3 * SECONDS, abs=0.1)
    assert seconds(ended.file, "a") == pytest.approx(3 * SECONDS, abs=0.1)


def test_yt_dlp_alone_leaves_the_sound_away(
    fetch_with_yt_dlp: Callable[[str], bytes],
    site: Site,
    packed: Callable[..., Fragments],
    directory: Path,
) -> None:
    serve_apart(site, packed)

    fetch_with_yt_dlp(master(site, variant=f"BANDWIDTH=1,{BOTH}", rendition=SOUND_URI))

    assert packets(directory / "plain.mp4", "v")
    with pytest.raises(subprocess.CalledProcessError):
        packets(directory / "plain.mp4", "a")


@pytest.mark.parametrize(
    ("variant", "rendition"),
    [
        (f'BANDWIDTH=1,AUDIO="a",{BOTH}', "DEFAULT=YES"),  # it is in the variant itself
        (f"BANDWIDTH=1,{BOTH}", f"AUTOSELECT=NO,{SOUND_URI}"),  # a commentary
    ],
)
def test_sound_that_comes_with_the_pictures_is_kept(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    variant: str,
    rendition: str,
) -> None:
    stream_of(site, packed("mpegts").segments, name="picture-")
    stream_of(site, packed("mpegts", *SOUND).segments, name="sound-")

    ended = fetch(master(site, variant=variant, rendition=rendition))

    assert seconds(ended.file, "a") == pytest.approx(3 * SECONDS, abs=0.1)
    assert not site.site.requests_of("/sound-0")


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("arguments", [SILENT, SOUND, ()])
def test_pictures_without_sound_are_said_to_be_that(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    kind: str,
    arguments: tuple[str, ...],
) -> None:
    film = packed(kind, *arguments)
    variants = ["#EXTM3U", f"#EXT-X-STREAM-INF:BANDWIDTH=1,{BOTH}", "/index.m3u8"]
    stream_of(site, film.segments, init=film.init)
    body, media_type = "\n".join([*variants, ""]), "application/vnd.apple.mpegurl"

    ended = fetch(site.site.serve("/master.m3u8", Answer(body=body, media_type=media_type)))

    assert ended.fetched.data == ({"code": "without_sound"} if arguments == SILENT else {})


# Periods of DASH


def adaptation(kind: str, codecs: str, *, bandwidth: int) -> str:
    template = f'initialization="{kind}-init.mp4" media="{kind}-$Number$.m4s" startNumber="0"'
    return (
        f'<AdaptationSet mimeType="{kind}/mp4"><Representation id="{kind}" codecs="{codecs}" '
        f'bandwidth="{bandwidth}"><SegmentTemplate timescale="1" duration="{SECONDS}" {template}/>'
        "</Representation></AdaptationSet>"
    )


def period(site: Site, name: str, films: dict[str, Fragments], *, attributes: str = "") -> str:
    """Serve the fragments of a period of pictures and sound; returns its part of the manifest."""
    sets = []
    for kind, film in films.items():
        site.body(f"/{name}/{kind}-init.mp4", film.init)
        for number, segment in enumerate(film.segments):
            site.body(f"/{name}/{kind}-{number}.m4s", segment)
        codecs = "avc1.42c00b" if kind == "video" else "mp4a.40.2"
        sets.append(adaptation(kind, codecs, bandwidth=len(film.whole)))
    return f"<Period {attributes}><BaseURL>/{name}/</BaseURL>{''.join(sets)}</Period>"


def manifest(site: Site, *periods: str) -> str:
    total = f'mediaPresentationDuration="PT{3 * SECONDS * len(periods)}S"'
    body = f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" {total}>'
    answer = Answer(body=f"{body}{''.join(periods)}</MPD>", media_type="application/dash+xml")
    return site.site.serve("/index.mpd", answer)


@pytest.fixture
def films(packed: Callable[..., Fragments]) -> Callable[..., dict[str, Fragments]]:
    def films(*arguments: str) -> dict[str, Fragments]:
        return {
            "video": packed("fmp4", *SILENT, *arguments),
            "audio": packed("fmp4", *SOUND, *arguments),
        }

    return films


@pytest.mark.parametrize(("second", "says"), [("the same", "duration"), ("negate", "start")])
def test_all_periods_follow_one_another(
    fetch: Fetch,
    site: Site,
    films: Callable[..., dict[str, Fragments]],
    second: str,
    says: str,
) -> None:
    lasts = 3 * SECONDS
    one = films()
    two = one if second == "the same" else films("-vf", second, "-b:a", "96k")
    attributes = [
        f'{says}="PT{number * lasts if says == "start" else lasts}S"' for number in (0, 1)
    ]

    ended = fetch(
        manifest(
            site,
            period(site, "one", one, attributes=attributes[0]),
            period(site, "two", two, attributes=attributes[1]),
        )
    )

    assert seconds(ended.file, "v") == pytest.approx(2 * lasts, abs=0.2)
    assert seconds(ended.file, "a") == pytest.approx(2 * lasts, abs=0.2)
    assert len(packets(ended.file, "v")) == 2 * lasts * 25


def test_a_period_of_another_size_in_the_middle_is_joined(
    fetch: Fetch, site: Site, films: Callable[..., dict[str, Fragments]]
) -> None:
    """Program, advertisement, program."""
    lasts = f'duration="PT{3 * SECONDS}S"'
    program, advertisement = films(), films("-s", "320x180")
    parts = {"one": program, "two": advertisement, "three": program}

    ended = fetch(
        manifest(site, *(period(site, *part, attributes=lasts) for part in parts.items()))
    )

    assert seconds(ended.file, "v") == pytest.approx(9 * SECONDS, abs=0.3)
    assert seconds(ended.file, "a") == pytest.approx(9 * SECONDS, abs=0.3)
    assert decoding_errors(ended.file) == ""


def test_a_period_without_sound_among_others_is_incomplete(
    fetch: Fetch, site: Site, films: Callable[..., dict[str, Fragments]]
) -> None:
    silent = {"video": films()["video"]}
    lasts = f'duration="PT{3 * SECONDS}S"'

    ended = fetch(
        manifest(
            site,
            period(site, "one", films(), attributes=lasts),
            period(site, "two", silent, attributes=lasts),
        )
    )

    assert ended.error_class is ErrorClass.INCOMPLETE


def test_yt_dlp_alone_has_periods_play_at_once(
    fetch_with_yt_dlp: Callable[[str], bytes],
    site: Site,
    films: Callable[..., dict[str, Fragments]],
    directory: Path,
) -> None:
    lasts = f'duration="PT{3 * SECONDS}S"'
    parts = [period(site, name, films(), attributes=lasts) for name in ("one", "two")]

    fetch_with_yt_dlp(manifest(site, *parts))

    assert seconds(directory / "plain.mp4") < 4 * SECONDS


# A stream that changes its form


def test_pictures_of_another_size_after_a_discontinuity_follow(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    lines = []
    for name, film in (("one", packed("fmp4")), ("two", packed("fmp4", "-s", "320x180"))):
        lines += ["#EXT-X-DISCONTINUITY"] if lines else []
        lines.append(f'#EXT-X-MAP:URI="{site.body(f"/{name}-init.mp4", film.init)}"')
        for number, segment in enumerate(film.segments):
            lines += ["#EXTINF:2,", site.body(f"/{name}-{number}", segment)]

    ended = fetch(site.playlist(*lines))

    assert seconds(ended.file, "v") == pytest.approx(6 * SECONDS, abs=0.2)
    assert seconds(ended.file, "a") == pytest.approx(6 * SECONDS, abs=0.2)
    assert len(packets(ended.file, "v")) == 6 * SECONDS * 25
    assert decoding_errors(ended.file) == ""
    assert {path.name for path in ended.directory.iterdir()} == {ended.file.name}


def decoding_errors(path: Path) -> str:
    command = ["ffmpeg", "-v", "error", "-i", path, "-f", "null", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


@pytest.mark.parametrize(
    "arguments", [("-c:v", "mpeg4"), ("-ar", "22050"), SILENT, ("-c:a", "libopus", "-strict", "-2")]
)
def test_a_part_that_does_not_fit_is_said_to_be_that(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], arguments: tuple[str, ...]
) -> None:
    lines = []
    for name, film in (("one", packed("fmp4")), ("two", packed("fmp4", *arguments))):
        lines.append(f'#EXT-X-MAP:URI="{site.body(f"/{name}-init.mp4", film.init)}"')
        lines += ["#EXTINF:2,", site.body(f"/{name}", film.segments[0]), "#EXT-X-DISCONTINUITY"]

    ended = fetch(site.playlist(*lines))

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert "The stream changes from avc1" in ended.broke.message


def test_yt_dlp_alone_gives_up_at_a_second_beginning(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    site.body("/init.mp4", film.init)
    lines = [INIT, "#EXTINF:2,", site.body("/0", film.segments[0]), INIT]

    with pytest.raises(subprocess.CalledProcessError):
        fetch_with_yt_dlp(site.playlist(*lines, "#EXTINF:2,", site.body("/1", film.segments[1])))


# Bodies that end with their connection


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


@pytest.mark.parametrize("flags", ["+faststart", "+write_colr"])
def test_segments_that_are_films_of_their_own_follow_one_another(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], directory: Path, flags: str
) -> None:
    """With the index in front, and behind."""
    bodies = []
    for number, segment in enumerate(packed("mpegts").segments):
        source, film = directory / f"source-{number}.ts", directory / f"source-{number}.mp4"
        source.write_bytes(segment)
        command = ["ffmpeg", "-v", "error", "-i", source, "-c", "copy", "-movflags", flags, film]
        subprocess.run(command, check=True)
        bodies.append(film.read_bytes())

    ended = fetch(stream_of(site, bodies))

    assert seconds(ended.file, "v") == pytest.approx(3 * SECONDS, abs=0.2)
    assert len(packets(ended.file, "v")) == 3 * SECONDS * 25
    assert decoding_errors(ended.file) == ""
