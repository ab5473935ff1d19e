"""On PostgreSQL, triggers ring the doorbell (downloads/models/notifier.py), so that no code can forget to.

SQLite needs none: it counts its commits. Once for a statement, and many rings of one transaction
are one: it costs a commit about as much as an index. What only says that a worker still lives rings
nobody.
"""

from django.db import migrations

INSTALLATION = [
    """
    CREATE FUNCTION downloads_ring() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NOTIFY downloads;
        RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER downloads_transition_rings AFTER INSERT
    ON downloads_transition FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
    """,
    """
    CREATE TRIGGER downloads_download_rings
    AFTER DELETE OR UPDATE OF cancel_requested_at, not_before, priority, title, owner_id
    ON downloads_download FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
    """,
    """
    CREATE TRIGGER downloads_progress_rings AFTER UPDATE
    ON downloads_progress FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
    """,
    """
    CREATE TRIGGER downloads_worker_rings AFTER INSERT OR DELETE OR UPDATE OF stopped_at
    ON downloads_worker FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
    """,
]

REMOVAL = ["DROP FUNCTION IF EXISTS downloads_ring() CASCADE"]  # and with it the triggers


def install(apps, schema_editor):
    _execute(schema_editor, INSTALLATION)


def remove(apps, schema_editor):
    _execute(schema_editor, REMOVAL)


def _execute(schema_editor, statements):
    if schema_editor.connection.vendor == "postgresql":
        for statement in statements:
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("downloads", "0002_history_is_append_only")]
    operations = [migrations.RunPython(install, remove)]
