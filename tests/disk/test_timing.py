"""When fragments begin and end, read from real ones and from what somebody made of them."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.disk import timing

SECONDS = 2  # of every fragment
PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25", "-g", "25", "-bf", "2"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The second of two fragments of each kind, and the beginning of the one in boxes."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    folder = tmp_path_factory.mktemp("fragments")
    for kind in ("fmp4", "mpegts"):
        command = ["ffmpeg", "-v", "error", *SOUND, *PICTURES, "-t", str(2 * SECONDS)]
        command += ["-f", "hls", "-hls_time", str(SECONDS), "-hls_segment_type", kind]
        command += ["-hls_segment_filename", f"{kind}%d", f"{kind}.m3u8"]
        subprocess.run(command, cwd=folder, check=True)
    return folder


@pytest.fixture
def tracks(folder: Path) -> dict[int, timing.Track]:
    return timing.without_beginning((folder / "init.mp4").read_bytes())[0]


@pytest.fixture
def fragment(folder: Path) -> bytes:
    return (folder / "fmp41").read_bytes()


@pytest.fixture
def packets(folder: Path) -> bytes:
    return (folder / "mpegts1").read_bytes()


def test_a_beginning_names_its_tracks(tracks: dict[int, timing.Track]) -> None:
    assert [track.timescale for track in tracks.values()] == [12800, 44100]
    assert [track.form[:4] for track in tracks.values()] == [b"avc1", b"mp4a"]


def test_a_beginning_is_parted_from_what_follows_it(folder: Path, fragment: bytes) -> None:
    beginning = (folder / "init.mp4").read_bytes()

    tracks, rest = timing.without_beginning(beginning + fragment)

    assert len(tracks) == 2
    assert rest == fragment
    assert timing.without_beginning(fragment) == ({}, fragment)


def test_a_fragment_in_boxes_says_when_it_plays(
    tracks: dict[int, timing.Track], fragment: bytes
) -> None:
    span = timing.span_of(timing.runs_of(fragment, tracks))

    assert span is not None
    assert span.start == pytest.approx(SECONDS, abs=0.1)
    assert span.end == pytest.approx(2 * SECONDS, abs=0.1)


def test_a_fragment_in_packets_says_when_it_plays(packets: bytes) -> None:
    span = timing.span_of_packets(packets)

    assert span is not None
    # Several frames of sound are in one unit; the length of the last one is estimated.
    assert span.end - span.start == pytest.approx(SECONDS, abs=0.3)


def test_a_fragment_is_moved_and_moved_back(
    tracks: dict[int, timing.Track], fragment: bytes
) -> None:
    later = timing.moved(fragment, timing.runs_of(fragment, tracks), 10.0)
    runs = timing.runs_of(later, tracks)
    span = timing.span_of(runs)

    assert span is not None
    assert span.start == pytest.approx(SECONDS + 10, abs=0.1)
    assert timing.moved(later, runs, -10.0) == fragment


def test_a_time_that_does_not_fit_is_malformed(
    tracks: dict[int, timing.Track], fragment: bytes
) -> None:
    with pytest.raises(timing.Malformed):
        timing.moved(fragment, timing.runs_of(fragment, tracks), 1e18)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_cut_fragment_is_malformed(
    tracks: dict[int, timing.Track], fragment: bytes, packets: bytes, share: float
) -> None:
    with pytest.raises(timing.Malformed):
        timing.runs_of(fragment[: int(len(fragment) * share)], tracks)
    with pytest.raises(timing.Malformed):
        timing.span_of_packets(packets[: int(len(packets) * share) // 188 * 188 + 100])


def test_what_follows_the_boxes_or_packets_is_nobodys_fault(
    tracks: dict[int, timing.Track], fragment: bytes, packets: bytes
) -> None:
    assert timing.runs_of(fragment + b"\n" * 20, tracks) == timing.runs_of(fragment, tracks)
    assert timing.span_of_packets(packets + b"\n" * 20) == timing.span_of_packets(packets)


@given(data=st.data())
def test_no_change_of_a_fragment_breaks_the_reading(folder: Path, data: st.DataObject) -> None:
    beginning, fragment, packets = (
        bytearray((folder / name).read_bytes()[:3000]) for name in ("init.mp4", "fmp41", "mpegts1")
    )
    for content in (beginning, fragment, packets):
        for _ in range(data.draw(st.integers(1, 20))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        tracks, _ = timing.without_beginning(bytes(beginning))
        runs = timing.runs_of(bytes(fragment), tracks)
        timing.span_of(runs)
        timing.moved(bytes(fragment), runs, 1.0)
        timing.span_of_packets(bytes(packets))
    except timing.Malformed:
        pass
