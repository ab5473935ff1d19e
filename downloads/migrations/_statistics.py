"""What SQLite's planner is told of the rows, as of a site with a million downloads.

Without statistics it takes any equality for the best: it would read all downloads of an owner, and
sort all that completed, for one page. Those of `ANALYZE` are of the day it ran, which is mostly
that of an empty database; these are right where it matters, and cost little where they are not.
PostgreSQL collects its own.
"""

# How many rows there are, and how many have the same first column of the index, the same two
# columns and so on.
ROWS = {
    # An owner may have most of them. Other conditions come first.
    "download_by_owner": "1000000 200000 1",
    "download_by_owner_end": "1000000 200000 1 1",
    "download_by_fingerprint": "1000000 200000 2",
    "download_by_media": "1000000 200000 2 2",
    # Of one outcome may be all. An order is walked instead, or the keys of the few are known.
    "download_by_outcome": "1000000 1000000 1",
    "download_by_error": "1000000 1000000",
    "download_by_state": "1000000 10000 1",  # states that are asked for: of what has not ended
    "download_by_end": "1000000 1 1",
}

SQLITE = [
    "ANALYZE sqlite_master",  # makes the table, and looks at no row
    "DELETE FROM sqlite_stat1 WHERE tbl IN ('downloads_download', 'downloads_progress')",
    *(
        f"INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES ('downloads_download', '{index}', '{rows}')"
        for index, rows in ROWS.items()
    ),
    # Of Django's own name, with a hash at its end.
    """
    INSERT INTO sqlite_stat1 (tbl, idx, stat)
    SELECT tbl_name, name, '1000000 200000' FROM sqlite_master
    WHERE type = 'index' AND name LIKE 'downloads\\_download\\_owner\\_id\\_%' ESCAPE '\\'
    """,
    "ANALYZE sqlite_master",  # reads what is in it by now
]


def install(schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for statement in SQLITE:
            schema_editor.execute(statement)
