"""`manage.py export_archive`: write what a user has had, for yt-dlp's `--download-archive`."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from django.core.management import BaseCommand, CommandError

from downloads.management.arguments import WRONG_ARGUMENTS, user_named
from downloads.management.foreseen import errors_in_one_line
from downloads.models import ArchivedMedia
from downloads.rules.redaction import escape


class Command(BaseCommand):
    help = (
        "Write the videos that a user has or had, a line for each, as yt-dlp's --download-archive "
        "does. The summary goes to standard error."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "file",
            metavar="FILE",
            nargs="?",
            default="-",
            help="where to; a file that is there is replaced; default and -: standard output",
        )
        parser.add_argument(
            "--user", metavar="NAME", help="whose archive; default: that of downloads of nobody"
        )

    def handle(self, **options: Any) -> None:
        written = 0
        with errors_in_one_line("The database is not usable"):
            owner = None if options["user"] is None else user_named(options["user"])
            with self._target(options["file"]) as write:
                for lines in ArchivedMedia.objects.of(owner).lines():
                    write(lines)
                    written += lines.count("\n")
        self.stderr.write(f"{written:,} {'video' if written == 1 else 'videos'} written.")

    @contextmanager
    def _target(self, name: str) -> Iterator[Callable[[str], object]]:
        """Open what is written to. Raises CommandError when it cannot be written."""
        try:
            if name == "-":
                yield partial(self.stdout.write, ending="")
                self.stdout.flush()
                return
            with Path(name).open("w", encoding="utf-8") as file:
                yield file.write
        except OSError as error:
            sentence = f"{escape(name)} cannot be written: {error.strerror}."
            raise CommandError(sentence, returncode=WRONG_ARGUMENTS) from None
