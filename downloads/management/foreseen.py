"""How commands end when something foreseeable is wrong: one clear line, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db import DatabaseError

from downloads.models.outage import in_words


@contextmanager
def database_errors_as_one_line() -> Iterator[None]:
    """Turn what a missing, old or unreachable database raises into a CommandError."""
    try:
        yield
    except DatabaseError as error:
        line = in_words(error).removesuffix(".")
        raise CommandError(f"The database is not usable: {line}. Run manage.py doctor.") from error
