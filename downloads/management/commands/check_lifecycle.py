"""`manage.py check_lifecycle`: print what breaks an invariant of the downloads."""

import json
import sys
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand

from downloads.diagnostics.invariants import Finding, check
from downloads.management.foreseen import errors_in_one_line
from downloads.rules.redaction import escape


class Command(BaseCommand):
    help = (
        "Check that histories, library, isolated directories and processes are as the downloads "
        "say. Changes nothing, and is safe beside running workers. Prints one line for each "
        "breach, and one for each note: something that is allowed, but may be a fault. Ends with "
        "1 when there is a breach, else with 0."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--hashes", action="store_true", help="read every published file as well (slow)"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_in_one_line("Nothing could be checked", OSError):
            findings = check(hashes=options["hashes"])
        breaches = [finding for finding in findings if finding.is_breach]
        notes = [finding for finding in findings if not finding.is_breach]
        if options["json"]:
            answer = {"breaches": [*map(_as_dict, breaches)], "notes": [*map(_as_dict, notes)]}
            self.stdout.write(json.dumps(answer, indent=2))
        else:
            self._print_lines(breaches, notes)
        if breaches:
            sys.exit(1)

    def _print_lines(self, breaches: list[Finding], notes: list[Finding]) -> None:
        for finding in breaches + notes:
            start = "" if finding.is_breach else "note: "
            sentence = escape(finding.sentence)
            self.stdout.write(f"{start}{finding.invariant}  {finding.correlation_id}  {sentence}")
        total = f"{_count(breaches, 'breach', 'breaches')}, {_count(notes, 'note', 'notes')}."
        self.stdout.write(total if breaches or notes else "No breaches.")


def _as_dict(finding: Finding) -> dict[str, Any]:
    return {name: value for name, value in asdict(finding).items() if name != "is_breach"}


def _count(findings: list[Finding], one: str, many: str) -> str:
    return f"{len(findings)} {one if len(findings) == 1 else many}"
