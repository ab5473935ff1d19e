"""Denies ffmpeg and the JavaScript runtime every socket, by a seccomp(2) filter.

Their own options already forbid the network; the filter holds when a fetched file exploits them.
It needs no privileges, cannot be undone, and is inherited by what they start.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

SET_MODE_FILTER, ALLOW_SPECULATION = (
    1,
    1 << 2,
)  # older kernels slow programs down without the latter
GET_ACTION_AVAIL = 2

# Instructions of the filter (linux/bpf_common.h) and its verdicts (linux/seccomp.h).
LOAD, IS_EQUAL, IS_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EACCES
OFFSET_OF_CALL, OFFSET_OF_MACHINE = 0, 4
X32 = 0x40000000  # the same calls under other numbers (x32)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An architecture: its AUDIT_ARCH constant, and its system call numbers."""

    name: int
    seccomp: int
    # socket, then the ways around it: io_uring_setup makes sockets too; ptrace,
    # process_vm_writev and pidfd_getfd reach those of the parent process.
    refused: tuple[int, ...]


MACHINES = {
    "x86_64": Machine(name=0xC000003E, seccomp=317, refused=(41, 425, 101, 311, 438)),
    "aarch64": Machine(name=0xC00000B7, seccomp=277, refused=(198, 425, 117, 271, 438)),
}


def _instructions(machine: Machine) -> bytes:
    """Assemble the filter. A jump counts the instructions to skip; the refusal is the last one."""
    calls = [(IS_EQUAL, number) for number in machine.refused]
    if machine is MACHINES["x86_64"]:
        calls.append((IS_AT_LEAST, X32))
    left = len(calls)
    steps = [
        (LOAD, 0, 0, OFFSET_OF_MACHINE),
        (IS_EQUAL, 0, left + 2, machine.name),  # a 32-bit program uses other numbers
        (LOAD, 0, 0, OFFSET_OF_CALL),
        *((test, left - position, 0, value) for position, (test, value) in enumerate(calls)),
        (ANSWER, 0, 0, ALLOWED),
        (ANSWER, 0, 0, REFUSED),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


# Looked up before the guard is installed, which forbids loading C functions.
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_machine = MACHINES.get(platform.machine())
_filter = ctypes.create_string_buffer(_instructions(_machine) if _machine else b"")
_program = struct.pack("@HP", (len(_filter) - 1) // 8, ctypes.addressof(_filter))


def is_available() -> bool:
    """Whether the kernel can refuse a system call. Call it before the guard is installed."""
    # The kernel is asked for the action alone, without its errno.
    if _machine is None:
        return False
    answer: int = _syscall(
        _machine.seccomp, GET_ACTION_AVAIL, 0, struct.pack("=I", REFUSED & ALLOWED)
    )
    return answer == 0


def refuse_network() -> bool:
    """Forbid this process, and what it executes or starts, to make a socket.

    Needs PR_SET_NO_NEW_PRIVS or root. False where the kernel or this module cannot: then only the
    programs' own options keep them off the network.
    """
    if _machine is None:
        return False
    answer: int = _syscall(_machine.seccomp, SET_MODE_FILTER, ALLOW_SPECULATION, _program)
    return answer == 0
