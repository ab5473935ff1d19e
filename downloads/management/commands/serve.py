"""`manage.py serve`: make the database ready, serve the site, and keep one worker running."""

import gc
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from argparse import ArgumentParser
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.http.request import validate_host
from django.urls import reverse

from downloads.accounts import first_admin
from downloads.diagnostics.checks import CONFIGURED
from downloads.diagnostics.database import FOREIGN_FIX
from downloads.management.arguments import add_concurrency, whole_number
from downloads.management.foreseen import errors_in_one_line
from downloads.management.reach import reachable_at
from downloads.models import Worker, database_now, submissions
from downloads.models.notifier import open_doorbell
from downloads.models.schema import migrations_on_disk, why_foreign
from downloads.rules.options import DownloadOptions
from downloads.sandbox import limits
from downloads.web import demo, refused_host
from vnsite import static_files
from vnsite.config import ConfigError

PAGE_SECONDS = 30.0  # for the first page, on a slow disk
WORKER_STOP_SECONDS = 20.0  # running downloads have 10 s of them; a worker that takes longer hangs
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0  # a worker that lived longer did not fail at its start


class WorkerProcess(Protocol):
    """What `WorkerKeeper` needs of a process, as `subprocess.Popen` has it."""

    pid: int

    def wait(self) -> int: ...
    def terminate(self) -> None: ...
    def kill(self) -> None: ...


class Forked:
    """A child that was forked. Its signals cannot hit another process that has its pid by now."""

    def __init__(self, be: Callable[[], None]) -> None:
        """Fork; the child calls `be`, and ends when that returns.

        For a process without threads. Raises OSError when the system allows no more processes.
        """
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _live(be)
        self._descriptor = os.pidfd_open(self.pid)

    def wait(self) -> int:
        """Wait for its end; return its exit status, or minus the signal that killed it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def terminate(self) -> None:
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._descriptor, number)


class WorkerKeeper(threading.Thread):
    """Runs a worker as a process of its own, and another one when that dies, until `stop`.

    The first is forked by `fork`, before this process has threads and the web server's code: most
    of the memory of both is then the same, and nothing is loaded twice. Those after it are started
    afresh, as the code on the disk may be newer by then. The kernel tells a worker that its parent
    is gone when the *thread* that started it ends (prctl(2)): it is the main thread or this one,
    which both outlive it. Before `let_begin` the worker only loads its code.
    """

    def __init__(
        self,
        arguments: list[str],
        *,
        complain: Callable[[str], None],
        let_go: Callable[[], None],
    ) -> None:
        """`arguments`: of `run_downloads`; `let_go`: called in the worker that is forked, it closes
        what is this process's only."""
        super().__init__(name="worker keeper", daemon=True)
        self._arguments = arguments
        self._complain = complain
        self._let_go = let_go
        self._stopping = threading.Event()
        self._process: WorkerProcess | None = None
        self._gate, self._opens_gate = os.pipe()  # workers wait for the end of their stdin

    @property
    def pid(self) -> int | None:
        """The present worker's; None when there is none just now."""
        process = self._process
        return process.pid if process else None

    def fork(self) -> None:
        """Fork the first worker. Raises OSError when the system allows no more processes."""
        gc.freeze()  # a search for garbage would touch, and so copy, every page that both share
        self._process = Forked(self._be_worker)

    def _be_worker(self) -> None:
        os.setpgid(0, 0)  # as for those that are started afresh
        os.close(self._opens_gate)  # else the gate would never open
        os.dup2(self._gate, 0)
        sys.stdin = os.fdopen(0, closefd=False)
        gc.enable()
        self._let_go()
        from downloads.management.commands.run_downloads import Command as RunDownloads

        RunDownloads().run_from_argv([sys.argv[0], "run_downloads", *self._arguments])

    def run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            code = self._run_once()
            if self._stopping.is_set():
                return
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._complain(
                f"The worker ended ({_describe(code)}). Starting another one in {pause:.0f} s."
            )
            if self._stopping.wait(pause):
                return
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _run_once(self) -> int:
        process = self._process
        if process is None:
            command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "run_downloads"]
            # A process group of its own: a terminal sends Ctrl-C to the whole group of `serve`, and
            # ours would be the worker's second one, which ends it at once.
            self._process = process = subprocess.Popen(  # noqa: S603 — our own command
                [*command, *self._arguments], stdin=self._gate, process_group=0
            )
        if self._stopping.is_set():  # since the loop looked
            process.terminate()
        code = process.wait()
        self._process = None
        return code

    def let_begin(self) -> None:
        """Let the worker work: the database is ready."""
        os.close(self._opens_gate)

    def stop(self) -> None:
        """Ask the worker to stop, and do not start another one. A second call does nothing."""
        if not self._stopping.is_set():
            self._stopping.set()
            self.hurry()

    def hurry(self) -> None:
        """Ask it once more: now it ends at once. Safe in a signal handler."""
        process = self._process
        if process is not None:
            process.terminate()

    def finish(self) -> None:
        """Wait until it has stopped; kill it when that takes too long."""
        self.join(WORKER_STOP_SECONDS)
        process = self._process
        if self.is_alive() and process is not None:
            self._complain("The worker does not stop. Killing it.")
            process.kill()
            self.join()


