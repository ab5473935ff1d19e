"""Joins the parts of a stream that changes its form: another resolution, another encoder.

Appended to one another, the second part of an MP4 would be decoded with the first one's settings.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise, zip_longest
from pathlib import Path
from typing import IO

from downloads.disk.timing import Track
from downloads.fetch.verify import READ_THROUGH_TIMEOUT_SECONDS, run_ffmpeg
from downloads.sandbox.programs import DoesNotFit

# Their pictures may carry settings of their own. ffmpeg moves those of AVC into the pictures.
CARRY_SETTINGS = frozenset({b"avc1", b"avc3", b"vp09"})


@dataclass(frozen=True, kw_only=True)
class Part:
    """Where a part begins that does not have the form of the one before, or its own index."""

    place: int  # in bytes of the file
    seconds: float | None  # of the stream; None: the part before says itself how long it lasts


def require_fit(one: Iterable[Track], other: Iterable[Track]) -> None:
    """Raise DoesNotFit unless two parts with these streams can be joined without encoding."""
    forms, others = [track.form for track in one], [track.form for track in other]
    fit = len(forms) == len(others) and all(
        form == next_form or (form[:4] == next_form[:4] and form[:4] in CARRY_SETTINGS)
        for form, next_form in zip(forms, others, strict=True)
    )
    if not fit:
        names = [b"+".join(form[:4] for form in each).decode() for each in (forms, others)]
        raise DoesNotFit(f"The stream changes from {names[0]} to {names[1]}: the two do not fit")


def join(path: Path, parts: list[Part]) -> None:
    """Replace a file by one in which these parts follow the first one, in time as well."""
    listed, joined = path.with_name("parts.txt"), path.with_name("joined.mp4")
    every = [Part(place=0, seconds=0.0), *parts]
    names = [f"part-{number}.mp4" for number in range(len(every))]
    places = [*(part.place for part in every), path.stat().st_size]
    with path.open("rb") as whole:
        for name, (start, end) in zip(names, pairwise(places), strict=True):
            _copy(whole, path.with_name(name), start=start, count=end - start)
    # ffmpeg's own idea of how long a part in fragments lasts includes the time before it.
    lasts = [
        "" if after.seconds is None else f"duration {after.seconds - (part.seconds or 0)}"
        for part, after in pairwise(every)
    ]
    lines = [f"file {name}\n{last}\n" for name, last in zip_longest(names, lasts, fillvalue="")]
    listed.write_text("".join(lines))
    command = ["-f", "concat", "-i", f"file:{listed}", "-map", "0", "-c", "copy", "-y"]
    finished = run_ffmpeg([*command, f"file:{joined}"], READ_THROUGH_TIMEOUT_SECONDS)
    if finished is None or finished.returncode:
        raise DoesNotFit("ffmpeg cannot join the parts of the stream")
    joined.replace(path)
    for name in (*names, listed.name):
        path.with_name(name).unlink()


def _copy(whole: IO[bytes], part: Path, *, start: int, count: int) -> None:
    with part.open("wb") as file:
        while sent := os.sendfile(file.fileno(), whole.fileno(), start, count):
            start, count = start + sent, count - sent
