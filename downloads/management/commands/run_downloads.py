"""`manage.py run_downloads`: wire signals and run the lifecycle worker."""

import gc
import os
import signal
import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from downloads.fetch.processes import ChildFailed, end_with_parent
from downloads.management.arguments import add_concurrency
from downloads.management.foreseen import errors_in_one_line
from downloads.management.progress_bars import BarsOfThisWorker
from downloads.worker import one_processor
from downloads.worker.worker import GRACE_SECONDS, DownloadManager, Outdated

NICENESS = 5  # a third of the weight of a web server that has the same processors


class Command(BaseCommand):
    help = (
        "Run the lifecycle worker: claim waiting downloads and bring each to its end. After the "
        "first Ctrl-C or SIGTERM nothing more is claimed, and running downloads have the grace to "
        "end; the second ends the worker at once. Unfinished downloads go on with the next worker."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_concurrency(parser)
        parser.add_argument(
            "--once", action="store_true", help="end when no download waits or runs"
        )
        parser.add_argument(
            "--host-name", metavar="NAME", help="this machine's name (default: the system's)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=GRACE_SECONDS,
            metavar="SECONDS",
            help="time that running downloads have to end after a stop (%(default)s)",
        )
        parser.add_argument(
            "--parent-pid",
            type=int,
            metavar="PID",
            help="begin when stdin ends, stop when this parent process ends (used by `serve`)",
        )

        parser.add_argument(
            "--demo-link", default="", metavar="URL", help="of the demo's video (used by `serve`)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["grace"] < 0:
            raise CommandError("--grace must not be negative")
        os.nice(NICENESS)  # first of all, so that what it starts has it as well
        manager = DownloadManager(
            slots=options["concurrency"],
            host=options["host_name"],
            grace_seconds=options["grace"],
            demo_link=options["demo_link"],
        )
        if options["parent_pid"]:
            if not end_with_parent(options["parent_pid"]):
                return
            _wait_for_parent(manager)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: manager.stop())
        gc.freeze()  # what is loaded stays: none of it is searched for garbage any more
        is_watched = sys.stderr.isatty() and not options["parent_pid"]
        with (
            errors_in_one_line("The worker cannot run", OSError, ChildFailed, Outdated),
            BarsOfThisWorker() if is_watched else nullcontext(),
            one_processor.staying(),
        ):
            manager.run(once=options["once"])


def _wait_for_parent(manager: DownloadManager) -> None:
    """Get warm until the parent has made the database ready; a SIGTERM ends this process."""
    try:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        manager.warm_up()
        sys.stdin.read()
    except SystemExit:
        manager.cool_down()
        raise
