"""Runs the reactions to transitions beside the worker's loop, woken by commits.

Rows decide who reacts to what (`models.reactions`); here is the thread that asks them.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from django.db import connections

from downloads import logs
from downloads.library import catalogue, subtitles
from downloads.models import Reaction, StreamPosition
from downloads.models.reactions import React

logger = logging.getLogger(__name__)

# Commits come in flocks, and nobody waits for an effect: one look for all of them.
PAUSE_SECONDS = 0.5
LAST_SECONDS = 2.0  # for what is left when the worker ends
AGAIN_SECONDS = 1.0  # after a step that broke, or that the database did not answer


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """Who reacts to the stream."""

    react: React
    # Makes some of the effects of what was there before it; returns whether there may be more.
    catch_up: Callable[[], bool]
    # Does some of what takes longer than a transaction may, after `react`; returns whether there
    # may be more. What a worker was killed at, it or the next one does again.
    follow_up: Callable[[], bool]


SUBSCRIBERS = {
    "library": Subscriber(
        react=catalogue.react, catch_up=catalogue.catch_up, follow_up=subtitles.read_some
    )
}


class Reactions:
    """One thread with its own connection. It sleeps until `ring`."""

    def __init__(
        self,
        *,
        guard: Callable[[], AbstractContextManager[None]],
        worker: str,
        subscribers: Mapping[str, Subscriber] = SUBSCRIBERS,
    ) -> None:
        """`guard` is entered for each step, and takes what the database raises."""
        self._guard = guard
        self._worker = worker
        self._subscribers = subscribers
        self._behind = dict(subscribers)  # those that have not caught up yet
        self._seen = -1  # up to here all have reacted
        self._rung = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reactions", daemon=True)

    def start(self) -> None:
        self._rung.set()
        self._thread.start()

    def ring(self) -> None:
        """Somebody has committed something. Safe in any thread."""
        self._rung.set()

    def end(self) -> None:
        """React to what has happened, for a moment. What is left then waits for the next worker."""
        self._ended.set()
        self._rung.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            is_last = False
            while not is_last:
                self._rung.wait()
                self._rung.clear()
                is_last = self._ended.is_set()
                pause_seconds = PAUSE_SECONDS if self._has_caught_up() else AGAIN_SECONDS
                self._ended.wait(pause_seconds)
        finally:
            connections.close_all()

    def _has_caught_up(self) -> bool:
        """React until nothing is left; False when it has to be tried again."""
        has_caught_up = False
        began_at = time.monotonic()
        try:
            with logs.about(worker=self._worker), self._guard():
                while self.step():
                    if self._ended.is_set() and time.monotonic() - began_at > LAST_SECONDS:
                        break
                has_caught_up = True
        except Exception as error:
            # The worker would go on, and the library never know of what it fetches.
            logs.failed(logger, "a reaction broke; trying again", error)
        if not has_caught_up:
            self._rung.set()
        return has_caught_up

    def step(self) -> bool:
        """Let each subscriber take one step; return whether there may be more to do.

        One query when nothing has happened.
        """
        # Read first: what is committed from here on rings again.
        newest = StreamPosition.current()
        if newest == self._seen and not self._behind:
            return False
        has_more = False
        for name, subscriber in self._subscribers.items():
            if name in self._behind:
                Reaction.begin(name)
                if subscriber.catch_up():
                    has_more = True
                else:
                    del self._behind[name]
            has_more |= Reaction.step(name, subscriber.react)
            has_more |= subscriber.follow_up()
        if not has_more:
            self._seen = newest
        return has_more
