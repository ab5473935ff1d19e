"""`manage.py doctor`: print what is wrong around vnsite, and what to do about it."""

import json
import sys
from dataclasses import asdict
from typing import Any

from django.core.management import BaseCommand
from django.core.management.base import CommandParser

from downloads.diagnostics.checks import run
from downloads.diagnostics.verdict import Check, Level, worst
from downloads.rules.redaction import escape


class Command(BaseCommand):
    help = (
        "Check database, clocks, workers, folders, free space, yt-dlp, ffmpeg, deno, the fence of "
        "downloads and the secret key. Ends with 2 when something fails, else with 0."
    )
    # Django's own checks would stop it where it has to say what is wrong.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--strict", action="store_true", help="end with 1 when there are only warnings"
        )
        parser.add_argument(
            "--whole",
            action="store_true",
            help="look for damage in all of SQLite's file, which may take minutes; else in what "
            "can be read in a moment",
        )

    def handle(self, **options: Any) -> None:
        checks = run(whole=options["whole"])
        level = worst(checks)
        if options["json"]:
            report = {"level": level, "checks": [asdict(check) for check in checks]}
            self.stdout.write(json.dumps(report, indent=2, default=str))
        else:
            self._print(checks)
        if level is Level.FAILURE:
            sys.exit(2)
        if level is Level.WARNING and options["strict"]:
            sys.exit(1)

    def _print(self, checks: list[Check]) -> None:
        styles = {
            Level.OK: self.style.SUCCESS,
            Level.NOTE: self.style.MIGRATE_HEADING,
            Level.WARNING: self.style.WARNING,
            Level.FAILURE: self.style.ERROR,
        }
        width = max(len(check.name) for check in checks)
        for check in checks:
            level = styles[check.level](f"{check.level:8}")
            self.stdout.write(f"{level} {check.name:{width}}  {escape(str(check.sentence))}")
            if check.fix:
                self.stdout.write(f"{'':8} {'':{width}}  → {escape(str(check.fix))}")
