"""The whole site with one command: the database made ready, the web server, and one worker."""

import http.client
import os
import signal
import subprocess
import sys
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.urls import reverse

from downloads.accounts import first_admin
from downloads.diagnostics.database import FOREIGN_FIX
from downloads.models import Worker, database_now
from downloads.models.notifier import open_doorbell
from downloads.models.outage import in_words
from downloads.models.schema import migrations_on_disk, why_foreign
from vnsite.config import ConfigError
from vnsite.server import CannotListen, WebServer

PAGE_SECONDS = 30.0  # the first page may take so long on a slow disk
# A worker gives running downloads 10 s and then puts them back: what takes longer hangs.
WORKER_STOP_SECONDS = 20.0
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a worker that lived so long did not fail at its start


class WorkerKeeper(threading.Thread):
    """Runs a worker as a process of its own, and another one when it dies, until `stop`.

    It starts the process in this thread and stays until that has ended: the kernel tells a worker
    that its parent is gone when the *thread* that started it ends (prctl(2)). The worker begins to
    work after `let_begin`; until then it only loads its code.
    """

    def __init__(self, command: list[str], *, complain: Callable[[str], None]) -> None:
        super().__init__(name="worker keeper", daemon=True)
        self._command = command
        self._complain = complain
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._gate, self._opens_gate = os.pipe()  # the workers' stdin: it ends when they may begin

    @property
    def pid(self) -> int | None:
        """Of the present worker; None before the first one."""
        return self._process.pid if self._process else None

    def run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            started = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._complain(
                f"The worker ended ({_describe(code)}). Starting another one in {pause:.0f} s."
            )
            self._stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> int:
        # A process group of its own: Ctrl-C in a terminal goes to the whole group of `serve`, and
        # with ours on top the worker would take it for the second one, which ends it at once.
        self._process = subprocess.Popen(  # noqa: S603 — our own command
            self._command, stdin=self._gate, process_group=0
        )
        if self._stopping.is_set():  # since the loop looked
            self._process.terminate()
        return self._process.wait()

    def let_begin(self) -> None:
        """The database is ready."""
        os.close(self._opens_gate)

    def stop(self) -> None:
        """Ask the worker to stop, once; it is not started again."""
        if not self._stopping.is_set():
            self._stopping.set()
            self.hurry()

    def hurry(self) -> None:
        """Ask it once more, which means at once. Safe in a signal handler."""
        if self._process is not None:
            self._process.terminate()

    def finish(self) -> None:
        """Wait until it has stopped; end it when that takes too long."""
        self.join(WORKER_STOP_SECONDS)
        if self.is_alive() and self._process is not None:
            self._complain("The worker does not stop. Killing it.")
            self._process.kill()
            self.join()


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


class Command(BaseCommand):
    help = "Serve the site and run one worker. Ctrl-C ends both; a second Ctrl-C ends them at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
        parser.add_argument("--port", type=int, default=8000, help="0: any (%(default)s)")
        parser.add_argument(
            "--concurrency", type=int, metavar="N", help="downloads at once (VNSITE_CONCURRENCY)"
        )
        parser.add_argument(
            "--no-worker", action="store_true", help="only the pages; workers run elsewhere"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        self._server = WebServer(options["host"], options["port"])
        self._keeper = (
            None
            if options["no_worker"]
            else WorkerKeeper(_worker_command(options), complain=self._complain)
        )
        self._failure = ""
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._server.listen()
        except CannotListen as error:
            raise CommandError(str(error)) from error
        try:
            if self._keeper is not None:
                self._keeper.start()  # it loads its code while the database is made ready
            self._prepare()
            if self._keeper is not None:
                self._keeper.let_begin()
            self._server.run(on_ready=self._on_ready, on_stop=self._on_stop)
        finally:
            if self._keeper is not None:
                self._keeper.stop()
                self._keeper.finish()
        if self._failure:
            raise CommandError(self._failure)

    def _check(self, options: dict[str, Any]) -> None:
        if not 0 <= options["port"] <= 65535:
            raise CommandError("--port must be a whole number from 0 to 65535")
        if options["concurrency"] is not None and not 1 <= options["concurrency"] <= 64:
            raise CommandError("--concurrency must be a whole number from 1 to 64")

    def _prepare(self) -> None:
        """Bring the database up to date, and somebody who may use the site."""
        self._say(f"Starting. The data is in {settings.VNSITE.data_dir}")
        try:
            if reason := why_foreign(migrations_on_disk()):
                raise CommandError(f"The site cannot be made ready: {reason}. {FOREIGN_FIX}")
            call_command("migrate", interactive=False, verbosity=0)
            if first_admin.ensure_from_settings():
                self._say(f"Made the administrator {settings.VNSITE.admin_user}.")
            path = first_admin.setup_path()
        except (DatabaseError, ConfigError) as error:
            raise CommandError(f"The site cannot be made ready: {in_words(error)}") from error
        finally:
            connection.close()
        if path is not None:
            self._say(f"Make the first administrator here: {self._server.url.rstrip('/')}{path}")

    def _on_signal(self, *_: object) -> None:
        self._signals += 1
        self._server.stop()
        if self._signals > 1 and self._keeper is not None:
            self._keeper.hurry()

    def _on_ready(self) -> None:
        threading.Thread(target=self._announce, name="announce", daemon=True).start()

    def _on_stop(self) -> None:
        if self._keeper is not None:
            self._say("Stopping. Running downloads get 10 seconds; Ctrl-C again ends at once.")
            self._keeper.stop()

    def _announce(self) -> None:
        """Say that the site is ready when it is; stop it when its pages cannot be served."""
        try:
            self._fetch_page()
            if self._keeper is not None:
                self._wait_for_worker(self._keeper)
            if not self._signals:
                self._say(f"Ready: {self._server.url}")
        except (OSError, http.client.HTTPException, DatabaseError) as error:
            if not self._signals:  # else it does not answer because it stops
                self._failure = f"The site does not answer: {error}"
                self._server.stop()
        finally:
            connection.close()

    def _fetch_page(self) -> None:
        """Get the login page as a browser would. OSError when that is impossible."""
        address = urlsplit(self._server.url)
        page = http.client.HTTPConnection(str(address.hostname), address.port, timeout=PAGE_SECONDS)
        page.request("GET", reverse("login"), headers={"Host": _allowed_host()})
        status = page.getresponse().status
        page.close()
        if status >= 500:
            raise OSError(f"its login page fails with status {status}")

    def _wait_for_worker(self, keeper: WorkerKeeper) -> None:
        bell = open_doorbell()
        while not _is_working(keeper.pid) and not self._signals:
            bell.wait(1.0)
        bell.close()

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()  # a pipe would keep it until its buffer is full

    def _complain(self, sentence: str) -> None:
        self.stderr.write(sentence)
        self.stderr.flush()


def _worker_command(options: dict[str, Any]) -> list[str]:
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_downloads"]
    # What Django's checks find stopped `serve` already; without them recovery begins sooner.
    command += ["--parent-pid", str(os.getpid()), "--skip-checks"]
    if options["concurrency"] is not None:
        command += ["--concurrency", str(options["concurrency"])]
    return command


def _is_working(pid: int | None) -> bool:
    """Whether the worker with this pid has registered and lives."""
    if pid is None:
        return False
    now = database_now()
    return any(worker.is_alive(now) for worker in Worker.objects.filter(pid=pid, stopped_at=None))


def _allowed_host() -> str:
    """A host name that the site answers to."""
    first = settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "localhost"
    return "localhost" if first == "*" else first.removeprefix(".")
