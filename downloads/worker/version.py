"""Tells when the code of this process is no longer that of the database and the disk.

A worker runs for weeks; an update migrates the database and exchanges the files under it.
"""

from dataclasses import dataclass
from typing import Self

from downloads.models.schema import (
    Migrations,
    applied_migrations,
    migrations_on_disk,
    named,
    version_on_disk,
    why_foreign,
)


@dataclass(frozen=True, kw_only=True)
class Release:
    """The version and the migrations that a process was started from."""

    version: str
    migrations: Migrations

    @classmethod
    def on_disk(cls) -> Self:
        """Return the release of the files that are there now: for a process that begins."""
        return cls(version=version_on_disk(), migrations=migrations_on_disk())

    def why_not_current(self) -> str:
        """Return why a process of this release must not go on, or "". Raises DatabaseError."""
        applied = applied_migrations(self.migrations)
        if reason := why_foreign(self.migrations, applied=applied):
            return reason
        if missing := self.migrations - applied:
            return f"migrations are not applied ({named(missing)}): run manage.py migrate"
        version = version_on_disk()
        # Unknown is not another one: it may be half written, or this process short of descriptors.
        if version and version != self.version:
            return f"vnsite on the disk is {version}, and {self.version} is running"
        return ""
