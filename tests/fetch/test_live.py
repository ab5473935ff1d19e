"""Live streams, recorded by the child of an attempt from a real site."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.disk import partial
from downloads.disk.recording import Recording
from downloads.fetch.client import ForkServer
from downloads.fetch.processes import Process
from downloads.fetch.protocol import Advance, Job, Message, PhaseBegan, Resumed
from downloads.rules.errors import ErrorClass
from tests.fetch.test_fetch import packets, phases, seconds
from tests.helpers.attempts import (
    Ended,
    attempt,
    job_for,
    make_directory,
    messages_until,
    running,
)
from tests.helpers.live_site import Footage, Live, footage
from tests.helpers.scripted_site import Answer, Canary, Request, ScriptedSite
from tests.helpers.waiting import wait_for

Record = Callable[..., Ended]


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Footage]:
    return lambda kind: footage(kind, tmp_path_factory.getbasetemp().parent / "live")


@pytest.fixture
def record(fork_server: ForkServer, scripted_site: ScriptedSite, directory: Path) -> Record:
    def record(live: Live, **values: object) -> Ended:
        url = live.on(scripted_site)
        job = job_for(url, directory, allow_private_hosts=(scripted_site.origin,), **values)
        return attempt(fork_server, job)

    return record


def pictures(path: Path) -> list[str]:
    """A hash of each picture, in order."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v", "-f", "framemd5", "-"]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split(",")[-1].strip() for line in lines.splitlines() if line[0] != "#"]


@pytest.mark.parametrize("window", [4, None], ids=["sliding", "event"])
@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_a_stream_is_recorded_until_it_ends(
    record: Record, film: Callable[[str], Footage], kind: str, window: int | None
) -> None:
    live = Live(film=film(kind), window=window)

    ended = record(live)

    assert ended.fetched.data == {"recorded_seconds": 12, "stopped": "ended"}
    assert pictures(ended.file) == pictures(live.film.source)
    assert seconds(ended.file) == pytest.approx(12, abs=0.1)
    assert phases(ended) == ["recording", "post-processing", "verifying"]


def test_a_recording_is_kept_whole_whatever_part_was_wished_for(
    record: Record, film: Callable[[str], Footage]
) -> None:
    live = Live(film=film("ts"), window=None)

    ended = record(live, clip="2-4")

    assert seconds(ended.file) == pytest.approx(12, abs=0.1)
    assert ended.fetched.data["warnings"] == [{"code": "whole_recording"}]


# What a site does to its stream


def test_a_segment_that_slid_away_is_a_gap_that_is_said(
    record: Record, film: Callable[[str], Footage]
) -> None:
    live = Live(film=film("ts"), gone={5, 6})

    ended = record(live)

    assert ended.fetched.data == {
        "recorded_seconds": 10,
        "stopped": "ended",
        "gaps": 1,
        "missed_segments": 2,
    }
    source = pictures(live.film.source)
    assert pictures(ended.file) == source[:125] + source[175:]
    assert seconds(ended.file) == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize(
    "instead",
    [
        Answer(body="<html><p>Not any more</p></html>"),
        Answer(body=bytes(5000)),
        Answer(body=b"G" * 900, cut_after=400),
        Answer(status=503),
    ],
    ids=["a page", "nothing", "half of it", "an error"],
)
def test_what_is_not_the_segment_is_not_recorded(
    record: Record, film: Callable[[str], Footage], instead: Answer
) -> None:
    live = Live(film=film("ts"), window=None, replaced={5: instead})

    ended = record(live)

    source = pictures(live.film.source)
    assert pictures(ended.file) == source[:125] + source[150:]
    assert ended.fetched.data["missed_segments"] == 1


def test_a_segment_that_comes_late_is_recorded(
    record: Record, film: Callable[[str], Footage]
) -> None:
    def heal(live: Live) -> None:
        live.gone = set() if live.shown >= 7 else {5}

    live = Live(film=film("ts"), on_look=heal, gone={5})

    assert record(live).fetched.data == {"recorded_seconds": 12, "stopped": "ended"}


