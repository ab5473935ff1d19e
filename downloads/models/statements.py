"""Statements that each download needs many times, whose SQL is made once.

The ORM takes ten times as long to write such a statement as the database to carry it out. Values
are prepared by their fields, so that both databases store what the ORM would. Knows no table.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django.db import connection, models

Model = type[models.Model]


def ask(sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    """Carry out one statement, and return the rows that it answers with."""
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))
        return cursor.fetchall() if cursor.description else []


def insert(*rows: models.Model, or_else: str = "") -> None:
    """Insert rows of one model, if there are any, in one statement; their instances get no keys.

    `or_else`: an ON CONFLICT clause. Sends no signals.
    """
    if not rows:
        return
    model = type(rows[0])
    fields = _fields(model, has_key=rows[0].pk is not None)
    values = [
        field.get_db_prep_save(getattr(row, field.attname), connection)
        for row in rows
        for field in fields
    ]
    ask(_insert(model, fields, len(rows)) + or_else, values)


def update(
    model: Model, columns: Mapping[str, Any], *, where: Mapping[str, Any], returning: str
) -> list[tuple[Any, ...]]:
    """Write columns of the rows that have the values `where`; return one column of each of them.

    None in `where` means NULL. Columns are named as fields are, and take their instances.
    """
    fixed = tuple((name, value is None) for name, value in where.items())
    values = [
        *(_prepared(model, name, value) for name, value in columns.items()),
        *(_prepared(model, name, value) for name, value in where.items() if value is not None),
    ]
    return ask(_update(model, tuple(columns), fixed, returning), values)


def _prepared(model: Model, name: str, value: Any) -> Any:
    """Return a value as its column stores it."""
    if isinstance(value, models.Model):
        value = value.pk
    return _by_name(model)[name].get_db_prep_save(value, connection)


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
    return f"INSERT INTO {model._meta.db_table} ({names}) VALUES {rows} "  # noqa: S608


@cache
def _update(
    model: Model, names: tuple[str, ...], where: tuple[tuple[str, bool], ...], returning: str
) -> str:
    column = {name: f'"{field.column}"' for name, field in _by_name(model).items()}
    written = ", ".join(f"{column[name]} = %s" for name in names)
    met = [f"{column[name]} {'IS NULL' if is_null else '= %s'}" for name, is_null in where]
    table = model._meta.db_table
    return (
        f"UPDATE {table} SET {written} WHERE {' AND '.join(met)}"  # noqa: S608
        f" RETURNING {column[returning]}"
    )
