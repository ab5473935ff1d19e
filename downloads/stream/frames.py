"""Rows as pieces of the stream, each encoded once for all listeners. Does not know who listens."""

from collections.abc import Callable
from dataclasses import dataclass, field
from operator import attrgetter

from django.conf import settings
from django.db.models import Sum
from django.db.models.functions import Now

from downloads.diagnostics.stats import SPEED_MAX_AGE, free_bytes, workers
from downloads.models import Counts, Deletion, Progress, StreamPosition
from downloads.models.statements import ask, instant
from downloads.rules.states import Outcome, State
from downloads.stream.events import encode, to_json
from downloads.waiting import Obstacles

BATCH_FRAMES = 500  # read from the table at once
FREE_STEP_BYTES = 2**20  # in finer steps the free space would change every second

# The fields of an event, and the column of each.
TRANSITION = {
    "correlation_id": "download.correlation_id",
    "from": "move.from_state",
    "to": "move.to_state",
    "at": "move.at",
    "actor": "move.actor",
    "reason": "move.reason",
    "attempt": "move.attempt",
    "outcome": "move.outcome",
    "error": "move.error_class",
}
PROGRESS = {
    "correlation_id": "download.correlation_id",
    "phase": "progress.phase",
    "bytes": "progress.received_bytes",
    "resumed": "progress.resumed_bytes",
    "total": "progress.total_bytes",
    "speed": "progress.speed",
    "eta": "progress.eta_seconds",
    "fragment": "progress.fragment",
    "fragments": "progress.fragments",
    "entries": "progress.entries",
}
TRANSITIONS_BETWEEN = (
    f"SELECT move.seq, download.owner_id, {', '.join(TRANSITION.values())}"  # noqa: S608
    " FROM downloads_transition move"
    " JOIN downloads_download download ON download.id = move.download_id"
    f" WHERE move.seq > %s AND move.seq <= %s ORDER BY move.seq LIMIT {BATCH_FRAMES}"
)
ALL_PROGRESS = (
    f"SELECT download.id, download.owner_id, {', '.join(PROGRESS.values())}"  # noqa: S608
    " FROM downloads_progress progress"
    " JOIN downloads_download download ON download.id = progress.download_id"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Something about one download."""

    owner_id: int | None
    correlation_id: str
    data: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame(Piece):
    """One transition or deletion. Of a transition `data` is the whole event; a deletion has none:
    several become one event."""

    seq: int
    is_deletion: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Report(Piece):
    """The progress of one download; `data` is one object of the list in the event."""

    version: int  # of the reading in which it last changed


def read_frames(*, after: int, upto: int | None = None) -> list[Frame]:
    """Return the next transitions and deletions after a seq, in order, at most BATCH_FRAMES.

    `upto` None: the newest there is now. Between the two readings a commit may add to one table:
    without an end, a deletion would be passed over for a later transition.
    """
    newest = StreamPosition.current() if upto is None else upto
    if newest <= after:
        return []
    frames = _transitions(after, newest)
    if not _is_whole(frames, after=after, upto=newest):
        frames += _deletions(after, newest)
    return sorted(frames, key=attrgetter("seq"))[:BATCH_FRAMES]


def _is_whole(frames: list[Frame], *, after: int, upto: int) -> bool:
    """Look whether no seq is missing: then there is nothing else to read."""
    reached = after + len(frames)
    is_gapless = bool(frames) and frames[-1].seq == reached
    return is_gapless and (reached == upto or len(frames) == BATCH_FRAMES)


def reach_back(frames: list[Frame], *, newest: int) -> list[Frame]:
    """Return the last of the frames, up to `newest`, without what is before a missing one."""
    start = newest
    for frame in reversed(frames):
        if frame.seq != start:
            break
        start -= 1
    return frames[len(frames) - (newest - start) :]


def oldest_deletion() -> int | None:
    """Return the seq of the oldest deletion that is kept; None when there is none."""
    return Deletion.objects.order_by("seq").values_list("seq", flat=True).first()


def _transitions(after: int, upto: int) -> list[Frame]:
    frames = []
    for seq, owner_id, *columns in ask(TRANSITIONS_BETWEEN, [after, upto]):
        fields = dict(zip(TRANSITION, columns, strict=True))
        fields["at"] = instant(fields["at"])
        data = encode("transition", fields, seq=seq)
        name = fields["correlation_id"]
        frames.append(Frame(seq=seq, owner_id=owner_id, correlation_id=name, data=data))
    return frames


def _deletions(after: int, upto: int) -> list[Frame]:
    rows = Deletion.objects.filter(seq__gt=after, seq__lte=upto).order_by("seq")
    columns = rows.values_list("seq", "owner_id", "correlation_id")[:BATCH_FRAMES]
    return [
        Frame(seq=seq, owner_id=owner_id, correlation_id=name, data=b"", is_deletion=True)
        for seq, owner_id, name in columns
    ]


def read_reports(before: dict[int, Report], *, version: int) -> dict[int, Report]:
    """Return the progress of all running downloads; a report that did not change stays the same.

    All rows are read and compared: two writes in one instant have the same `updated_at`. There are
    only as many rows as downloads are running.
    """
    reports = {}
    for key, owner_id, *columns in ask(ALL_PROGRESS):
        fields = dict(zip(PROGRESS, columns, strict=True))
        data, known, name = to_json(fields), before.get(key), fields["correlation_id"]
        reports[key] = (
            known
            if known and known.data == data
            else Report(version=version, owner_id=owner_id, correlation_id=name, data=data)
        )
    return reports


@dataclass(frozen=True, kw_only=True)
class Stats:
    """The numbers of the dashboard, for all owners at once."""

    counts: dict[tuple[int | None, str, str], int]  # by owner, state, and outcome or ""
    speeds: dict[int | None, float]  # bytes per second, by owner
    free_bytes: int | None  # of the library's disk; None: it cannot be read
    workers: int  # alive
    obstacles: Obstacles = field(default_factory=Obstacles)
    wanted: frozenset[tuple[int | None, str]] = frozenset()  # see Obstacles
    paused: frozenset[tuple[int | None, str]] = frozenset()  # owner and correlation id
    _encoded: dict[tuple[str, int | None], bytes] = field(default_factory=dict, compare=False)

    @classmethod
    def read(cls) -> "Stats":
        obstacles = Obstacles.read()
        counts = Counts.objects.exclude(number=0)
        fresh = Progress.objects.filter(updated_at__gt=Now() - SPEED_MAX_AGE).values_list(
            "download__owner_id"
        )
        return cls(
            counts={
                (owner or None, state, outcome): number
                for owner, state, outcome, number in counts.values_list(
                    "owner_key", "state", "outcome", "number"
                )
            },
            speeds={owner: speed or 0.0 for owner, speed in fresh.annotate(Sum("speed"))},
            free_bytes=_free_bytes(),
            workers=sum(worker.alive for worker in workers()),
            obstacles=obstacles,
            wanted=obstacles.wanted(),
            paused=obstacles.paused_downloads(),
        )

    def event_for(self, owner_id: int | None) -> bytes:
        """Return the stats event of one owner's downloads; None: of all downloads."""
        return self._encode_once("stats", owner_id, self._numbers_for)

    def waiting_event_for(self, owner_id: int | None) -> bytes:
        """Return the event of what is in the way of one owner's downloads; None: of anybody's."""
        return self._encode_once("waiting", owner_id, self._obstacles_for)

    def _encode_once(
        self, event: str, owner_id: int | None, data_for: Callable[[int | None], object]
    ) -> bytes:
        key = event, owner_id
        if key not in self._encoded:
            self._encoded[key] = encode(event, data_for(owner_id))
        return self._encoded[key]

    def _numbers_for(self, owner_id: int | None) -> object:
        counts = dict.fromkeys((state.value for state in State), 0)
        outcomes = dict.fromkeys((outcome.value for outcome in Outcome), 0)
        for (owner, state, outcome), number in self.counts.items():
            if owner_id in (None, owner):
                counts[state] += number
                if outcome:
                    outcomes[outcome] += number
        speed = sum(speed for owner, speed in self.speeds.items() if owner_id in (None, owner))
        numbers = {"speed": round(speed), "free": self.free_bytes, "workers": self.workers}
        return {"counts": counts, "outcomes": outcomes, **numbers}

    def _obstacles_for(self, owner_id: int | None) -> object:
        """Leave out the sites of which this owner wants nothing."""
        hosts = {host for owner, host in self.wanted if owner_id in (None, owner)}
        sites = {host: word for host, word in self.obstacles.sites().items() if host in hosts}
        owners = self.obstacles.owners()
        if owner_id is not None:
            owners = {owner: word for owner, word in owners.items() if owner == str(owner_id)}
        paused = sorted(name for owner, name in self.paused if owner_id in (None, owner))
        return {
            "sites": dict(sorted(sites.items())),
            "owners": dict(sorted(owners.items())),
            "queue": self.obstacles.queue_word,
            "paused": paused,
        }


def _free_bytes() -> int | None:
    try:
        free = free_bytes(settings.VNSITE.media_root)
    except OSError:
        return None
    return free - free % FREE_STEP_BYTES
