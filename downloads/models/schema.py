"""Compares the migrations of the database with those of this code, and tells its version."""

import functools
import tomllib
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

NAMED = 3  # a database that has seen none would make a long line
Migrations = frozenset[tuple[str, str]]  # (app, name)


def migrations_on_disk() -> Migrations:
    """Return the migrations of all installed apps, as their files are now."""
    # Without a connection: what is applied is another question.
    return frozenset(MigrationLoader(None).disk_migrations)


def applied_migrations(known: Migrations) -> Migrations:
    """Return what the database has seen of the apps in `known`. Raises DatabaseError."""
    apps = {app for app, _ in known}
    applied = MigrationRecorder(connection).applied_migrations()
    return frozenset((app, name) for app, name in applied if app in apps)


def why_foreign(known: Migrations, *, applied: Migrations | None = None) -> str:
    """Return why this database is not this code's, or "". Raises DatabaseError.

    `applied`: what the database has seen; None: it is asked.
    """
    unknown = (applied_migrations(known) if applied is None else applied) - known
    if not unknown:
        return ""
    return f"the database was made by another version of vnsite ({named(unknown)})"


def named(migrations: Migrations) -> str:
    """Write the first few names, and how many more there are."""
    names = [f"{app}.{name}" for app, name in sorted(migrations)]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)


def version_on_disk() -> str:
    """Return the version in pyproject.toml; "" while that cannot be read or is half written."""
    path = Path(settings.BASE_DIR, "pyproject.toml")
    try:
        now = path.stat()
        return _version_in(path, now.st_ino, now.st_mtime_ns, now.st_size)
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return ""


@functools.lru_cache(maxsize=1)
def _version_in(path: Path, *_: int) -> str:
    """Read the version, once for each content of the file: a worker asks for ever."""
    return str(tomllib.loads(path.read_text())["project"]["version"])
