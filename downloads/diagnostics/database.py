"""Checks of the database, and of what only its rows tell: workers, and sites that refuse us."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from downloads.diagnostics import stats
from downloads.diagnostics.verdict import (
    Check,
    Words,
    failure,
    listed,
    ok,
    phrase,
    phrase_number,
    tenths,
    warning,
)
from downloads.library import search
from downloads.models import Site, StreamPosition, clock_ahead_seconds, database_now
from downloads.models.outage import REMEDY, is_damaged
from downloads.models.schema import migrations_on_disk, why_foreign
from downloads.models.search import has_trigrams
from downloads.rules.words import marked

CLOCK_SECONDS = 2.0  # leases hold whatever the clocks say; times of the history do not
# Older ones have a rare race between several writers that can lose the write-ahead log.
SAFE_SQLITE = (3, 51, 3)
LOOK_SECONDS = 0.2  # for damage: enough for 100 MB
FOREIGN_FIX = phrase("Start that version, or set VNSITE_DATA_DIR to an empty folder.")


def check_database(*, whole: bool = False) -> list[Check]:
    """Return one failure if the database cannot be used, else all that its rows tell as well.

    `whole`: look for damage in all of SQLite's file, however long it takes.
    """
    try:
        connection.ensure_connection()
        if reason := why_foreign(migrations_on_disk()):
            sentence = phrase("This version cannot use it: {reason}.", reason=reason)
            return [failure(marked("database"), sentence, FOREIGN_FIX)]
        if missing := unapplied_migrations():
            sentence = phrase("Migrations that are not applied: {number}.", number=len(missing))
            fix = phrase("Run manage.py migrate; manage.py serve does it by itself.")
            return [failure(marked("database"), sentence, fix)]
        return [
            *_check_engine(whole=whole),
            check_clocks(),
            check_search(),
            check_worker(),
            check_orphans(),
            check_sites(),
            check_history(
                settings.VNSITE.history_days, newest_pruned=StreamPosition.newest_pruned()
            ),
        ]
    except DatabaseError as error:
        if is_damaged(error):
            return [_damaged(str(error))]
        sentence = phrase("The database does not answer: {reason}.", reason=str(error).strip())
        fix = phrase("Look at VNSITE_DATABASE_URL, and whether the data folder can be written.")
        return [failure(marked("database"), sentence, fix)]


def check_history(days: int, *, newest_pruned: int) -> Check:
    """Say how long histories are kept, and up to which number they were pruned (0: none was)."""
    name = marked("history")
    if not days:
        return ok(name, phrase("Histories and logs are kept as long as their downloads."))
    if not newest_pruned:
        return ok(
            name,
            phrase_number(
                "Histories and logs are removed {number} day after a download has ended.",
                "Histories and logs are removed {number} days after a download has ended.",
                number=days,
            ),
        )
    return ok(
        name,
        phrase_number(
            "Histories and logs are removed {number} day after a download has ended. The newest"
            " event that was removed has the number {newest}.",
            "Histories and logs are removed {number} days after a download has ended. The newest"
            " event that was removed has the number {newest}.",
            number=days,
            newest=newest_pruned,
        ),
    )


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
            return [
                ok(marked("database"), phrase("PostgreSQL {version} answers.", version=version))
            ]
        mode = str(cursor.execute("PRAGMA journal_mode").fetchone()[0])
    if damage := damage_of_sqlite(seconds=None if whole else LOOK_SECONDS):
        return [_damaged(damage)]
    return [_check_journal(mode), check_sqlite(sqlite3.sqlite_version_info)]


def damage_of_sqlite(*, seconds: float | None) -> str:
    """Return what `quick_check` finds first in so many seconds, or "". None: in all of the file."""
    try:
        with connection.cursor() as cursor, _interrupted_after(seconds):
            found = str(cursor.execute("PRAGMA quick_check(1)").fetchone()[0])
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlite_errorcode", 0) != sqlite3.SQLITE_INTERRUPT:
            raise
        return ""  # the time was over
    return "" if found == "ok" else found


@contextmanager
def _interrupted_after(seconds: float | None) -> Iterator[None]:
    """Interrupt what the database is asked when it takes longer; None: never.

    By another thread: SQLite walks through a whole table, however large, as one step, within which
    it calls no progress handler.
    """
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, connection.connection.interrupt)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # it would interrupt what is asked next


def _damaged(what: str) -> Check:
    sentence = phrase("The database is damaged: {reason}.", reason=" ".join(what.split()))
    return failure(marked("database"), sentence, phrase(REMEDY))


def _check_journal(mode: str) -> Check:
    if mode == "wal":
        return ok(marked("database"), phrase("SQLite answers (journal mode wal)."))
    sentence = phrase(
        "The journal mode is {mode}, not wal: pages would wait for writers.", mode=mode
    )
    fix = phrase("Put VNSITE_DATA_DIR on a local disk: a network file system cannot do it.")
    return failure(marked("database"), sentence, fix)


def check_sqlite(version: tuple[int, ...]) -> Check:
    text, safe = (".".join(map(str, each)) for each in (version, SAFE_SQLITE))
    if version >= SAFE_SQLITE:
        return ok("SQLite", f"SQLite {text}.")
    sentence = phrase(
        "SQLite {version} has a rare fault with several writers, mended in {safe}.",
        version=text,
        safe=safe,
    )
    fix = phrase("Use a Python that comes with a newer SQLite, or PostgreSQL.")
    return warning("SQLite", sentence, fix)


def check_search() -> Check:
    """Check that the database could make the indexes of the searches."""
    if has_trigrams() and has_trigrams(search.TABLE):
        return ok(marked("search"), phrase("Words are found in an index."))
    if connection.vendor == "postgresql":
        fix = phrase(
            "CREATE EXTENSION pg_trgm in this database, as its superuser; "
            "then manage.py index_search."
        )
    else:
        fix = phrase("Use a Python whose SQLite has FTS5; then manage.py index_search.")
    sentence = phrase("A search reads every download: the database has no index of words.")
    return warning(marked("search"), sentence, fix)


def check_worker() -> Check:
    alive = [worker for worker in stats.workers() if worker.alive]
    if not alive:
        sentence = phrase("No worker is running: nothing is downloaded.")
        fix = phrase("Start manage.py serve, or manage.py run_downloads beside the web server.")
        return failure(marked("worker"), sentence, fix)
    names = [_worker_in_words(each) for each in alive]
    return ok(marked("worker"), phrase("Running: {names}.", names=listed(names)))


def _worker_in_words(worker: stats.WorkerStatus) -> Words:
    name, busy, slots = worker.name, worker.busy, worker.slots
    if worker.cpu_percent is None or worker.memory_bytes is None:
        return phrase("{name} ({busy} of {slots} busy)", name=name, busy=busy, slots=slots)
    return phrase(
        "{name} ({busy} of {slots} busy; {percent} % of a core, {megabytes} MB)",
        name=name,
        busy=busy,
        slots=slots,
        percent=tenths(worker.cpu_percent),
        megabytes=round(worker.memory_bytes / 1_000_000),
    )


def check_clocks() -> Check:
    """Compare the clocks of this process and of the workers with the database's."""
    ahead: dict[Words, float] = {
        worker.name: worker.clock_ahead_seconds for worker in stats.workers() if worker.alive
    }
    ahead[phrase("this process")] = clock_ahead_seconds()
    most = max(map(abs, ahead.values()))
    if most <= CLOCK_SECONDS:
        sentence = phrase("They agree with the database's to {seconds} s.", seconds=tenths(most))
        return ok(marked("clocks"), sentence)
    wrong = [
        phrase("{name} by {seconds} s", name=name, seconds=f"{seconds:+.1f}")
        for name, seconds in ahead.items()
        if abs(seconds) > CLOCK_SECONDS
    ]
    sentence = phrase("They differ from the database's: {clocks}.", clocks=listed(wrong))
    fix = phrase("Let these machines take the time from the network: timedatectl set-ntp true.")
    return warning(marked("clocks"), sentence, fix)


def check_orphans() -> Check:
    """Tell what dead workers left: living workers mend it, and say what they cannot."""
    orphans = stats.orphans()
    if not orphans.left:
        sentence = phrase(
            "Nothing is left of dead workers; mended: {number}.", number=orphans.mended
        )
        return ok(marked("orphans"), sentence)
    sentence = phrase("What dead workers left and cannot be mended: {number}.", number=orphans.left)
    fix = phrase("manage.py cleanup_orphans names each, with the reason.")
    return warning(marked("orphans"), sentence, fix)


def check_sites() -> Check:
    """Name the sites that refused us several times in a row and are left alone for a while."""
    waiting = Site.objects.waiting(database_now())
    if not waiting:
        return ok(marked("sites"), phrase("No site is left alone."))
    told = [
        phrase(
            "{host} until {time} UTC (failures in a row: {number}, the last: {error})",
            host=site.host,
            time=f"{site.waits_until:%H:%M}",
            number=site.failures,
            error=site.error_class,
        )
        for site in waiting
    ]
    fix = phrase("They are tried again by themselves; Try now on the dashboard does it at once.")
    return warning(marked("sites"), phrase("Left alone: {sites}.", sites=listed(told)), fix)
