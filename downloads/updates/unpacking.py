"""Unpacks a wheel: only what is wanted of it, only what its RECORD names, and nothing elsewhere."""

import base64
import csv
import hashlib
import io
import stat
import zipfile
import zlib
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath
from typing import IO

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion, Version

from downloads.updates.index import Wheel
from downloads.updates.refusal import Refused

MAX_FILES = 20_000
MAX_BYTES = 2**29
BLOCK_BYTES = 2**20
PROGRAMS = "bin"  # where the programs of a set are


def unpack(wheel: Wheel, archive: IO[bytes], into: Path, *, packages: frozenset[str]) -> None:
    """Unpack these packages of a wheel, its programs and its metadata into the folder of a set.

    Raises Refused for an archive that is not a wheel, or has something else than it says; OSError
    when it cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            _Unpacking(wheel, opened).write(into, packages)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise Refused("bad_wheel", file=wheel.file, message=str(error)) from error


def requirements(wheel: Wheel, folder: Path) -> list[Requirement]:
    """Return what an unpacked wheel says that it needs. Raises Refused."""
    try:
        content = folder.joinpath(_info_of(wheel), "METADATA").read_bytes()
        metadata = BytesHeaderParser().parsebytes(content)
        if Version(str(metadata["Version"])) != wheel.version:
            raise Refused("bad_wheel", file=wheel.file, message="it is of another version")
        return [Requirement(line) for line in metadata.get_all("Requires-Dist") or []]
    except (OSError, InvalidVersion, InvalidRequirement) as error:
        raise Refused("bad_wheel", file=wheel.file, message=str(error)) from error


def _info_of(wheel: Wheel) -> str:
    return "-".join(wheel.file.split("-")[:2]) + ".dist-info"


class _Unpacking:
    def __init__(self, wheel: Wheel, archive: zipfile.ZipFile) -> None:
        self._wheel = wheel
        self._archive = archive
        self._left_bytes = MAX_BYTES

    def write(self, into: Path, packages: frozenset[str]) -> None:
        members = self._members()
        info = _info_of(self._wheel)
        recorded = self._record(f"{info}/RECORD")
        scripts = (info.replace(".dist-info", ".data"), "scripts")
        for name, member in members.items():
            parts = PurePosixPath(name).parts
            if parts[:2] == scripts and len(parts) == 3:
                target, mode = into / PROGRAMS / parts[2], 0o700
            elif parts[0] in packages or parts[0] == info:
                target, mode = into.joinpath(*parts), 0o600
            else:
                continue
            if parts[-1] != "RECORD":
                self._write(member, target, mode, expected=recorded.get(name, ""))

    def _members(self) -> dict[str, zipfile.ZipInfo]:
        files = [member for member in self._archive.infolist() if not member.is_dir()]
        if len(files) > MAX_FILES:
            raise self._refusal(f"it has more than {MAX_FILES} files")
        for member in files:
            parts = PurePosixPath(member.filename).parts
            is_plain = stat.S_IFMT(member.external_attr >> 16) in (0, stat.S_IFREG)
            is_inside = parts and parts[0] != "/" and ".." not in parts
            if not is_plain or not is_inside or "\\" in member.filename:
                raise self._refusal(f"{member.filename!r} is not a file inside of it")
        return {member.filename: member for member in files}

    def _record(self, name: str) -> dict[str, str]:
        """Return the SHA-256 of each file, as RECORD writes it."""
        try:
            text = self._archive.read(name).decode()
            return {row[0]: row[1] for row in csv.reader(io.StringIO(text)) if row}
        except (KeyError, IndexError, UnicodeDecodeError, csv.Error) as error:
            raise self._refusal("its RECORD cannot be read") from error

    def _write(self, member: zipfile.ZipInfo, target: Path, mode: int, *, expected: str) -> None:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest = hashlib.sha256()
        with target.open("xb") as file:
            for block in self._blocks(member):
                digest.update(block)
                file.write(block)
        target.chmod(mode)
        written = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
        if expected != f"sha256={written}":
            raise self._refusal(f"{member.filename} is not what its RECORD says")

    def _blocks(self, member: zipfile.ZipInfo) -> Iterator[bytes]:
        with self._archive.open(member) as file:
            while block := file.read(BLOCK_BYTES):
                self._left_bytes -= len(block)
                if self._left_bytes < 0:
                    raise self._refusal(f"it unpacks to more than {MAX_BYTES} bytes")
                yield block

    def _refusal(self, message: str) -> Refused:
        return Refused("bad_wheel", file=self._wheel.file, message=message)