def test_a_playlist_that_fails_for_a_while_does_no_harm(
    record: Record, film: Callable[[str], Footage]
) -> None:
    failures = [Answer(status=503), Answer(body="<html>"), Answer(body="#EXTM3U", cut_after=3)]

    class Failing(Live):
        def look(self, request: Request) -> Answer:
            fails = self.shown == 8 and failures
            return failures.pop() if fails else super().look(request)

    live = Failing(film=film("ts"))

    ended = record(live)

    assert not failures
    assert ended.fetched.data == {"recorded_seconds": 12, "stopped": "ended"}
    assert pictures(ended.file) == pictures(live.film.source)


@pytest.mark.parametrize("is_off", [True, False], ids=["is gone", "stays as it is"])
def test_a_playlist_that_brings_nothing_more_ends_the_recording(
    record: Record, film: Callable[[str], Footage], is_off: bool
) -> None:
    def hold(live: Live) -> None:
        live.is_off = is_off and live.shown == 6

    live = Live(film=film("ts"), hold_at=6, on_look=hold)

    ended = record(live, stall_seconds=2)

    assert ended.fetched.data["stopped"] == "silent"
    assert (
        pictures(ended.file)
        == pictures(live.film.source)[: 25 * ended.fetched.data["recorded_seconds"]]
    )


def test_an_old_playlist_of_a_cache_is_not_recorded_again(
    record: Record, film: Callable[[str], Footage]
) -> None:
    class Cached(Live):
        said: list[Answer]

        def look(self, request: Request) -> Answer:
            self.said = [*getattr(self, "said", []), super().look(request)]
            return self.said[-3 if len(self.said) % 3 == 0 else -1]

    live = Cached(film=film("ts"))

    ended = record(live)

    assert pictures(ended.file) == pictures(live.film.source)


def test_a_site_that_counts_anew_is_recorded_on(
    record: Record, film: Callable[[str], Footage]
) -> None:
    def restart(live: Live) -> None:
        if live.shown == 8:
            live.first, live.window = 0, 1

    live = Live(film=film("ts"), on_look=restart, first=100)

    ended = record(live)

    assert pictures(ended.file) == pictures(live.film.source)
    assert ended.fetched.data["gaps"] == 1


@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_a_timeline_that_begins_anew_is_joined(
    record: Record, film: Callable[[str], Footage], kind: str
) -> None:
    whole = film(kind)
    twice = Footage(
        source=whole.source,
        segments=[*whole.segments[:4], *whole.segments[:4]],
        initialization=whole.initialization,
    )
    live = Live(film=twice, lines={4: "#EXT-X-DISCONTINUITY"})

    ended = record(live)

    source = pictures(whole.source)[:100]
    assert pictures(ended.file) == source + source
    assert seconds(ended.file) == pytest.approx(8, abs=0.15)


def test_a_picture_of_another_size_is_joined(
    record: Record, film: Callable[[str], Footage]
) -> None:
    small, large = film("ts"), film("large")
    mixed = Footage(
        source=small.source,
        segments=[*small.segments[:4], *large.segments[4:8]],
        initialization=b"",
    )
    live = Live(film=mixed, lines={4: "#EXT-X-DISCONTINUITY"})

    ended = record(live)

    assert seconds(ended.file) == pytest.approx(8, abs=0.15)
    assert pictures(ended.file)[:100] == pictures(small.source)[:100]


@pytest.mark.parametrize(
    ("option", "media_type"),
    [({"audio": "mp3"}, "audio/mpeg"), ({"container": "mkv"}, "video/x-matroska")],
    ids=["sound", "container"],
)
def test_a_recording_becomes_what_was_asked_for(
    record: Record, film: Callable[[str], Footage], option: dict[str, str], media_type: str
) -> None:
    ended = record(Live(film=film("ts")), **option)

    assert [file.media_type for file in ended.fetched.files] == [media_type]
    assert seconds(ended.file) == pytest.approx(12, abs=0.2)


def test_sound_alone_without_a_container_is_recorded(
    record: Record, film: Callable[[str], Footage]
) -> None:
    """As radio stations send it: frames of AAC, each segment with a tag of its own."""
    sound = film("sound")
    tag = b"ID3" + bytes([4, 0, 0, 0, 0, 0, 0])
    radio = Footage(
        source=sound.source,
        segments=[tag + _frames_of(segment) for segment in sound.segments],
        initialization=b"",
    )

    ended = record(Live(film=radio))

    assert ended.fetched.data["recorded_seconds"] == len(sound.segments)
    assert ended.fetched.files[0].media_type in ("video/mp4", "audio/mp4")
    assert seconds(ended.file) == pytest.approx(12, abs=0.3)


