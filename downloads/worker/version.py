"""Whether the code of this process still is that of the database and of the disk.

A worker runs for weeks; an update migrates the database and exchanges the files under it.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from django.conf import settings
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

NAMED = 3  # a database that has seen none would make a long line
Migrations = frozenset[tuple[str, str]]  # (app, name)


@dataclass(frozen=True, kw_only=True)
class Release:
    """What a process was started from."""

    version: str
    migrations: Migrations

    @classmethod
    def on_disk(cls) -> Self:
        """Of the files that are there now: right for a process that begins."""
        # Without a connection: what is applied is another question.
        loader = MigrationLoader(None)
        return cls(version=version_on_disk(), migrations=frozenset(loader.disk_migrations))

    def why_not_current(self) -> str:
        """Why a process of this release must not go on, or "". Raises what the database raises."""
        applied = applied_migrations(apps=frozenset(app for app, _ in self.migrations))
        if unknown := applied - self.migrations:
            return f"the database was migrated by newer code ({_names(unknown)})"
        if missing := self.migrations - applied:
            return f"migrations are not applied ({_names(missing)}): run manage.py migrate"
        version = version_on_disk()
        if version != self.version:
            return f"vnsite on the disk is {version or 'gone'}, and {self.version} is running"
        return ""


def applied_migrations(*, apps: frozenset[str]) -> Migrations:
    """What the database has seen of these apps."""
    applied = MigrationRecorder(connection).applied_migrations()
    return frozenset((app, name) for app, name in applied if app in apps)


def version_on_disk() -> str:
    """The version in pyproject.toml; "" while that is not there or half written."""
    try:
        project = tomllib.loads(Path(settings.BASE_DIR, "pyproject.toml").read_text())["project"]
        return str(project["version"])
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return ""


def _names(migrations: Migrations) -> str:
    names = [f"{app}.{name}" for app, name in sorted(migrations)]
    more = [f"{len(names) - NAMED} more"] if len(names) > NAMED else []
    return ", ".join(names[:NAMED] + more)
