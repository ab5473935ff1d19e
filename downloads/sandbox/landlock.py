"""The kernel's fence around a child: it writes only in its directory, and reads only what it needs.

Landlock (Linux 5.13 and later, landlock(7)) needs no privileges, cannot be undone, and holds for
everything that the child starts. So code that comes with a page, or a hole in ffmpeg, sees neither
the database nor the secret key, nor the files of another download, and signals nobody outside.
"""

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446  # the same on every architecture
VERSION = 1  # a flag: ask only for the version
RULE_PATH_BENEATH = 1

# Rights on files, from linux/landlock.h.
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
READ = EXECUTE | READ_FILE | READ_DIR
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV  # the rest is for directories
# The kernel refuses a right that it does not know: those of each version, all and its own.
KNOWN = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}
NEWEST_KNOWN = 2**16 - 1
NEWEST_WITHOUT_SCOPES = 5
NO_ABSTRACT_SOCKETS, NO_SIGNALS = 1 << 0, 1 << 1

# Programs, libraries, names of hosts, authorities, time zones, processors: nothing of a user's.
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/nix/store",
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/etc/ca-certificates.conf",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/localtime",
    "/etc/ld.so.cache",
    "/etc/mime.types",
    "/proc",  # of processes outside, the kernel hides what is secret: that is part of the fence
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/dev/random",
    "/dev/urandom",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")

_libc = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's version of Landlock, from 1; 0 when it has none, or none is allowed here."""
    answer = int(_libc.syscall(CREATE_RULESET, None, 0, VERSION))
    return max(answer, 0)


def own_code() -> list[Path]:
    """Where Python, its packages and the code of the child lie."""
    places = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    return [*map(Path, sorted(places)), Path(__file__).resolve().parent.parent]


def confine(directory: Path, *, readable: Iterable[Path]) -> bool:
    """Fence this process and all that it starts in, for good: `directory` is theirs, `readable`
    and the system can be read and run. What is not there is left out.

    After `limits.drop_capabilities`. False when the kernel has no Landlock. Raises OSError when it
    has and refuses.
    """
    abi = version()
    if abi == 0:
        return False
    handled = KNOWN.get(abi, NEWEST_KNOWN)
    ruleset = _create(handled, scoped=abi > NEWEST_WITHOUT_SCOPES)
    try:
        _allow(ruleset, directory, handled)
        for device in DEVICES:
            _allow(ruleset, Path(device), handled & (READ_FILE | WRITE_FILE | TRUNCATE))
        for place in (*map(Path, SYSTEM), *readable):
            _allow(ruleset, place, handled & READ)
        _check(_libc.syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _create(handled: int, *, scoped: bool) -> int:
    scopes = NO_ABSTRACT_SOCKETS | NO_SIGNALS
    # handled_access_fs, handled_access_net (none: the guard judges addresses), scoped
    attributes = struct.pack("=QQQ", handled, 0, scopes) if scoped else struct.pack("=Q", handled)
    return _check(_libc.syscall(CREATE_RULESET, attributes, len(attributes), 0))


def _allow(ruleset: int, place: Path, rights: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            if not place.is_dir():
                rights &= ON_FILES
            rule = struct.pack("=Qi", rights, descriptor)
            _check(_libc.syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0))
        finally:
            os.close(descriptor)


def _check(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return answer
