"""Statements that each download needs many times, whose SQL is made once.

The ORM takes ten times as long to write such a statement as the database to carry it out. Values
are prepared by their fields, so that both databases store what the ORM would. Knows no table.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections, models

Model = type[models.Model]


def ask(sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """Carry out one statement, and return the rows that it answers with."""
    with connections[DEFAULT_DB_ALIAS].cursor() as cursor:
        cursor.execute(sql, list(values))
        return cursor.fetchall() if cursor.description else []


def instant(value: Any) -> Any:
    """Return an instant that `ask` has read, as its field does; None stays None."""
    database = connections[DEFAULT_DB_ALIAS]
    if database.vendor != "sqlite":
        return value
    operations: Any = database.ops  # SQLite has no type for it
    return operations.convert_datetimefield_value(value, None, database)


def insert(*rows: models.Model, or_else: str = "") -> None:
    """Insert rows of one model, if there are any, in one statement. Sends no signals.

    They get the keys that the database makes, unless there is an ON CONFLICT clause, `or_else`.
    """
    if not rows:
        return
    model = type(rows[0])
    has_key = rows[0].pk is not None
    fields = _fields(model, has_key=has_key)
    database = connections[DEFAULT_DB_ALIAS]
    values = [
        field.get_db_prep_save(getattr(row, field.attname), database)
        for row in rows
        for field in fields
    ]
    sql = _insert(model, fields, len(rows))
    if has_key or or_else:
        ask(f"{sql} {or_else}", values)
        return
    for row, (key,) in zip(rows, ask(f"{sql} RETURNING id", values), strict=True):
        row.pk = key


def update(
    model: Model, columns: Mapping[str, Any], *, where: Mapping[str, Any], returning: str
) -> list[tuple[Any, ...]]:
    """Write columns of the rows that have the values `where`; return one column of each of them.

    None in `where` means NULL. Columns are named as fields are, and take their instances.
    """
    fixed = tuple((name, value is None) for name, value in where.items())
    given = [*columns.items(), *(pair for pair in where.items() if pair[1] is not None)]
    database, fields = connections[DEFAULT_DB_ALIAS], _by_name(model)
    values = [
        fields[name].get_db_prep_save(
            value.pk if isinstance(value, models.Model) else value, database
        )
        for name, value in given
    ]
    return ask(_update(model, tuple(columns), fixed, returning), values)


Fields = tuple["models.Field[Any, Any]", ...]


@cache
def _fields(model: Model, *, has_key: bool) -> Fields:
    """Return the fields that are written; without a key, the database makes it."""
    fields = model._meta.concrete_fields
    return tuple(field for field in fields if has_key or not field.primary_key)


@cache
def _by_name(model: Model) -> dict[str, "models.Field[Any, Any]"]:
    return {field.name: field for field in model._meta.concrete_fields}


@cache
def _insert(model: Model, fields: Fields, number: int) -> str:
    names = ", ".join(f'"{field.column}"' for field in fields)
    row = f"({', '.join(['%s'] * len(fields))})"
    rows = ", ".join([row] * number)
    return f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES {rows}'  # noqa: S608


@cache
def _update(
    model: Model, names: tuple[str, ...], where: tuple[tuple[str, bool], ...], returning: str
) -> str:
    column = {name: f'"{field.column}"' for name, field in _by_name(model).items()}
    written = ", ".join(f"{column[name]} = %s" for name in names)
    met = [f"{column[name]} {'IS NULL' if is_null else '= %s'}" for name, is_null in where]
    conditions = " AND ".join(met)
    return (
        f'UPDATE "{model._meta.db_table}" SET {written} WHERE {conditions}'  # noqa: S608
        f" RETURNING {column[returning]}"
    )
