"""A process that lets the library react, for tests: `python -m tests.helpers.reactor`.

It writes `reacted` in the transaction of each batch, `committed` after it, and waits for a line
after each of these words.
"""

import sys

import django

BATCH = 3  # transitions: most downloads need several


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    django.setup()

    from collections.abc import Sequence

    from downloads.library import catalogue
    from downloads.models import Reaction, Transition

    def react(moves: Sequence[Transition]) -> None:
        catalogue.react(moves)
        say("reacted")

    while Reaction.step("library", react, batch=BATCH):
        say("committed")
