"""How a command ends when something foreseeable is wrong: one clear line, no traceback."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db import DatabaseError

from downloads.models.outage import in_words


@contextmanager
def errors_in_one_line(what: str, *also: type[Exception]) -> Iterator[None]:
    """Turn an error of the database into a CommandError that begins with `what`.

    `also`: other exceptions whose message a person understands.
    """
    foreseen: tuple[type[Exception], ...] = (DatabaseError, *also)
    try:
        yield
    except foreseen as error:
        line = in_words(error).removesuffix(".")
        raise CommandError(f"{what}: {line}. Run manage.py doctor.") from error
