"""COMPLETED means complete: real media, cut and changed in every way that a transport allows."""

import hashlib
import io
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from downloads.disk.containers import container_of
from downloads.disk.library import RefusedFile
from downloads.disk.names import NotMedia
from downloads.fetch.verify import (
    Incomplete,
    compare_durations,
    describe,
    is_text,
    is_whole,
    read_through,
)
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import Canary


def cut(path: Path, target: Path, share: float) -> Path:
    content = path.read_bytes()
    target.write_bytes(content[: int(len(content) * share)])
    return target


# describe


def test_a_file_is_described_by_size_hash_and_type(media_server: MediaServer) -> None:
    path = media_server.file("video.mp4")

    described = describe(path)

    assert described.name == "video.mp4"
    assert described.size == path.stat().st_size
    assert described.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert described.media_type == "video/mp4"


def test_a_large_file_is_hashed_whole(tmp_path: Path) -> None:
    content = b"\0\0\0\x08ftyp" + b"\0" * (3 * 2**20) + b"end"
    (tmp_path / "a.mp4").write_bytes(content)

    assert describe(tmp_path / "a.mp4").sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "content",
    [
        b"<!doctype html><html></html>",
        "\ufeff{“error”: 404}\n".encode(),
        b"#EXTM3U\r\n",
        b"\t\f a",
    ],
)
def test_a_text_is_no_video(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)

    with pytest.raises(Incomplete, match="a text instead of a video"):
        describe(tmp_path / "a.mp4")


@pytest.mark.parametrize(
    "name", ["video.mp4", "audio.m4a", "big.mp4", "hls/segment-0.ts", "small.mp4"]
)
def test_media_are_no_text(media_server: MediaServer, name: str) -> None:
    assert not is_text(media_server.file(name).read_bytes())


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()

    with pytest.raises(Incomplete, match="empty"):
        describe(tmp_path / "a.mp4")


@pytest.mark.parametrize("name", ["a.desktop", "a.mp4"])
def test_what_is_no_media_is_refused_whatever_its_name_says(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\0\1\2" * 1000)

    with pytest.raises(NotMedia, match="no video and no sound"):
        describe(tmp_path / name)


@pytest.mark.parametrize(
    ("source", "name", "media_type"),
    [
        ("video.mp4", "a.html", "video/mp4"),
        ("video.mp4", "a.webm", "video/mp4"),
        ("audio.m4a", "a.m4a", "audio/mp4"),
        ("audio.m4a", "a", "video/mp4"),  # sound is shown by what shows pictures
        ("hls/segment-0.ts", "a.mp4", "video/mp2t"),
    ],
)
def test_the_content_decides_the_type(
    media_server: MediaServer, tmp_path: Path, source: str, name: str, media_type: str
) -> None:
    shutil.copy(media_server.file(source), tmp_path / name)

    assert describe(tmp_path / name).media_type == media_type


def test_what_only_ffmpeg_can_tell_is_told_by_it(media_server: MediaServer, tmp_path: Path) -> None:
    """Sound that was cut out of a stream begins in the middle of a frame."""
    command = ["ffmpeg", "-v", "error", "-i", media_server.file("audio.m4a"), tmp_path / "a.mp3"]
    subprocess.run(command, check=True)
    begun = (tmp_path / "a.mp3").read_bytes()[700:]
    assert container_of(io.BytesIO(begun)) is None
    (tmp_path / "b").write_bytes(begun)

    assert describe(tmp_path / "b").media_type == "audio/mpeg"


# is_whole


@pytest.mark.parametrize("share", [0.3, 0.5, 0.99])
def test_what_its_own_boxes_say_is_cut(
    media_server: MediaServer, tmp_path: Path, share: float
) -> None:
    whole = media_server.file("big.mp4")

    assert is_whole(whole)
    assert is_whole(cut(whole, tmp_path / "a.mp4", share)) is False


@pytest.mark.parametrize(
    "plant",
    [
        lambda path, secret: path.symlink_to(secret),
        lambda path, secret: path.hardlink_to(secret),
        lambda path, secret: os.mkfifo(path),
        lambda path, secret: path.mkdir(),
        lambda path, secret: os.mknod(path, stat.S_IFSOCK | 0o600),
    ],
    ids=["symlink", "hard link", "pipe", "directory", "socket"],
)
@pytest.mark.timeout(20)
def test_what_somebody_planted_is_refused(
    tmp_path: Path, plant: Callable[[Path, Path], None]
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"\0secret")
    plant(tmp_path / "a.mp4", secret)

    with pytest.raises(RefusedFile, match="not a regular file"):
        describe(tmp_path / "a.mp4")


# read_through


@pytest.mark.parametrize(
    ("name", "seconds"), [("video.mp4", 2.0), ("audio.m4a", 2.0), ("big.mp4", 5.0)]
)
def test_a_whole_file_is_complete(media_server: MediaServer, name: str, seconds: float) -> None:
    read_through(media_server.file(name), announced_seconds=seconds)
    read_through(media_server.file(name), announced_seconds=None)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 0.99])
