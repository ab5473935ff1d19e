"""The fork servers of a worker: the one for new attempts, and those before it.

A newer set of extractors is used from the next attempt on. The fork server before it stays until
its last child has ended. No Django here.
"""

import logging
import time
from collections.abc import Collection
from contextlib import suppress

from downloads.fetch.client import ForkServer, NotBuilt
from downloads.fetch.processes import ChildFailed
from downloads.updates.refusal import Refused
from downloads.updates.state import INSTALLED, Home, version_of
from downloads.worker import one_processor

logger = logging.getLogger(__name__)

NEEDS = "needs.json"  # in the folder of the sets
LOOK_SECONDS = 1.0  # between two looks at which set is wanted
AGAIN_SECONDS = 10.0  # after one that could not be started


class ForkServers:
    """For the main thread alone: the kernel ends a fork server with the thread that started it."""

    def __init__(self, home: Home, *, plugins: Collection[str] = ()) -> None:
        """`plugins`: names of extractor plugins, see `fetch.plugins`."""
        self._home = home
        self._plugins = plugins
        self._current = self._made_of(INSTALLED)
        self._name = INSTALLED  # of the set that is used
        self._next: tuple[str, ForkServer] | None = None  # while it gets warm
        self._before: list[ForkServer] = []  # whose children still run
        self._look_due_at = 0.0

    @property
    def current(self) -> ForkServer:
        return self._current

    def launch(self) -> None:
        """Start with the wanted set and do not wait for it: `start` does that."""
        self._name = self._home.candidates()[0]
        self._current = self._made_of(self._name)
        with suppress(ChildFailed), one_processor.left():  # `start` tries again, and says why
            self._current.launch()

    def start(self) -> None:
        """Start with the best set that works, and wait for it. Raises ChildFailed if none does.

        A set is given up only when another one starts: else it is the machine that cannot.
        """
        broken: list[tuple[str, NotBuilt]] = []
        for name in self._home.candidates():
            if name != self._name or not self._current.is_alive():
                self._current.close()
                self._name, self._current = name, self._made_of(name)
            try:
                with one_processor.left():
                    self._current.start()
                break
            except ChildFailed as error:
                if name == INSTALLED:
                    raise
                self._current.close()
                if isinstance(error, NotBuilt):
                    broken.append((name, error))
                else:  # it was killed; `tend` tries it again
                    logger.warning("yt-dlp %s is not used yet: %s", version_of(name), error)
        for name, reason in broken:
            self._give_up(name, reason)
        logger.info("downloads use yt-dlp %s%s", self._current.yt_dlp, _words_of(self._name))

    def is_ready(self) -> bool:
        """Start another fork server when it ended; return whether children can be forked."""
        if self._current.is_alive():
            return True
        logger.error("the fork server ended; starting another one")
        self._current.close()
        try:
            self.start()
        except ChildFailed as error:  # it was killed again, or there is no memory
            logger.error("trying again: %s", error)
            return False
        return True

    def tend(self, in_use: Collection[ForkServer]) -> None:
        """Follow a change of the set, without waiting; close fork servers that nobody uses now.

        `in_use`: those of the attempts that run.
        """
        for idle in [each for each in self._before if each not in in_use]:
            self._before.remove(idle)
            idle.close()
        if self._next is not None:
            self._take_next_when_warm(*self._next)
        elif time.monotonic() >= self._look_due_at:
            self._look_due_at = time.monotonic() + LOOK_SECONDS
            wanted = self._home.candidates()[0]
            if wanted != self._name:
                self._launch(wanted)

    def is_changing(self) -> bool:
        """Return whether the one of a newer set gets warm, or one before it is not closed yet."""
        return self._next is not None or bool(self._before)

    def close(self) -> None:
        """End all of them, with their children."""
        for each in (*self._before, self._current, *([self._next[1]] if self._next else [])):
            each.close()

    def _launch(self, name: str) -> None:
        fork_server = self._made_of(name)
        try:
            with one_processor.left():
                fork_server.launch()
        except ChildFailed as error:  # no memory, or no descriptor
            self._look_due_at = time.monotonic() + AGAIN_SECONDS
            logger.error("yt-dlp %s is not used yet: %s; trying again", version_of(name), error)
        else:
            self._next = (name, fork_server)

    def _take_next_when_warm(self, name: str, fork_server: ForkServer) -> None:
        try:
            if not fork_server.is_warm():
                return
        except ChildFailed as error:
            fork_server.close()
            self._next, self._look_due_at = None, time.monotonic() + AGAIN_SECONDS
            if isinstance(error, NotBuilt):
                self._give_up(name, error)
            else:  # it was killed
                logger.error("yt-dlp %s is not used yet: %s; trying again", version_of(name), error)
            return
        self._before.append(self._current)
        self._name, self._current, self._next = name, fork_server, None
        logger.info("new attempts use yt-dlp %s%s", fork_server.yt_dlp, _words_of(name))

    def _give_up(self, name: str, error: NotBuilt) -> None:
        """Have all workers of this data directory use what this one uses instead."""
        logger.error(
            "yt-dlp %s does not start (%s); %s is used instead",
            version_of(name),
            error,
            version_of(self._name),
        )
        try:
            with self._home.locked():
                if self._home.read().current == name:
                    self._home.give_up(name, instead=self._name, at=time.time(), message=str(error))
        except (OSError, Refused) as problem:  # the next start finds the same
            logger.warning("that could not be written down: %s", problem)

    def _made_of(self, name: str) -> ForkServer:
        folder = None if name == INSTALLED else self._home.path_of(name)
        return ForkServer(folder, plugins=self._plugins, needs=self._home.path / NEEDS)


def _words_of(name: str) -> str:
    return ", which was installed with vnsite" if name == INSTALLED else f", set {name}"
