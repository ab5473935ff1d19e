"""Looking at the processes of this machine, any of which may end between two looks."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

# What a fake ffmpeg does: it will not end, and leaves a daemon that nothing in /proc connects with
# it: no parent, no environment, no directory, no session that it could leave, deaf to SIGTERM.
LEAVES_A_DAEMON = """
trap '' TERM
(setsid /usr/bin/env -i /bin/sh -c '
    trap "" TERM; cd /; echo $$ > "$0"; exec /usr/bin/env -i sleep 1000' "$TMPDIR/left.pid" &)
echo $$ > "$TMPDIR/ffmpeg.pid"
while :; do sleep 1; done
"""
GONE = (FileNotFoundError, ProcessLookupError)


def is_alive(pid: int) -> bool:
    """Whether the process is there and is not a zombie that nobody has collected yet."""
    fields = _stat(Path(f"/proc/{pid}"))
    return bool(fields) and fields[0] not in "ZX"


def is_stopped(pid: int) -> bool:
    """Whether all its threads stand still: by a signal, or because strace holds them."""
    return all(fields[0] in "Tt" for _, fields in _threads(pid))


def alive(pids: list[int]) -> list[int]:
    return [pid for pid in pids if is_alive(pid)]


def children_of(pid: int) -> list[int]:
    """The children of all threads of a process, zombies included, the oldest first.

    By what every process says of its parent: the kernel's own lists of children miss some while
    others end (proc_pid_task(5)), and each is of one thread.
    """
    return [child for child, parent in _parents() if parent == pid]


def descendants(pid: int) -> list[int]:
    """The children of a process, and theirs, however deep."""
    parents = list(_parents())
    found = [pid]
    for each in found:
        found += [child for child, parent in parents if parent == each]
    return found[1:]


def newest_thread(pid: int) -> int:
    """The thread of a process that was started last."""
    return max((int(fields[19]), thread) for thread, fields in _threads(pid))[1]


def forked_for(worker_pid: int) -> list[int]:
    """The fork server of a worker, which may be dead, and its children, blocked ones included.

    All have the command line of the fork server, which names its worker.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(*GONE):
            words = path.read_bytes().split(b"\0")
            if b"downloads.fetch.forkserver" in words and str(worker_pid).encode() in words:
                found.append(int(path.parent.name))
    return found


def open_files(pid: int) -> list[str]:
    """What the descriptors of a process stand for; the names are the kernel's."""
    names = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(*GONE):  # closed in between
            names.append(str(link.readlink()))
    return names


def _parents() -> Iterator[tuple[int, int]]:
    """(pid, pid of its parent) of every process, in the order in which they were started."""
    started = []
    for process in Path("/proc").glob("[0-9]*"):
        if fields := _stat(process):
            started.append((int(fields[19]), int(process.name), int(fields[1])))
    return ((pid, parent) for _, pid, parent in sorted(started))


def _threads(pid: int) -> Iterator[tuple[int, list[str]]]:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        if fields := _stat(thread):
            yield int(thread.name), fields


def _stat(place: Path) -> list[str]:
    """The fields of a process or thread after its name, from the state on; [] when it is gone."""
    with suppress(*GONE):
        return (place / "stat").read_text(errors="replace").rpartition(") ")[2].split()
    return []
