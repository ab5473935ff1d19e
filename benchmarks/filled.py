"""A database with many downloads that have ended, as years of use leave it.

`.venv/bin/python -m benchmarks.filled [--count 100000]`

Fills the database that the settings name up to `count` downloads, for the administrators and
users that are there. Their histories, attempts, library entries, archive and counts are whole:
`check_lifecycle` finds no breach, and notes that the files were deleted.
"""

import argparse
import os
import random
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BATCH = 10_000
EVERY = "recording"  # each title has this word
FEW = "kingfisher"  # RARE of all titles have it, however many there are
RARE = frozenset({100, 500, 900})  # by their number
SITES = [f"{name}.example" for name in ("videos", "clips", "lectures", "radio", "archive")]
SYLLABLES = ("ba", "dor", "el", "fin", "gra", "hu", "lim", "mo", "nar", "pe", "quo", "sil", "tra")
WORDS = [f"{first}{second}{third}" for first in SYLLABLES for second in SYLLABLES
         for third in SYLLABLES]  # fmt: skip

# The states of each life, and why each move happened.
LIVES = {
    "completed": (
        ("created", "initializing", "ready", "downloading", "completed", "cleaned"),
        ("submitted", "claimed", "directory_made", "child_started", "published", "cleaned"),
    ),
    "failed": (
        ("created", "initializing", "ready", "downloading", "failed", "cleaned"),
        ("submitted", "claimed", "directory_made", "child_started", "unavailable", "cleaned"),
    ),
    "cancelled": (("created", "cancelled", "cleaned"), ("submitted", "cancelled", "cleaned")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000)
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "vnsite.settings")
    import django

    django.setup()
    fill(options.count)


def fill(count: int) -> None:
    """Add as many ended downloads as are missing to `count`, a transaction for each BATCH."""
    from django.contrib.auth.models import User
    from django.db import connection

    from downloads.models import Download

    owners = list(User.objects.order_by("pk")) or [None]
    present = Download.objects.count()
    for start in range(present, count, BATCH):
        add(range(start, min(start + BATCH, count)), count=count, owners=owners)
    if connection.vendor == "postgresql":  # which does so by itself, but a minute later
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def add(numbers: range, *, count: int, owners: "list[User | None]") -> None:
    from django.db.models import Count, Max

    from downloads.models import Counts, Download, StreamPosition
    from downloads.models.transactions import short_transaction
    from downloads.rules.states import State

    rows = [
        ended_download(number, age=count - number, owner=owners[number % len(owners)])
        for number in numbers
    ]
    moves = sum(len(LIVES[row["outcome"]][0]) - (row["state"] != "cleaned") for row in rows)
    with short_transaction():
        seq = StreamPosition.take(moves)
        newest = Download.objects.aggregate(newest=Max("pk"))["newest"] or 0
        insert(rows)
        for statement, values in statements(newest, seq=seq):
            execute(statement, values)
        groups = Download.objects.filter(pk__gt=newest).order_by()
        for owner, state, outcome, number in groups.values_list(
            "owner", "state", "outcome"
        ).annotate(Count("id")):
            Counts.add(owner, number, state=State(state), outcome=outcome)


def ended_download(number: int, *, age: int, owner: "User | None") -> "dict[str, Any]":
    """Return the columns of a download that was added `age` minutes ago; `number` decides."""
    from django.utils import timezone

    from downloads.models import submissions
    from downloads.rules.options import DownloadOptions

    chance = random.Random(number)
    correlation_id = f"{chance.getrandbits(48):012x}"
    site = SITES[number % len(SITES)]
    outcome = {0: "failed", 1: "cancelled"}.get(number % 10, "completed")
    url = f"https://{site}/watch?v={chance.getrandbits(56):014x}"
    words = [EVERY, *chance.choices(WORDS, k=6), *([FEW] if number in RARE else [])]
    added = timezone.now() - timedelta(minutes=age)
    is_completed = outcome == "completed"
    return {
        "correlation_id": correlation_id,
        "owner": owner.pk if owner else None,
        "url": url,
        "site": site,
        "title": " ".join(words).capitalize(),
        "extractor": "generic",
        "media_id": correlation_id if is_completed else "",
        "fingerprint": submissions.fingerprint(url, DownloadOptions()),
        "state": "failed" if number % 100 == 0 else "cleaned",  # some keep their temp files
        "outcome": outcome,
        "result": "files" if is_completed else None,
        "error_class": "unavailable" if outcome == "failed" else None,
        "attempt": 0 if outcome == "cancelled" else 1,
        "library_path": f"{words[1]} [{correlation_id}]" if is_completed else "",
        "created_at": added,
        "updated_at": added,
        "started_at": None if outcome == "cancelled" else added,
        "finished_at": added + timedelta(seconds=chance.uniform(1, 600)),
    }


