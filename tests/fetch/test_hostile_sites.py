"""Sites that lie, flood, hang and lead around: a real child against a scripted site.

Never a file that is not whole, never more memory or requests than there is a limit for, and a class
that says what happened.
"""

import gzip
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import brotli
import pytest

from downloads.disk.names import suffix_of
from downloads.fetch import read_limits
from downloads.fetch.client import Child, ForkServer
from downloads.rules.classify import code_of
from downloads.rules.errors import ErrorClass
from downloads.sandbox import limits
from tests.helpers.attempts import (
    Ended,
    attempt,
    facts,
    job_for,
    messages_until,
    new_fork_server,
    running,
)
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.waiting import wait_for

MIB = 2**20
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
Fetch = Callable[..., Ended]


@pytest.fixture
def fetch(fork_server: ForkServer, directory: Path) -> Fetch:
    def fetch(url: str, **values: object) -> Ended:
        origin = url.split("/")[2]
        return attempt(
            fork_server, job_for(url, directory, allow_private_hosts=(origin,), **values)
        )

    return fetch


@pytest.fixture
def video(media_server: MediaServer) -> bytes:
    return media_server.file("video.mp4").read_bytes()


def film(body: bytes, **values: object) -> Answer:
    return Answer(body=body, media_type="video/mp4", **values)  # type: ignore[arg-type]


def page(inside: str, *, title: str = "A page") -> Answer:
    head = f'<meta charset="utf-8"><title>{title}</title>'
    return Answer(body=f"<!doctype html><html><head>{head}</head><body>{inside}</body></html>")


# A body that is not what its length says


