"""The kernel's refusal of all network to ffmpeg and the JavaScript runtime: seccomp(2).

Their own options say so already; this holds when a file that was fetched finds a hole in them. No
privileges are needed, nothing undoes it, and what they start has it as well.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

SET_MODE_FILTER, ALLOW_SPECULATION = 1, 1 << 2  # without the latter, older kernels slow them down
GET_ACTION_AVAIL = 2

# Instructions of the filter, from linux/bpf_common.h, and what it answers, from linux/seccomp.h.
LOAD, IS_EQUAL, IS_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EACCES
OFFSET_OF_CALL, OFFSET_OF_MACHINE = 0, 4
X32 = 0x40000000  # the same calls once more, under other numbers


@dataclass(frozen=True, kw_only=True)
class Machine:
    """An architecture: its name for the kernel (AUDIT_ARCH_…), and its numbers of system calls."""

    name: int
    seccomp: int
    # socket, then the ways around it: io_uring_setup makes sockets too, and ptrace,
    # process_vm_writev and pidfd_getfd use those of the process that started this one.
    refused: tuple[int, ...]


MACHINES = {
    "x86_64": Machine(name=0xC000003E, seccomp=317, refused=(41, 425, 101, 311, 438)),
    "aarch64": Machine(name=0xC00000B7, seccomp=277, refused=(198, 425, 117, 271, 438)),
}


def _instructions(machine: Machine) -> bytes:
    """The filter. A jump counts the instructions that it leaves out; the refusal is the last."""
    calls = [(IS_EQUAL, number) for number in machine.refused]
    if machine is MACHINES["x86_64"]:
        calls.append((IS_AT_LEAST, X32))
    left = len(calls)
    steps = [
        (LOAD, 0, 0, OFFSET_OF_MACHINE),
        (IS_EQUAL, 0, left + 2, machine.name),  # calls of a 32-bit program have other numbers
        (LOAD, 0, 0, OFFSET_OF_CALL),
        *((test, left - position, 0, value) for position, (test, value) in enumerate(calls)),
        (ANSWER, 0, 0, ALLOWED),
        (ANSWER, 0, 0, REFUSED),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


# Made before the guard is installed, which lets nobody look up a function of the C library.
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_machine = MACHINES.get(platform.machine())
_filter = ctypes.create_string_buffer(_instructions(_machine) if _machine else b"")
_program = struct.pack("@HP", (len(_filter) - 1) // 8, ctypes.addressof(_filter))


def is_available() -> bool:
    """Whether the kernel can refuse a system call here. Asked before the guard is installed."""
    # It is asked for the kind of answer, without the errno that goes with it.
    if _machine is None:
        return False
    answer: int = _syscall(
        _machine.seccomp, GET_ACTION_AVAIL, 0, struct.pack("=I", REFUSED & ALLOWED)
    )
    return answer == 0


def refuse_network() -> bool:
    """Let this process, and what it becomes or starts, make no socket any more.

    Needs PR_SET_NO_NEW_PRIVS or root. False where the kernel or this module cannot: then what the
    programs are told is all that keeps them from the network.
    """
    if _machine is None:
        return False
    answer: int = _syscall(_machine.seccomp, SET_MODE_FILTER, ALLOW_SPECULATION, _program)
    return answer == 0
