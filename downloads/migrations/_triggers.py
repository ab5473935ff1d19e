"""Triggers of the database: the history is append-only, changes ring the notifier, and the index
of the search (`_search`) follows its downloads.

A transition is never changed, and is deleted only together with its download, or pruned: when its
download has ended and is marked so, the counter row allows it, and a later one stays.

On PostgreSQL, changes notify the listeners of `downloads.models.notifier`, so that no code can
forget to; SQLite counts its commits by itself. Notifications of one transaction are merged into
one: they cost a commit about as much as an index. A heartbeat alone notifies nobody.

A later migration that makes SQLite rebuild the table of downloads or of transitions (any new column
that is NOT NULL) must begin with `remove` and end with `install`: SQLite refuses to drop a table
that a trigger names, and drops the triggers and the statistics of a table with it.
"""

import logging

from downloads.migrations import _statistics
from downloads.migrations._search import DOWNLOADS

logger = logging.getLogger("downloads.migrations")

UPDATE_REFUSED = "a transition is never changed"
DELETE_REFUSED = "a transition is deleted only with its download, or pruned"
KEPT = """
    EXISTS (SELECT 1 FROM downloads_download WHERE id = OLD.download_id AND forgotten_at IS NULL)
    AND NOT EXISTS (
        SELECT 1 FROM downloads_download AS download
        JOIN downloads_streamposition AS position ON position.pruned >= OLD.seq
        JOIN downloads_transition AS later
            ON later.download_id = download.id AND later.seq > OLD.seq
        WHERE download.id = OLD.download_id AND download.history_days IS NOT NULL
            AND download.state IN ('completed', 'cleaned')
    )
"""

SQLITE = [
    f"""
    CREATE TRIGGER downloads_transition_no_update BEFORE UPDATE ON downloads_transition
    BEGIN SELECT RAISE(ABORT, '{UPDATE_REFUSED}'); END
    """,
    f"""
    CREATE TRIGGER downloads_transition_no_delete BEFORE DELETE ON downloads_transition
    WHEN {KEPT}
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
        IF {KEPT} THEN
            RAISE EXCEPTION '{DELETE_REFUSED}' USING ERRCODE = 'integrity_constraint_violation';
        END IF;
        RETURN OLD;
    END $$
    """,
    """
    CREATE TRIGGER downloads_transition_append_only BEFORE UPDATE OR DELETE
    ON downloads_transition FOR EACH ROW EXECUTE FUNCTION downloads_transition_refuse()
    """,
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
    AFTER DELETE OR UPDATE OF cancel_requested_at, not_before, paused_at, place, priority, title,
    owner_id
    ON downloads_download FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
    """,
    """
    CREATE TRIGGER downloads_queue_rings AFTER INSERT OR UPDATE
    ON downloads_queue FOR EACH STATEMENT EXECUTE FUNCTION downloads_ring()
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

SQLITE_REMOVAL = [
    "DROP TRIGGER IF EXISTS downloads_transition_no_update",
    "DROP TRIGGER IF EXISTS downloads_transition_no_delete",
]

# And with the functions their triggers.
POSTGRESQL_REMOVAL = [
    "DROP FUNCTION IF EXISTS downloads_transition_refuse() CASCADE",
    "DROP FUNCTION IF EXISTS downloads_ring() CASCADE",
]


def install(apps, schema_editor):
    _execute(schema_editor, sqlite=SQLITE, postgresql=POSTGRESQL)
    _statistics.install(schema_editor)
    if refusal := DOWNLOADS.install(schema_editor):
        logger.warning("Searches will read every download: %s", str(refusal).strip())


def remove(apps, schema_editor):
    DOWNLOADS.remove(schema_editor)
    _execute(schema_editor, sqlite=SQLITE_REMOVAL, postgresql=POSTGRESQL_REMOVAL)


def _execute(schema_editor, *, sqlite, postgresql):
    for statement in postgresql if schema_editor.connection.vendor == "postgresql" else sqlite:
        schema_editor.execute(statement)
