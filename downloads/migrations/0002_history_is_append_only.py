"""Triggers: a transition is never changed, and deleted only together with its download.

A migration that makes SQLite rebuild the table of downloads or of transitions (every new column
that is not null) must begin with `remove` and end with `install` of this module: SQLite does not
let a table go that a trigger names.
"""

from django.db import migrations

UPDATE_REFUSED = "a transition is never changed"
DELETE_REFUSED = "a transition is deleted only with its download"

SQLITE = [
    f"""
    CREATE TRIGGER downloads_transition_no_update BEFORE UPDATE ON downloads_transition
    BEGIN SELECT RAISE(ABORT, '{UPDATE_REFUSED}'); END
    """,
    f"""
    CREATE TRIGGER downloads_transition_no_delete BEFORE DELETE ON downloads_transition
    WHEN EXISTS (
        SELECT 1 FROM downloads_download WHERE id = OLD.download_id AND forgotten_at IS NULL
    )
    BEGIN SELECT RAISE(ABORT, '{DELETE_REFUSED}'); END
    """,
]

POSTGRESQL = [
    f"""
    CREATE FUNCTION downloads_transition_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            RAISE EXCEPTION '{UPDATE_REFUSED}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        IF EXISTS (
            SELECT 1 FROM downloads_download WHERE id = OLD.download_id AND forgotten_at IS NULL
        ) THEN
            RAISE EXCEPTION '{DELETE_REFUSED}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END $$
    """,
    """
    CREATE TRIGGER downloads_transition_append_only BEFORE UPDATE OR DELETE
    ON downloads_transition FOR EACH ROW EXECUTE FUNCTION downloads_transition_refuse()
    """,
]

SQLITE_REMOVAL = [
    "DROP TRIGGER IF EXISTS downloads_transition_no_update",
    "DROP TRIGGER IF EXISTS downloads_transition_no_delete",
]

POSTGRESQL_REMOVAL = [
    "DROP TRIGGER IF EXISTS downloads_transition_append_only ON downloads_transition",
    "DROP FUNCTION IF EXISTS downloads_transition_refuse()",
]


def install(apps, schema_editor):
    _execute(schema_editor, sqlite=SQLITE, postgresql=POSTGRESQL)


def remove(apps, schema_editor):
    _execute(schema_editor, sqlite=SQLITE_REMOVAL, postgresql=POSTGRESQL_REMOVAL)


def _execute(schema_editor, *, sqlite, postgresql):
    for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("downloads", "0001_initial")]
    operations = [migrations.RunPython(install, remove)]
