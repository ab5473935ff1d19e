"""Which errors of the database mean that it is away or damaged, and not that a statement is wrong.

Knows neither rows nor sides.
"""

import sqlite3

from django.db import DatabaseError, InterfaceError, OperationalError

# What SQLite and PostgreSQL say of a file that cannot be read.
DAMAGED = ("malformed", "not a database", "invalid page in block", "could not read block")
REMEDY = "Stop vnsite and restore the database from a backup; the library was not touched."


def is_outage(error: BaseException | None) -> bool:
    """Whether the database does not answer, or cannot be read. Anything else is a fault of ours."""
    is_away = isinstance(error, OperationalError | InterfaceError)
    return is_damaged(error) or (is_away and not _is_about_the_statement(error))


def is_damaged(error: BaseException | None) -> bool:
    """Whether the database's file is not what it was: waiting does not help."""
    return isinstance(error, DatabaseError) and any(words in str(error) for words in DAMAGED)


def _is_about_the_statement(error: BaseException | None) -> bool:
    """SQLite calls it operational as well when there is no such table or column."""
    code = getattr(error and error.__cause__, "sqlite_errorcode", None)
    return code == sqlite3.SQLITE_ERROR


def in_words(error: Exception) -> str:
    """What happened, on one line, with what helps where waiting does not."""
    line = " ".join(str(error).split()).removesuffix(".")
    return f"the database is damaged: {line}. {REMEDY}" if is_damaged(error) else line
