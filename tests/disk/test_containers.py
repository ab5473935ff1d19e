"""What a file is by its content: real files of every container, cut ones, and ones that lie."""

import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from downloads.disk.containers import (
    AAC,
    AC3,
    AIFF,
    AVI,
    CONTAINERS,
    CORE_AUDIO,
    FLAC,
    FLASH,
    MATROSKA,
    MP3,
    MP4,
    OGG,
    PROGRAM_STREAM,
    TRANSPORT_STREAM,
    WAVE,
    WEBM,
    WINDOWS_MEDIA,
    Container,
    container_of,
    looks_whole,
)
from downloads.disk.names import MEDIA_TYPES

PICTURES = ["-f", "lavfi", "-i", "testsrc2=size=352x288:rate=25"]
SOUND = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100"]
# How each is made, and what it is; those that say how long they are come first.
MADE: dict[str, tuple[list[str], Container]] = {
    "a.mp4": ([*PICTURES, *SOUND], MP4),
    "front.mp4": ([*PICTURES, "-movflags", "+faststart"], MP4),
    "parts.mp4": ([*PICTURES, "-movflags", "frag_keyframe+empty_moov"], MP4),
    "a.m4a": (SOUND, MP4),
    "a.mov": (PICTURES, MP4),
    "a.mkv": ([*PICTURES, *SOUND], MATROSKA),
    "a.webm": ([*PICTURES, "-c:v", "libvpx", "-deadline", "realtime"], WEBM),
    "a.avi": (PICTURES, AVI),
    "a.wav": (SOUND, WAVE),
    "a.aiff": (SOUND, AIFF),
    "a.mpg": (PICTURES, PROGRAM_STREAM),
    "a.ts": (PICTURES, TRANSPORT_STREAM),
    "a.flv": (PICTURES, FLASH),
    "a.flac": (SOUND, FLAC),
    "a.ogg": (SOUND, OGG),
    "a.opus": (SOUND, OGG),
    "a.mp3": (SOUND, MP3),
    "untagged.mp3": ([*SOUND, "-id3v2_version", "0", "-write_xing", "0"], MP3),
    "a.aac": (SOUND, AAC),
    "a.ac3": (SOUND, AC3),
    "a.caf": (SOUND, CORE_AUDIO),
    "a.wma": (SOUND, WINDOWS_MEDIA),
    "a.wmv": ([*PICTURES, *SOUND], WINDOWS_MEDIA),
}
SAY_THEIR_LENGTH = list(MADE)[:10]
STATE_THEIR_END = {*SAY_THEIR_LENGTH} - {"parts.mp4"}  # its parts say it, each of itself


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed: apt-get install ffmpeg")
    folder = tmp_path_factory.mktemp("containers")
    for name, (arguments, _) in MADE.items():
        command = ["ffmpeg", "-v", "error", *arguments, "-t", "1", str(folder / name)]
        subprocess.run(command, check=True)
    return {name: (folder / name).read_bytes() for name in MADE}


def is_whole(content: bytes, container: Container) -> bool | None:
    return looks_whole(io.BytesIO(content), container, size=len(content))


@pytest.mark.parametrize("name", MADE)
def test_a_file_is_known_by_its_content(made: dict[str, bytes], name: str) -> None:
    container = container_of(io.BytesIO(made[name]))

    assert container == MADE[name][1]
    assert Path(name).suffix in container.suffixes
    assert is_whole(made[name], container) is (True if name in STATE_THEIR_END else None)


@pytest.mark.parametrize("name", SAY_THEIR_LENGTH)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_file_that_says_its_length_is_known_to_be_cut(
    made: dict[str, bytes], name: str, share: float
) -> None:
    half = made[name][: int(len(made[name]) * share)]

    container = container_of(io.BytesIO(half))

    assert container == MADE[name][1]
    assert is_whole(half, container) is False


def test_a_film_without_its_index_is_not_whole(made: dict[str, bytes]) -> None:
    """ffmpeg writes the index last: cut in front of it, every box is as long as it says."""
    film = made["a.mp4"]

    assert not is_whole(film[: film.rindex(b"moov") - 4], MP4)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"\0",
        b"<!doctype html><html>",
        b'<svg xmlns="http://www.w3.org/2000/svg">',
        b"#!/bin/sh\n",
        b"[Desktop Entry]\n",
        b"[InternetShortcut]\n",
        b"MZ\x90\0\x03",
        b"\x7fELF\x02\x01\x01\0",
        b"PK\x03\x04",
        b"%PDF-1.7\n",
        b"GIF89a\x01\0\x01\0",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"RIFF\x24\0\0\0WEBPVP8 ",
        b"\0\0\0\x1cftypavif\0\0\0\0",
        b"\0\0\0\x1cftypheic\0\0\0\0",
        b"\x1a\x45\xdf\xa3\x9f\x42\x82\x84doc\0",
    ],
)
def test_everything_else_is_nothing_that_is_published(beginning: bytes) -> None:
    assert container_of(io.BytesIO(beginning + b"\0" * 1000)) is None


def test_a_tag_in_front_of_sound_is_passed_over(made: dict[str, bytes]) -> None:
    tag = b"ID3\x04\0\0" + bytes([0, 0, 2, 0]) + b"\0" * 256

    assert container_of(io.BytesIO(tag + made["a.aac"])) == AAC
    assert container_of(io.BytesIO(tag + made["a.flac"])) == FLAC
    assert container_of(io.BytesIO(tag + b"?")) == MP3


@given(
    st.binary(max_size=400), st.sampled_from([b"", b"\0\0\0\x08ftyp", b"\x1a\x45\xdf\xa3", b"RIFF"])
)
def test_no_bytes_raise_anything(content: bytes, beginning: bytes) -> None:
    file = io.BytesIO(beginning + content)

    container_of(file)

    for container in CONTAINERS:
        looks_whole(file, container, size=len(beginning + content))


def test_a_film_of_very_many_boxes_is_given_up() -> None:
    boxes = b"\0\0\0\x08free" * 200_000

    assert is_whole(boxes, MP4) is False


@pytest.mark.parametrize("container", CONTAINERS, ids=lambda container: container.suffixes[0])
def test_every_container_may_be_published(container: Container) -> None:
    assert set(container.suffixes) <= set(MEDIA_TYPES)


def test_whatever_may_be_published_is_a_known_container() -> None:
    assert {suffix for each in CONTAINERS for suffix in each.suffixes} == set(MEDIA_TYPES)
