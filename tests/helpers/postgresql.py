"""A PostgreSQL server of the tests' own, in a temporary directory, without a port.

It needs Debian's package `postgresql` and no running service. It knows nothing of Django.
"""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")  # Debian keeps the servers off PATH
MISSING = "PostgreSQL is not installed: apt-get install postgresql"
# It refuses to run as root, and its package brings this user.
UNPRIVILEGED = "postgres"
INITDB_OPTIONS = ["--username=vnsite", "--auth=trust", "--locale=C.UTF-8", "--no-sync"]
# What makes a commit survive a power cut costs time that no test needs.
SETTINGS: Mapping[str, str] = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "100",
    "shared_buffers": "32MB",
}


def find_program(name: str) -> Path | None:
    """The newest server program of that name, or None when none is installed."""
    by_version = {float(path.parts[-3]): path for path in DEBIAN_PROGRAMS.glob(f"*/bin/{name}")}
    if by_version:
        return by_version[max(by_version)]
    found = shutil.which(name)
    return Path(found) if found else None


class Cluster:
    """One server with its data. It ends with the process that started it."""

    def __init__(self, **settings: str) -> None:
        """Makes the data directory and does not start the server. FileNotFoundError: MISSING."""
        initdb, postgres = find_program("initdb"), find_program("postgres")
        if initdb is None or postgres is None:
            raise FileNotFoundError(MISSING)
        self._postgres = postgres
        self._settings = {**SETTINGS, **settings}
        # Short: the path of a socket may have 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="vnsite-pg-"))
        self._data = self.directory / "data"
        self._user = UNPRIVILEGED if os.geteuid() == 0 else None
        self._server: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(self.directory, self._user)
        subprocess.run(
            [initdb, "--pgdata", self._data, *INITDB_OPTIONS],
            check=True,
            capture_output=True,
            user=self._user,
            cwd="/",
        )

    @property
    def url(self) -> str:
        """What VNSITE_DATABASE_URL takes."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgres://vnsite@{quote(str(self.directory), safe='')}/{database}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        # A kill -9 of the tests must not leave a server behind. The kernel forgets that wish when
        # the user changes, so setpriv does both, in its order.
        command = ["setpriv", "--pdeathsig=SIGQUIT"]
        if self._user:
            command += [f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups"]
        command += [str(self._postgres), "-D", str(self._data), "-k", str(self.directory)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "log").open("ab") as log:
            self._server = subprocess.Popen(
                command, stdout=log, stderr=log, cwd="/", start_new_session=True
            )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        ready = find_program("pg_isready")
        assert ready is not None
        command = [ready, "--quiet", "--host", self.directory, "--timeout=1"]
        while subprocess.run(command, check=False).returncode != 0:
            assert self._server is not None
            with suppress(subprocess.TimeoutExpired):
                code = self._server.wait(0.05)
                raise RuntimeError(f"PostgreSQL ended with {code}: {self.log()}")

    @property
    def is_running(self) -> bool:
        return self._server is not None

    def stop(self) -> None:
        """Stop it as `pg_ctl stop -m immediate` does: like a crash, all connections break."""
        if self._server is not None:
            self._server.send_signal(signal.SIGQUIT)
            self._server.wait()
            self._server = None

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def close(self) -> None:
        """Stop it and remove everything."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
