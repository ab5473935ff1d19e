"""The files that an ended attempt leaves for the next one: a partial file, or all, finished.

File system only. A child that fetches one file over HTTP writes a `Proof` beside it: what the site
said of that body. Before finished files are published, `Finished` is written beside them. If
another attempt follows, `keep` reduces the isolated directory to these, and `bring` moves them into
the next attempt's directory. Of a partial file only the site can then say whether the body is still
the same (`downloads.fetch.resume`); finished files are published without asking the site. What was
recorded of a live stream (`downloads.disk.recording`) goes the same way, however little it is:
nobody can fetch it again.
"""

import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from downloads.disk import isolation
from downloads.disk.library import RefusedFile, open_finished
from downloads.disk.recording import RECORDING
from downloads.disk.shares import sync, sync_directory

PROOF = "resume.json"
FINISHED = "finished.json"
# Inside an isolated directory: what an earlier attempt left, or what will be left of this one.
CARRIED = "carried"
# Fetching fewer bytes again is faster than proving them.
LEAST_BYTES = 2**20
MAX_PROOF_BYTES = 2**16
MAX_FINISHED_BYTES = 2**19  # a video may have a hundred subtitles

_FILE_NAME = re.compile(r"[A-Za-z0-9]{1,16}\.[A-Za-z0-9]{1,16}")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the site said of the body beside it: enough to recognise the same body.

    The URL is not part of it: sites sign their URLs, so that the same body has another one later.
    """

    name: str  # of the finished file; until then its bytes are in `<name>.part`
    format_id: str  # yt-dlp's id of the format
    total_bytes: int
    etag: str  # a strong ETag, or ""
    last_modified: str  # as the site wrote it, or ""

    @property
    def part_name(self) -> str:
        return f"{self.name}.part"

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read the proof in a directory; None when it is missing or was not written by `write`."""
        try:
            with open_finished(directory / PROOF) as file:
                proof = cls(**json.loads(file.read(MAX_PROOF_BYTES)))
            is_right = (
                is_file_name(proof.name)
                and proof.total_bytes > 0
                and all(isinstance(text, str) for text in (proof.etag, proof.last_modified))
            )
        except (OSError, RefusedFile, ValueError, TypeError):
            return None
        return proof if is_right and (proof.etag or proof.last_modified) else None

    def write(self, directory: Path) -> None:
        _write(directory / PROOF, asdict(self))


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The files that were fetched and verified, and what is published of them."""

    title: str
    files: list[dict[str, Any]]  # as `downloads.fetch.protocol.ManifestFile`
    published_as: list[str]  # the files' names in the library, in the same order
    data: dict[str, Any]  # this and those below as of `downloads.fetch.protocol.Fetched`
    media: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read what `write` wrote in a directory; None for anything else."""
        try:
            with open_finished(directory / FINISHED) as file:
                finished = cls(**json.loads(file.read(MAX_FINISHED_BYTES)))
            is_right = all(
                is_file_name(file["name"]) and isinstance(file["size"], int)
                for file in finished.files
            ) and len(finished.files) == len(finished.published_as)
        except (OSError, RefusedFile, ValueError, TypeError, KeyError):
            return None
        return finished if is_right and finished.files else None

    def write(self, directory: Path) -> None:
        """Write it down for as long as the machine runs."""
        _write(directory / FINISHED, vars(self), is_durable=False)

    def gather(self, directory: Path, *, to: Path) -> bool:
        """Move the files into `to`, durably; False when one has another size.

        Each may be there already. Raises FileNotFoundError when one is missing.
        """
        for name, size in ((file["name"], file["size"]) for file in self.files):
            with suppress(FileNotFoundError):
                (directory / name).rename(to / name)
            with open_finished(to / name) as opened:
                if os.fstat(opened.fileno()).st_size != size:
                    return False
                sync(opened.fileno())
        _write(to / FINISHED, asdict(self))
        sync_directory(to)
        return True

    @staticmethod
    def forget(directory: Path) -> None:
        """Have the files fetched again: they are not what they should be."""
        (directory / FINISHED).unlink(missing_ok=True)


