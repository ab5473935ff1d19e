"""COMPLETED means complete: what must be true of every file before it is published.

yt-dlp says 0 after a truncated body without a length and after other losses. Where the transport
proved nothing, the container is read through with ffmpeg and its durations are compared.
"""

import hashlib
import os
import re
import subprocess
from pathlib import Path

from downloads.fetch.guard import without_network
from downloads.fetch.limits import before_program
from downloads.fetch.messages import ManifestFile
from downloads.fetch.programs import find_ffmpeg
from downloads.library import media_type_of, open_finished

BLOCK_BYTES = 2**20
READ_THROUGH_TIMEOUT_SECONDS = 3600
# A container's duration is that of its longest stream; the last packets of a stream that was cut
# by nobody may still be this much shorter.
TOLERANCE_SECONDS = 1.5
TOLERANCE_SHARE = 0.03

DURATION = re.compile(r"Duration: (\d+):(\d+):(\d+(?:\.\d+)?)")
REACHED = re.compile(r"time=(\d+):(\d+):(\d+(?:\.\d+)?)")


class Incomplete(Exception):
    """A file is not all that it should be. The message says in what."""


def describe(path: Path) -> ManifestFile:
    """Read a finished file once and say what it is.

    Raises Refused for anything but a regular file with one link (what somebody planted is not
    followed), Incomplete when it is empty or a text, NotMedia for a type that is not on the list.
    """
    with open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size == 0:
            raise Incomplete("The downloaded file is empty")
        digest = hashlib.sha256()
        while block := file.read(BLOCK_BYTES):
            if file.tell() == len(block) and is_text(block):
                raise Incomplete("The site delivered a text instead of a video")
            digest.update(block)
    return ManifestFile(
        name=path.name,
        size=size,
        sha256=digest.hexdigest(),
        media_type=media_type_of(path.name),
    )


def is_text(beginning: bytes) -> bool:
    """Whether a file begins like a web page or an error message: no media format has no byte
    below 0x20 but white space in its first 512."""
    head = beginning[:512]
    return not any(byte < 0x20 and byte not in b"\t\n\r\f" for byte in head)


def read_through(path: Path, *, announced_seconds: float | None) -> None:
    """Read a container to its end and compare durations; Incomplete when something is missing.

    `announced_seconds` is the duration that the site said, or None. Does nothing without ffmpeg:
    what cannot be checked is not refused.
    """
    ffmpeg = find_ffmpeg()
    if ffmpeg is None:
        return
    # Without -xerror ffmpeg says 0 after a file that was cut in the middle.
    command = [str(ffmpeg), "-nostdin", "-hide_banner", "-xerror", "-i", f"file:{path}"]
    command += ["-map", "0", "-c", "copy", "-f", "null", "-"]
    finished = subprocess.run(  # noqa: S603 — our own command
        without_network(command),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=READ_THROUGH_TIMEOUT_SECONDS,
        check=False,
        preexec_fn=before_program(os.getpid()),  # it dies with the child
    )
    if finished.returncode:
        raise Incomplete(f"ffmpeg cannot read {path.name} to its end")
    compare_durations(
        declared=_seconds(DURATION, finished.stderr),
        reached=_seconds(REACHED, finished.stderr),
        announced=announced_seconds,
    )


def compare_durations(
    *, declared: float | None, reached: float | None, announced: float | None
) -> None:
    """All in seconds, None where not known. Raises Incomplete when the end was not reached."""
    if reached is None:
        return
    for what, expected in (("the file declares", declared), ("the site announced", announced)):
        if expected is None:
            continue
        if reached < expected - max(TOLERANCE_SECONDS, expected * TOLERANCE_SHARE):
            raise Incomplete(f"{reached:.1f} s can be played, but {what} {expected:.1f} s")


def _seconds(pattern: re.Pattern[str], text: str) -> float | None:
    """The last time in the text that matches, in seconds."""
    found = pattern.findall(text)
    if not found:
        return None
    hours, minutes, seconds = found[-1]
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
