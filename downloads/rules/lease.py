"""A worker's lease as the worker sees it: whether it may still work on what it has claimed.

Other machines take a worker for dead when its last heartbeat in the database is older than the
lease. The worker itself counts by its own clock and stops a margin earlier, so that it has stopped
when they begin. Pure: knows no rows.
"""

import math
import threading
import time
from collections.abc import Callable

# Five heartbeats may be lost before anybody minds.
HEARTBEATS_PER_LEASE = 6
LONGEST_PAUSE_SECONDS = 5.0
# Of the lease: what is left for killing process trees before another machine begins.
MARGIN = 1 / 6


def boot_seconds() -> float:
    """Seconds since this machine started, those included in which it was suspended.

    `time.monotonic` stands still meanwhile, and the database's clock does not.
    """
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def heartbeat_seconds(lease_seconds: float) -> float:
    """How often a worker with such a lease renews it."""
    return min(LONGEST_PAUSE_SECONDS, lease_seconds / HEARTBEATS_PER_LEASE)


class Lease:
    """Renewed by the heartbeat, asked by everybody who is about to do something. Thread-safe.

    Its time is cut into terms. Between two of them somebody else may have taken what was claimed,
    so that nothing of an earlier term is held any more, however short the gap was.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = boot_seconds) -> None:
        """`seconds`: after so long without a heartbeat others take the worker for dead."""
        self._allowed_seconds = seconds * (1 - MARGIN)
        self._clock = clock
        self._lock = threading.Lock()
        self._renewed_at = -math.inf
        self._term = 0

    def renew(self, *, asked_at: float) -> None:
        """The database took a heartbeat that was sent not before `asked_at` (of `boot_seconds`).

        Not when its answer came: the answer may have been on its way for a long time.
        """
        with self._lock:
            if self._is_over():
                self._term += 1
            self._renewed_at = asked_at

    @property
    def term(self) -> int:
        """The number of the present term, or of the last one."""
        with self._lock:
            return self._term

    def holds(self, term: int) -> bool:
        """Whether that term still goes on."""
        with self._lock:
            return term == self._term and not self._is_over()

    def silent_seconds(self) -> float:
        """How long ago the heartbeat was sent that renewed it last."""
        with self._lock:
            return self._clock() - self._renewed_at

    def _is_over(self) -> bool:
        return self._clock() - self._renewed_at >= self._allowed_seconds
