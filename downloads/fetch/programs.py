"""Where ffmpeg and the JavaScript runtime are: the system's first, else from their wheels.

No Django here, and yt-dlp is not imported: the dashboard and `doctor` ask as well.
"""

import functools
import os
import shutil
from pathlib import Path

SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"


def _search_path() -> str:
    return os.environ.get("PATH", SEARCH_PATH)


@functools.cache
def find_ffmpeg() -> Path | None:
    """The path of ffmpeg; None when neither the system nor imageio-ffmpeg has one."""
    found = shutil.which("ffmpeg", path=_search_path())
    if found:
        return Path(found).resolve()
    try:
        import imageio_ffmpeg

        return Path(imageio_ffmpeg.get_ffmpeg_exe()).resolve()
    except (ImportError, RuntimeError):
        return None


@functools.cache
def find_deno() -> Path | None:
    """The path of deno, which solves YouTube's JavaScript challenges; None when it is missing."""
    try:
        import deno

        return Path(deno.find_deno_bin()).resolve()
    except (ImportError, FileNotFoundError):
        found = shutil.which("deno", path=_search_path())
        return Path(found).resolve() if found else None


def media_tools(ffmpeg: Path) -> list[Path]:
    """ffmpeg, and the ffprobe that lies beside it when there is one."""
    probe = ffmpeg.with_name(ffmpeg.name.replace("ffmpeg", "ffprobe"))
    return [ffmpeg, probe] if probe.exists() else [ffmpeg]
