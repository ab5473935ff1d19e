"""Proven bytes: what an attempt that ended leaves for the next one.

File system only. A child that fetches one file over HTTP writes beside it what the site said of
that body: a `Proof`. When another attempt will follow, `keep` reduces the isolated directory to
these two, and `bring` moves them into the directory of the next attempt. Whether the body is still
the same only the site can say, then (`downloads.fetch.resume`).
"""

import json
import os
import re
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from downloads.disk import isolation
from downloads.disk.library import RefusedFile, open_finished, sync_directory

PROOF = "resume.json"
# Inside an isolated directory: what another attempt brought, or what is about to stay of this one.
CARRIED = "carried"
# Fewer are fetched again sooner than they are proven.
LEAST_BYTES = 2**20
MAX_PROOF_BYTES = 2**16

_FILE_NAME = re.compile(r"[A-Za-z0-9]{1,16}\.[A-Za-z0-9]{1,16}")


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What the site said of a body whose bytes lie beside it: enough to know it again.

    The URL is no part of it: sites sign theirs, so that the same body has another one tomorrow.
    """

    name: str  # of the file; until it is finished its bytes are in `<name>.part`
    format_id: str  # which of the site's forms of the video it is
    total_bytes: int
    etag: str  # a strong one, or ""
    last_modified: str  # as the site wrote it, or ""

    @property
    def part_name(self) -> str:
        return f"{self.name}.part"

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """The proof in a directory. None when there is none, or it is not what `write` writes."""
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
        """Write it whole or not at all; a process that is killed meanwhile leaves no half of it."""
        unfinished = directory / f"{PROOF}.new"
        unfinished.unlink(missing_ok=True)
        with unfinished.open("x") as file:  # never through a link that somebody planted
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(directory / PROOF)


def is_file_name(name: object) -> bool:
    """Whether it is the name of the one file of a download: `media.mp4`, no path, no link."""
    return isinstance(name, str) and _FILE_NAME.fullmatch(name) is not None


def keep(root: Path, name: str) -> int:
    """Reduce an isolated directory to its proven bytes and their proof; returns how many they are.

    Only for one in which nothing runs any more, on this machine since this boot: after a power cut
    the file may have its length, but not its bytes. What is kept is durable. The directory bears
    its name again afterwards; it is gone, and 0 is returned, when nothing is proven, or too little
    to be worth it. May be interrupted and done again. Raises OSError when it cannot be removed.
    """
    kept = 0
    with suppress(OSError, RefusedFile):  # of what cannot be kept nothing is kept
        kept = _gather(root / name)
    if kept and isolation.reduce_directory(root, name, to=CARRIED):
        return kept
    isolation.remove_directory(root, name)
    return 0


def bring(root: Path, name: str, directory: Path) -> bool:
    """Move what `keep` kept under this name into the directory of the next attempt, by one rename.

    False when it is not there: somebody removed it, or it is on another machine.
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
    """Move proven bytes and proof into CARRIED; returns how many they are, 0 for too few.

    Either may be there already: when the child did not get to fetching, or was killed between the
    two renames by which it takes them out.
    """
    carried = directory / CARRIED
    with suppress(FileExistsError):
        carried.mkdir(mode=0o700)
    if not stat.S_ISDIR(carried.lstat().st_mode):
        return 0
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


def _settle(path: Path, target: Path, proof: Proof) -> int:
    with open_finished(path) as file:
        size = os.fstat(file.fileno()).st_size
        least = LEAST_BYTES if path.name == proof.part_name else proof.total_bytes
        if not least <= size <= proof.total_bytes:
            return 0
        path.rename(target)
        os.fsync(file.fileno())
    return size
