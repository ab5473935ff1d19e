"""What can be wrong around vnsite, in sentences with a remedy: for `doctor`, pages and the start.

Reads rows, folders and versions; changes nothing. A check that cannot be made says so.
"""

import importlib.metadata
import sqlite3
import stat
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core import checks as django_checks
from django.core.cache import cache
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from downloads.diagnostics import stats
from downloads.models import Site, database_now
from downloads.models.outage import REMEDY, is_damaged
from downloads.models.schema import migrations_on_disk, why_foreign
from downloads.sandbox import landlock, seccomp
from downloads.sandbox.programs import find_deno, find_ffmpeg, media_tools
from downloads.sandbox.trial import why_not

PROBLEMS_CACHED_SECONDS = 5
YT_DLP_WARNING_DAYS = 60
YT_DLP_FAILURE_DAYS = 90
# Older ones have a rare race between several writers that can lose the write-ahead log.
SAFE_SQLITE = (3, 51, 3)


class Level(StrEnum):
    """How bad it is; a failure means that downloads cannot work."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, kw_only=True)
class Check:
    name: str  # what was looked at, in a word or two
    level: Level
    sentence: str  # how it is
    fix: str = ""  # what to do about it; "" when it is fine


def run() -> list[Check]:
    """Everything that `doctor` looks at, in its order."""
    return [
        *check_database(),
        *check_folders(),
        *check_free_space(),
        check_yt_dlp(importlib.metadata.version("yt-dlp"), today=timezone.now().date()),
        check_ffmpeg(),
        check_deno(),
        *check_programs(),
        check_fence(landlock.version(), refuses_network=seccomp.is_available()),
        check_secret_key(),
    ]


def problems() -> list[Check]:
    """What a page should warn of: folders, free space and ffmpeg; without those that are fine.

    Answered from memory for some seconds. A missing worker is not among them: pages know that.
    """
    found: list[Check] | None = cache.get("downloads.problems")
    if found is None:
        looked_at = [*check_folders(), *check_free_space(), check_ffmpeg()]
        found = [check for check in looked_at if check.level is not Level.OK]
        cache.set("downloads.problems", found, PROBLEMS_CACHED_SECONDS)
    return found


def worst(checks: Iterable[Check]) -> Level:
    order = list(Level)
    return max((check.level for check in checks), key=order.index, default=Level.OK)


FOREIGN_FIX = "Start that version, or set VNSITE_DATA_DIR to an empty folder."


def check_database() -> list[Check]:
    """The database and what can be known only from it; one failure when it does not answer."""
    try:
        connection.ensure_connection()
        if reason := why_foreign(migrations_on_disk()):
            return [
                Check(
                    name="database",
                    level=Level.FAILURE,
                    sentence=f"This version cannot use it: {reason}.",
                    fix=FOREIGN_FIX,
                )
            ]
        waiting = unapplied_migrations()
        if waiting:
            return [
                Check(
                    name="database",
                    level=Level.FAILURE,
                    sentence=f"{len(waiting)} migrations are not applied.",
                    fix="Run manage.py migrate; manage.py serve does it by itself.",
                )
            ]
        return [*_check_engine(), check_worker(), check_sites()]
    except DatabaseError as error:
        if is_damaged(error):
            return [_damaged(str(error))]
        return [
            Check(
                name="database",
                level=Level.FAILURE,
                sentence=f"The database does not answer: {str(error).strip()}.",
                fix="Look at VNSITE_DATABASE_URL, and whether the data folder can be written.",
            )
        ]


def unapplied_migrations() -> list[str]:
    """The names of the migrations that the database has not seen. DatabaseError."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _ in plan]


def _check_engine() -> list[Check]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SHOW server_version")
            return [check_postgresql(str(cursor.fetchone()[0]))]
        mode = str(cursor.execute("PRAGMA journal_mode").fetchone()[0])
        damage = str(cursor.execute("PRAGMA quick_check(1)").fetchone()[0])
    if damage != "ok":
        return [_damaged(damage)]
    return [_check_journal(mode), check_sqlite(sqlite3.sqlite_version_info)]


def _damaged(what: str) -> Check:
    return Check(
        name="database",
        level=Level.FAILURE,
        sentence=f"The database is damaged: {' '.join(what.split())}.",
        fix=REMEDY,
    )


def check_postgresql(version: str) -> Check:
    """`version` as the server says it: `15.18 (Debian 15.18-0+deb12u1)`."""
    return Check(
        name="database", level=Level.OK, sentence=f"PostgreSQL {version.partition(' ')[0]} answers."
    )


