"""A clock that only a test moves."""


class ManualClock:
    """What time it is, in seconds, as the test says."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds
