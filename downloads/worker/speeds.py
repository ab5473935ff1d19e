"""The throughput of one attempt for its chart: few points over any time."""

from itertools import pairwise

MOST_POINTS = 120
LEAST_SECONDS = 0.5  # between two points at first


class Speeds:
    """The speeds of an attempt, at most 120: each time there are more, every other one goes."""

    def __init__(self) -> None:
        # Seconds since the attempt began, and bytes that had come in all.
        self._samples: list[tuple[float, int]] = []
        self._received_bytes = 0
        self._total_bytes = 0
        self._step_seconds = LEAST_SECONDS

    @property
    def points(self) -> list[list[float]]:
        """Seconds since the attempt began, and bytes per second since the point before."""
        return [
            [round(end, 1), round((total - before) / (end - start))]
            for (start, before), (end, total) in pairwise(self._samples)
        ]

    def take(self, received_bytes: int, *, seconds: float) -> bool:
        """Take how much had come after so many seconds; return whether that made a sample.

        Bytes that become fewer began anew.
        """
        if self._samples:
            self._total_bytes += max(0, received_bytes - self._received_bytes)
        self._received_bytes = received_bytes
        if self._samples and seconds - self._samples[-1][0] < self._step_seconds:
            return False
        self._samples.append((seconds, self._total_bytes))
        if len(self._samples) > MOST_POINTS:
            self._samples = self._samples[::2]
            span = self._samples[-1][0] - self._samples[0][0]
            self._step_seconds = span / (len(self._samples) - 1)
        return len(self._samples) > 1