def _frames_of(segment: bytes) -> bytes:
    command = ["ffmpeg", "-v", "error", "-i", "pipe:0", "-c", "copy", "-f", "adts", "pipe:1"]
    return subprocess.run(command, input=segment, capture_output=True, check=True).stdout


def test_an_encrypted_stream_is_decrypted(
    record: Record, film: Callable[[str], Footage], scripted_site: ScriptedSite
) -> None:
    key = bytes(range(16))
    plain = film("ts")
    encrypted = Footage(
        source=plain.source,
        segments=[_encrypted(each, key, number) for number, each in enumerate(plain.segments)],
        initialization=b"",
    )
    scripted_site.serve("/live/key", Answer(body=key))
    live = Live(film=encrypted, header='#EXT-X-KEY:METHOD=AES-128,URI="key"')

    ended = record(live)

    assert pictures(ended.file) == pictures(plain.source)


def _encrypted(content: bytes, key: bytes, number: int) -> bytes:
    command = ["openssl", "enc", "-aes-128-cbc", "-K", key.hex(), "-iv", f"{number:032x}"]
    return subprocess.run(command, input=content, capture_output=True, check=True).stdout


def test_drm_is_refused_as_that(record: Record, film: Callable[[str], Footage]) -> None:
    live = Live(film=film("ts"), header='#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://1"')

    assert record(live).error_class is ErrorClass.DRM


def test_a_stream_without_a_segment_is_incomplete(
    record: Record, film: Callable[[str], Footage]
) -> None:
    live = Live(film=film("ts"), shown=0, hold_at=0)

    assert record(live, stall_seconds=2).error_class is ErrorClass.INCOMPLETE


def test_a_page_that_does_not_say_that_its_video_is_live_is_recorded_too(
    fork_server: ForkServer,
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
    directory: Path,
) -> None:
    live = Live(film=film("ts"))
    live.on(scripted_site)
    page = f'<title>On the air</title><video src="{live.path}/list.m3u8"></video>'
    url = scripted_site.serve("/page.html", Answer(body=page))

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    assert ended.fetched.title.startswith("On the air")
    assert pictures(ended.file) == pictures(live.film.source)


def test_picture_and_sound_in_two_playlists_are_recorded_together(
    fork_server: ForkServer,
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
    directory: Path,
) -> None:
    picture = Live(film=film("picture"), path="/picture", gone={5})
    sound = Live(film=film("sound"), path="/sound")
    picture.on(scripted_site)
    sound.on(scripted_site)
    master = (
        '#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="a",URI="/sound/list.m3u8"\n'
        '#EXT-X-STREAM-INF:BANDWIDTH=100000,CODECS="avc1.42c00a,mp4a.40.2",AUDIO="a"\n'
        "/picture/list.m3u8\n"
    )
    url = scripted_site.serve("/master.m3u8", Answer(body=master))

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    source = pictures(picture.film.source)
    assert pictures(ended.file) == source[:125] + source[150:]
    assert packets(ended.file).count(",") == 4  # two streams
    assert seconds(ended.file) == pytest.approx(12, abs=0.15)
    assert ended.fetched.data["gaps"] == 1


def test_a_segment_at_a_private_address_is_not_fetched(
    record: Record, film: Callable[[str], Footage]
) -> None:
    with Canary() as canary:
        elsewhere = f"http://127.0.0.1:{canary.port}/5.ts"
        away = Answer(status=302, headers={"Location": elsewhere})
        live = Live(film=film("ts"), window=None, replaced={5: away})

        ended = record(live)

        assert not canary.was_touched
    assert ended.fetched.data["missed_segments"] == 1


