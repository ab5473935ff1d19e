"""`manage.py index_library`: make the library's catalogue anew."""

from typing import Any

from django.core.management.base import BaseCommand

from downloads.library import catalogue, subtitles
from downloads.management.foreseen import errors_in_one_line


class Command(BaseCommand):
    help = (
        "Make the cards of the library's catalogue anew, of what is known of each entry. The "
        "worker makes those that are missing by itself; this is for after an accident. Safe "
        "beside live workers."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_in_one_line("The catalogue was not made"):
            made = catalogue.make_anew()
            while subtitles.read_some():
                pass
        self.stdout.write(f"Entries in the catalogue: {made}")
