"""The lifecycle worker, as a command: parse, wire signals, run."""

import signal
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from downloads.fetch.processes import ChildFailed, end_with_parent
from downloads.models.outage import in_words
from downloads.worker.worker import GRACE_SECONDS, DownloadManager, Outdated


class Command(BaseCommand):
    help = (
        "Run the lifecycle worker: claim waiting downloads and carry each to its end. The first "
        "Ctrl-C or SIGTERM stops claiming and gives running downloads the grace; the second ends "
        "at once. What did not end is put back and goes on with the next worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--concurrency", type=int, metavar="N", help="downloads at once (VNSITE_CONCURRENCY)"
        )
        parser.add_argument(
            "--once", action="store_true", help="end when nothing is waiting and nothing runs"
        )
        parser.add_argument(
            "--host-name", metavar="NAME", help="this machine's name (default: the system's)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=GRACE_SECONDS,
            metavar="SECONDS",
            help="how long running downloads may go on after a stop (%(default)s)",
        )
        parser.add_argument(
            "--parent-pid",
            type=int,
            metavar="PID",
            help="begin when stdin ends, stop when this parent process ends (used by `serve`)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["concurrency"] is not None and not 1 <= options["concurrency"] <= 64:
            raise CommandError("--concurrency must be a whole number from 1 to 64")
        if options["grace"] < 0:
            raise CommandError("--grace must not be negative")
        manager = DownloadManager(
            slots=options["concurrency"],
            host=options["host_name"],
            grace_seconds=options["grace"],
        )
        if options["parent_pid"]:
            if not end_with_parent(options["parent_pid"]):
                return
            sys.stdin.read()  # it ends when the parent has made the database ready
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: manager.stop())
        try:
            manager.run(once=options["once"])
        except (ChildFailed, DatabaseError, OSError, Outdated) as error:
            raise CommandError(f"The worker cannot run: {in_words(error)}") from error
