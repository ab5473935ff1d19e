"""Which errors of the database are an outage, and what is said of them."""

import sqlite3
from contextlib import closing

import pytest
from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)

from downloads.models.outage import REMEDY, in_words, is_damaged, is_outage


def said_by_sqlite(statement: str) -> OperationalError:
    """As Django raises it: with SQLite's own error as the cause."""
    with (
        closing(sqlite3.connect(":memory:")) as database,
        pytest.raises(sqlite3.OperationalError) as caught,
    ):
        database.execute(statement)
    error = OperationalError(str(caught.value))
    error.__cause__ = caught.value
    return error


@pytest.mark.parametrize(
    "error",
    [
        OperationalError("database is locked"),
        OperationalError("connection failed: Connection refused"),
        OperationalError("disk I/O error"),
        InterfaceError("connection already closed"),
        DatabaseError("database disk image is malformed"),
        InternalError("invalid page in block 7 of relation base/5/16384"),
    ],
)
def test_an_outage(error: Exception) -> None:
    assert is_outage(error)


@pytest.mark.parametrize(
    "error",
    [
        IntegrityError("UNIQUE constraint failed"),
        DataError("value too long"),
        ProgrammingError('relation "x" does not exist'),
        said_by_sqlite("SELECT * FROM nothing"),
        ValueError("database disk image is malformed"),
        None,
    ],
)
def test_no_outage(error: Exception | None) -> None:
    assert not is_outage(error)


def test_only_a_damaged_database_needs_a_backup() -> None:
    damaged = DatabaseError("database disk image is malformed")

    assert is_damaged(damaged)
    assert in_words(damaged).endswith(REMEDY)
    assert not is_damaged(OperationalError("database is locked"))
    assert in_words(OperationalError("could not connect\n  twice")) == "could not connect twice"