def test_a_live_stream_over_dash_is_said_not_to_be_had(
    fork_server: ForkServer, scripted_site: ScriptedSite, directory: Path
) -> None:
    manifest = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic">'
        '<Period><AdaptationSet mimeType="video/mp4"><SegmentTemplate media="$Number$.m4s"'
        ' initialization="init.mp4" duration="2"/><Representation id="1" bandwidth="1"'
        ' codecs="avc1.42c00a"/></AdaptationSet></Period></MPD>'
    )
    url = scripted_site.serve("/live.mpd", Answer(body=manifest, media_type="application/dash+xml"))

    ended = attempt(
        fork_server, job_for(url, directory, allow_private_hosts=(scripted_site.origin,))
    )

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert "DASH" in ended.broke.message


# When it is stopped


@pytest.mark.parametrize("after", [1, 2, 5, 9])
def test_what_is_there_is_kept_when_it_is_stopped(
    fork_server: ForkServer,
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
    directory: Path,
    after: int,
) -> None:
    live = Live(film=film("ts"), hold_at=after, window=None)
    job = job_for(live.on(scripted_site), directory, allow_private_hosts=(scripted_site.origin,))

    with running(fork_server, job) as child:
        messages_until(child, has_received(sum(map(len, live.film.segments[:after]))))
        child.keep()
        messages = messages_until(child)

    ended = Ended(directory=directory, messages=messages, how="")
    assert ended.fetched.data == {"recorded_seconds": after, "stopped": "asked"}
    assert pictures(ended.file) == pictures(live.film.source)[: 25 * after]


def test_a_stop_does_not_wait_for_a_segment_that_hangs(
    fork_server: ForkServer,
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
    directory: Path,
) -> None:
    film_ = film("ts")
    hanging = Answer(body=film_.segments[5], hold_after=600)
    live = Live(film=film_, window=None, replaced={5: hanging})
    job = job_for(
        live.on(scripted_site),
        directory,
        allow_private_hosts=(scripted_site.origin,),
        stall_seconds=6,
    )

    with running(fork_server, job) as child:
        messages_until(child, has_received(sum(map(len, film_.segments[:5]))))
        wait_for(lambda: scripted_site.requests_of("/live/5.ts"), what="the segment that hangs")
        child.keep()
        messages = messages_until(child)

    ended = Ended(directory=directory, messages=messages, how="")
    assert ended.fetched.data == {"recorded_seconds": 5, "stopped": "asked"}


def has_received(size_bytes: int) -> Callable[[list[Message]], bool]:
    return lambda said: any(
        isinstance(each, Advance) and each.received_bytes >= size_bytes for each in said
    )


@pytest.mark.parametrize(
    ("limits", "why"),
    [
        ({"max_seconds": 4}, "time"),
        ({"max_bytes": 120_000}, "size"),
        ({"min_free_bytes": 2**60}, "space"),
    ],
    ids=["time", "size", "space"],
)
def test_a_limit_ends_the_recording_and_keeps_it(
    record: Record, film: Callable[[str], Footage], limits: dict[str, int], why: str
) -> None:
    live = Live(film=film("ts"), ends=False)

    ended = record(live, **limits)

    recorded_seconds = ended.fetched.data["recorded_seconds"]
    assert ended.fetched.data["stopped"] == why
    assert 1 <= recorded_seconds < 12
    assert seconds(ended.file) == pytest.approx(recorded_seconds, abs=0.1)


# When it is interrupted


class Tries:
    """Attempts at one stream, each killed or not; what one left goes to the next."""

    def __init__(self, fork_server: ForkServer, root: Path, url: str, origin: str) -> None:
        self.values: dict[str, object] = {}
        self._fork_server = fork_server
        self._root = root
        self._url = url
        self._origin = origin
        self._carried = ""

    def _job(self) -> Job:
        directory = make_directory(self._root)
        if self._carried:
            partial.bring(self._root, self._carried, directory)
        return job_for(self._url, directory, allow_private_hosts=(self._origin,), **self.values)

    def kill_when(self, is_time: Callable[[list[Message]], bool]) -> int:
        """Returns how many bytes were kept."""
        job = self._job()
        with running(self._fork_server, job) as child:
            messages_until(child, is_time)
        self._carried = Path(job.directory).name
        return partial.keep(self._root, self._carried)

    def kill_after(self, size_bytes: int) -> None:
        assert self.kill_when(has_received(size_bytes)) >= size_bytes

    def finish(self) -> Ended:
        return attempt(self._fork_server, self._job())


