"""`manage.py import_archive`: take over what yt-dlp's `--download-archive` remembers."""

import sys
from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from downloads.management.arguments import WRONG_ARGUMENTS, user_named
from downloads.management.foreseen import errors_in_one_line
from downloads.models.archive import archive
from downloads.rules.archive import InvalidArchive, MediaId, media_ids_in
from downloads.rules.redaction import escape


class Command(BaseCommand):
    help = (
        "Add the videos of a yt-dlp archive (--download-archive) to what a user has had: they are "
        "marked in lists, and left out where only new ones are added. All lines are checked first: "
        "if one is wrong, nothing is imported. Importing twice is importing once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the archive; - reads standard input")
        parser.add_argument(
            "--user", metavar="NAME", help="whose archive; default: that of downloads of nobody"
        )

    def handle(self, **options: Any) -> None:
        media = media_in(options["file"])
        with errors_in_one_line("The database is not usable"):
            owner = None if options["user"] is None else user_named(options["user"])
            added = archive(owner, media)
        present = len(media) - added
        self.stdout.write(f"{added:,} added, {present:,} there already.")


def media_in(name: str) -> list[MediaId]:
    """Read an archive. Raises CommandError when there is none, or a line for each wrong one."""
    try:
        with nullcontext(sys.stdin.buffer) if name == "-" else Path(name).open("rb") as file:
            return media_ids_in(file)
    except OSError as error:
        sentence = f"{escape(name)} cannot be read: {error.strerror}."
        raise CommandError(sentence, returncode=WRONG_ARGUMENTS) from None
    except InvalidArchive as refusal:
        sentences = "\n".join(["Nothing was imported.", *refusal.faults])
        raise CommandError(sentences, returncode=WRONG_ARGUMENTS) from None
