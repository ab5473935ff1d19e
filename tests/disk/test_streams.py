"""What the bytes of a media file say of its picture and its sound."""

import io
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.disk.streams import Streams, streams_of

PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=128x72:rate=25"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440"]
VIDEO = {"width": 128, "height": 72}
MADE: dict[str, tuple[list[str], Streams | None]] = {
    "film.mp4": ([*PICTURES, *SOUND], Streams(video_codec="h264", audio_codec="aac", **VIDEO)),
    "silent.mp4": (PICTURES, Streams(video_codec="h264", **VIDEO)),
    "parts.mp4": (
        [*PICTURES, *SOUND, "-movflags", "frag_keyframe+empty_moov"],
        Streams(video_codec="h264", audio_codec="aac", **VIDEO),
    ),
    "sound.mp4": (SOUND, Streams(audio_codec="aac")),
    "sound.m4a": (SOUND, Streams(audio_codec="aac")),
    "film.mkv": (
        [*PICTURES, *SOUND, "-c:a", "aac"],
        Streams(video_codec="h264", audio_codec="aac", **VIDEO),
    ),
    "silent.mkv": (PICTURES, Streams(video_codec="h264", **VIDEO)),
    "film.webm": (
        [*PICTURES, *SOUND, "-c:v", "libvpx", "-c:a", "libopus"],
        Streams(video_codec="vp8", audio_codec="opus", **VIDEO),
    ),
    "sound.opus": (SOUND, Streams(audio_codec="opus")),
    "sound.ogg": (SOUND, Streams(audio_codec="vorbis")),
    "sound.mp3": (SOUND, Streams(audio_codec="mp3")),
    "sound.flac": (SOUND, Streams(audio_codec="flac")),
    "film.ts": ([*PICTURES, *SOUND], None),
    "sound.wav": (SOUND, None),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    folder = tmp_path_factory.mktemp("streams")
    for name, (arguments, _) in MADE.items():
        command = ["ffmpeg", "-v", "error", *arguments, "-t", "0.2", str(folder / name)]
        subprocess.run(command, check=True)
    return folder


@pytest.mark.parametrize("name", MADE)
def test_a_file_tells_its_picture_and_its_sound(made: Path, name: str) -> None:
    content = (made / name).read_bytes()

    assert streams_of(io.BytesIO(content), size=len(content)) == MADE[name][1]


@given(st.binary(max_size=300), st.sampled_from(["film.mp4", "film.mkv", "sound.opus"]))
def test_bytes_that_were_tampered_with_raise_nothing(content: bytes, name: str) -> None:
    head = {"film.mp4": b"\0\0\1\x30moovhdlr", "film.mkv": b"\x1a\x45\xdf\xa3\x42\x82\x84webm"}

    whole = head.get(name, b"OggS") + content

    streams_of(io.BytesIO(whole), size=len(whole))


def test_an_index_of_half_tracks_is_searched_once() -> None:
    index = b"hdlr" + b"\0" * 8 + b"vide" + b"hdlr\0\0\0\0\0\0\0\0vide" * 200_000
    head = b"\0\0\0\x10ftypisom\0\0\0\0"
    film = head + (len(index) + 8).to_bytes(4) + b"moov" + index

    began = time.process_time()
    assert streams_of(io.BytesIO(film), size=len(film)) is None

    assert time.process_time() - began < 5
