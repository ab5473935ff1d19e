"""Fragments of a stream that are fetched at once: what comes is what comes one after the other."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer
from downloads.fetch.protocol import Advance
from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended, attempt, job_for, make_directory, running
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Answer, Request, ScriptedSite
from tests.helpers.streams import packets

LONG = 30.0  # a deadline, never waited for
COUNT = 3
Fetch = Callable[..., Ended]


class Stream:
    """HLS of three fragments; each of its answers waits for `gate`."""

    def __init__(self, site: ScriptedSite, media: MediaServer) -> None:
        self.gate: Callable[[], object] = lambda: None
        self.missing: set[int] = set()
        self.bodies = [media.file(f"hls/segment-{n}.ts").read_bytes() for n in range(COUNT)]
        self.most = 0  # fragments that were asked for before one was answered
        self._open = 0
        self._lock = threading.Lock()
        for number in range(COUNT):
            site.serve(f"/segment-{number}.ts", self._answering(number))
        self._site = site
        self.offer(media.file("hls/index.m3u8").read_text())

    def offer(self, playlist: str) -> None:
        media_type = "application/vnd.apple.mpegurl"
        self.url = self._site.serve("/index.m3u8", Answer(body=playlist, media_type=media_type))

    def _answering(self, number: int) -> Callable[[Request], Answer]:
        def answer(request: Request) -> Answer:
            with self._lock:
                self._open += 1
                self.most = max(self.most, self._open)
            self.gate()
            with self._lock:
                self._open -= 1
            if number in self.missing:
                return Answer(status=404)
            return Answer(body=self.bodies[number], media_type="video/mp2t")

        return answer


@pytest.fixture
def stream(scripted_site: ScriptedSite, media_server: MediaServer) -> Stream:
    return Stream(scripted_site, media_server)


@pytest.fixture
def fetch(
    fork_server: ForkServer, stream: Stream, scripted_site: ScriptedSite, tmp_path: Path
) -> Fetch:
    def fetch(**values: object) -> Ended:
        job = job_for(
            stream.url,
            make_directory(tmp_path),
            allow_private_hosts=(scripted_site.origin,),
            **values,
        )
        return attempt(fork_server, job)

    return fetch


def test_a_child_that_waits_in_several_threads_ends_whole(
    fork_server: ForkServer, stream: Stream, scripted_site: ScriptedSite, tmp_path: Path
) -> None:
    asked, answered = threading.Semaphore(0), threading.Event()
    stream.gate = lambda: (asked.release(), answered.wait(LONG))
    hosts = (scripted_site.origin,)
    try:
        for _ in range(10):  # which of its threads the kernel ends last is chance
            job = job_for(stream.url, make_directory(tmp_path), allow_private_hosts=hosts)
            with running(fork_server, job) as child:
                assert all(asked.acquire(timeout=LONG) for _ in range(COUNT))

                assert child.end(grace_seconds=LONG) == "killed by SIGTERM"
                assert not Path(f"/proc/{child.process.pid}").exists()
    finally:
        answered.set()


def test_nothing_is_written_of_where_to_go_on(
    fork_server: ForkServer, stream: Stream, scripted_site: ScriptedSite, tmp_path: Path
) -> None:
    """yt-dlp writes that anew for each fragment, and a disk may take longer for it than a site."""
    asked, answered = threading.Semaphore(0), threading.Event()
    stream.gate = lambda: (asked.release(), answered.wait(LONG))
    job = job_for(stream.url, make_directory(tmp_path), allow_private_hosts=(scripted_site.origin,))
    try:
        with running(fork_server, job):
            assert all(asked.acquire(timeout=LONG) for _ in range(COUNT))

            assert list(Path(job.directory).glob("*.ytdl")) == []
            assert list(Path(job.directory).glob("*.part")) != []
    finally:
        answered.set()


def test_fragments_come_at_once(fetch: Fetch, stream: Stream) -> None:
    together = threading.Barrier(COUNT)
    stream.gate = lambda: together.wait(LONG)  # nobody is answered before all have asked

    assert packets(fetch().file, "v") != []


def test_it_is_the_film_that_comes_one_after_the_other(fetch: Fetch, stream: Stream) -> None:
    at_once = fetch()
    one_by_one = fetch(fragments_at_once=1)

    assert packets(at_once.file, "v") == packets(one_by_one.file, "v")
    assert packets(at_once.file, "a") == packets(one_by_one.file, "a")


def test_each_is_taken_for_what_the_playlist_says_of_it(fetch: Fetch, stream: Stream) -> None:
    """Only a fragment that begins anew may be the one before it once more."""
    twice = ["/segment-{0}.ts", "#EXT-X-DISCONTINUITY", "#EXTINF:2,", "/segment-{0}.ts"]
    lines = ["#EXTINF:2,\n" + "\n".join(twice).format(number % COUNT) for number in range(60)]
    stream.offer("\n".join(["#EXTM3U", "#EXT-X-TARGETDURATION:2", *lines, "#EXT-X-ENDLIST"]))

    assert fetch().fetched


@pytest.mark.parametrize("values", [{"fragments_at_once": 1}, {"rate_limit": 10**9}])
def test_one_alone_or_with_a_limit_of_the_speed_comes_after_the_other(
    fetch: Fetch, stream: Stream, values: dict[str, int]
) -> None:
    assert fetch(**values).fetched

    assert stream.most == 1


def test_all_bytes_are_counted_once(fetch: Fetch, stream: Stream) -> None:
    ended = fetch()

    said = [message for message in ended.messages if isinstance(message, Advance)]
    assert said[-1].received_bytes == sum(map(len, stream.bodies))
    assert {message.fragments for message in said} >= {COUNT}


@pytest.mark.parametrize("number", range(COUNT))
def test_a_missing_one_is_named_whatever_else_comes(
    fetch: Fetch, stream: Stream, number: int
) -> None:
    stream.missing = {number}

    ended = fetch()

    assert ended.error_class is ErrorClass.INCOMPLETE
    assert ended.broke.http_status == 404
