"""Ends attempts that take too long or receive too slowly.

Pure: values and instants in seconds, of any clock. `listening` notices a silent child; this module
is about a site that never stops sending.
"""

from downloads.fetch.protocol import Broke


class ThroughputWatchdog:
    """Measures the duration and the speed of one attempt against its limits."""

    def __init__(
        self, *, now: float, max_seconds: float, min_bytes_per_second: int, window_seconds: float
    ) -> None:
        """`max_seconds`: of the whole attempt; `window_seconds`: over which speed is measured."""
        self._began = now
        self._max_seconds = max_seconds
        self._min_bytes_per_second = min_bytes_per_second
        self._window_seconds = window_seconds
        self._window: tuple[float, int] | None = None  # when it was opened, with how many bytes
        self._received_bytes = 0  # by the last report

    def measure(
        self, *, now: float, received_bytes: int | None, is_recorded: bool = False
    ) -> Broke | None:
        """Return why the attempt must end, or None. `received_bytes` None: nothing is fetched.

        The child ends a recording itself when its time is over; as long again it may finish it.
        """
        max_seconds = self._max_seconds * (2 if is_recorded else 1)
        if now - self._began > max_seconds:
            return Broke(kinds=["TimedOut"], data={"after_seconds": round(max_seconds)})
        if received_bytes is None:
            self._window = None
            return None
        if received_bytes < self._received_bytes:  # fetched from its beginning again
            self._window = None
        self._received_bytes = received_bytes
        opened, before = self._window or (now, received_bytes)
        seconds, came = now - opened, received_bytes - before
        is_full = seconds >= self._window_seconds
        if is_full and came < self._min_bytes_per_second * seconds:
            return Broke(kinds=["Stalled"], data={"bytes_per_second": round(came / seconds)})
        if self._window is None or is_full:
            self._window = (now, received_bytes)
        return None
