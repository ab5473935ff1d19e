"""Submits, claims, moves and cancels as fast as it can: `python -m tests.helpers.writer`.

SQLite waits but a moment for its lock here. What only came too late for that is done again; what
was refused because somebody had written after this transaction had read (SQLITE_BUSY_SNAPSHOT)
ends the process: no wait would have helped it. Says `ready`, and waits for a line.
"""

import os
import sys
from collections.abc import Callable
from typing import Any

import django

ROUNDS = 15
TIMEOUT_SECONDS = 0.1


def insist(write: Callable[[], Any]) -> Any:
    """What `write` returns when SQLite's lock was free in time."""
    from django.db import OperationalError

    while True:
        try:
            return write()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlite_errorname", "") != "SQLITE_BUSY":
                raise


def live_once(worker: Any, owner: Any, url: str) -> None:
    """One download, from its submission to its cancellation. Whoever has an owner is looked up
    first: a transaction that reads and then writes."""
    from downloads import actions
    from downloads.models import submissions
    from downloads.rules.options import DownloadOptions
    from downloads.rules.states import Outcome, Reason, State
    from tests.helpers import lives

    wish = (url, DownloadOptions())
    insist(lambda: submissions.submit([wish], owner=owner, actor="writer"))
    claimed = insist(lambda: lives.claim_next(worker))
    for state, reason in (
        (State.READY, Reason.DIRECTORY_MADE),
        (State.DOWNLOADING, Reason.CHILD_STARTED),
        (State.CANCELLED, Reason.CANCELLED),
    ):
        insist(lambda to=state, why=reason: claimed.move(to, actor="writer", reason=why))
    insist(lambda: actions.clean(claimed, actor="writer"))
    assert claimed.outcome == Outcome.CANCELLED


if __name__ == "__main__":
    django.setup()

    from django.contrib.auth.models import User
    from django.db import connection
    from django.utils import timezone

    from downloads.models import Worker

    connection.settings_dict["OPTIONS"] = {
        **connection.settings_dict["OPTIONS"],
        "timeout": TIMEOUT_SECONDS,
    }
    now = timezone.now()
    name = f"writer-{os.getpid()}"
    row = insist(
        lambda: Worker.objects.create(
            name=name, host="here", pid=os.getpid(), slots=1, started_at=now, heartbeat_at=now
        )
    )
    user = insist(lambda: User.objects.create(username=name))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    for number in range(ROUNDS):
        live_once(row, user, f"https://example.org/{name}/{number}")
