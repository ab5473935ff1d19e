"""`manage.py serve`: make the database ready, serve the site, and keep one worker running."""

import gc
import http.client
import os
import signal
import threading
from argparse import ArgumentParser
from contextlib import closing, suppress
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection, connections
from django.http.request import validate_host
from django.urls import reverse

from downloads.accounts import first_admin
from downloads.diagnostics.checks import CONFIGURED
from downloads.management.arguments import add_concurrency, whole_number
from downloads.management.foreseen import errors_in_one_line
from downloads.management.preparation import WHAT, Preparation
from downloads.management.reach import reachable_at
from downloads.management.worker_keeper import WorkerKeeper
from downloads.models import Worker, database_now, submissions
from downloads.models.notifier import open_doorbell
from downloads.rules.options import DownloadOptions
from downloads.sandbox import limits
from downloads.web import demo, refused_host
from vnsite.config import ConfigError

PAGE_SECONDS = 30.0  # for the first page, on a slow disk


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
            keeper = None if options["no_worker"] else self._fork_worker(options)
            self._preparation = Preparation()
        except OSError as error:  # a worker that was forked ends with this process
            raise CommandError(f"The server cannot be started: {error}") from error
        if keeper is not None:
            keeper.start()
            self._keeper = keeper
            demo.open_demo()

    def _fork_worker(self, options: dict[str, Any]) -> WorkerKeeper:
        demo.reserve()
        keeper = WorkerKeeper(_worker_arguments(options), complain=self._complain)
        keeper.fork()
        return keeper

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
        with errors_in_one_line(WHAT, ConfigError), closing(connection):
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
