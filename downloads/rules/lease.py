"""A worker's lease, seen from the worker: whether it may still work on what it has claimed.

Other machines treat a worker as dead when its last heartbeat in the database is older than the
lease. The worker measures by its own clock and stops a margin earlier, so that it has stopped
before they begin. Pure: knows no rows.
"""

import math
import threading
import time
from collections.abc import Callable

# Five heartbeats may be lost before the lease ends.
HEARTBEATS_PER_LEASE = 6
LONGEST_PAUSE_SECONDS = 5.0
# The part of the lease reserved for killing process trees before another machine takes over.
MARGIN = 1 / 6


def boot_seconds() -> float:
    """Seconds since this machine booted, time in suspension included.

    `time.monotonic` stops during a suspension; the database's clock does not.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def heartbeat_seconds(lease_seconds: float) -> float:
    """The interval between two heartbeats of a worker with this lease."""
    return min(LONGEST_PAUSE_SECONDS, lease_seconds / HEARTBEATS_PER_LEASE)


class Lease:
    """Renewed by the heartbeat; asked before every effect of an attempt. Thread-safe.

    A lease that lapsed and is renewed begins a new term. Another worker may have taken the
    downloads in between, so that claims of an earlier term are lost, however short the gap was.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = boot_seconds) -> None:
        """`seconds` without a heartbeat: then others treat the worker as dead."""
        self._allowed_seconds = seconds * (1 - MARGIN)
        self._clock = clock
        self._lock = threading.Lock()
        self._renewed_at = -math.inf
        self._term = 0

    def renew(self, *, asked_at: float) -> None:
        """Renew the lease from `asked_at` (of `boot_seconds`), when the heartbeat was sent.

        Not from when the answer came: it may have been under way for a long time.
        """
        with self._lock:
            if self._is_over():
                self._term += 1
            self._renewed_at = asked_at

    @property
    def term(self) -> int:
        """The number of the present term, or of the last one if the lease has lapsed."""
        with self._lock:
            return self._term

    def holds(self, term: int) -> bool:
        """Whether this term is still running."""
        with self._lock:
            return term == self._term and not self._is_over()

    def silent_seconds(self) -> float:
        """Seconds since the last successful heartbeat was sent."""
        with self._lock:
            return self._clock() - self._renewed_at

    def _is_over(self) -> bool:
        return self._clock() - self._renewed_at >= self._allowed_seconds
