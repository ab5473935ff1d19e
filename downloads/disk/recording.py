"""The recording of a live stream: its segments on the disk, and a journal of them.

File system only. Each segment is appended to a file first and to the journal then, so that a
process that is killed, or a power cut, leaves at most bytes that no line of the journal counts;
they are cut off when the recording is opened again. A file (a run) holds segments that continue
one another; where a stream breaks, the next one begins.
"""

import json
import os
from contextlib import suppress
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any, Self

RECORDING = "recording"  # inside an isolated directory
JOURNAL = "journal"
VIDEO = "video.json"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A segment that is on the disk."""

    track: int
    run: int  # of its track
    sequence: int
    discontinuity: int
    milliseconds: int  # as announced
    end: int  # of it in its file, which has this many bytes then
    mark: str  # recognises the segment when the site counts anew
    begins: str  # what it and the segments of its run begin with (EXT-X-MAP), or ""


@dataclass(kw_only=True)
class Track:
    """One of the playlists that are recorded together: all of it, or picture, or sound."""

    last: Entry | None = None
    milliseconds: int = 0
    gaps: int = 0  # places where segments are missing
    missed: int = 0  # segments, as far as the site counted
    sizes: dict[int, int] = field(default_factory=dict)  # of each run, in bytes
    marks: set[str] = field(default_factory=set)

    def count(self, entry: Entry) -> None:
        missed = entry.sequence - self.last.sequence - 1 if self.last else 0
        if missed:  # below 0: the site counts anew, and nobody knows how many
            self.gaps += 1
            self.missed += max(0, missed)
        self.milliseconds += entry.milliseconds
        self.sizes[entry.run] = entry.end
        self.marks.add(entry.mark)
        self.last = entry


class Recording:
    """Belongs to one process at a time."""

    def __init__(self, path: Path) -> None:
        self.tracks: dict[int, Track] = {}
        self.stopped = ""  # why it was stopped, as a code; "" when more may come
        self._path = path
        self._journal = path / JOURNAL

    @classmethod
    def open(cls, directory: Path) -> Self:
        """Open what is in `directory`, or begin. Cuts off what a killed process had not counted."""
        path = directory / RECORDING
        path.mkdir(mode=0o700, exist_ok=True)
        recording = cls(path)
        recording._read()
        return recording

    @property
    def size_bytes(self) -> int:
        return sum(sum(track.sizes.values()) for track in self.tracks.values())

    @property
    def seconds(self) -> float:
        """How long it is, by what the playlists announced."""
        return max((track.milliseconds for track in self.tracks.values()), default=0) / 1000

    @property
    def data(self) -> dict[str, int | str]:
        """For the history: how long it is, what is missing, and why it ended."""
        tracks = self.tracks.values()
        data: dict[str, int | str] = {
            "recorded_seconds": round(self.seconds),
            "stopped": self.stopped,
        }
        if gaps := max((track.gaps for track in tracks), default=0):
            data |= {"gaps": gaps, "missed_segments": max(track.missed for track in tracks)}
        return data

    def track(self, number: int) -> Track:
        return self.tracks.setdefault(number, Track())

    def files(self, number: int) -> list[Path]:
        """The files of a track, in order."""
        return [self._file(number, run) for run in sorted(self.track(number).sizes)]

    def add(self, content: bytes, **values: Any) -> None:
        """Append a segment; `values` are an Entry's, without `end`."""
        track = self.track(values["track"])
        start = track.sizes.get(values["run"], 0)
        entry = Entry(**values, end=start + len(content))
        # Synced: after a power cut a line of the journal must not count bytes that are not there.
        _append(self._file(entry.track, entry.run), content, is_synced=True)
        _append(self._journal, _line(astuple(entry)))
        track.count(entry)

    def stop(self, why: str) -> None:
        """Say that no more will come; a next attempt will only finish it."""
        _append(self._journal, _line({"stopped": why}))
        self.stopped = why

    @property
    def video(self) -> dict[str, Any] | None:
        """What `describe` wrote; None before."""
        with suppress(OSError, ValueError):
            video: dict[str, Any] = json.loads((self._path / VIDEO).read_bytes())
            return video
        return None

    def describe(self, video: dict[str, Any]) -> None:
        """Write what is needed to finish it when the site says nothing any more."""
        unfinished = self._path / f"{VIDEO}.new"
        unfinished.write_text(json.dumps(video))
        unfinished.replace(self._path / VIDEO)

    def _file(self, track: int, run: int) -> Path:
        return self._path / f"{track}-{run}"

    def _read(self) -> None:
        counted = 0
        with suppress(FileNotFoundError):
            for line in self._journal.read_bytes().splitlines(keepends=True):
                if not (line.endswith(b"\n") and self._count(line)):
                    break
                counted += len(line)
            os.truncate(self._journal, counted)
        for number, track in self.tracks.items():
            for run, size in track.sizes.items():
                os.truncate(self._file(number, run), size)
        counted_files = {path.name for number in self.tracks for path in self.files(number)}
        for path in self._path.glob("[0-9]*-[0-9]*"):
            if path.name not in counted_files:
                path.unlink()

    def _count(self, line: bytes) -> bool:
        """Count a line of the journal; False when it, or its bytes, did not reach the disk."""
        try:
            values = json.loads(line)
        except ValueError:  # a power cut may leave zeros
            return False
        if isinstance(values, dict):
            self.stopped = values["stopped"]
            return True
        entry = Entry(**dict(zip(Entry.__dataclass_fields__, values, strict=True)))
        file = self._file(entry.track, entry.run)
        is_there = file.exists() and file.stat().st_size >= entry.end
        if is_there:
            self.track(entry.track).count(entry)
        return is_there


def _line(values: object) -> bytes:
    return json.dumps(values).encode() + b"\n"


def _append(path: Path, content: bytes, *, is_synced: bool = False) -> None:
    with path.open("ab", buffering=0) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
        if is_synced:
            os.fdatasync(file)