def _check_journal(mode: str) -> Check:
    if mode != "wal":
        return Check(
            name="database",
            level=Level.FAILURE,
            sentence=f"The journal mode is {mode}, not wal: pages would wait for writers.",
            fix="Put VNSITE_DATA_DIR on a local disk: a network file system cannot do it.",
        )
    return Check(name="database", level=Level.OK, sentence=f"SQLite answers (journal mode {mode}).")


def check_sqlite(version: tuple[int, ...]) -> Check:
    text = ".".join(map(str, version))
    if version < SAFE_SQLITE:
        safe = ".".join(map(str, SAFE_SQLITE))
        return Check(
            name="SQLite",
            level=Level.WARNING,
            sentence=f"SQLite {text} has a rare fault with several writers, mended in {safe}.",
            fix="Use a Python that comes with a newer SQLite, or PostgreSQL.",
        )
    return Check(name="SQLite", level=Level.OK, sentence=f"SQLite {text}.")


def check_worker() -> Check:
    alive = [worker for worker in stats.workers() if worker.alive]
    if not alive:
        return Check(
            name="worker",
            level=Level.FAILURE,
            sentence="No worker is running: nothing is downloaded.",
            fix="Start manage.py serve, or manage.py run_downloads beside the web server.",
        )
    names = ", ".join(f"{worker.name} ({worker.busy} of {worker.slots} busy)" for worker in alive)
    return Check(name="worker", level=Level.OK, sentence=f"Running: {names}.")


def check_sites() -> Check:
    """The sites that refused us several times in a row and are left alone for a while."""
    waiting = Site.objects.waiting(database_now())
    if not waiting:
        return Check(name="sites", level=Level.OK, sentence="No site is left alone.")
    told = ", ".join(
        f"{site.host} until {site.waits_until:%H:%M} UTC ({site.failures} failures in a row, "
        f"the last: {site.error_class})"
        for site in waiting
    )
    return Check(
        name="sites",
        level=Level.WARNING,
        sentence=f"Left alone: {told}.",
        fix="They are tried again by themselves; Try now on the dashboard does it at once.",
    )


def folders() -> dict[str, Path]:
    """The folders that vnsite writes to, by the setting that names each."""
    return {
        "VNSITE_DATA_DIR": settings.VNSITE.data_dir,
        "VNSITE_MEDIA_DIR": settings.VNSITE.media_root,
        "VNSITE_TEMP_DIR": settings.VNSITE.temp_root,
    }


def check_folders() -> list[Check]:
    conflict = folder_conflict(settings.VNSITE.media_root, settings.VNSITE.temp_root)
    clash = [Check(name="folders", level=Level.FAILURE, sentence=conflict, fix=CONFLICT_FIX)]
    return [check_folder(name, path) for name, path in folders().items()] + (
        clash if conflict else []
    )


def check_folder(setting: str, folder: Path) -> Check:
    """Whether files can be made in a folder, or the folder itself when it is not there yet."""
    place = stats.nearest_existing(folder)
    try:
        # Without a name where the system can do that: nobody sees it, nothing is left behind.
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        return Check(
            name=setting,
            level=Level.FAILURE,
            sentence=f"{folder} cannot be written ({error.strerror}).",
            fix=f"Give vnsite's user the right to write there, or set {setting}.",
        )
    return Check(name=setting, level=Level.OK, sentence=f"{folder} can be written.")


CONFLICT_FIX = "Set VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR to two folders side by side."


def folder_conflict(media: Path, temp: Path) -> str:
    """Why these two cannot be used together, or "". Symbolic links are followed.

    One inside of the other would let a cleanup of the temp root reach published files.
    """
    media_place, temp_place = media.resolve(), temp.resolve()
    if media_place == temp_place:
        return f"VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR are the same folder: {media_place}."
    if media_place.is_relative_to(temp_place):
        return f"VNSITE_MEDIA_DIR ({media_place}) is inside of VNSITE_TEMP_DIR ({temp_place})."
    if temp_place.is_relative_to(media_place):
        return f"VNSITE_TEMP_DIR ({temp_place}) is inside of VNSITE_MEDIA_DIR ({media_place})."
    return ""


def refuse_folder_conflict(**kwargs: Any) -> list[django_checks.CheckMessage]:
    """Django's system check: no command starts while the two folders are in each other's way."""
    conflict = folder_conflict(settings.VNSITE.media_root, settings.VNSITE.temp_root)
    return [django_checks.Error(conflict, hint=CONFLICT_FIX, id="vnsite.E001")] if conflict else []


def check_free_space() -> list[Check]:
    places = {name: path for name, path in folders().items() if name != "VNSITE_DATA_DIR"}
    return [_check_space(name, path) for name, path in places.items()]