def _live(be: Callable[[], None]) -> NoReturn:
    """Be a process that was just forked."""
    code = 1
    try:
        be()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError):  # whoever read it is gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


class Preparation:
    """Makes static files and database ready, in a process of its own.

    What that takes at a first start, 45 MB, is given back when the process ends.
    """

    WHAT = "The site cannot be made ready"

    def __init__(self) -> None:
        """Raises OSError when the system allows no more processes."""
        self._channel, self._childs = socket.socketpair()
        self._parent = os.getpid()
        self._process = Forked(self._prepare)
        self._childs.close()

    def let_go(self) -> None:
        """Close what another process that is forked has inherited of this."""
        self._channel.close()

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
                f"{self.WHAT}: the process that prepares it ended ({_describe(code)})."
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
            with errors_in_one_line(self.WHAT, ConfigError):
                if reason := why_foreign(known):
                    raise CommandError(f"{self.WHAT}: {reason}. {FOREIGN_FIX}")
                call_command("migrate", interactive=False, verbosity=0)
        except CommandError as fault:
            self._childs.sendall(str(fault).encode())


def _describe(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


class Command(BaseCommand):
    help = "Serve the site and run one worker. Ctrl-C ends both; a second Ctrl-C ends them at once."
    # The checks of what an owner may configure. Those of Django judge the code, and load all of it:
    # a quarter of the start.
    requires_system_checks = (CONFIGURED,)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to serve on (%(default)s)")
        port = whole_number(least=0, most=65535)
        parser.add_argument("--port", type=port, default=8000, help="0: any (%(default)s)")
        add_concurrency(parser)
        parser.add_argument(
            "--demo", action="store_true", help="add the built-in demo video, which needs no site"
        )
        parser.add_argument(
            "--no-worker", action="store_true", help="serve only pages; workers run elsewhere"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["demo"] and options["no_worker"]:
            raise CommandError("--demo needs the worker of this server: leave out --no-worker.")
        # What a start loads stays: to search it for garbage takes a fifth of the start.
        gc.disable()
        limits.share_one_heap()
        self._keeper: WorkerKeeper | None = None
        self._with_demo = options["demo"]
        self._failure = ""
        self._signals = 0
        try:
            self._fork(options)
            self._serve(options)
        finally:
            if self._keeper is not None:
                self._keeper.stop()
                self._keeper.finish()
        if self._failure:
            raise CommandError(self._failure)

    def _fork(self, options: dict[str, Any]) -> None:
        """Fork what is a process of its own, while this one has no threads.

        The worker loads the rest of its code while the database is made ready.
        """
        connections.close_all()  # Django's checks may have opened one, which only one may use
        try:
            self._preparation = Preparation()
            if not options["no_worker"]:
                demo.reserve()
                keeper = WorkerKeeper(
                    _worker_arguments(options), complain=self._complain, let_go=self._let_go
                )
                keeper.fork()
                keeper.start()
                self._keeper = keeper
                demo.open_demo()
        except OSError as error:
            raise CommandError(f"The server cannot be started: {error}") from error

    def _let_go(self) -> None:
        self._preparation.let_go()
        demo.leave()

    def _serve(self, options: dict[str, Any]) -> None:
        self._preparation.wait_for_files()
        # Not before the worker was forked, which needs none of it.
        from vnsite.server import CannotListen, WebServer

        self._server = WebServer(options["host"], options["port"])
        self._addresses = _let_in(options["host"])
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            self._server.listen()
        except CannotListen as error:
            raise CommandError(str(error)) from error
        self._say(f"Starting. The data is in {settings.VNSITE.data_dir}")
        self._preparation.finish()
        if self._keeper is not None:
            self._keeper.let_begin()
        self._greet()
        announcing = threading.Thread(target=self._announce, name="announce", daemon=True)
        self._server.run(on_ready=announcing.start, on_stop=self._on_stop)

    def _greet(self) -> None:
        """See to an administrator and the demo, and say where the site is."""
        with errors_in_one_line(Preparation.WHAT, ConfigError), closing(connection):
            if first_admin.ensure_from_settings():
                self._say(f"Made the administrator {settings.VNSITE.admin_user}.")
            path = first_admin.setup_path()
            if self._with_demo:
                wish = (demo.open_demo(), DownloadOptions())
                submissions.submit([wish], owner=None, actor="serve")
        if path is not None:
            self._say(f"Make the first administrator here: {self._server.url.rstrip('/')}{path}")
        for link in self._links_for_others():
            self._say(f"From other machines: {link.rstrip('/')}{path or '/'}")
        if self._addresses:
            self._say(f"To be reached by a name: {refused_host.line_for('NAME')}")

    def _links_for_others(self) -> list[str]:
        """Return the site's links for other machines, as far as it answers to their hosts."""
        address = urlsplit(self._server.url)
        hosts = (each for each in self._addresses if validate_host(each, settings.ALLOWED_HOSTS))
        return [address._replace(netloc=f"{host}:{address.port}").geturl() for host in hosts]

    def _on_signal(self, *_: object) -> None:
        self._signals += 1
        self._server.stop()
        if self._signals > 1 and self._keeper is not None:
            self._keeper.hurry()

    def _on_stop(self) -> None:
        if self._keeper is not None:
            self._say("Stopping. Running downloads get 10 seconds; Ctrl-C again ends at once.")
            self._keeper.stop()

    def _announce(self) -> None:
        """Say that the site is ready when it is; stop it when its pages cannot be served."""
        try:
            with closing(connection):
                self._fetch_page()
                if self._keeper is not None:
                    self._wait_for_worker(self._keeper)
            if not self._signals:
                self._say(f"Ready: {self._server.url.rstrip('/')}{settings.VNSITE.prefix}/")
            # What is loaded stays: a search of it for garbage stops all answers for 60 ms.
            gc.collect()
            gc.freeze()
            gc.enable()
            limits.give_back_memory()  # of a first start, which makes database and static files
        except (OSError, http.client.HTTPException, DatabaseError) as error:
            if not self._signals:  # else it does not answer because it stops
                self._failure = f"The site does not answer: {error}"
                self._server.stop()

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
        with closing(open_doorbell()) as bell:
            while not _is_working(keeper.pid) and not self._signals:
                bell.wait(1.0)

    # Whoever read it may be gone, with the terminal or the end of a pipe: nothing depends on them.

    def _say(self, sentence: str) -> None:
        with suppress(OSError):
            self.stdout.write(sentence)
            self.stdout.flush()  # a pipe would keep it until its buffer is full

    def _complain(self, sentence: str) -> None:
        with suppress(OSError):
            self.stderr.write(sentence)
            self.stderr.flush()


def _let_in(host: str) -> list[str]:
    """Answer to the addresses at which other machines reach `host`, and return them.

    Not when VNSITE_ALLOWED_HOSTS is set. An address, other than a name, cannot be made to lead here
    by a site that a browser visits.
    """
    addresses = reachable_at(host)
    if "allowed_hosts" not in settings.VNSITE.model_fields_set:
        settings.ALLOWED_HOSTS.extend(addresses)
    return addresses


def _worker_arguments(options: dict[str, Any]) -> list[str]:
    # Django's checks were made by `serve`; without them recovery begins sooner.
    arguments = ["--parent-pid", str(os.getpid()), "--skip-checks"]
    arguments += ["--demo-link", demo.reserve()]
    if options["concurrency"] is not None:
        arguments += ["--concurrency", str(options["concurrency"])]
    return arguments


def _is_working(pid: int | None) -> bool:
    """Look whether the worker with this pid has registered and lives."""
    if pid is None:
        return False
    now = database_now()
    return any(worker.is_alive(now) for worker in Worker.objects.filter(pid=pid, stopped_at=None))


def _allowed_host() -> str:
    """Return a host name that the site answers to."""
    first = settings.ALLOWED_HOSTS[0] if settings.ALLOWED_HOSTS else "localhost"
    return "localhost" if first == "*" else first.removeprefix(".")
