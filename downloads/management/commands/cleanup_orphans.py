"""Recovers what dead workers left, as a command: parse, call, print."""

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from downloads.disk.isolation import is_correlation_id
from downloads.models.outage import in_words
from downloads.rules.redaction import escape
from downloads.worker.leftovers import Orphan
from downloads.worker.recovery import recover

DURATION = re.compile(r"(\d+)([smhd]?)")
UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(text: str) -> timedelta:
    """`90`, `90s`, `15m`, `2h` or `7d`."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a duration like 90s, 15m, 2h or 7d")
    return timedelta(seconds=int(match[1]) * UNITS[match[2]])


def correlation_id(text: str) -> str:
    if not is_correlation_id(text):
        raise ArgumentTypeError(
            f"{text!r} is not a correlation id (1 to 64 letters, digits and hyphens)"
        )
    return text


class Command(BaseCommand):
    help = (
        "Give downloads of dead workers their right end, and remove what they left on the disk. "
        "Safe beside live workers. Directories that no attempt names are reported, not touched. "
        "Ends with 0 when nothing is left to do, 1 when something could not be mended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="say it, change nothing")
        parser.add_argument(
            "--older-than",
            type=duration,
            metavar="DURATION",
            help="only downloads without a change for so long (90s, 15m, 2h, 7d)",
        )
        parser.add_argument(
            "--correlation-id",
            type=correlation_id,
            action="append",
            metavar="ID",
            help="only this download (may be given several times)",
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        ids = options["correlation_id"]
        try:
            orphans = recover(
                actor="command:cleanup_orphans",
                only=frozenset(ids) if ids else None,
                older_than=options["older_than"],
                dry_run=options["dry_run"],
            )
        except (DatabaseError, OSError) as error:
            raise CommandError(f"Nothing could be recovered: {in_words(error)}") from error
        if options["json"]:
            self._print_json(orphans, dry_run=options["dry_run"])
        else:
            self._print_lines(orphans, dry_run=options["dry_run"])
        if not all(orphan.is_mended for orphan in orphans):
            sys.exit(1)

    def _print_json(self, orphans: list[Orphan], *, dry_run: bool) -> None:
        answer = {
            "dry_run": dry_run,
            "orphans": [_as_dict(orphan) for orphan in orphans],
            "total": {"count": len(orphans), "bytes": _total_bytes(orphans)},
        }
        self.stdout.write(json.dumps(answer, indent=2))

    def _print_lines(self, orphans: list[Orphan], *, dry_run: bool) -> None:
        for orphan in orphans:
            path = escape(str(orphan.path or "-"))
            self.stdout.write(
                f"{orphan.what}  {orphan.correlation_id}  {path}  {orphan.size_bytes} bytes"
                f"  {escape(orphan.action)}"
            )
        note = " (dry run: nothing was changed)" if dry_run else ""
        self.stdout.write(
            f"{len(orphans)} orphan{'s' if len(orphans) > 1 else ''},"
            f" {_total_bytes(orphans)} bytes{note}"
            if orphans
            else "No orphans."
        )


def _as_dict(orphan: Orphan) -> dict[str, Any]:
    values = asdict(orphan)
    values["path"] = str(orphan.path) if orphan.path else None
    values["bytes"] = values.pop("size_bytes")
    values.pop("is_mended")
    return values


def _total_bytes(orphans: list[Orphan]) -> int:
    return sum(orphan.size_bytes for orphan in orphans)
