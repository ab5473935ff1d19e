"""Makes a site ready to be served: its static files and its database."""

import os
import signal
import socket
from contextlib import suppress

from django.core.management import CommandError, call_command

from downloads.diagnostics.database import FOREIGN_FIX
from downloads.management.foreseen import errors_in_one_line
from downloads.management.forked import Forked, how_it_ended
from downloads.models.schema import migrations_on_disk, why_foreign
from downloads.sandbox import limits
from vnsite import static_files
from vnsite.config import ConfigError

WHAT = "The site cannot be made ready"


class Preparation:
    """Makes static files and database ready, in a process of its own.

    What that takes at a first start, 45 MB, is given back when the process ends.
    """

    def __init__(self) -> None:
        """Raises OSError when the system allows no more processes."""
        self._channel, self._childs = socket.socketpair()
        self._parent = os.getpid()
        self._process = Forked(self._prepare)
        self._childs.close()

    def wait_for_files(self) -> None:
        """Wait until the static files are there, or could not be made."""
        self._channel.recv(1)

    def finish(self) -> None:
        """Bring the database up to date. Raises CommandError when that fails."""
        fault = ""
        with self._channel as channel, suppress(ConnectionError):
            channel.sendall(b".")
            fault = channel.makefile(encoding="utf-8").read()
        if fault:
            raise CommandError(fault)
        if code := self._process.wait():
            raise CommandError(
                f"{WHAT}: the process that prepares it ended ({how_it_ended(code)})."
            )

    def _prepare(self) -> None:
        # What is sent to the whole group is the parent's to handle.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        limits.die_with_parent()
        if os.getppid() != self._parent:
            return
        self._channel.close()
        with suppress(OSError):  # the server tries it again, and says why
            static_files.collect()
        self._childs.send(b".")
        known = migrations_on_disk()
        if not self._childs.recv(1):  # the parent cannot serve
            return
        try:
            with errors_in_one_line(WHAT, ConfigError):
                if reason := why_foreign(known):
                    raise CommandError(f"{WHAT}: {reason}. {FOREIGN_FIX}")
                call_command("migrate", interactive=False, verbosity=0)
        except CommandError as fault:
            self._childs.sendall(str(fault).encode())
