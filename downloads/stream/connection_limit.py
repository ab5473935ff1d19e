"""How many streams may be open at once: of one user, and in this process.

Knows numbers only. Everything happens in the event loop.
"""

from collections import Counter


class TooManyConnections(Exception):
    """No further stream may be opened. The message is a sentence for a person."""

    def __init__(self, sentence: str, *, is_about_the_user: bool) -> None:
        super().__init__(sentence)
        self.is_about_the_user = is_about_the_user  # else about all of them together


class ConnectionLimit:
    """The number of open streams of each user."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()

    def take(self, user_id: int, *, most_of_user: int, most: int) -> None:
        """Count one more stream of a user. A limit of 0 means any number.

        Raises TooManyConnections, and then counts nothing.
        """
        if most_of_user and self._taken[user_id] >= most_of_user:
            raise TooManyConnections(
                f"You have {most_of_user} live updates open, and no more are allowed. "
                "Close some pages of this site, or other programs that listen.",
                is_about_the_user=True,
            )
        if most and self._taken.total() >= most:
            raise TooManyConnections(
                "Too many people are watching at the moment.", is_about_the_user=False
            )
        self._taken[user_id] += 1

    @property
    def total(self) -> int:
        """The number of streams that are open in this process."""
        return self._taken.total()

    def give_back(self, user_id: int) -> None:
        self._taken -= Counter([user_id])  # drops a count of 0


LIMIT = ConnectionLimit()
