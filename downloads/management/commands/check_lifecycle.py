"""Checks the invariants of all downloads, as a command: parse, call, print."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from downloads.diagnostics.invariants import Finding, check
from downloads.models.outage import in_words
from downloads.rules.redaction import escape


class Command(BaseCommand):
    help = (
        "Check that histories, library, isolated directories and processes are as the downloads "
        "say. Reads only, and is safe beside living workers. One line for each breach, and for "
        "each note: something that is allowed but that nobody can be sure of from here. Ends with "
        "0 when there is no breach, 1 when there is one."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--hashes", action="store_true", help="read every published file as well (slow)"
        )
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            findings = check(hashes=options["hashes"])
        except (DatabaseError, OSError) as error:
            raise CommandError(f"Nothing could be checked: {in_words(error)}") from error
        breaches = [finding for finding in findings if finding.is_breach]
        notes = [finding for finding in findings if not finding.is_breach]
        if options["json"]:
            self._print_json(breaches, notes)
        else:
            self._print_lines(breaches, notes)
        if breaches:
            sys.exit(1)

    def _print_json(self, breaches: Sequence[Finding], notes: Sequence[Finding]) -> None:
        answer = {"breaches": list(map(_as_dict, breaches)), "notes": list(map(_as_dict, notes))}
        self.stdout.write(json.dumps(answer, indent=2))

    def _print_lines(self, breaches: Sequence[Finding], notes: Sequence[Finding]) -> None:
        for finding in breaches:
            self.stdout.write(_line(finding))
        for finding in notes:
            self.stdout.write(f"note: {_line(finding)}")
        total = f"{_count(breaches, 'breach', 'breaches')}, {_count(notes, 'note', 'notes')}."
        self.stdout.write(total if breaches or notes else "No breaches.")


def _line(finding: Finding) -> str:
    return f"{finding.invariant}  {finding.correlation_id}  {escape(finding.sentence)}"


def _as_dict(finding: Finding) -> dict[str, Any]:
    values = asdict(finding)
    values.pop("is_breach")
    return values


def _count(findings: Sequence[Finding], one: str, many: str) -> str:
    return f"{len(findings)} {one if len(findings) == 1 else many}"
