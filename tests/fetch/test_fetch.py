"""The child of an attempt against real servers: what arrives, and what is told when it does not."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from downloads.disk.partial import LEAST_BYTES, PROOF
from downloads.fetch import downloader
from downloads.fetch.client import ForkServer
from downloads.fetch.downloader import RETRIES
from downloads.fetch.job import finished_paths
from downloads.fetch.protocol import Advance, Job, ManifestFile, Metadata, PhaseBegan, Said
from downloads.fetch.verify import Incomplete
from downloads.rules.errors import ErrorClass
from downloads.sandbox.programs import find_ffmpeg
from tests.helpers.attempts import Ended, attempt, job_for
from tests.helpers.films import BOXES, other
from tests.helpers.media_server import PAGE_TITLE, MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite

Fetch = Callable[..., Ended]


@pytest.fixture
def fetch(fork_server: ForkServer, media_server: MediaServer, directory: Path) -> Fetch:
    """Fetch a path of the media server, or any URL of a site on this machine."""

    def fetch(target: str, **values: object) -> Ended:
        url = media_server.url(target) if target.startswith("/") else target
        origin = url.split("/")[2]
        return attempt(
            fork_server, job_for(url, directory, allow_private_hosts=(origin,), **values)
        )

    return fetch


@pytest.fixture(autouse=True)
def nothing_outside(tmp_path: Path, directory: Path) -> Iterator[None]:
    """Nothing may be written beside the directory of the attempt."""
    yield
    assert list(tmp_path.iterdir()) == [directory]


def streams(path: Path | str, kind: str) -> str:
    """A hash of the decoded pictures or sound, whatever they are packed in."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", f"0:{kind}"]
    command += ["-f", "streamhash", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def packets(path: Path) -> str:
    """A hash of each stream's packets as they are packed: equal when nothing was encoded again."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0", "-c", "copy"]
    command += ["-f", "streamhash", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def seconds(path: Path) -> float:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]
    return float(subprocess.run([*command, path], capture_output=True, check=True).stdout)


def phases(ended: Ended) -> list[str]:
    return [message.phase for message in ended.messages if isinstance(message, PhaseBegan)]


# What arrives


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/video.mp4", "video.mp4"),
        ("/small/7.mp4", "small.mp4"),
        ("/page.html", "video.mp4"),
        ("/redirect", "video.mp4"),
        ("/chunked.mp4", "video.mp4"),
        ("/audio.m4a", "audio.m4a"),
        ("/big-title.html", "video.mp4"),
        ("/slow.mp4?rate=20000000", "big.mp4"),
    ],
)
def test_a_file_arrives_byte_for_byte(
    fetch: Fetch, media_server: MediaServer, path: str, name: str
) -> None:
    ended = fetch(path)

    assert ended.file.read_bytes() == media_server.file(name).read_bytes()
    assert ended.how == "exited with 0"
    assert phases(ended) == ["fetching", "verifying"]


def test_a_stream_arrives_with_all_its_pictures_and_sound(
    fetch: Fetch, media_server: MediaServer
) -> None:
    ended = fetch("/hls/index.m3u8")

    source = media_server.file("hls/index.m3u8")
    assert streams(ended.file, "v") == streams(source, "v")
    assert seconds(ended.file) == pytest.approx(seconds(source), abs=0.1)
    assert ended.file.suffix == ".mp4"
    assert phases(ended) == ["fetching", "post-processing", "verifying"]


def test_the_title_is_told_before_the_first_byte(fetch: Fetch) -> None:
    ended = fetch("/page.html")

    kinds = [type(message) for message in ended.messages]
    told = next(message for message in ended.messages if isinstance(message, Metadata))
    assert told.title.startswith(PAGE_TITLE)
    assert kinds.index(Metadata) < kinds.index(Advance)
    assert ended.fetched.title == told.title


def test_progress_grows_to_the_whole(fetch: Fetch, media_server: MediaServer) -> None:
    size = media_server.file("big.mp4").stat().st_size

    ended = fetch("/slow.mp4?rate=4000000")

    received = [item.received_bytes for item in ended.messages if isinstance(item, Advance)]
    totals = {item.total_bytes for item in ended.messages if isinstance(item, Advance)}
    assert received == sorted(received)
    assert received[-1] == size
    assert totals == {size}
    assert len(received) > 2


def test_the_last_message_says_what_is_on_the_disk(fetch: Fetch) -> None:
    ended = fetch("/video.mp4")

    content = (ended.directory / "media.mp4").read_bytes()
    assert ended.fetched.files == [
        ManifestFile(
            name="media.mp4",
            size=len(content),
            sha256=hashlib.sha256(content).hexdigest(),
            media_type="video/mp4",
        )
    ]


@pytest.mark.parametrize(
    ("path", "name", "proofs"),
    [("/video.mp4", "video.mp4", set()), ("/slow.mp4?rate=100000000", "big.mp4", {PROOF})],
)
def test_only_a_body_whose_bytes_may_be_kept_gets_a_proof(
    fetch: Fetch, media_server: MediaServer, path: str, name: str, proofs: set[str]
) -> None:
    ended = fetch(path)

    assert (media_server.file(name).stat().st_size >= LEAST_BYTES) == bool(proofs)
    assert {path.name for path in ended.directory.iterdir()} == {"media.mp4", *proofs}


def test_what_is_written_is_for_this_user_only(fetch: Fetch) -> None:
    ended = fetch("/video.mp4")

    assert {path.stat().st_mode & 0o077 for path in ended.directory.iterdir()} == {0}


@pytest.mark.parametrize("audio", ["m4a", "mp3", "opus"])
@pytest.mark.parametrize("path", ["/video.mp4", "/hls/index.m3u8", "/audio.m4a"])
def test_sound_alone_in_the_form_that_was_asked_for(fetch: Fetch, path: str, audio: str) -> None:
    ended = fetch(path, audio=audio)

    assert ended.file.name == f"media.{audio}"
    assert seconds(ended.file) == pytest.approx(3.0 if "hls" in path else 2.0, abs=0.15)
    assert {item.name for item in ended.directory.iterdir()} == {ended.file.name}


def test_sound_that_is_in_the_right_form_is_not_encoded_again(
    fetch: Fetch, media_server: MediaServer
) -> None:
    ended = fetch("/audio.m4a", audio="m4a")

    assert ended.file.read_bytes() == media_server.file("audio.m4a").read_bytes()


# Containers


@pytest.fixture
def film(
    scripted_site: ScriptedSite, media_server: MediaServer, directory: Path
) -> Callable[..., str]:
    """Serve the video in another container, with other codecs; returns its URL. The file stays in
    the directory as `source-NAME`."""

    def film(name: str, *arguments: str | Path) -> str:
        path = directory / f"source-{name}"
        command = ["ffmpeg", "-v", "error", "-i", media_server.file("video.mp4"), *arguments, path]
        subprocess.run(command, check=True)
        answer = Answer(body=path.read_bytes(), media_type="video/mp4")
        return scripted_site.serve(f"/{name}", answer)

    return film


COPY = ("-c", "copy")
VP8 = ("-c:v", "libvpx", "-c:a", "libvorbis")
VP9 = ("-c:v", "libvpx-vp9", "-c:a", "libopus")
OF_CONTAINER = {"mp4": "mov,mp4,m4a,3gp,3g2,mj2", "mkv": "matroska,webm", "webm": "matroska,webm"}


def container(path: Path) -> str:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=format_name"]
    command += ["-of", "default=nw=1:nk=1", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("name", "codecs", "asked", "media_type"),
    [
        ("a.webm", VP9, "mp4", "video/mp4"),
        ("a.webm", VP9, "mkv", "video/x-matroska"),
        ("a.webm", VP8, "mkv", "video/x-matroska"),
        ("a.webm", VP9, "auto", "video/webm"),
        ("a.mp4", COPY, "mkv", "video/x-matroska"),
        ("a.mkv", COPY, "mp4", "video/mp4"),
        ("a.mov", COPY, "mp4", "video/mp4"),
        ("a.flv", COPY, "mp4", "video/mp4"),
    ],
)
def test_a_video_is_repacked_and_not_encoded_again(
    fetch: Fetch,
    film: Callable[..., str],
    directory: Path,
    name: str,
    codecs: tuple[str, ...],
    asked: str,
    media_type: str,
) -> None:
    ended = fetch(film(name, *codecs), container=asked)

    (only,) = ended.fetched.files
    suffix = name.partition(".")[2] if asked == "auto" else asked
    assert (only.name, only.media_type) == (f"media.{suffix}", media_type)
    assert container(ended.file) == OF_CONTAINER[suffix]
    assert packets(ended.file) == packets(directory / f"source-{name}")


@pytest.mark.parametrize("asked", ["auto", "mp4", "mkv"])
def test_a_stream_of_fragments_is_repacked(fetch: Fetch, asked: str) -> None:
    ended = fetch("/hls/index.m3u8", container=asked)

    suffix = "mp4" if asked == "auto" else asked
    assert ended.file.name == f"media.{suffix}"
    assert container(ended.file) == OF_CONTAINER[suffix]
    assert seconds(ended.file) == pytest.approx(3.0, abs=0.15)


def test_a_video_that_has_the_container_is_left_byte_for_byte(
    fetch: Fetch, media_server: MediaServer
) -> None:
    ended = fetch("/video.mp4", container="mp4")

    assert ended.file.read_bytes() == media_server.file("video.mp4").read_bytes()


def serve_apart(site: ScriptedSite, media_server: MediaServer) -> str:
    """A master playlist whose pictures and sound are streams of their own."""
    for name, path in (("picture", "hls/segment-0.ts"), ("sound", "audio.m4a")):
        answer = Answer(body=media_server.file(path).read_bytes())
        site.serve(f"/{name}.part", answer)
        body = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n/{name}.part\n#EXT-X-ENDLIST\n"
        site.serve(f"/{name}.m3u8", playlist(body))
    sound = '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="en",LANGUAGE="en",URI="/sound.m3u8"\n'
    picture = '#EXT-X-STREAM-INF:BANDWIDTH=9000,CODECS="avc1.42c01e,mp4a.40.2",AUDIO="a"\n'
    return site.serve("/apart.m3u8", playlist(f"#EXTM3U\n{sound}{picture}/picture.m3u8\n"))


@pytest.mark.parametrize("asked", ["mp4", "mkv"])
def test_pictures_and_sound_are_merged_into_the_container_at_once(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer, asked: str
) -> None:
    ended = fetch(serve_apart(scripted_site, media_server), container=asked)

    assert ended.file.name == f"media.{asked}"
    assert container(ended.file) == OF_CONTAINER[asked]
    assert streams(ended.file, "v")
    assert streams(ended.file, "a")
    said = [message.text for message in ended.messages if isinstance(message, Said)]
    assert any("Merging formats" in text for text in said)
    assert not any("Remuxing video" in text for text in said)


@pytest.mark.parametrize("asked", ["mp4", "mkv"])
def test_a_file_that_is_only_sound_stays_as_it_is(
    fetch: Fetch, media_server: MediaServer, asked: str
) -> None:
    ended = fetch("/audio.m4a", container=asked)

    assert ended.file.name == "media.m4a"
    assert ended.file.read_bytes() == media_server.file("audio.m4a").read_bytes()


@pytest.mark.parametrize("asked", ["mp4", "mkv"])
def test_sound_alone_has_its_own_format_whatever_container_was_asked_for(
    fetch: Fetch, asked: str
) -> None:
    ended = fetch("/video.mp4", audio="mp3", container=asked)

    assert ended.file.name == "media.mp3"


def test_a_video_that_does_not_fit_says_which_stream(
    fetch: Fetch, film: Callable[..., str]
) -> None:
    ended = fetch(film("a.webm", *VP8), container="mp4")

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert "codec vp8 in stream #0" in ended.broke.message


@pytest.mark.parametrize(
    ("name", "codec", "asked"), [("a.mp4", "mov_text", "mkv"), ("a.mkv", "srt", "mp4")]
)
def test_subtitles_in_the_file_come_along(
    fetch: Fetch,
    film: Callable[..., str],
    media_server: MediaServer,
    directory: Path,
    name: str,
    codec: str,
    asked: str,
) -> None:
    text = directory / "text.srt"
    text.write_text("1\n00:00:00,000 --> 00:00:01,000\nA line of text\n")
    url = film(name, "-i", text, "-map", "0", "-map", "1", "-c", "copy", "-c:s", codec)

    ended = fetch(url, container=asked)

    command = ["ffmpeg", "-v", "error", "-i", ended.file, "-f", "srt", "-"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "A line of text" in shown


HEIGHTS = (240, 480, 1080)


def serve_variants(site: ScriptedSite, media_server: MediaServer) -> str:
    """A master playlist with the same pictures at three claimed heights."""
    lines = ["#EXTM3U"]
    for height in HEIGHTS:
        width = height * 16 // 9
        lines += [f"#EXT-X-STREAM-INF:BANDWIDTH={height}000,RESOLUTION={width}x{height}"]
        lines += [f"/{height}.m3u8"]
        body = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/{height}.ts\n#EXT-X-ENDLIST\n"
        site.serve(f"/{height}.m3u8", playlist(body))
        segment = media_server.file("hls/segment-0.ts").read_bytes()
        site.serve(f"/{height}.ts", Answer(body=segment, media_type="video/mp2t"))
    return site.serve("/master.m3u8", playlist("\n".join(lines) + "\n"))


def playlist(body: str) -> Answer:
    return Answer(body=body, media_type="application/vnd.apple.mpegurl")


@pytest.mark.parametrize(
    ("quality", "height"),
    [("best", 1080), ("2160p", 1080), ("1080p", 1080), ("720p", 480), ("480p", 480), ("360p", 240)],
)
def test_the_quality_is_the_best_up_to_the_one_that_was_asked_for(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    media_server: MediaServer,
    quality: str,
    height: int,
) -> None:
    fetch(serve_variants(scripted_site, media_server), quality=quality)

    fetched = [size for size in HEIGHTS if scripted_site.requests_of(f"/{size}.ts")]
    assert fetched == [height]


def test_a_stream_with_timestamps_that_begin_again_is_complete(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer
) -> None:
    """Advertisements put in between make discontinuities; nothing is lost by them."""
    segment = media_server.file("hls/segment-0.ts").read_bytes()
    for number in range(3):
        scripted_site.serve(f"/{number}.ts", Answer(body=segment, media_type="video/mp2t"))
    parts = "#EXT-X-DISCONTINUITY\n".join(f"#EXTINF:1,\n/{number}.ts\n" for number in range(3))
    body = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{parts}#EXT-X-ENDLIST\n"

    ended = fetch(scripted_site.serve("/index.m3u8", playlist(body)))

    assert seconds(ended.file) == pytest.approx(3.0, abs=0.2)


# What does not arrive


@pytest.mark.parametrize(
    ("path", "error_class"),
    [
        ("/status/401", ErrorClass.LOGIN_REQUIRED),
        ("/status/403", ErrorClass.FORBIDDEN),
        ("/status/404", ErrorClass.UNAVAILABLE),
        ("/status/410", ErrorClass.UNAVAILABLE),
        ("/status/429", ErrorClass.RATE_LIMITED),
        ("/status/451", ErrorClass.GEO_BLOCKED),
        ("/status/500", ErrorClass.NETWORK),
        ("/status/503", ErrorClass.NETWORK),
        ("/redirect-loop", ErrorClass.NETWORK),
        ("/nothing-here", ErrorClass.UNAVAILABLE),
        ("/truncated.mp4", ErrorClass.INCOMPLETE),
        ("/truncated-nolen.mp4", ErrorClass.INCOMPLETE),
        ("/html-as.mp4", ErrorClass.INCOMPLETE),
        ("/hls-gap/index.m3u8", ErrorClass.INCOMPLETE),
    ],
)
def test_a_fault_has_its_class(fetch: Fetch, path: str, error_class: ErrorClass) -> None:
    ended = fetch(path)

    assert ended.error_class is error_class
    assert ended.how == "exited with 0"


@pytest.mark.parametrize("path", ["/truncated-nolen.mp4", "/html-as.mp4", "/truncated.mp4"])
def test_a_fault_has_its_class_when_the_sound_is_asked_for(fetch: Fetch, path: str) -> None:
    ended = fetch(path, audio="mp3")

    assert ended.error_class in (ErrorClass.INCOMPLETE, ErrorClass.FORMAT_UNAVAILABLE)


def test_pictures_without_sound_have_no_sound_to_offer(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer, directory: Path
) -> None:
    silent = directory / "silent.mp4"
    command = ["ffmpeg", "-v", "error", "-i", media_server.file("video.mp4"), "-an", "-c", "copy"]
    subprocess.run([*command, silent], check=True)
    url = scripted_site.serve("/a.mp4", Answer(body=silent.read_bytes(), media_type="video/mp4"))

    assert fetch(url, audio="mp3").error_class is ErrorClass.FORMAT_UNAVAILABLE


def test_a_first_byte_may_take_nearly_as_long_as_a_stall(directory: Path) -> None:
    patient = downloader.build()

    downloader.fit(patient, job_for("https://example.org/v", directory, stall_seconds=120))

    for handler in patient._request_director.handlers.values():
        assert 45 < handler.timeout < 120


@pytest.mark.parametrize("path", ["/stalled.mp4", "/stalled-headers.mp4"])
def test_a_site_that_stops_sending_is_stalled(fetch: Fetch, path: str) -> None:
    assert fetch(path, stall_seconds=0.3).error_class is ErrorClass.STALLED


def test_nobody_at_the_port_is_a_matter_of_the_network(fetch: Fetch, unused_port: int) -> None:
    assert fetch(f"http://127.0.0.1:{unused_port}/x").error_class is ErrorClass.NETWORK


@pytest.fixture
def unused_port() -> int:
    with ScriptedSite() as site:
        return int(site.origin.partition(":")[2])


def test_a_name_that_nobody_knows_is_a_matter_of_the_network(fetch: Fetch) -> None:
    assert fetch("http://nobody.invalid/x").error_class is ErrorClass.NETWORK


def test_a_certificate_of_nobody_is_refused(
    fork_server: ForkServer, directory: Path, tls_port: int
) -> None:
    url = f"https://localhost:{tls_port}/video.mp4"

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(f"localhost:{tls_port}",))
    )

    assert ended.error_class is ErrorClass.TLS


@pytest.fixture
def tls_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: apt-get install openssl")
    folder = tmp_path_factory.mktemp("tls")
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    make += ["-keyout", "key.pem", "-out", "cert.pem", "-addext", "subjectAltName=DNS:localhost"]
    subprocess.run(make, cwd=folder, check=True, capture_output=True)
    serve = ["openssl", "s_server", "-accept", "0", "-www", "-key", "key.pem", "-cert", "cert.pem"]
    with subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = next(line for line in server.stdout if line.startswith("ACCEPT"))
        yield int(line.strip().rpartition(":")[2])
        server.kill()


def test_an_endless_file_ends_at_the_limit(fetch: Fetch) -> None:
    ended = fetch("/endless.mp4", max_bytes=3 * 10**6)

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert sum(path.stat().st_size for path in ended.directory.iterdir()) < 2 * 3 * 10**6


def test_a_file_that_announces_too_much_is_not_fetched(
    fetch: Fetch, media_server: MediaServer
) -> None:
    ended = fetch("/slow.mp4?rate=1000000", max_bytes=10**6)

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert sum(path.stat().st_size for path in ended.directory.iterdir()) < 10**6


def test_fragments_are_counted_together(fetch: Fetch, media_server: MediaServer) -> None:
    size = media_server.file("hls/segment-0.ts").stat().st_size

    assert fetch("/hls/index.m3u8", max_bytes=size * 2).error_class is ErrorClass.TOO_LARGE


def test_the_site_says_how_long_to_wait(fetch: Fetch) -> None:
    ended = fetch("/status/429?retry_after=120")

    assert ended.broke.retry_after_seconds == 120


@pytest.mark.parametrize(
    "value", ["9" * 400, "soon", "\u00e9", "Sun, 99 Nov 99999999999 1:1:1 GMT"]
)
def test_nonsense_about_waiting_does_no_harm(
    fetch: Fetch, scripted_site: ScriptedSite, value: str
) -> None:
    headers = {"Retry-After": value}
    url = scripted_site.serve("/busy", Answer(status=429, headers=headers, body="no"))

    ended = fetch(url)

    assert ended.error_class is ErrorClass.RATE_LIMITED
    assert ended.broke.retry_after_seconds is None


@pytest.mark.parametrize(
    "element",
    [
        '<video src="/stream.php?id=1"></video>',
        '<video><source src="/stream.aspx?id=1"></video>',
        '<video src="/cgi/stream.cgi"></video>',
        '<video><source type="video/youtube" src="/v.mp4"></video>',
        '<audio src="/listen.jsp"></audio>',
    ],
)
def test_a_film_that_a_program_of_the_site_sends_is_named_by_what_it_is(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer, element: str
) -> None:
    film = media_server.file("small.mp4").read_bytes()
    path = element.partition('src="')[2].partition('"')[0]
    scripted_site.serve(
        path.partition("?")[0], Answer(body=film, media_type="application/octet-stream")
    )
    page = f"<html><head><title>t</title></head><body>{element}</body></html>"

    ended = fetch(scripted_site.serve("/page", Answer(body=page)))

    assert ended.file.read_bytes() == film
    [file] = ended.fetched.files
    assert file.media_type == "video/mp4"


@pytest.mark.parametrize(
    ("suffix", "media_type", "published"),
    [
        ("wmv", "video/x-ms-wmv", "video/x-ms-wmv"),
        ("wma", "audio/x-ms-wma", "audio/x-ms-wma"),
        ("aiff", "audio/aiff", "audio/aiff"),
        ("ac3", "audio/ac3", "audio/ac3"),
        ("caf", "audio/x-caf", "audio/x-caf"),
    ],
)
def test_a_file_of_a_rare_type_is_fetched(
    fetch: Fetch,
    scripted_site: ScriptedSite,
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    media_type: str,
    published: str,
) -> None:
    if (ffmpeg := find_ffmpeg()) is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    file = tmp_path_factory.mktemp("rare") / f"a.{suffix}"
    sound = ["-f", "lavfi", "-i", "sine=frequency=440", "-t", "1"]
    subprocess.run([str(ffmpeg), "-v", "error", *sound, str(file)], check=True)
    answer = Answer(body=file.read_bytes(), media_type=media_type)

    ended = fetch(scripted_site.serve(f"/a.{suffix}", answer))

    assert ended.file.read_bytes() == file.read_bytes()
    assert [each.media_type for each in ended.fetched.files] == [published]


@pytest.mark.parametrize("suffix", ["exe", "desktop", "html", "svg", "sh", "url"])
@pytest.mark.parametrize("media_type", ["video/mp4", "application/octet-stream", "video/x-{}"])
def test_nothing_but_media_is_fetched(
    fetch: Fetch, scripted_site: ScriptedSite, suffix: str, media_type: str
) -> None:
    answer = Answer(body=b"\0\1\2" * 1000, media_type=media_type.format(suffix))

    ended = fetch(scripted_site.serve(f"/file.{suffix}", answer))

    assert ended.error_class in (ErrorClass.UNSUPPORTED, ErrorClass.INCOMPLETE)


def test_a_path_in_an_answer_stays_inside(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    answer = Answer(
        body=b"\0\1\2" * 100,
        media_type="video/mp4",
        headers={"Content-Disposition": 'attachment; filename="../../../../tmp/evil.mp4"'},
    )

    fetch(scripted_site.serve("/..%2f..%2fevil.mp4", answer))

    assert not Path("/tmp/evil.mp4").exists()


# A file that is cut, and goes on


class Versions:
    """A file that changes: the first answer is cut, later ones are of the last version."""

    def __init__(self, *versions: tuple[bytes, str], knows_if_range: bool = True) -> None:
        self.versions = list(versions)
        self.knows_if_range = knows_if_range
        self.cut = False

    def __call__(self, request: Request) -> Answer:
        # The first request is the extractor's look at the beginning, the second the fetching.
        is_fetching = request.headers.get("Accept-Encoding") == "identity" and self.looked
        self.looked = True
        body, etag = self.versions[0]
        headers = {"Accept-Ranges": "bytes", **({"ETag": etag} if etag else {})}
        wanted = request.headers.get("Range", "")
        if wanted and (not self.knows_if_range or request.headers.get("If-Range", etag) == etag):
            start = int(wanted.removeprefix("bytes=").partition("-")[0])
            content_range = f"bytes {start}-{len(body) - 1}/{len(body)}"
            return Answer(
                body=body[start:],
                status=206,
                media_type="video/mp4",
                headers={**headers, "Content-Range": content_range},
            )
        if is_fetching and not self.cut:
            self.cut = True
            if len(self.versions) > 1:
                self.versions.pop(0)
            return Answer(
                body=body, media_type="video/mp4", headers=headers, cut_after=len(body) // 2
            )
        return Answer(body=body, media_type="video/mp4", headers=headers)

    looked = False


def resumes(site: ScriptedSite, size: int) -> list[tuple[bool, str]]:
    """(whether it asks for the rest, If-Range) of the requests after the one that was cut."""
    found = []
    for request in site.requests_of("/video.mp4")[2:]:
        wanted = request.headers.get("Range", "")
        start = int(wanted.removeprefix("bytes=").removesuffix("-") or 0)
        assert start <= size // 2
        found.append((start > 0, request.headers.get("If-Range", "")))
    return found


@pytest.fixture
def old(media_server: MediaServer) -> bytes:
    return media_server.file("video.mp4").read_bytes()


@pytest.fixture
def new(media_server: MediaServer, old: bytes) -> bytes:
    """Another version of the same length: nothing but its ETag tells them apart."""
    return old[: len(old) // 2 - 100] + bytes(byte ^ 1 for byte in old[len(old) // 2 - 100 :])


@pytest.mark.parametrize("knows_if_range", [True, False])
def test_a_file_that_did_not_change_goes_on_where_it_was_cut(
    fetch: Fetch, scripted_site: ScriptedSite, old: bytes, knows_if_range: bool
) -> None:
    versions = Versions((old, '"1"'), knows_if_range=knows_if_range)

    ended = fetch(scripted_site.serve("/video.mp4", versions))

    assert ended.file.read_bytes() == old
    assert resumes(scripted_site, len(old)) == [(True, '"1"')]


def test_a_file_that_changed_is_fetched_from_the_beginning(
    fetch: Fetch, scripted_site: ScriptedSite, old: bytes, new: bytes
) -> None:
    ended = fetch(scripted_site.serve("/video.mp4", Versions((old, '"1"'), (new, '"2"'))))

    assert ended.file.read_bytes() == new
    assert resumes(scripted_site, len(old)) == [(True, '"1"')]


def test_a_changed_file_is_not_spliced_by_a_site_that_does_not_know_if_range(
    fetch: Fetch, scripted_site: ScriptedSite, old: bytes, new: bytes
) -> None:
    versions = Versions((old, '"1"'), (new, '"2"'), knows_if_range=False)

    ended = fetch(scripted_site.serve("/video.mp4", versions))

    assert ended.file.read_bytes() == new
    assert resumes(scripted_site, len(old)) == [(True, '"1"'), (False, "")]


class Breaking:
    """A file of which every answer breaks off at half."""

    def __init__(self, body: bytes, **headers: str) -> None:
        self.body = body
        self.headers = headers
        self.starts: list[int] = []

    def __call__(self, request: Request) -> Answer:
        start = int(request.headers.get("Range", "bytes=0-")[6:].partition("-")[0])
        self.starts.append(start)
        rest, size = self.body[start:], len(self.body)
        headers = {**self.headers, "Content-Range": f"bytes {start}-{size - 1}/{size}"}
        answer = Answer(body=rest, media_type="video/mp4", headers=self.headers)
        if start:
            answer = replace(answer, status=206, headers=headers)
        # A second look at the end: of less than an overlap nothing can be compared.
        return answer if len(rest) < 2**18 else replace(answer, cut_after=len(rest) // 2)


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"1"'}, {"ETag": '"1"'}], ids=str)
def test_a_file_whose_answers_break_off_goes_on_while_it_gets_further(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer, headers: dict[str, str]
) -> None:
    film = media_server.file("big.mp4").read_bytes()
    site = Breaking(film, **headers)

    ended = fetch(scripted_site.serve("/video.mp4", site))

    assert ended.file.read_bytes() == film
    assert site.starts.count(0) == 2  # the look at the beginning, and the fetching
    assert len(site.starts) > 2 + RETRIES


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_a_file_that_nothing_proves_is_fetched_from_the_beginning(
    fetch: Fetch, scripted_site: ScriptedSite, old: bytes, new: bytes, etag: str
) -> None:
    ended = fetch(scripted_site.serve("/video.mp4", Versions((old, etag), (new, etag))))

    assert ended.file.read_bytes() == new
    assert resumes(scripted_site, len(old)) == [(False, "")]


@pytest.mark.parametrize("etag", ["", 'W/"1"'])
def test_a_big_one_goes_on_only_where_its_last_bytes_are_the_same(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer, etag: str
) -> None:
    film = BOXES + media_server.file("big.mp4").read_bytes()
    changed = other(film)

    ended = fetch(scripted_site.serve("/video.mp4", Versions((film, etag), (changed, etag))))

    assert ended.file.read_bytes() == changed
    assert resumes(scripted_site, len(film)) == [(True, ""), (False, "")]


def test_pieces_of_one_file_are_asked_for_as_the_playlist_says(
    fetch: Fetch, scripted_site: ScriptedSite, media_server: MediaServer
) -> None:
    """EXT-X-BYTERANGE: ranges with an end are no resume, though nothing proves the file."""
    parts = [media_server.file(f"hls/segment-{number}.ts").read_bytes() for number in range(3)]
    whole = b"".join(parts)

    def piece(request: Request) -> Answer:
        first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
        content_range = {"Content-Range": f"bytes {first}-{last}/{len(whole)}"}
        return Answer(
            body=whole[first : last + 1], status=206, media_type="video/mp2t", headers=content_range
        )

    offset, lines = 0, ["#EXTM3U", "#EXT-X-VERSION:4", "#EXT-X-TARGETDURATION:1"]
    for part in parts:
        lines += ["#EXTINF:1,", f"#EXT-X-BYTERANGE:{len(part)}@{offset}", "/whole.ts"]
        offset += len(part)
    scripted_site.serve("/whole.ts", piece)

    ended = fetch(
        scripted_site.serve("/index.m3u8", playlist("\n".join([*lines, "#EXT-X-ENDLIST", ""])))
    )

    source = media_server.file("hls/index.m3u8")
    assert streams(ended.file, "v") == streams(source, "v")
    assert [request.headers["Range"] for request in scripted_site.requests_of("/whole.ts")] == [
        f"bytes={len(b''.join(parts[:number]))}-{len(b''.join(parts[: number + 1])) - 1}"
        for number in range(3)
    ]


# Limits that the kernel keeps, on a real full disk


def test_a_full_disk_is_told(
    fork_server: ForkServer, directory: Path, media_server: MediaServer
) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs", str(directory)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small tmpfs cannot be mounted here")
    try:
        job = job_for(
            media_server.url("/video.mp4"), directory, allow_private_hosts=(media_server.origin,)
        )

        assert attempt(fork_server, job).error_class is ErrorClass.DISK_FULL
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def test_a_directory_that_cannot_be_written_is_told(fetch: Fetch, directory: Path) -> None:
    directory.rmdir()

    assert fetch("/video.mp4").error_class in (ErrorClass.STORAGE, ErrorClass.INTERNAL)

    directory.mkdir()


# The pure parts


def info(*paths: str) -> dict[str, object]:
    return {"requested_downloads": [{"filepath": path} for path in paths]}


def test_files_are_found_where_yt_dlp_says(directory: Path) -> None:
    (directory / "media.mp4").touch()

    assert finished_paths(info("media.mp4"), directory) == [directory / "media.mp4"]
    assert finished_paths({"entries": [None, info("media.mp4")]}, directory) == [
        directory / "media.mp4"
    ]


@pytest.mark.parametrize(
    "path", ["../media.mp4", "/etc/passwd", "sub/media.mp4", "sub/../../x", "gone.mp4"]
)
def test_a_file_elsewhere_is_refused(directory: Path, path: str) -> None:
    with pytest.raises(Incomplete):
        finished_paths(info(path), directory)


def test_a_job_crosses_to_the_child_whole(directory: Path) -> None:
    job = job_for("http://x/", directory, allow_private_hosts=("a:1", "b"), servers=("c:2",))

    assert Job.from_json(json.loads(json.dumps(vars(job)))) == job