def _check_space(setting: str, folder: Path) -> Check:
    try:
        free = stats.free_bytes(folder)
    except OSError as error:
        return Check(
            name="free space",
            level=Level.FAILURE,
            sentence=f"The free space of {folder} cannot be read ({error.strerror}).",
            fix=f"Look at the disk, or set {setting} to another folder.",
        )
    least = settings.VNSITE.min_free_bytes
    if free < least:
        return Check(
            name="free space",
            level=Level.FAILURE,
            sentence=f"{gibibytes(free)} free in {folder}; {gibibytes(least)} are needed.",
            fix="Make room, or lower VNSITE_MIN_FREE_BYTES.",
        )
    return Check(name="free space", level=Level.OK, sentence=f"{gibibytes(free)} free in {folder}.")


def gibibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"


def check_yt_dlp(version: str, *, today: date) -> Check:
    """Sites change every week: an old yt-dlp fails on more and more of them.

    `version` begins with the date of the release: `2026.10.26`.
    """
    age_days = (today - date(*map(int, version.split(".")[:3]))).days
    level = Level.OK
    if age_days > YT_DLP_WARNING_DAYS:
        level = Level.WARNING
    if age_days > YT_DLP_FAILURE_DAYS:
        level = Level.FAILURE
    return Check(
        name="yt-dlp",
        level=level,
        sentence=f"yt-dlp {version} is {age_days} days old.",
        fix="" if level is Level.OK else "Update vnsite and run bin/setup for a newer one.",
    )


def check_ffmpeg() -> Check:
    path = find_ffmpeg()
    if path is None:
        return Check(
            name="ffmpeg",
            level=Level.FAILURE,
            sentence="ffmpeg is missing: video and sound that come separately cannot be joined.",
            fix="Install ffmpeg, or run bin/setup, which brings one along.",
        )
    return Check(name="ffmpeg", level=Level.OK, sentence=f"ffmpeg is {path}.")


def check_deno() -> Check:
    path = find_deno()
    if path is None:
        return Check(
            name="deno",
            level=Level.WARNING,
            sentence="deno is missing: YouTube needs a JavaScript runtime.",
            fix="Run bin/setup, which brings it along, or install deno.",
        )
    return Check(name="deno", level=Level.OK, sentence=f"deno is {path}.")


def check_programs() -> list[Check]:
    """Try ffmpeg, ffprobe and deno as a download runs them, and say which do not work there."""
    ffmpeg, deno = find_ffmpeg(), find_deno()
    programs = [*(media_tools(ffmpeg) if ffmpeg else []), *([deno] if deno else [])]
    return [
        Check(
            name=program.name,
            level=Level.FAILURE,
            sentence=f"{program} does not run inside a download's fence: {reason}.",
            fix="Install it, and what it needs, below /usr, /opt or /nix/store.",
        )
        for program in programs
        if (reason := why_not(program))
    ]


def check_fence(version: int, *, refuses_network: bool) -> Check:
    """`version`: of the kernel's Landlock; 0 when it has none. `refuses_network`: to programs."""
    if version == 0:
        return Check(
            name="fence",
            level=Level.WARNING,
            sentence="This kernel has no Landlock: a download can read files of this user.",
            fix="Use Linux 5.13 or later; in a container, allow the system calls of Landlock.",
        )
    if not refuses_network:
        return Check(
            name="fence",
            level=Level.WARNING,
            sentence="Without seccomp only their options keep ffmpeg and deno off the network, and"
            " what they start may outlive a kill of all processes of vnsite.",
            fix="Use Linux on x86-64 or ARM64; in a container, allow the system call seccomp.",
        )
    return Check(
        name="fence",
        level=Level.OK,
        sentence=f"Each download is fenced in its directory (Landlock {version}), and its programs"
        " have no network (seccomp).",
    )


def check_secret_key() -> Check:
    if settings.VNSITE.secret_key:
        return Check(name="secret key", level=Level.OK, sentence="It is in VNSITE_SECRET_KEY.")
    path = settings.VNSITE.secret_key_file or settings.VNSITE.data_dir / "secret_key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return Check(
            name="secret key",
            level=Level.FAILURE,
            sentence=f"{path} cannot be read ({error.strerror}).",
            fix="Restart vnsite, which makes a new one, or set VNSITE_SECRET_KEY_FILE.",
        )
    if mode & 0o077:
        return Check(
            name="secret key",
            level=Level.WARNING,
            sentence=f"Other users of this machine can read {path} (mode {mode:04o}).",
            fix=f"chmod 600 {path}",
        )
    return Check(name="secret key", level=Level.OK, sentence=f"{path} is private.")
