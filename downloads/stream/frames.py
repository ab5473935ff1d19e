"""The frames of the stream: what `GET /events/` sends, byte for byte, and the rows it is made of.

Knows rows and nothing of who listens: `downloads.stream.tailer` sends them.
"""

import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now

from downloads.diagnostics.stats import SPEED_MAX_AGE, free_bytes, workers
from downloads.models import Counts, Progress, Transition
from downloads.rules.states import State
from downloads.waiting import Obstacles

HEARTBEAT_SECONDS = 15
BATCH_FRAMES = 500  # read from the table at once
FREE_STEP_BYTES = 2**20  # free space in finer steps would be a change every second
# After a restart every browser comes back: spread over these seconds, they do not come at once.
RETRY_MILLISECONDS = (1000, 5000)


class Resync(StrEnum):
    """Why a listener must load its data again."""

    GAP = "gap"  # it was too slow, or something that it missed is not kept
    UNKNOWN = "unknown"  # its last id is none of ours


class Bye(StrEnum):
    """Why the stream ends. The listener may connect again at once."""

    AGE = "age"
    SHUTDOWN = "shutdown"
    SIGNED_OUT = "signed_out"


def encode(event: str, data: object, *, seq: int | None = None) -> bytes:
    """One event as bytes. Only with `seq` does the browser remember it as its last id."""
    head = "" if seq is None else f"id: {seq}\n"
    return f"{head}event: {event}\ndata: {_json(data)}\n\n".encode()


def retry(milliseconds: int) -> bytes:
    """How long the browser waits before it connects again."""
    return f"retry: {milliseconds}\n\n".encode()


def hello(*, seq: int, now: datetime) -> bytes:
    """The first event; `seq` is the newest there is."""
    return encode("hello", {"seq": seq, "now": _instant(now), "heartbeat": HEARTBEAT_SECONDS})


def heartbeat(*, seq: int, now: datetime, is_stale: bool) -> bytes:
    """Says that the stream lives, and moves the last id past what this listener may not see.

    Stale: the database does not answer, and what happens now is told when it is back.
    """
    return encode("heartbeat", {"now": _instant(now), "stale": is_stale}, seq=seq)


def resync(why: Resync) -> bytes:
    return encode("resync", {"why": why})


def bye(why: Bye) -> bytes:
    return encode("bye", {"why": why})


def greeting(*, seq: int, now: datetime) -> bytes:
    """What every stream begins with."""
    return retry(random.randint(*RETRY_MILLISECONDS)) + hello(seq=seq, now=now)  # noqa: S311


