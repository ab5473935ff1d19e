"""Finds ffmpeg and the JavaScript runtime: the system's first, else those from their wheels.

No Django here, and yt-dlp is not imported: the dashboard and `doctor` ask as well.
"""

import functools
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LOOK_SECONDS = 1.0
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"
# ffmpeg's words for a stream that a container cannot hold; its last line does not say it.
MISFIT = re.compile(
    r"^.*(?:Could not find tag for codec|Subtitle codec .* is not supported"
    r"|in MP4 support is experimental|are supported for WebM).*$",
    re.MULTILINE,
)


class ProgramHangs(Exception):
    """A program that the child started does nothing any more. The message says which."""


class ProgramKilled(Exception):
    """A program that the child started did not end by itself. The message says what killed it."""


class ProgramWroteTooMuch(Exception):
    """A program that the child started reached the limit on the size of a file."""


class DoesNotFit(Exception):
    """Streams do not fit: into a container, or after one another. The message says which."""


def _search_path() -> str:
    return os.environ.get("PATH", SEARCH_PATH)


@functools.cache
def find_ffmpeg() -> Path | None:
    """Return the path of ffmpeg, or None when neither the system nor imageio-ffmpeg has one.

    It may be a link (Debian's alternatives, Homebrew, Nix). yt-dlp looks for ffprobe beside it; a
    link without an ffprobe beside it is followed to the program, which may have one.
    """
    if found := shutil.which("ffmpeg", path=_search_path()):
        ffmpeg = Path(found).absolute()
        return ffmpeg if _ffprobe_of(ffmpeg).exists() else ffmpeg.resolve()
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
    except (ImportError, RuntimeError):
        return None


def _ffprobe_of(ffmpeg: Path) -> Path:
    return ffmpeg.with_name(ffmpeg.name.replace("ffmpeg", "ffprobe"))


@functools.cache
def find_deno() -> Path | None:
    """Return the path of deno, which solves YouTube's challenges, or None when it is missing."""
    try:
        import deno

        return Path(deno.find_deno_bin()).resolve()
    except (ImportError, FileNotFoundError):
        found = shutil.which("deno", path=_search_path())
        return Path(found).resolve() if found else None


def runtime_of(extractors: Path | None) -> Path | None:
    """Return the deno that a set of extractors brings along, else the one that is found."""
    own = extractors and extractors / "bin" / "deno"
    return own.resolve() if own and own.is_file() else find_deno()


def media_tools(ffmpeg: Path) -> list[Path]:
    """Return the programs behind ffmpeg and the ffprobe beside it, links resolved.

    The guard and Landlock judge a program by its resolved path.
    """
    tools = (ffmpeg, _ffprobe_of(ffmpeg))
    return [tool.resolve() for tool in tools if tool.exists()]


def watched(
    wrapped: Callable[..., Any],
    *,
    stall_seconds: float,
    before_waiting: Callable[[], None] = lambda: None,
) -> Any:
    """Wrap `communicate` of yt-dlp's `Popen`: raises ProgramKilled after a program was killed,
    ProgramWroteTooMuch when that was for the size of its file, ProgramHangs when it read and
    wrote nothing for so long, and DoesNotFit when ffmpeg failed at that.

    yt-dlp would wait for ever, and take the silence of a killed ffprobe for its answer: that a file
    has no sound, or that ffmpeg is missing. Of an error it keeps the last line alone.
    """

    def communicate(self: Any, input: Any = None, timeout: float | None = None) -> Any:
        before_waiting()
        name = Path(os.fsdecode(self.args[0])).name
        end_at = math.inf if timeout is None else time.monotonic() + timeout
        did, did_at = b"", time.monotonic()
        while True:
            try:
                said = wrapped(self, input, min(LOOK_SECONDS, end_at - time.monotonic()))
                break
            except subprocess.TimeoutExpired:
                input = None  # it was handed over
                now = time.monotonic()
                if now >= end_at:
                    raise
                does = _input_and_output(self.pid)
                if does != did:
                    did, did_at = does, now
                elif now - did_at > stall_seconds:
                    raise ProgramHangs(f"{name} did nothing for {now - did_at:.0f} s") from None
        _judge(name, self.returncode, said[1])
        return said

    return communicate


def _judge(name: str, code: int | None, errors: str | bytes | None) -> None:
    """Raise what the end of a program means, unless yt-dlp understands it itself."""
    if code == -signal.SIGXFSZ:
        raise ProgramWroteTooMuch(f"{name} wrote more than a download may have")
    if code is not None and code < 0:
        raise ProgramKilled(f"{name} was killed by {signal.Signals(-code).name}")
    if code and (misfit := MISFIT.search(_text(errors))):
        raise DoesNotFit(misfit[0].partition("] ")[2] or misfit[0])


def _text(errors: str | bytes | None) -> str:
    return errors.decode(errors="replace") if isinstance(errors, bytes) else errors or ""


def _input_and_output(pid: int) -> bytes:
    """The counters of what a process read and wrote; b"" when it is just ending."""
    try:
        return Path(f"/proc/{pid}/io").read_bytes()
    except OSError:
        return b""
