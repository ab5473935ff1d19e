"""`manage.py index_search`: make the index of the search anew."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from downloads.library.migrations._search import CARDS
from downloads.management.foreseen import errors_in_one_line
from downloads.migrations._search import DOWNLOADS


class Command(BaseCommand):
    help = (
        "Make the indexes of the searches, for downloads and for the library, anew: where doctor "
        "says that one is missing, once the database can have it (SQLite with FTS5, PostgreSQL "
        "with the extension pg_trgm). Takes "
        "about half a minute for a million downloads; nothing is written meanwhile."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_in_one_line("No index was made"), connection.schema_editor() as editor:
            for index in (DOWNLOADS, CARDS):
                index.remove(editor)
                if refusal := index.install(editor):
                    raise refusal  # what was removed is there again
        self.stdout.write("The search has its index.")