def insert(rows: "list[dict[str, Any]]") -> None:
    """Insert downloads. `bulk_create` would look at each of the forty columns of each row."""
    from django.db import connection

    from downloads.models import Download
    from downloads.rules.options import DownloadOptions

    usual = Download(options=DownloadOptions().as_dict())
    fields = [field for field in Download._meta.concrete_fields if not field.primary_key]
    same = {field.name: field.get_db_prep_save(getattr(usual, field.attname), connection)
            for field in fields if field.name not in rows[0]}  # fmt: skip
    varied = [field for field in fields if field.name in rows[0]]
    columns = ", ".join(
        field.column for field in [*varied, *(each for each in fields if each.name in same)]
    )
    places = ", ".join(["%s"] * len(fields))
    with connection.cursor() as cursor:
        cursor.executemany(
            f"INSERT INTO downloads_download ({columns}) VALUES ({places})",
            [
                [
                    *(field.get_db_prep_save(row[field.name], connection) for field in varied),
                    *same.values(),
                ]
                for row in rows
            ],
        )


def statements(newest: int, *, seq: int) -> "list[tuple[str, list[Any]]]":
    """Return what inserts the rows around the downloads that are younger than the key `newest`."""
    moves = [
        (outcome, step, origin, to, reason)
        for outcome, (states, reasons) in LIVES.items()
        for step, ((origin, to), reason) in enumerate(
            zip(pairwise((None, *states)), reasons, strict=True)
        )
    ]
    rows = ", ".join(["(%s, %s, %s, %s, %s)"] * len(moves))
    values = [value for move in moves for value in move]
    return [
        (
            f"WITH moves (life, step, origin, became, reason) AS (VALUES {rows})"
            " INSERT INTO downloads_transition (seq, download_id, from_state, to_state, at, actor,"
            " reason, data, attempt, outcome, error_class)"
            " SELECT %s + ROW_NUMBER() OVER (ORDER BY id, step), id, origin, became, created_at,"
            " 'benchmark', reason, '{}', CASE WHEN became = 'created' THEN 0 ELSE attempt END,"
            " CASE WHEN became IN (outcome, 'cleaned') THEN outcome END,"
            " CASE WHEN became IN (outcome, 'cleaned') THEN error_class END"
            " FROM downloads_download JOIN moves ON life = outcome"
            " WHERE id > %s AND (state = 'cleaned' OR became <> 'cleaned')",
            [*values, seq - 1, newest],
        ),
        (
            "INSERT INTO downloads_attempt (download_id, number, host, directory, started_at,"
            " boot_id, speeds) SELECT id, 1, 'benchmark',"
            " 'videonote_dl_' || correlation_id || '_filled', started_at, '', '[]'"
            " FROM downloads_download WHERE id > %s AND attempt = 1",
            [newest],
        ),
        (
            "INSERT INTO downloads_libraryentry (correlation_id, download_id, owner_id, path, url,"
            " site, title, published_at) SELECT correlation_id, id, owner_id, library_path, url,"
            " site, title, finished_at FROM downloads_download"
            " WHERE id > %s AND outcome = 'completed'",
            [newest],
        ),
        (
            "INSERT INTO downloads_archivedmedia (owner_id, extractor, media_id, added_at)"
            " SELECT owner_id, extractor, media_id, finished_at FROM downloads_download"
            " WHERE id > %s AND media_id <> ''",
            [newest],
        ),
    ]


def execute(statement: str, values: "list[Any]") -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(statement, values)


if __name__ == "__main__":
    main()