@pytest.mark.parametrize("announced", ["half", "0"])
def test_a_length_that_is_too_short_does_not_make_half_a_film_complete(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes, announced: str
) -> None:
    length = str(len(video) // 2) if announced == "half" else announced

    ended = fetch(scripted_site.serve("/a.mp4", film(video, headers={"Content-Length": length})))

    assert ended.error_class is ErrorClass.INCOMPLETE


def test_sound_is_not_made_of_half_a_film_whose_length_is_too_short(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes
) -> None:
    """What ffmpeg would make of it is whole in itself."""
    answer = film(video, headers={"Content-Length": str(len(video) * 3 // 4)})

    ended = fetch(scripted_site.serve("/a.mp4", answer), audio="m4a")

    assert ended.error_class is ErrorClass.INCOMPLETE


def test_a_length_that_is_too_long_is_never_complete(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes
) -> None:
    headers = {"Content-Length": str(len(video) + 1000)}
    answer = film(video, headers=headers, cut_after=len(video))

    assert fetch(scripted_site.serve("/a.mp4", answer)).error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("length", ["many", "-5", "1e3"])
def test_nonsense_for_a_length_is_no_length(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes, length: str
) -> None:
    answer = film(video, headers={"Content-Length": length}, cut_after=len(video))

    ended = fetch(scripted_site.serve("/a.mp4", answer))

    assert ended.file.read_bytes() == video


@pytest.mark.parametrize("length", [10**18, 10**30])
def test_a_length_without_measure_is_too_large(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes, length: int
) -> None:
    answer = film(video, headers={"Content-Length": str(length)}, cut_after=len(video))

    assert fetch(scripted_site.serve("/a.mp4", answer)).error_class is ErrorClass.TOO_LARGE


# What it is decides its content


@pytest.mark.parametrize("suffix", ["svg", "webm", "mp3", "bin", "mp4.swf"])
def test_a_film_is_a_film_whatever_the_site_calls_it(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes, suffix: str
) -> None:
    ended = fetch(scripted_site.serve(f"/film.{suffix}", film(video)))

    (file,) = ended.fetched.files
    assert file.media_type == "video/mp4"
    assert suffix_of(file.name, media_type=file.media_type) == ".mp4"


@pytest.mark.parametrize("suffix", ["html", "desktop", "url", "sh", "mp4.exe"])
def test_a_film_under_a_dangerous_name_is_fetched_under_that_of_a_film(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes, suffix: str
) -> None:
    ended = fetch(scripted_site.serve(f"/film.{suffix}", film(video)))

    assert ended.file.name == "media.mp4"
    assert ended.file.read_bytes() == video


@pytest.mark.parametrize(
    "content",
    [
        b"MZ\x90\0" * 1000,
        b"\x7fELF\x02\x01\x01\0" * 1000,
        b"PK\x03\x04\x14\0" * 1000,
        b"\0" * 100_000,
        b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf" + b"\0" * 1000,
    ],
    ids=["program for Windows", "program for Linux", "archive", "zeros", "picture"],
)
def test_what_is_no_media_is_not_published_as_a_film(
    fetch: Fetch, scripted_site: ScriptedSite, content: bytes
) -> None:
    ended = fetch(scripted_site.serve("/film.mp4", film(content)))

    assert ended.error_class is ErrorClass.UNSUPPORTED


# Programs are only started where something has to be proven


RECORDING = """#!/bin/sh
case "$*" in *-version*|*-bsfs*) ;; *) echo "$0 $*" >> "$TMPDIR/started";; esac
exec {real} "$@"
"""
ENDLESS = """#!/bin/sh
case "$*" in *-version*|*-bsfs*) exec {real} "$@";; esac
exec yes > "$TMPDIR/endless"
"""


@pytest.fixture
def fork_server_with(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], ForkServer]]:
    """A fork server of its own, in which a shell script stands for ffmpeg."""
    folder = tmp_path_factory.mktemp("programs")
    processes: list[ForkServer] = []

    def make(script: str) -> ForkServer:
        for name in ("ffmpeg", "ffprobe"):
            real = shutil.which(name)
            if real is None:
                pytest.skip(f"{name} is not installed: apt-get install ffmpeg")
            body = (
                script
                if name == "ffmpeg" or script == RECORDING
                else '#!/bin/sh\nexec {real} "$@"\n'
            )
            (folder / name).write_text(body.format(real=real))
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        processes.append(new_fork_server())
        processes[0].start()
        return processes[0]

    yield make
    for process in processes:
        process.close()


def test_a_length_that_arrived_in_full_costs_no_process(
    fork_server_with: Callable[[str], ForkServer], media_server: MediaServer, tmp_path: Path
) -> None:
    fork_server = fork_server_with(RECORDING)

    def started(path: str) -> bool:
        folder = tmp_path / f"videonote_dl_abc_{path.strip('/').partition('.')[0]}"
        folder.mkdir(mode=0o700)
        job = job_for(media_server.url(path), folder, allow_private_hosts=(media_server.origin,))
        assert attempt(fork_server, job).fetched
        return (folder / "started").exists()

    assert not started("/video.mp4")
    assert not started("/audio.m4a")
    assert not started("/page.html")
    assert started("/chunked.mp4")


def test_what_ffmpeg_writes_is_limited_too(
    fork_server_with: Callable[[str], ForkServer], media_server: MediaServer, directory: Path
) -> None:
    fork_server = fork_server_with(ENDLESS)
    url = media_server.url("/video.mp4")
    job = job_for(
        url, directory, allow_private_hosts=(media_server.origin,), audio="mp3", max_bytes=3 * MIB
    )

    ended = attempt(fork_server, job)

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert (directory / "endless").stat().st_size <= 2 * 3 * MIB


# Streams of fragments


@pytest.fixture
def stream(scripted_site: ScriptedSite, media_server: MediaServer) -> Callable[[Answer], str]:
    """A stream of three fragments whose second one is an answer of the test's."""

    def serve(second: Answer) -> str:
        for number in range(3):
            segment = media_server.file(f"hls/segment-{number}.ts").read_bytes()
            answer = Answer(body=segment, media_type="video/mp2t")
            scripted_site.serve(f"/segment-{number}.ts", second if number == 1 else answer)
        index = media_server.file("hls/index.m3u8").read_bytes()
        return scripted_site.serve("/index.m3u8", Answer(body=index, media_type=PLAYLIST_TYPE))

    return serve


@pytest.mark.parametrize(
    "second",
    [
        Answer(status=404),
        Answer(status=500),
        Answer(body=b"", media_type="video/mp2t"),
        Answer(body="<html>You are not allowed to see this</html>"),
        Answer(body=b"\0" * 50_000, media_type="video/mp2t"),
        Answer(body=b"\x47" * 50_000, media_type="video/mp2t", cut_after=20_000),
    ],
    ids=["404", "500", "empty", "page", "zeros", "cut"],
)
def test_a_stream_with_a_hole_is_never_complete(
    fetch: Fetch, stream: Callable[[Answer], str], second: Answer
) -> None:
    ended = fetch(stream(second))

    expected = ErrorClass.NETWORK if second.status == 500 else ErrorClass.INCOMPLETE
    assert ended.error_class is expected


def test_a_stream_that_stops_between_fragments_is_stalled(
    fetch: Fetch, stream: Callable[[Answer], str], media_server: MediaServer
) -> None:
    body = media_server.file("hls/segment-1.ts").read_bytes()

    ended = fetch(
        stream(Answer(body=body, media_type="video/mp2t", hold_after=1000)), stall_seconds=0.5
    )

    assert ended.error_class is ErrorClass.STALLED


# Bombs and floods: memory is bounded


class Memory:
    """The most memory that a process ever had, while it lives."""

    def __init__(self, child: Child) -> None:
        self.peak_bytes = 0
        self._status = Path(f"/proc/{child.process.pid}/status")
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        while not self._is_over.wait(0.002):
            try:
                lines = self._status.read_text().splitlines()
            except OSError:
                return
            for line in lines:
                if line.startswith("VmHWM:"):
                    self.peak_bytes = max(self.peak_bytes, int(line.split()[1]) * 1024)

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()


@pytest.fixture
def fetch_within(fork_server: ForkServer, directory: Path) -> Callable[..., tuple[Ended, int]]:
    """Fetch with less memory than usual; returns how it ended and the most that was used."""

    def fetch(url: str, *, memory_bytes: int, **values: object) -> tuple[Ended, int]:
        child = fork_server.fork(
            job_for(url, directory, allow_private_hosts=(url.split("/")[2],), **values)
        )
        resource.prlimit(child.process.pid, resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        memory = Memory(child)
        try:
            child.go()
            messages = messages_until(child)
        finally:
            how = child.end(grace_seconds=1)
            memory.close()
        return Ended(directory=directory, messages=messages, how=how), memory.peak_bytes

    return fetch


def gzipped(beginning: bytes, *, mebibytes: int = 5 * 1024) -> bytes:
    """So much white space after it; members follow one another (RFC 1952, 2.2)."""
    return gzip.compress(beginning) + gzip.compress(b" " * MIB * 16, 1) * (mebibytes // 16)


def brotlied(beginning: bytes) -> bytes:
    packer = brotli.Compressor(quality=1)
    pieces = (packer.process(piece) for piece in [beginning, *[b" " * MIB] * 512])
    return bytes(b"".join(pieces) + packer.finish())


BOMBS = {"gzip": gzipped, "br": brotlied}
HTML = b"<!doctype html><html><title>A page</title>"


@pytest.mark.parametrize("encoding", BOMBS)
def test_a_page_that_unpacks_without_end_is_read_only_to_the_limit(
    fetch_within: Callable[..., tuple[Ended, int]], scripted_site: ScriptedSite, encoding: str
) -> None:
    bomb = Answer(body=BOMBS[encoding](HTML), headers={"Content-Encoding": encoding})

    ended, peak_bytes = fetch_within(scripted_site.serve("/", bomb), memory_bytes=250 * MIB)

    assert ended.broke.kinds[0] == "TooLarge"
    assert ended.error_class is ErrorClass.TOO_LARGE
    assert "a page of more than" in ended.broke.message
    assert peak_bytes < 200 * MIB


@pytest.mark.parametrize("encoding", BOMBS)
def test_a_film_that_unpacks_without_end_is_written_only_to_the_limit(
    fetch_within: Callable[..., tuple[Ended, int]], scripted_site: ScriptedSite, encoding: str
) -> None:
    bomb = film(BOMBS[encoding](b"\0\0\0\x08ftyp"), headers={"Content-Encoding": encoding})

    ended, peak_bytes = fetch_within(
        scripted_site.serve("/a.mp4", bomb), memory_bytes=250 * MIB, max_bytes=20 * MIB
    )

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert "over the limit of 20971520 bytes" in ended.broke.message
    assert peak_bytes < 200 * MIB
    assert sum(path.stat().st_size for path in ended.directory.iterdir()) < 2 * 20 * MIB


def test_an_error_page_without_end_is_an_error_all_the_same(
    fetch_within: Callable[..., tuple[Ended, int]], scripted_site: ScriptedSite
) -> None:
    bomb = Answer(status=403, body=gzipped(HTML), headers={"Content-Encoding": "gzip"})

    ended, peak_bytes = fetch_within(scripted_site.serve("/", bomb), memory_bytes=250 * MIB)

    assert ended.error_class in (ErrorClass.FORBIDDEN, ErrorClass.TOO_LARGE)
    assert "MemoryError" not in ended.broke.kinds
    assert peak_bytes < 200 * MIB


JSON_LD = '<script type="application/ld+json">{}</script>'
# Twenty bytes of the playlist are a million fragments in memory.
REPEATED = (
    '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4"><SegmentTemplate '
    'timescale="1" media="$Number$.m4s" initialization="i.mp4"><SegmentTimeline>'
    '<S t="0" d="1" r="1000000000"/></SegmentTimeline></SegmentTemplate>'
    '<Representation id="1" bandwidth="1"/></AdaptationSet></Period></MPD>'
)


@pytest.mark.parametrize(
    "answer",
    [
        page(JSON_LD.format("[" + "{}," * 3_000_000 + "{}]")),
        Answer(body=REPEATED, media_type="application/dash+xml"),
    ],
    ids=["json", "fragments"],
)
def test_what_grows_when_it_is_understood_ends_the_download_and_nothing_else(
    fetch_within: Callable[..., tuple[Ended, int]],
    fetch: Fetch,
    scripted_site: ScriptedSite,
    video: bytes,
    directory: Path,
    answer: Answer,
) -> None:
    ended, peak_bytes = fetch_within(scripted_site.serve("/a", answer), memory_bytes=150 * MIB)

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert ended.how == "exited with 0"
    assert peak_bytes < 150 * MIB
    assert fetch(scripted_site.serve("/a.mp4", film(video))).file.read_bytes() == video


def test_every_child_has_a_limit_on_its_memory(
    fork_server: ForkServer, directory: Path, media_server: MediaServer
) -> None:
    url = media_server.url("/slow.mp4?rate=100000")
    job = job_for(url, directory, allow_private_hosts=(media_server.origin,))

    with running(fork_server, job) as child:
        wait_for(
            lambda: (
                resource.prlimit(child.process.pid, resource.RLIMIT_AS)[0] == limits.MEMORY_BYTES
            )
        )


def test_a_title_of_a_million_characters_is_cut(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes
) -> None:
    scripted_site.serve("/a.mp4", film(video))
    answer = page('<video src="/a.mp4"></video>', title="\u00e9\u202e\u0301" * 350_000)

    ended = fetch(scripted_site.serve("/page", answer))

    assert len(ended.fetched.title) == 500
    assert ended.fetched.title.startswith("\u00e9")
    assert "\u202e" not in ended.fetched.title


def test_more_forms_of_a_video_than_anybody_offers_are_refused(
    fetch: Fetch, scripted_site: ScriptedSite
) -> None:
    lines = [
        f"#EXT-X-STREAM-INF:BANDWIDTH={number}\n/{number}.ts"
        for number in range(1, read_limits.MAX_FORMATS + 10)
    ]
    body = "\n".join(["#EXTM3U", *lines])

    ended = fetch(scripted_site.serve("/a.m3u8", Answer(body=body, media_type=PLAYLIST_TYPE)))

    assert ended.error_class is ErrorClass.TOO_LARGE
    assert "forms of the video" in ended.broke.message


def test_two_hundred_thousand_forms_are_not_even_looked_at(
    fetch: Fetch, scripted_site: ScriptedSite
) -> None:
    kind = 'RESOLUTION=1920x1080,CODECS="avc1.640028,mp4a.40.2"'
    line = f"#EXT-X-STREAM-INF:BANDWIDTH=1000000,{kind}\n/a.ts\n"
    body = "#EXTM3U\n" + line * 200_000

    ended = fetch(scripted_site.serve("/a.m3u8", Answer(body=body, media_type=PLAYLIST_TYPE)))

    assert ended.broke.kinds[0] == "TooLarge"
    assert "a page of more than" in ended.broke.message


# Around and around


def feed(*links: str) -> Answer:
    items = "".join(f"<item><title>x</title><link>{link}</link></item>" for link in links)
    body = (
        f'<?xml version="1.0"?><rss version="2.0"><channel><title>x</title>{items}</channel></rss>'
    )
    return Answer(body=body, media_type="application/rss+xml")


def test_a_playlist_that_contains_itself_ends(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    scripted_site.serve("/feed", feed(scripted_site.url("/feed")))

    assert fetch(scripted_site.url("/feed")).error_class is ErrorClass.UNSUPPORTED
    assert len(scripted_site.requests_of("/feed")) < 5


def test_a_playlist_that_contains_itself_among_others_is_read_once(
    fetch: Fetch, scripted_site: ScriptedSite
) -> None:
    links = [scripted_site.url(path) for path in ("/feed", "/a.mp4", "/feed", "/b.mp4")]

    ended = fetch(scripted_site.serve("/feed", feed(*links)))

    assert [entry.url for entry in ended.entries] == [links[1], links[3]]
    assert len(scripted_site.requests_of("/feed")) == 1


def test_a_feed_without_end_is_too_large(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    item = f"<item><link>{scripted_site.url('/a.mp4')}</link></item>"
    body = "<rss><channel>" + item * (20 * read_limits.MIB // len(item))

    ended = fetch(scripted_site.serve("/feed", Answer(body=body, is_chunked=True)))

    assert ended.error_class is ErrorClass.TOO_LARGE


@pytest.mark.parametrize("kind", ["feed", "redirect", "refresh"])
def test_pages_that_lead_on_and_on_end(
    fetch: Fetch, scripted_site: ScriptedSite, kind: str
) -> None:
    numbers = count()

    def lead_on(_request: Request) -> Answer:
        number = next(numbers)
        further = scripted_site.url(f"/page?{number}")
        if kind == "feed":
            return feed(further)
        if kind == "refresh":
            return page(f'<meta http-equiv="refresh" content="0; url={further}">')
        return page("") if number % 2 else Answer(status=302, headers={"Location": further})

    ended = fetch(scripted_site.serve("/page", lead_on))

    assert ended.error_class is ErrorClass.UNSUPPORTED
    assert "lead to one another" in ended.broke.message
    assert len(scripted_site.requests_of("/page")) <= 2 * read_limits.MAX_PAGES + 2


def test_redirects_without_end_end(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    numbers = count()

    def further(_request: Request) -> Answer:
        return Answer(status=302, headers={"Location": f"/hop?{next(numbers)}"})

    ended = fetch(scripted_site.serve("/hop", further))

    assert ended.error_class is ErrorClass.NETWORK
    assert len(scripted_site.requests_of("/hop")) < 100


def test_twenty_redirects_are_followed(
    fetch: Fetch, scripted_site: ScriptedSite, video: bytes
) -> None:
    for number in range(20):
        further = "/a.mp4" if number == 19 else f"/{number + 1}"
        scripted_site.serve(f"/{number}", Answer(status=302, headers={"Location": further}))
    scripted_site.serve("/a.mp4", film(video))

    assert fetch(scripted_site.url("/0")).file.read_bytes() == video


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "ftp://127.0.0.1/a", "data:video/mp4,x", "javascript:1"]
)
def test_a_redirect_to_another_scheme_is_blocked(
    fetch: Fetch, scripted_site: ScriptedSite, location: str
) -> None:
    ended = fetch(scripted_site.serve("/a", Answer(status=302, headers={"Location": location})))

    assert ended.error_class is ErrorClass.POLICY_BLOCKED


def test_an_address_without_end_is_not_followed(fetch: Fetch, scripted_site: ScriptedSite) -> None:
    far = scripted_site.url("/a?" + "x" * (read_limits.MAX_URL_LENGTH + 1))

    ended = fetch(scripted_site.serve("/feed", feed(far)))

    assert ended.error_class is ErrorClass.UNSUPPORTED
    assert "too long" in ended.broke.message


# A site that lets in what looks like a browser only


def test_a_site_that_wants_the_handshake_of_a_browser_is_said_to_want_that(
    fetch: Fetch, scripted_site: ScriptedSite
) -> None:
    challenge = Answer(status=403, headers={"cf-mitigated": "challenge"}, body=b"Just a moment...")

    ended = fetch(scripted_site.serve("/watch", challenge))

    assert (ended.error_class, code_of(facts(ended.broke))) == (ErrorClass.FORBIDDEN, "handshake")
