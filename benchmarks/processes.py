"""What processes cost, as the kernel counts it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from downloads.fetch.processes import children_of

TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """CPU of one process itself."""
    return sum(_times(pid)[:2])


def tree_cpu_seconds(pid: int) -> float:
    """CPU of a process, of all that it started, and of those of them that have ended."""
    return sum(sum(_times(each)) for each in tree(pid))


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES


def tree_unshared_bytes(pid: int) -> int:
    """Memory of a process and all that it started; what several share is divided among them."""
    return sum(_proportional_bytes(each) for each in tree(pid))


def tree(pid: int) -> Iterator[int]:
    """The process and its descendants. One that ends meanwhile is left out."""
    yield pid
    with suppress(FileNotFoundError, ProcessLookupError):
        for child in children_of(pid):
            yield from tree(child)


def _times(pid: int) -> list[float]:
    """User and system, then those of children that were waited for. Zeros when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return [0.0]
    return [int(field) / TICKS for field in fields[11:15]]


def _proportional_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
