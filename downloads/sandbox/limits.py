"""Sets a child's resource limits, signals and capabilities, once, right after the fork."""

import ctypes
import os
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from downloads.sandbox import seccomp

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
PR_SET_NO_NEW_PRIVS = 38
CAPABILITY_VERSION = 0x20080522  # _LINUX_CAPABILITY_VERSION_3
OVERRIDE_FILE_PERMISSIONS = 1 << 1 | 1 << 2  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH

NICENESS = 5  # more than the worker's: a third of its weight
SESSION_NICENESS = 10  # a tenth of the weight of the others

MEMORY_BYTES = 2**30  # a child begins with 70 MiB
OPEN_FILES = 256
STACK_BYTES = 2**20  # of a thread; the system's 8 MiB count as used
M_ARENA_MAX = -8  # mallopt(3)
# Twice the limit of a download: merging holds two streams and their result.
FILE_SIZE_FACTOR = 2

_libc = ctypes.CDLL(None, use_errno=True)
# Looked up here, once for all children. Only glibc has `mallopt`.
_prctl, _capget, _capset = _libc.prctl, _libc.capget, _libc.capset
_mallopt = getattr(_libc, "mallopt", None)


def _set(option: int, value: int) -> None:
    _check(_prctl(option, value, 0, 0, 0), "prctl")


def _check(answer: int, what: str) -> None:
    if answer:
        raise OSError(ctypes.get_errno(), what)


def die_with_parent(signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to signal this process when the thread that created it ends.

    The caller must check afterwards that its parent is still alive: a parent that died before the
    call sends nothing (prctl(2), PR_SET_PDEATHSIG).
    """
    _set(PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies (PR_SET_CHILD_SUBREAPER)."""
    _set(PR_SET_CHILD_SUBREAPER, 1)


def give_way() -> None:
    """Leave the processors to pages and to the worker when all want them; the caller leads a
    session.

    Linux schedules sessions as groups (sched(7), autogroup), and looks at niceness only within one:
    each of four downloads would get as much as the server and the worker together.
    """
    os.nice(NICENESS)
    with suppress(OSError):  # no such groups here, or another one was changed a moment ago
        Path("/proc/self/autogroup").write_text(str(SESSION_NICENESS))


def reset_signals() -> None:
    """Give every signal its default action, except those that would hide an error.

    SIGPIPE and SIGXFSZ stay ignored: a write then fails with an errno, which can be reported.
    """
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if number in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_IGN)
        elif signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def drop_capabilities() -> None:
    """Give up root's capabilities for good; changes nothing for another user.

    One of them reads the environment of any process in spite of Landlock (Linux 6.16). Only the
    override of file permissions stays: the folders may belong to another user.
    """
    header = struct.pack("=Ii", CAPABILITY_VERSION, 0)
    held = ctypes.create_string_buffer(24)  # effective, permitted, inheritable: twice 32 bits each
    _check(_capget(header, held), "capget")
    effective, permitted, *_ = struct.unpack("=6I", held)
    kept = (effective & OVERRIDE_FILE_PERMISSIONS, permitted & OVERRIDE_FILE_PERMISSIONS)
    _check(_capset(header, struct.pack("=6I", *kept, 0, 0, 0, 0)), "capset")
    _set(PR_SET_NO_NEW_PRIVS, 1)  # an exec does not restore them


def confine(directory: Path, *, max_bytes: int, mark: str) -> None:
    """Make `directory` this process's cwd, home and temporary folder, and set its limits.

    `mark` goes into the environment: it identifies whatever is started here, even outside of the
    session and the process group.
    """
    drop_capabilities()
    os.umask(0o077)
    os.chdir(directory)
    os.environ.update(HOME=str(directory), TMPDIR=str(directory), VNSITE_ATTEMPT=mark)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _lower(resource.RLIMIT_NOFILE, OPEN_FILES)
    _lower(resource.RLIMIT_AS, MEMORY_BYTES)
    threading.stack_size(STACK_BYTES)
    share_one_heap()
    _lower(resource.RLIMIT_FSIZE, min(max_bytes * FILE_SIZE_FACTOR, sys.maxsize))


def share_one_heap() -> None:
    """Have all threads share a heap; else glibc reserves one of 64 MiB for each thread."""
    if _mallopt is not None:
        _mallopt(M_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Give what is free in the heap back to the system, where libc can do that."""
    if hasattr(_libc, "malloc_trim"):
        _libc.malloc_trim(0)


def before_program(parent: int) -> Callable[[], None]:
    """Prepare ffmpeg or the JavaScript runtime, between fork and exec.

    It dies with the child and gets no network. The limit on memory is lifted: V8 reserves far more
    address space than it uses, and ffmpeg needs little.
    """

    def prepare() -> None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        seccomp.refuse_network()

    return prepare


def _lower(limit: int, value: int) -> None:
    """Lower the soft limit to `value`; a lower one stays."""
    _, hard = resource.getrlimit(limit)
    ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (ceiling, hard))
