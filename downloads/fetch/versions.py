"""Keeps what ffmpeg and ffprobe say of themselves from one start to the next.

yt-dlp asks both, one after the other, which takes a sixth of the fork server's start.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor import ffmpeg

from downloads.disk import kept

MOST = 16  # programs that are kept: each new version is another


@contextmanager
def remembered(path: Path | None) -> Iterator[None]:
    """Answer yt-dlp's questions from a file while this holds, and add to it what is not there yet.

    A program counts as the same as long as its file is. A file that cannot be read or written only
    costs the time of asking. None: everything is asked.
    """
    ask = ffmpeg._get_exe_version_output
    said_before = kept.read(path) if path else {}
    known = {key: said for key, said in said_before.items() if isinstance(said, str)}
    before = dict(known)

    def tell(program: str, arguments: list[str], **how: Any) -> Any:
        key = _key(program, arguments)
        if key is None:
            return ask(program, arguments, **how)
        if key not in known:
            said = ask(program, arguments, **how)
            if not said:
                return said
            known[key] = said
        return known[key]

    ffmpeg._get_exe_version_output = tell
    try:
        yield
    finally:
        ffmpeg._get_exe_version_output = ask
    if path and known != before:
        kept.keep(path, dict(list(known.items())[-MOST:]))


def _key(program: str, arguments: list[str]) -> str | None:
    """Return what changes with the program's file; None: there is none."""
    try:
        file = Path(program).resolve(strict=True)
        about = file.stat()
    except OSError:
        return None
    return " ".join([f"{file}", *arguments, f"{about.st_size}", f"{about.st_mtime_ns}"])
