"""`manage.py cleanup_orphans`: recover what dead workers left, and print it."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import nullcontext
from typing import Any

from django.core.management.base import BaseCommand

from downloads.disk.isolation import is_correlation_id
from downloads.management.arguments import duration
from downloads.management.foreseen import errors_in_one_line
from downloads.management.progress_bars import pulse
from downloads.rules.redaction import escape
from downloads.worker.leftovers import Orphan
from downloads.worker.recovery import recover


def correlation_id(text: str) -> str:
    if not is_correlation_id(text):
        raise ArgumentTypeError(
            f"{text!r} is not a correlation id (1 to 64 letters, digits and hyphens)"
        )
    return text


class Command(BaseCommand):
    help = (
        "Give downloads of dead workers their right end, and remove what they left on the disk. "
        "Safe beside running workers. Directories that no attempt names are printed, not touched. "
        "Ends with 0 when nothing is left to do, 1 when something could not be mended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be done, change nothing"
        )
        parser.add_argument(
            "--older-than",
            type=duration,
            metavar="DURATION",
            help="only downloads that did not change for so long (90s, 15m, 2h, 7d, 4w)",
        )
        parser.add_argument(
            "--correlation-id",
            type=correlation_id,
            action="append",
            metavar="ID",
            help="only this download (may be given several times)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        ids, dry_run = options["correlation_id"], options["dry_run"]
        bar = pulse(sys.stderr, "Orphans") if sys.stderr.isatty() else nullcontext()
        with errors_in_one_line("Nothing could be recovered", OSError), bar as shown:
            orphans = recover(
                actor="command:cleanup_orphans",
                only=frozenset(ids) if ids else None,
                older_than=options["older_than"],
                dry_run=dry_run,
                on_found=shown.count if shown else None,
            )
        total = {"count": len(orphans), "bytes": sum(orphan.size_bytes for orphan in orphans)}
        if options["json"]:
            found = [_as_dict(orphan) for orphan in orphans]
            answer = {"dry_run": dry_run, "orphans": found, "total": total}
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            for orphan in orphans:
                self.stdout.write(_line(orphan))
            word = "orphan" if len(orphans) == 1 else "orphans"
            note = " (dry run: nothing was changed)" if dry_run else ""
            summary = f"{total['count']} {word}, {total['bytes']} bytes{note}"
            self.stdout.write(summary if orphans else "No orphans.")
        if not all(orphan.is_mended for orphan in orphans):
            sys.exit(1)


def _line(orphan: Orphan) -> str:
    path, action = escape(str(orphan.path or "-")), escape(orphan.action)
    size = f"{orphan.size_bytes} bytes"
    return f"{orphan.what}  {orphan.correlation_id}  {path}  {size}  {action}"


def _as_dict(orphan: Orphan) -> dict[str, Any]:
    return {
        "what": orphan.what,
        "correlation_id": orphan.correlation_id,
        "path": str(orphan.path) if orphan.path else None,
        "action": orphan.action,
        "bytes": orphan.size_bytes,
    }