def _write(path: Path, content: dict[str, Any], *, is_durable: bool = True) -> None:
    """Write JSON atomically: a killed process leaves all of it or nothing."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    with unfinished.open("x") as file:  # never through a planted link
        json.dump(content, file)
        file.flush()
        if is_durable:
            sync(file.fileno())
    unfinished.replace(path)


def is_file_name(name: object) -> bool:
    """Whether `name` can be a download's one file: `media.mp4`, without a path."""
    return isinstance(name, str) and _FILE_NAME.fullmatch(name) is not None


def keep(root: Path, name: str) -> int:
    """Reduce an isolated directory to its finished files, or to the partial file with its proof.

    Returns the bytes kept.

    Only for a directory in which nothing runs any more, on this machine since this boot: after a
    power cut a file may have its length but not its bytes. What is kept is durable, under the same
    name. When nothing is proven, or too little to be worth it, the directory is removed and 0 is
    returned. May be interrupted and repeated. Raises OSError when it cannot be removed.
    """
    kept = 0
    with suppress(OSError, RefusedFile):  # keep all of it or nothing
        kept = _gather(root / name)
    if kept and isolation.reduce_directory(root, name, to=CARRIED):
        return kept
    isolation.remove_directory(root, name)
    return 0


def holds_recording(root: Path, name: str) -> bool:
    """Whether a directory holds, or carries, the recording of a live stream."""
    return any((root / name / path).is_dir() for path in (RECORDING, f"{CARRIED}/{RECORDING}"))


def bring(root: Path, name: str, directory: Path) -> bool:
    """Move what `keep` kept into the directory of the next attempt, by one rename.

    False when it is not there: it was removed, or is on another machine.
    """
    source = root / name
    try:
        if not stat.S_ISDIR(source.lstat().st_mode):
            return False
        source.rename(directory / CARRIED)
    except FileNotFoundError:
        return False
    return True


def _gather(directory: Path) -> int:
    """Move the files and what is known of them into CARRIED; return their bytes, 0 for too few.

    Any may be there already, when the child did not reach fetching or was killed between the two
    renames that take them out.
    """
    carried = directory / CARRIED
    with suppress(FileExistsError):
        carried.mkdir(mode=0o700)
    if not stat.S_ISDIR(carried.lstat().st_mode):
        return 0
    finished = Finished.read(directory) or Finished.read(carried)
    if finished is not None:
        with suppress(FileNotFoundError):
            if finished.gather(directory, to=carried):
                return sum(file["size"] for file in finished.files)
    if recorded := _gather_recording(directory, carried):
        return recorded
    proof = Proof.read(directory) or Proof.read(carried)
    if proof is None:
        return 0
    for path in (directory / proof.part_name, directory / proof.name, carried / proof.part_name):
        with suppress(FileNotFoundError):
            kept = _settle(path, carried / proof.part_name, proof)
            proof.write(carried)
            sync_directory(carried)
            return kept
    return 0


def _gather_recording(directory: Path, carried: Path) -> int:
    with suppress(FileNotFoundError):
        (directory / RECORDING).rename(carried / RECORDING)
    recording = carried / RECORDING
    if not (os.path.lexists(recording) and stat.S_ISDIR(recording.lstat().st_mode)):
        return 0
    for path in recording.iterdir():
        with open_finished(path) as file:
            os.fsync(file.fileno())
    sync_directory(recording)
    sync_directory(carried)
    return isolation.directory_size(recording)


def _settle(path: Path, target: Path, proof: Proof) -> int:
    with open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
        least = LEAST_BYTES if path.name == proof.part_name else proof.total_bytes
        if not least <= size <= proof.total_bytes:
            return 0
        path.rename(target)
        os.fsync(file.fileno())
    return size
