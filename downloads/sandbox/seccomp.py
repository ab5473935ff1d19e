"""Limits a child and its programs by seccomp(2) filters: their sessions, and every socket.

No process leaves the session and the process group of its child, so that both can be ended by
number. ffmpeg and the JavaScript runtime get no socket: their own options already forbid the
network; the filter holds when a fetched file exploits them. The filters need no privileges, cannot
be undone, and are inherited by what the process starts.
"""

import ctypes
import errno
import platform
import struct
from dataclasses import dataclass

SET_MODE_FILTER = 1
ALLOW_SPECULATION = 1 << 2  # older kernels slow programs down without it
GET_ACTION_AVAIL = 2

# Instructions of the filter (linux/bpf_common.h) and its verdicts (linux/seccomp.h).
LOAD, IS_EQUAL, IS_AT_LEAST, ANSWER = 0x20, 0x15, 0x35, 0x06
ALLOWED, REFUSED = 0x7FFF0000, 0x00050000 | errno.EACCES
PRETENDED = 0x00050000  # not carried out, and no error
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
    leaving: tuple[int, ...]  # setsid, setpgid


MACHINES = {
    "x86_64": Machine(
        name=0xC000003E, seccomp=317, refused=(41, 425, 101, 311, 438), leaving=(112, 109)
    ),
    "aarch64": Machine(
        name=0xC00000B7, seccomp=277, refused=(198, 425, 117, 271, 438), leaving=(157, 154)
    ),
}


def _instructions(machine: Machine, numbers: tuple[int, ...], answer: int) -> bytes:
    """Assemble a filter that gives `answer` to these calls.

    A jump counts the instructions to skip. Calls of another architecture are refused, and with the
    refused calls all of x32; a tracer's -1, which is no call, is in that range.
    """
    calls = [(IS_EQUAL, number) for number in numbers]
    if machine is MACHINES["x86_64"]:
        is_refusal = answer == REFUSED
        calls += [(IS_AT_LEAST, X32)] if is_refusal else [(IS_EQUAL, X32 | n) for n in numbers]
    left = len(calls)
    steps = [
        (LOAD, 0, 0, OFFSET_OF_MACHINE),
        (IS_EQUAL, 0, left + 3, machine.name),  # a 32-bit program uses other numbers
        (LOAD, 0, 0, OFFSET_OF_CALL),
        *((test, left - position, 0, value) for position, (test, value) in enumerate(calls)),
        (ANSWER, 0, 0, ALLOWED),
        (ANSWER, 0, 0, answer),
        (ANSWER, 0, 0, REFUSED),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in steps)


# Looked up before the guard is installed, which forbids loading C functions.
_syscall = ctypes.CDLL(None, use_errno=True).syscall
_machine = MACHINES.get(platform.machine())
_no_network = _instructions(_machine, _machine.refused, REFUSED) if _machine else b""
_staying = _instructions(_machine, _machine.leaving, PRETENDED) if _machine else b""


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
    return _machine is not None and _install(_machine, _no_network)


def keep_session() -> bool:
    """Keep this process, and what it becomes or starts, in its session and its process group.

    setsid and setpgid do nothing and say that they did: a program that wants to be a daemon goes
    on, where it can be found and ended. Needs and answers the same as `refuse_network`; without it
    a process that leaves is ended by who adopts it, and not at all if that was killed as well.
    """
    return _machine is not None and _install(_machine, _staying)


def _install(machine: Machine, instructions: bytes) -> bool:
    buffer = ctypes.create_string_buffer(instructions)
    program = struct.pack("@HP", len(instructions) // 8, ctypes.addressof(buffer))
    refusal: int = _syscall(machine.seccomp, SET_MODE_FILTER, ALLOW_SPECULATION, program)
    return refusal == 0
