"""Checks of the database, and of what only its rows tell: workers, and sites that refuse us."""

import math
import sqlite3
import time

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from downloads.diagnostics import stats
from downloads.diagnostics.verdict import Check, failure, ok, warning
from downloads.models import Site, database_now
from downloads.models.outage import REMEDY, is_damaged
from downloads.models.schema import migrations_on_disk, why_foreign
from downloads.models.search import has_trigrams

# Older ones have a rare race between several writers that can lose the write-ahead log.
SAFE_SQLITE = (3, 51, 3)
LOOK_SECONDS = 0.2  # for damage: enough for 100 MB
LOOK_STEPS = 10_000  # of SQLite's machine between two looks at the clock
FOREIGN_FIX = "Start that version, or set VNSITE_DATA_DIR to an empty folder."


def check_database(*, whole: bool = False) -> list[Check]:
    """Return one failure if the database cannot be used, else all that its rows tell as well.

    `whole`: look for damage in all of SQLite's file, however long it takes.
    """
    try:
        connection.ensure_connection()
        if reason := why_foreign(migrations_on_disk()):
            return [failure("database", f"This version cannot use it: {reason}.", FOREIGN_FIX)]
        if missing := unapplied_migrations():
            sentence = f"{len(missing)} migrations are not applied."
            fix = "Run manage.py migrate; manage.py serve does it by itself."
            return [failure("database", sentence, fix)]
        return [*_check_engine(whole=whole), check_search(), check_worker(), check_sites()]
    except DatabaseError as error:
        if is_damaged(error):
            return [_damaged(str(error))]
        sentence = f"The database does not answer: {str(error).strip()}."
        fix = "Look at VNSITE_DATABASE_URL, and whether the data folder can be written."
        return [failure("database", sentence, fix)]


def unapplied_migrations() -> list[str]:
    """Return the names of the migrations that the database lacks. May raise DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _ in plan]


def _check_engine(*, whole: bool) -> list[Check]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW server_version")  # 15.18 (Debian 15.18-0+deb12u1)
            version = str(cursor.fetchone()[0]).partition(" ")[0]
            return [ok("database", f"PostgreSQL {version} answers.")]
        mode = str(cursor.execute("PRAGMA journal_mode").fetchone()[0])
    if damage := damage_of_sqlite(seconds=None if whole else LOOK_SECONDS):
        return [_damaged(damage)]
    return [_check_journal(mode), check_sqlite(sqlite3.sqlite_version_info)]


def damage_of_sqlite(*, seconds: float | None) -> str:
    """Return what `quick_check` finds first in so many seconds, or "". None: in all of the file."""
    ends_at = time.monotonic() + seconds if seconds is not None else math.inf
    database = connection.connection
    database.set_progress_handler(lambda: time.monotonic() > ends_at, LOOK_STEPS)
    try:
        with connection.cursor() as cursor:
            found = str(cursor.execute("PRAGMA quick_check(1)").fetchone()[0])
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
            raise
        return ""  # the time was over
    finally:
        database.set_progress_handler(None, LOOK_STEPS)
    return "" if found == "ok" else found


def _damaged(what: str) -> Check:
    return failure("database", f"The database is damaged: {' '.join(what.split())}.", REMEDY)


def _check_journal(mode: str) -> Check:
    if mode == "wal":
        return ok("database", "SQLite answers (journal mode wal).")
    sentence = f"The journal mode is {mode}, not wal: pages would wait for writers."
    fix = "Put VNSITE_DATA_DIR on a local disk: a network file system cannot do it."
    return failure("database", sentence, fix)


def check_sqlite(version: tuple[int, ...]) -> Check:
    text, safe = (".".join(map(str, each)) for each in (version, SAFE_SQLITE))
    if version >= SAFE_SQLITE:
        return ok("SQLite", f"SQLite {text}.")
    sentence = f"SQLite {text} has a rare fault with several writers, mended in {safe}."
    return warning(
        "SQLite", sentence, "Use a Python that comes with a newer SQLite, or PostgreSQL."
    )


def check_search() -> Check:
    """Check that the database could make the index of the search."""
    if has_trigrams():
        return ok("search", "Words are found in an index.")
    if connection.vendor == "postgresql":
        fix = "CREATE EXTENSION pg_trgm in this database, as its superuser; then"
    else:
        fix = "Use a Python whose SQLite has FTS5; then"
    sentence = "A search reads every download: the database has no index of words."
    return warning("search", sentence, f"{fix} manage.py index_search.")


def check_worker() -> Check:
    alive = [worker for worker in stats.workers() if worker.alive]
    if not alive:
        fix = "Start manage.py serve, or manage.py run_downloads beside the web server."
        return failure("worker", "No worker is running: nothing is downloaded.", fix)
    names = ", ".join(f"{worker.name} ({worker.busy} of {worker.slots} busy)" for worker in alive)
    return ok("worker", f"Running: {names}.")


def check_sites() -> Check:
    """Name the sites that refused us several times in a row and are left alone for a while."""
    waiting = Site.objects.waiting(database_now())
    if not waiting:
        return ok("sites", "No site is left alone.")
    told = ", ".join(
        f"{site.host} until {site.waits_until:%H:%M} UTC ({site.failures} failures in a row, "
        f"the last: {site.error_class})"
        for site in waiting
    )
    fix = "They are tried again by themselves; Try now on the dashboard does it at once."
    return warning("sites", f"Left alone: {told}.", fix)
