"""A file system of a share that refuses what it is told to: FUSE over a folder, in a process.

`python -m tests.helpers.share MOUNTPOINT FOLDER [CALL=ERRNO[:once] ...]`. A call is one of `CALLS`,
`flags` (of renames; `flags=ignored` takes and disobeys them), `rename_file` or `rename_directory`.
`once` refuses the first such call only. `inodes` gives a file another number when it is moved,
`names=143` refuses longer names, and `said=143` says so in advance.
"""

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from tests.helpers.waiting import DEADLINE_SECONDS, wait_for

CALLS = ("chmod", "chown", "utimens", "mkdir", "create", "write", "fsync", "fsyncdir", "close")
ALL = (
    *("chmod=EPERM", "chown=EPERM", "utimens=EPERM", "rename_file=EACCES", "flags=EPERM"),
    *("rename_directory=EPERM", "fsyncdir=EINVAL", "inodes"),
)
ROOT = Path(__file__).resolve().parents[2]
STATUS = ("st_mode", "st_size", "st_nlink", "st_uid", "st_gid", "st_ino", "st_dev")


def why_no_share() -> str:
    """Why nothing can be mounted here, or ""."""
    if find_spec("mfusepy") is None or find_library("fuse3") is None:
        return "mfusepy or fuse3 is not installed: bin/setup --test, apt-get install fuse3"
    if not Path("/dev/fuse").exists() or os.geteuid():
        return "a FUSE file system cannot be mounted here: it needs root and /dev/fuse"
    return ""


@contextmanager
def share(mountpoint: Path, folder: Path, *refusals: str) -> Iterator[None]:
    """Mount a share meanwhile; its files are in a folder of a disk."""
    if reason := why_no_share():
        pytest.skip(reason)
    for path in (mountpoint, folder):
        path.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", __name__, str(mountpoint), str(folder), *refusals]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        wait_for(mountpoint.is_mount, what="the share to be mounted")
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(mountpoint)], check=False)
        process.terminate()
        process.wait(DEADLINE_SECONDS)


def serve(mountpoint: str, folder: str, *refusals: str) -> None:
    import mfusepy

    told = dict(refusal.partition("=")[::2] for refusal in refusals)

    def refuse(call: str) -> None:
        name, _, how_often = told.get(call, "").partition(":")
        if how_often:
            del told[call]
        if name and name != "ignored":
            raise mfusepy.FuseOSError(getattr(errno, name))

    class Share(mfusepy.Operations):  # type: ignore[misc]
        use_ns = True

        def at(self, path: str) -> str:
            if len(os.fsencode(path.rpartition("/")[2])) > int(told.get("names", "255")):
                raise mfusepy.FuseOSError(errno.ENAMETOOLONG)
            return folder + path

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            status = os.lstat(self.at(path))
            shown = {name: getattr(status, name) for name in STATUS}
            shown |= {f"st_{each}time": getattr(status, f"st_{each}time_ns") for each in "amc"}
            return shown | ({"st_ino": crc32(path.encode())} if "inodes" in told else {})

        def statfs(self, path: str) -> dict[str, int]:
            disk = os.statvfs(self.at(path))
            names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_favail", "f_ffree", "f_files")
            shown = {name: getattr(disk, name) for name in (*names, "f_frsize")}
            return shown | {"f_namemax": int(told.get("said", "255"))}

        def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, Any], int]]:
            names = [".", "..", *(each.name for each in Path(self.at(path)).iterdir())]
            return [(name, {"st_ino": 1}, 0) for name in names]  # one without a number is not shown

        def chmod(self, path: str, mode: int) -> None:
            refuse("chmod")
            Path(self.at(path)).chmod(mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            refuse("chown")
            os.chown(self.at(path), uid, gid)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            refuse("utimens")
            os.utime(self.at(path), ns=times)

        def mkdir(self, path: str, mode: int) -> None:
            refuse("mkdir")
            Path(self.at(path)).mkdir(mode)

        def rmdir(self, path: str) -> None:
            Path(self.at(path)).rmdir()

        def unlink(self, path: str) -> None:
            Path(self.at(path)).unlink()

        def rename(self, old: str, new: str) -> None:
            is_directory = Path(self.at(old)).is_dir()
            refuse("rename_directory" if is_directory else "rename_file")
            Path(self.at(old)).rename(self.at(new))

        def open(self, path: str, flags: int) -> int:
            return os.open(self.at(path), flags)

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            refuse("create")
            return os.open(self.at(path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(self.at(path), length)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            refuse("write")
            return os.pwrite(fh, data, offset)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            refuse("fsync")

        def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
            refuse("fsyncdir")

        def flush(self, path: str, fh: int) -> None:
            if os.fstat(fh).st_size:
                refuse("close")

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

    class Mounted(mfusepy.FUSE):  # type: ignore[misc]
        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            if flags:
                refuse("flags")
                if told.get("flags") != "ignored" and os.path.lexists(os.fsencode(folder) + new):
                    return -errno.EEXIST
            return int(super().rename_fuse_2(old, new) or 0)

    options = {"use_ino": True, "attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    Mounted(
        Share(), mountpoint, foreground=True, nothreads=True, default_permissions=True, **options
    )


if __name__ == "__main__":
    serve(*sys.argv[1:])
