"""The index of the search: all runs of three characters (trigrams) of titles and URLs.

On SQLite a table of FTS5, whose content is that of the downloads, kept by triggers; on PostgreSQL an
index of pg_trgm, which the owner of a database may create. A database where neither can be made is
searched row by row, and `doctor` says so.
"""

from django.db import DatabaseError, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

SQLITE = [
    """
    CREATE VIRTUAL TABLE downloads_search USING fts5(
        title, url, content='downloads_download', content_rowid='id', tokenize='trigram'
    )
    """,
    "INSERT INTO downloads_search (downloads_search) VALUES ('rebuild')",
    """
    CREATE TRIGGER downloads_download_found AFTER INSERT ON downloads_download
    BEGIN
        INSERT INTO downloads_search (rowid, title, url) VALUES (NEW.id, NEW.title, NEW.url);
    END
    """,
    """
    CREATE TRIGGER downloads_download_renamed AFTER UPDATE OF title, url ON downloads_download
    WHEN OLD.title <> NEW.title OR OLD.url <> NEW.url
    BEGIN
        INSERT INTO downloads_search (downloads_search, rowid, title, url)
        VALUES ('delete', OLD.id, OLD.title, OLD.url);
        INSERT INTO downloads_search (rowid, title, url) VALUES (NEW.id, NEW.title, NEW.url);
    END
    """,
    """
    CREATE TRIGGER downloads_download_lost AFTER DELETE ON downloads_download
    BEGIN
        INSERT INTO downloads_search (downloads_search, rowid, title, url)
        VALUES ('delete', OLD.id, OLD.title, OLD.url);
    END
    """,
]

# Of what `icontains` asks for.
POSTGRESQL = [
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    """
    CREATE INDEX downloads_search ON downloads_download
    USING gin (UPPER(title::text) gin_trgm_ops, UPPER(url::text) gin_trgm_ops)
    """,
]

SQLITE_REMOVAL = [
    "DROP TRIGGER IF EXISTS downloads_download_found",
    "DROP TRIGGER IF EXISTS downloads_download_renamed",
    "DROP TRIGGER IF EXISTS downloads_download_lost",
    "DROP TABLE IF EXISTS downloads_search",
]

POSTGRESQL_REMOVAL = ["DROP INDEX IF EXISTS downloads_search"]


def install(schema_editor: BaseDatabaseSchemaEditor) -> DatabaseError | None:
    """Make the index of the downloads that are there. Returns why the database refused, or None."""
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
