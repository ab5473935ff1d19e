"""The index of the library's search: all runs of three characters (trigrams) of what cards say.

As that of the downloads (`downloads.migrations._search`): a table of FTS5 that triggers keep on
SQLite, an index of pg_trgm on PostgreSQL. Without it, cards are searched row by row.
"""

from django.db import DatabaseError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

COLUMNS = ("title", "uploader", "description")
NAMES = ", ".join(COLUMNS)
OLD = ", ".join(f"OLD.{name}" for name in COLUMNS)
NEW = ", ".join(f"NEW.{name}" for name in COLUMNS)
CHANGED = " OR ".join(f"OLD.{name} <> NEW.{name}" for name in COLUMNS)

SQLITE = [
    f"""
    CREATE VIRTUAL TABLE library_search USING fts5(
        {NAMES}, content='library_card', content_rowid='entry_id', tokenize='trigram'
    )
    """,
    "INSERT INTO library_search (library_search) VALUES ('rebuild')",
    f"""
    CREATE TRIGGER library_card_found AFTER INSERT ON library_card
    BEGIN
        INSERT INTO library_search (rowid, {NAMES}) VALUES (NEW.entry_id, {NEW});
    END
    """,
    f"""
    CREATE TRIGGER library_card_reworded AFTER UPDATE OF {NAMES} ON library_card
    WHEN {CHANGED}
    BEGIN
        INSERT INTO library_search (library_search, rowid, {NAMES})
        VALUES ('delete', OLD.entry_id, {OLD});
        INSERT INTO library_search (rowid, {NAMES}) VALUES (NEW.entry_id, {NEW});
    END
    """,
    f"""
    CREATE TRIGGER library_card_lost AFTER DELETE ON library_card
    BEGIN
        INSERT INTO library_search (library_search, rowid, {NAMES})
        VALUES ('delete', OLD.entry_id, {OLD});
    END
    """,
]

# Of what `icontains` asks for.
POSTGRESQL = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX library_search ON library_card USING gin ("
    + ", ".join(f"UPPER({name}::text) gin_trgm_ops" for name in COLUMNS)
    + ")",
]

SQLITE_REMOVAL = [
    "DROP TRIGGER IF EXISTS library_card_found",
    "DROP TRIGGER IF EXISTS library_card_reworded",
    "DROP TRIGGER IF EXISTS library_card_lost",
    "DROP TABLE IF EXISTS library_search",
]

POSTGRESQL_REMOVAL = ["DROP INDEX IF EXISTS library_search"]


def install(schema_editor: BaseDatabaseSchemaEditor) -> DatabaseError | None:
    """Make the index of the cards that are there. Returns why the database refused, or None."""
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    try:
        with transaction.atomic(using=schema_editor.connection.alias):
            for statement in POSTGRESQL if is_postgresql else SQLITE:
                schema_editor.execute(statement)
    except DatabaseError as error:
        return error
    return None


def remove(schema_editor: BaseDatabaseSchemaEditor) -> None:
    is_postgresql = schema_editor.connection.vendor == "postgresql"
    for statement in POSTGRESQL_REMOVAL if is_postgresql else SQLITE_REMOVAL:
        schema_editor.execute(statement)
