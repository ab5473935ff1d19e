"""Compares the migrations of the database with those of this code, and tells its version."""

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


def why_foreign(known: Migrations) -> str:
    """Return why this database is not this code's, or "". Raises DatabaseError."""
    unknown = applied_migrations(known) - known
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
    try:
        project = tomllib.loads(Path(settings.BASE_DIR, "pyproject.toml").read_text())["project"]
        return str(project["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return ""