def _json(data: object) -> str:
    return json.dumps(data, separators=(",", ":"))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Something about one download, encoded once for all listeners."""

    owner_id: int | None
    correlation_id: str
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame(Piece):
    """One transition; `data` is the whole event."""

    seq: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Report(Piece):
    """The progress of one download; `data` is one object of the list in the event."""

    version: int  # of the reading in which it was last different


def join_reports(reports: Iterable[Report]) -> bytes:
    """The progress event; empty when there is nothing to say."""
    objects = b",".join(report.data for report in reports)
    return b"event: progress\ndata: [" + objects + b"]\n\n" if objects else b""


# What is read from rows -----------------------------------------------------------------------


def read_frames(*, after: int, upto: int | None = None) -> list[Frame]:
    """The next transitions after a seq, in order, at most BATCH_FRAMES."""
    rows = Transition.objects.filter(seq__gt=after).order_by("seq")
    if upto is not None:
        rows = rows.filter(seq__lte=upto)
    return [
        Frame(
            seq=row["seq"],
            owner_id=row["download__owner_id"],
            correlation_id=row["download__correlation_id"],
            data=_encode_transition(row),
        )
        for row in rows.values(
            "seq",
            "download__owner_id",
            "download__correlation_id",
            "from_state",
            "to_state",
            "at",
            "actor",
            "reason",
            "attempt",
            "outcome",
            "error_class",
        )[:BATCH_FRAMES]
    ]


def _encode_transition(row: Mapping[str, Any]) -> bytes:
    data = {
        "correlation_id": row["download__correlation_id"],
        "from": row["from_state"],
        "to": row["to_state"],
        "at": _instant(row["at"]),
        "actor": row["actor"],
        "reason": row["reason"],
        "attempt": row["attempt"],
        "outcome": row["outcome"],
        "error": row["error_class"],
    }
    return encode("transition", data, seq=row["seq"])


def read_reports(before: dict[int, Report], *, version: int) -> dict[int, Report]:
    """The progress of everything that is running; what did not change keeps its old version.

    All rows are read and compared, because what is written at once may have the same `updated_at`.
    There are only as many as downloads are running.
    """
    reports = {}
    for row in Progress.objects.values(
        "pk",
        "download__owner_id",
        "download__correlation_id",
        "phase",
        "received_bytes",
        "resumed_bytes",
        "total_bytes",
        "speed",
        "eta_seconds",
    ):
        data = _encode_progress(row)
        known = before.get(row["pk"])
        reports[row["pk"]] = (
            known
            if known and known.data == data
            else Report(
                version=version,
                owner_id=row["download__owner_id"],
                correlation_id=row["download__correlation_id"],
                data=data,
            )
        )
    return reports


def _encode_progress(row: Mapping[str, Any]) -> bytes:
    data = {
        "correlation_id": row["download__correlation_id"],
        "phase": row["phase"],
        "bytes": row["received_bytes"],
        "resumed": row["resumed_bytes"],
        "total": row["total_bytes"],
        "speed": row["speed"],
        "eta": row["eta_seconds"],
    }
    return _json(data).encode()


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The numbers of the dashboard, for all owners at once."""

    counts: dict[tuple[int | None, str], int]  # by owner and state
    speeds: dict[int | None, float]  # bytes per second, by owner
    free_bytes: int | None  # of the library's disk; None: it cannot be read
    workers: int  # alive
    obstacles: Obstacles = field(default_factory=Obstacles)
    wanted: frozenset[tuple[int | None, str]] = frozenset()  # see Obstacles
    _encoded: dict[int | None, bytes] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls) -> "Stats":
        obstacles = Obstacles.read()
        fresh = Progress.objects.filter(updated_at__gt=Now() - SPEED_MAX_AGE)
        return cls(
            counts={
                (owner or None, state): number
                for owner, state, number in Counts.objects.exclude(number=0)
                .values_list("owner_key", "state")
                .annotate(Sum("number"))
            },
            speeds={
                row["download__owner_id"]: row["total"] or 0.0
                for row in fresh.values("download__owner_id").annotate(total=Sum("speed"))
            },
            free_bytes=_free_bytes(),
            workers=sum(worker.alive for worker in workers()),
            obstacles=obstacles,
            wanted=obstacles.wanted(),
        )

    def event_for(self, owner_id: int | None) -> bytes:
        """The stats event of one owner's downloads, or of all when it is None."""
        if owner_id not in self._encoded:
            self._encoded[owner_id] = self._encode_for(owner_id)
        return self._encoded[owner_id]

    def waiting_event_for(self, owner_id: int | None) -> bytes:
        """What is in the way of one owner's downloads, or of anybody's when it is None.

        Nobody is told of a site of which they want nothing.
        """
        hosts = {host for owner, host in self.wanted if owner_id in (None, owner)}
        sites = {host: word for host, word in self.obstacles.sites().items() if host in hosts}
        owners = self.obstacles.owners()
        if owner_id is not None:
            owners = {owner: word for owner, word in owners.items() if owner == str(owner_id)}
        data = {"sites": dict(sorted(sites.items())), "owners": dict(sorted(owners.items()))}
        return encode("waiting", data)

    def _encode_for(self, owner_id: int | None) -> bytes:
        counts = dict.fromkeys((state.value for state in State), 0)
        for (owner, state), number in self.counts.items():
            if owner_id in (None, owner):
                counts[state] += number
        speed = sum(speed for owner, speed in self.speeds.items() if owner_id in (None, owner))
        return encode(
            "stats",
            {
                "counts": counts,
                "speed": round(speed),
                "free": self.free_bytes,
                "workers": self.workers,
            },
        )


def _free_bytes() -> int | None:
    try:
        free = free_bytes(settings.VNSITE.media_root)
    except OSError:
        return None
    return free - free % FREE_STEP_BYTES
