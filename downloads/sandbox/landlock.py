"""Confines a child with Landlock: it writes only in its directory and reads only what it needs.

Landlock (Linux 5.13 and later, landlock(7)) needs no privileges, cannot be undone, and holds for
everything that the child starts. Hostile script code, or an exploited ffmpeg, can read neither the
database nor the secret key nor another download's files, and can signal no process outside.
"""

import ctypes
import os
import stat
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
ON_FILES = (
    EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
)  # the other rights apply to directories
# The rights of each ABI version: the kernel refuses a right that it does not know.
KNOWN = {1: 2**13 - 1, 2: 2**14 - 1, 3: 2**15 - 1, 4: 2**15 - 1}
NEWEST_KNOWN = 2**16 - 1
NEWEST_WITHOUT_SCOPES = 5
NO_ABSTRACT_SOCKETS, NO_SIGNALS = 1 << 0, 1 << 1

# Programs, libraries, host names, certificate authorities, time zones, CPU facts: no user's files.
SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/opt",
    "/nix/store",
    "/home/linuxbrew/.linuxbrew",
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
    "/proc",  # Landlock itself hides the secrets of processes outside
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/dev/random",
    "/dev/urandom",
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full")

# Looked up here, once for all children.
_syscall = ctypes.CDLL(None, use_errno=True).syscall


def version() -> int:
    """Return the kernel's Landlock version, from 1; 0 when Landlock is missing or disabled."""
    answer = int(_syscall(CREATE_RULESET, None, 0, VERSION))
    return max(answer, 0)


def own_code() -> list[Path]:
    """Return the folders of Python, its packages and the child's code; none lies in another."""
    names = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values()}
    places = {*(Path(name).resolve() for name in names), Path(__file__).resolve().parent.parent}
    return sorted(place for place in places if places.isdisjoint(place.parents))


def confine(directory: Path, *, readable: Iterable[Path]) -> bool:
    """Confine this process and all that it starts, for good.

    They may write in `directory`, and read and run `readable` and the system; paths that do not
    exist are skipped. Call it after `limits.drop_capabilities`. False when the kernel has no
    Landlock; OSError when it has Landlock and refuses.
    """
    abi = version()
    if abi == 0:
        return False
    handled = KNOWN.get(abi, NEWEST_KNOWN)
    ruleset = _create(handled, scoped=abi > NEWEST_WITHOUT_SCOPES)
    try:
        _allow(ruleset, str(directory), handled)
        for device in DEVICES:
            _allow(ruleset, device, handled & (READ_FILE | WRITE_FILE | TRUNCATE))
        for place in (*SYSTEM, *map(str, readable)):
            _allow(ruleset, place, handled & READ)
        _check(_syscall(RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _create(handled: int, *, scoped: bool) -> int:
    scopes = NO_ABSTRACT_SOCKETS | NO_SIGNALS
    # handled_access_fs, handled_access_net (none: the guard judges addresses), scoped
    attributes = struct.pack("=QQQ", handled, 0, scopes) if scoped else struct.pack("=Q", handled)
    return _check(_syscall(CREATE_RULESET, attributes, len(attributes), 0))


def _allow(ruleset: int, place: str, rights: int) -> None:
    with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
        descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
        try:
            if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
                rights &= ON_FILES
            rule = struct.pack("=Qi", rights, descriptor)
            _check(_syscall(ADD_RULE, ruleset, RULE_PATH_BENEATH, rule, 0))
        finally:
            os.close(descriptor)


def _check(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"landlock: {os.strerror(number)}")
    return answer