@pytest.fixture
def tries(
    fork_server: ForkServer, tmp_path: Path, scripted_site: ScriptedSite
) -> Callable[[Live], Tries]:
    return lambda live: Tries(fork_server, tmp_path, live.on(scripted_site), scripted_site.origin)


@pytest.mark.parametrize("kind", ["ts", "fmp4"])
def test_every_segment_is_there_once_after_five_kills(
    tries: Callable[[Live], Tries], film: Callable[[str], Footage], kind: str
) -> None:
    live = Live(film=film(kind), window=6)
    stream = tries(live)

    for number in (1, 2, 4, 6, 8):
        live.hold_at = number + 2
        stream.kill_after(sum(map(len, live.film.segments[:number])))
    live.hold_at = None
    ended = stream.finish()

    assert ended.fetched.data == {"recorded_seconds": 12, "stopped": "ended"}
    assert pictures(ended.file) == pictures(live.film.source)
    assert Resumed in map(type, ended.messages)


def test_a_worker_that_is_gone_ends_no_recording(
    fork_server: ForkServer,
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
    directory: Path,
) -> None:
    """Nobody hears the child for a moment before it is killed."""
    live = Live(film=film("ts"), hold_at=3, window=None)
    job = job_for(live.on(scripted_site), directory, allow_private_hosts=(scripted_site.origin,))

    with running(fork_server, job) as child:
        messages_until(child, has_received(sum(map(len, live.film.segments[:3]))))
        child._channel.close()
        live.hold_at = None
        wait_for(lambda: not Process.of(child.process.pid), what="the child's end")

    recording = Recording.open(directory)
    assert (recording.stopped, recording.seconds >= 3) == ("", True)


def test_what_slid_away_meanwhile_is_a_gap_that_is_said(
    tries: Callable[[Live], Tries], film: Callable[[str], Footage]
) -> None:
    live = Live(film=film("ts"), hold_at=4)
    stream = tries(live)
    stream.kill_after(sum(map(len, live.film.segments[:4])))
    live.shown, live.hold_at = 10, None

    ended = stream.finish()

    assert ended.fetched.data["stopped"] == "ended"
    assert ended.fetched.data["gaps"] == 1
    assert pictures(ended.file)[:100] == pictures(live.film.source)[:100]
    assert pictures(ended.file)[-50:] == pictures(live.film.source)[-50:]


def test_a_recording_that_the_site_does_not_offer_any_more_is_finished(
    tries: Callable[[Live], Tries], film: Callable[[str], Footage]
) -> None:
    live = Live(film=film("ts"), hold_at=4)
    stream = tries(live)
    stream.kill_after(sum(map(len, live.film.segments[:4])))
    live.is_off = True

    ended = stream.finish()

    assert ended.fetched.data == {"recorded_seconds": 4, "stopped": "lost"}
    assert pictures(ended.file) == pictures(live.film.source)[:100]


def test_a_site_that_fails_is_tried_again_before_the_recording_is_finished(
    tries: Callable[[Live], Tries],
    film: Callable[[str], Footage],
    scripted_site: ScriptedSite,
) -> None:
    live = Live(film=film("ts"), hold_at=4)
    stream = tries(live)
    stream.kill_after(sum(map(len, live.film.segments[:4])))
    scripted_site.serve("/live/list.m3u8", Answer(status=503))

    first = stream.finish()
    partial.keep(first.directory.parent, first.directory.name)
    stream._carried = first.directory.name
    stream.values = {"is_last_try": True}
    last = stream.finish()

    assert first.error_class is ErrorClass.NETWORK
    assert last.fetched.data == {"recorded_seconds": 4, "stopped": "lost"}


def test_a_recording_that_ended_is_finished_without_the_site(
    tries: Callable[[Live], Tries], film: Callable[[str], Footage], scripted_site: ScriptedSite
) -> None:
    live = Live(film=film("ts"))
    stream = tries(live)
    stream.kill_when(lambda said: PhaseBegan(phase="post-processing") in said)
    asked_before = len(scripted_site.requests)

    ended = stream.finish()

    assert len(scripted_site.requests) == asked_before
    assert ended.fetched.data == {"recorded_seconds": 12, "stopped": "ended"}
    assert pictures(ended.file) == pictures(live.film.source)
