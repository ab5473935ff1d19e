"""Verifies every file before it is published: COMPLETED means complete.

yt-dlp reports success after a truncated body without a length and after other losses. Where the
transport proved nothing, ffmpeg reads the container to its end and durations are compared.
"""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import IO

from downloads.disk.containers import (
    CONTAINERS,
    Container,
    container_of,
    looks_whole,
)
from downloads.disk.endings import ends_in_the_middle
from downloads.disk.library import open_finished
from downloads.disk.names import MEDIA_TYPES, NotMedia
from downloads.disk.streams import Streams, streams_of
from downloads.fetch.protocol import ManifestFile
from downloads.rules.states import Role
from downloads.sandbox.guard import without_network
from downloads.sandbox.limits import before_program
from downloads.sandbox.programs import find_ffmpeg

BLOCK_BYTES = 2**20
LOOK_TIMEOUT_SECONDS = 60
READ_THROUGH_TIMEOUT_SECONDS = 3600
# A container's duration is that of its longest stream; the packets of a complete stream may still
# end this much earlier.
TOLERANCE_SECONDS = 1.5
TOLERANCE_SHARE = 0.03

DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")
REACHED = re.compile(r"time=(\d+):(\d+):(\d+(?:\.\d+)?)")
INPUT = re.compile(r"^Input #0, ([a-z0-9_,]+), from ", re.MULTILINE)


class Incomplete(Exception):
    """A file is incomplete. The message says how."""


def describe(path: Path) -> ManifestFile:
    """Read a finished media file once and describe it by its content, whatever its name says.

    Raises RefusedFile for anything but a regular file with one link (planted links are not
    followed), Incomplete for an empty file or a text, NotMedia for a type that is not on the list.
    """
    with open_finished(path) as file:
        container = _container_of(file, path)
        streams = streams_of(file, size=os.fstat(file.fileno()).st_size)
    suffix = path.suffix.lower()
    media_type = MEDIA_TYPES[suffix if suffix in container.suffixes else container.suffixes[0]]
    is_sound = media_type.startswith("audio/") or (streams and not streams.video_codec)
    return manifest_of(path, media_type=media_type, role=Role.AUDIO if is_sound else Role.VIDEO)


def manifest_of(path: Path, *, media_type: str, role: Role, language: str = "") -> ManifestFile:
    """Describe a file whose content was judged, with its size and hash. Raises RefusedFile."""
    with open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
        digest = hashlib.file_digest(file, "sha256")
    return ManifestFile(
        name=path.name,
        size=size,
        sha256=digest.hexdigest(),
        media_type=media_type,
        role=role,
        language=language,
    )


def is_whole(path: Path) -> bool | None:
    """Whether a finished file is as long as its container says; None when that says nothing.

    Costs a few reads and no process. A site may announce the length of half a file.
    """
    with open_finished(path) as file:
        container = container_of(file)
        size = os.fstat(file.fileno()).st_size
        return looks_whole(file, container, size=size) if container else None


def require_its_end(path: Path) -> None:
    """Raise Incomplete for a file that ends in the middle of a packet, a page or a frame.

    For one that nothing proves: a file whose length was announced may have been made like that.
    """
    with open_finished(path) as file:
        container = container_of(file)
        size = os.fstat(file.fileno()).st_size
        if container is not None and ends_in_the_middle(file, container, size=size):
            raise Incomplete(f"{path.name} ends in the middle of something")


def streams_in(path: Path) -> Streams | None:
    """The picture and the sound of a finished file; None when its bytes do not tell them."""
    with open_finished(path) as file:
        return streams_of(file, size=os.fstat(file.fileno()).st_size)


def _container_of(file: IO[bytes], path: Path) -> Container:
    """Recognise the container by its bytes, or (rarely needed) by asking ffmpeg."""
    head = file.read(BLOCK_BYTES)
    if not head:
        raise Incomplete("The downloaded file is empty")
    if is_text(head):
        raise Incomplete("The site delivered a text instead of a video")
    container = container_of(file) or _ask_ffmpeg(path)
    if container is None:
        raise NotMedia("The site delivered something that is no video and no sound")
    return container


def _ask_ffmpeg(path: Path) -> Container | None:
    """Return the container that ffmpeg finds; None for one that is not published."""
    looked = run_ffmpeg(["-i", f"file:{path}"], LOOK_TIMEOUT_SECONDS)
    found = INPUT.search(looked.stderr) if looked else None
    return next((each for each in CONTAINERS if found and each.demuxer == found[1]), None)


def is_text(beginning: bytes) -> bool:
    """Whether a file begins like a web page or an error message.

    Every media format has a control byte other than white space in its first 512 bytes."""
    head = beginning[:512]
    return not any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in head)


def read_through(path: Path, *, announced_seconds: float | None) -> None:
    """Read a container to its end and compare durations. Raises Incomplete.

    `announced_seconds` is the duration that the site stated; None when it did not, or when
    something better proves the end: what a page states is often wrong. Does nothing without
    ffmpeg: a file that cannot be checked is not refused.
    """
    read = _read_all(path)
    if read is None:
        return
    if read.returncode:
        raise Incomplete(f"ffmpeg cannot read {path.name} to its end")
    compare_durations(
        declared=_seconds(DURATION, read.stderr),
        reached=_seconds(REACHED, read.stderr),
        announced=announced_seconds,
    )


def playable_seconds(path: Path) -> float | None:
    """How long a file can be played; None for one that cannot, and without ffmpeg."""
    read = _read_all(path)
    return _seconds(REACHED, read.stderr) if read and not read.returncode else None


def _read_all(path: Path) -> subprocess.CompletedProcess[str] | None:
    """Have ffmpeg read a container to its end; None without ffmpeg."""
    # Without -xerror ffmpeg reports success for a file that was cut in the middle. Without
    # -ignore_unknown it refuses a file in which one stream is of a type that it lacks.
    command = ["-xerror", "-i", f"file:{path}", "-map", "0", "-ignore_unknown", "-c", "copy"]
    return run_ffmpeg([*command, "-f", "null", "-"], READ_THROUGH_TIMEOUT_SECONDS)


def run_ffmpeg(
    arguments: list[str], timeout_seconds: float
) -> subprocess.CompletedProcess[str] | None:
    """Run ffmpeg on local files; it dies with the child. None without ffmpeg.

    Raises subprocess.TimeoutExpired.
    """
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        return None
    return subprocess.run(  # noqa: S603 — our own command
        without_network([str(ffmpeg), "-nostdin", "-hide_banner", *arguments]),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
        preexec_fn=before_program(os.getpid()),
    )


def compare_durations(
    *, declared: float | None, reached: float | None, announced: float | None
) -> None:
    """Raise Incomplete when the end was not reached. All in seconds; None means not known."""
    if reached is None:
        return
    for what, expected in (("the file declares", declared), ("the site announced", announced)):
        if expected is None:
            continue
        if reached < expected - max(TOLERANCE_SECONDS, expected * TOLERANCE_SHARE):
            raise Incomplete(f"{reached:.1f} s can be played, but {what} {expected:.1f} s")


def _seconds(pattern: re.Pattern[str], text: str) -> float | None:
    """Return the last matching time in the text, in seconds; None without one."""
    found = pattern.findall(text)
    if not found:
        return None
    hours, minutes, seconds = found[-1]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
