"""The indexes of the searches: all runs of three characters (trigrams) of the texts of a table.

On SQLite a table of FTS5, whose content is that of the other table, kept by triggers; on PostgreSQL
an index of pg_trgm, which the owner of a database may create. A database where neither can be made
is searched row by row, and `doctor` says so.
"""

from dataclasses import dataclass

from django.db import DatabaseError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


@dataclass(frozen=True, kw_only=True)
class TrigramIndex:
    """The index `name` of some columns of a table, whose rows have an integer `key`."""

    name: str
    table: str
    key: str
    columns: tuple[str, ...]

    @property
    def sqlite(self) -> list[str]:
        """The statements that make it on SQLite."""
        name, table, key, columns = self.name, self.table, self.key, ", ".join(self.columns)
        new = ", ".join(f"NEW.{column}" for column in self.columns)
        old = ", ".join(f"OLD.{column}" for column in self.columns)
        changed = " OR ".join(f"OLD.{column} <> NEW.{column}" for column in self.columns)
        add = f"INSERT INTO {name} (rowid, {columns}) VALUES (NEW.{key}, {new});"
        take = f"INSERT INTO {name} ({name}, rowid, {columns}) VALUES ('delete', OLD.{key}, {old});"
        return [
            f"CREATE VIRTUAL TABLE {name} USING fts5("
            f"{columns}, content='{table}', content_rowid='{key}', tokenize='trigram')",
            f"INSERT INTO {name} ({name}) VALUES ('rebuild')",
            f"CREATE TRIGGER {table}_found AFTER INSERT ON {table} BEGIN {add} END",
            f"CREATE TRIGGER {table}_renamed AFTER UPDATE OF {columns} ON {table} WHEN {changed}"
            f" BEGIN {take} {add} END",
            f"CREATE TRIGGER {table}_lost AFTER DELETE ON {table} BEGIN {take} END",
        ]

    @property
    def sqlite_removal(self) -> list[str]:
        triggers = [f"{self.table}_{what}" for what in ("found", "renamed", "lost")]
        drops = [f"DROP TRIGGER IF EXISTS {trigger}" for trigger in triggers]
        return [*drops, f"DROP TABLE IF EXISTS {self.name}"]

    @property
    def postgresql(self) -> list[str]:
        """The statements that make it on PostgreSQL, of what `icontains` asks for."""
        texts = ", ".join(f"UPPER({column}::text) gin_trgm_ops" for column in self.columns)
        return [
            "CREATE EXTENSION IF NOT EXISTS pg_trgm",
            f"CREATE INDEX {self.name} ON {self.table} USING gin ({texts})",
        ]

    def install(self, schema_editor: BaseDatabaseSchemaEditor) -> DatabaseError | None:
        """Make it of the rows that are there. Returns why the database refused, or None."""
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        try:
            with transaction.atomic(using=schema_editor.connection.alias):
                for statement in self.postgresql if is_postgresql else self.sqlite:
                    schema_editor.execute(statement)
        except DatabaseError as error:
            return error
        return None

    def remove(self, schema_editor: BaseDatabaseSchemaEditor) -> None:
        is_postgresql = schema_editor.connection.vendor == "postgresql"
        of_postgresql = [f"DROP INDEX IF EXISTS {self.name}"]
        for statement in of_postgresql if is_postgresql else self.sqlite_removal:
            schema_editor.execute(statement)


DOWNLOADS = TrigramIndex(
    name="downloads_search", table="downloads_download", key="id", columns=("title", "url")
)
