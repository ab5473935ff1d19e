"""Tells errors of a database that is away or damaged from those of a wrong statement.

Knows neither rows nor sides.
"""

import sqlite3

from django.db import DatabaseError, InterfaceError, OperationalError

from downloads.rules.words import marked

# What SQLite and PostgreSQL say of a file that cannot be read.
DAMAGED = ("malformed", "not a database", "invalid page in block", "could not read block")
REMEDY = marked("Stop vnsite and restore the database from a backup; the library was not touched.")


def is_outage(error: BaseException | None) -> bool:
    """Return whether the database is away or damaged. Any other error is a fault of ours."""
    is_away = isinstance(error, OperationalError | InterfaceError)
    return is_damaged(error) or (is_away and not _is_about_the_statement(error))


def is_damaged(error: BaseException | None) -> bool:
    """Return whether the database's file is damaged: waiting does not help."""
    return isinstance(error, DatabaseError) and any(words in str(error) for words in DAMAGED)


def _is_about_the_statement(error: BaseException | None) -> bool:
    """Return whether a table or column is missing, which SQLite calls operational as well."""
    code = getattr(error and error.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR


def in_words(error: Exception) -> str:
    """Describe an error on one line, with the remedy where waiting does not help."""
    line = " ".join(str(error).split()).removesuffix(".")
    return f"the database is damaged: {line}. {REMEDY}" if is_damaged(error) else line
