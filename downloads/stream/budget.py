"""How much of the time something may take. Knows clocks only."""

import math
import time


class Budget:
    """Bounds the share of CPU time that some work of one thread takes; short bursts are free.

    Whoever works asks `seconds_left` before, which any thread may, and tells what the work took by
    `spend`.
    """

    def __init__(
        self, share: float, *, burst_seconds: float, longest_seconds: float = math.inf
    ) -> None:
        """At most `share` of the time in the long run, and `burst_seconds` of CPU at once. After
        `longest_seconds` there may always be work: what took very much is not made up for."""
        self._share = share
        self._burst = burst_seconds
        self._most = burst_seconds + share * longest_seconds
        self._spent = 0.0  # and not yet earned again, at that instant
        self._at = time.monotonic()

    def seconds_left(self) -> float:
        """Return the seconds until there may be work again; 0.0: now."""
        return max(0.0, self._owed(time.monotonic()) - self._burst) / self._share

    def spend(self, cpu_seconds: float) -> None:
        now = time.monotonic()
        self._spent, self._at = min(self._owed(now) + cpu_seconds, self._most), now

    def _owed(self, now: float) -> float:
        return max(0.0, self._spent - self._share * (now - self._at))