def test_an_mp4_that_was_cut_is_incomplete(
    media_server: MediaServer, tmp_path: Path, share: float
) -> None:
    path = cut(media_server.file("big.mp4"), tmp_path / "a.mp4", share)

    with pytest.raises(Incomplete):
        read_through(path, announced_seconds=None)


def transport_stream(media_server: MediaServer, target: Path) -> Path:
    """All of /hls/ as one file: a container that nothing but its duration says is cut."""
    segments = [media_server.file(f"hls/segment-{number}.ts") for number in range(3)]
    target.write_bytes(b"".join(segment.read_bytes() for segment in segments))
    return target


def test_a_stream_that_ends_early_is_shorter_than_the_site_announced(
    media_server: MediaServer, tmp_path: Path
) -> None:
    whole = transport_stream(media_server, tmp_path / "whole.ts")
    short = cut(whole, tmp_path / "short.ts", 0.34)

    read_through(whole, announced_seconds=3.0)
    with pytest.raises(Incomplete, match=r"can be played, but the site announced 3\.0 s"):
        read_through(short, announced_seconds=3.0)


def test_a_matroska_file_that_was_cut_is_incomplete(
    media_server: MediaServer, tmp_path: Path
) -> None:
    whole = tmp_path / "whole.mkv"
    command = ["ffmpeg", "-v", "error", "-i", media_server.file("big.mp4"), "-c", "copy", whole]
    subprocess.run(command, check=True)

    read_through(whole, announced_seconds=None)
    with pytest.raises(Incomplete):
        read_through(cut(whole, tmp_path / "cut.mkv", 0.5), announced_seconds=None)


def test_a_container_of_garbage_is_incomplete(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(Random(0).randbytes(100_000))

    with pytest.raises(Incomplete, match="cannot read"):
        read_through(tmp_path / "a.mp4", announced_seconds=None)


def test_a_file_that_is_a_playlist_reaches_nobody(tmp_path: Path, canary: Canary) -> None:
    playlist = f"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:{canary.port}/a.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "a.mp4").write_text(playlist)

    with pytest.raises(Incomplete):
        read_through(tmp_path / "a.mp4", announced_seconds=None)


# compare_durations


@pytest.mark.parametrize(
    ("declared", "reached", "announced"),
    [
        (None, None, None),
        (10.0, None, 10.0),  # nothing was measured
        (10.0, 10.0, 10.0),
        (10.0, 8.5, None),
        (None, 8.5, 10.0),
        (100.0, 97.0, 100.0),
        (3600.0, 3492.0, 3600.0),
        (10.0, 60.0, 10.0),  # more than announced is not a loss
        (0.0, 0.0, 0.0),
        (None, 5.0, None),
    ],
)
def test_durations_that_agree(
    declared: float | None, reached: float | None, announced: float | None
) -> None:
    compare_durations(declared=declared, reached=reached, announced=announced)


@pytest.mark.parametrize(
    ("declared", "reached", "announced", "said"),
    [
        (10.0, 8.4, None, "the file declares 10.0 s"),
        (None, 8.4, 10.0, "the site announced 10.0 s"),
        (8.4, 8.4, 60.0, "the site announced 60.0 s"),
        (100.0, 96.9, 100.0, "the file declares 100.0 s"),
        (10.0, 0.0, None, "the file declares 10.0 s"),
    ],
)
def test_durations_that_do_not(
    declared: float | None, reached: float | None, announced: float | None, said: str
) -> None:
    with pytest.raises(Incomplete, match=said):
        compare_durations(declared=declared, reached=reached, announced=announced)
