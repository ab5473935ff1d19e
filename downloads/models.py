"""The rows, and the only writer of states.

Every change of state goes through `Download.move` (or its siblings for a whole batch): one short
transaction that names the state and the attempt that it expects, takes the next seq from the
counter row and inserts the transition. Imports of this project: the pure floor only.
"""

import hashlib
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone

from downloads.errors import ErrorClass
from downloads.isolation import new_correlation_id
from downloads.options import DownloadOptions
from downloads.states import ACTIVE, ENDED, RUNNING, Outcome, Phase, Reason, State, can_move

if TYPE_CHECKING:
    from django.contrib.auth.models import User

MAX_DETAIL_LENGTH = 4000
MAX_TITLE_LENGTH = 500


class IllegalMove(Exception):
    """The table of states has no such edge. Always a fault of the caller."""


class LostDownload(Exception):
    """The row is no longer in the state and attempt that the caller knows. Nothing was written."""


class CancelWasAsked(Exception):
    """Somebody asked to cancel before the decision to publish. Nothing was written."""


# SQLite lets one transaction write at a time, and whoever finds it taken sleeps for up to 100 ms.
# The threads of one process queue here instead, and go on at once.
_turn = threading.RLock()


@contextmanager
def short_transaction() -> Iterator[None]:
    """One short transaction, or a part of the caller's. No input or output inside."""
    with _turn if connection.vendor == "sqlite" else nullcontext(), transaction.atomic():
        yield


def database_now() -> datetime:
    """Now, by the one clock that all machines share: PostgreSQL's. SQLite has but one machine.

    What is compared across machines, a heartbeat with a lease, is written and read by it.
    """
    if connection.vendor == "sqlite":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now


def _choices(words: Iterable[str]) -> list[tuple[str, str]]:
    return [(str(word), str(word)) for word in words]


def _values(words: Iterable[str]) -> list[str]:
    """Plain strings in a fixed order: migrations compare the conditions that they are part of."""
    return sorted(str(word) for word in words)


class StreamPosition(models.Model):
    """The counter row: the seq of the newest transition.

    An ordinary row and not a sequence of the database: its lock is held until the transaction
    commits, so that seqs become visible in their order and without gaps.
    """

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return str(self.value)

    @classmethod
    def current(cls) -> int:
        """The seq of the newest committed transition; 0 when there is none."""
        return cls.objects.filter(pk=1).values_list("value", flat=True).first() or 0

    @classmethod
    def take(cls, count: int) -> int:
        """Reserve `count` seqs and return the first; locks the counter until the commit."""
        newest = cls._advance(count)
        if newest is None:
            cls.objects.get_or_create(pk=1)
            newest = cls._advance(count)
            assert newest is not None  # noqa: S101 — the row was made in this transaction
        return newest - count + 1

    @classmethod
    def _advance(cls, count: int) -> int | None:
        """The counter after it was advanced, in one statement; None when there is no row yet."""
        table = connection.ops.quote_name(cls._meta.db_table)
        with connection.cursor() as cursor:
            cursor.execute(
                f"UPDATE {table} SET value = value + %s WHERE id = 1 RETURNING value",  # noqa: S608
                [count],
            )
            row = cursor.fetchone()
        return int(row[0]) if row else None


class Worker(models.Model):
    """One `run_downloads` process. It is written by its own heartbeat and by nobody else."""

    name = models.CharField(max_length=120, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    # Clock ticks from boot to the start of the process: with the pid it names the process for good.
    pid_started = models.BigIntegerField(default=0)
    boot_id = models.CharField(max_length=64, default="")
    slots = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True)  # None: it has not said that it stopped

    class Meta:
        indexes = [models.Index(fields=["heartbeat_at"], name="worker_heartbeat")]

    def __str__(self) -> str:
        return self.name

    def is_alive(self, now: datetime) -> bool:
        """Whether its heartbeat is younger than the lease and it has not stopped.

        `now` is that of `database_now`.
        """
        lease = timedelta(seconds=settings.VNSITE.lease_seconds)
        return self.stopped_at is None and now - self.heartbeat_at < lease


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """What became of one wish: a new download, or the one that is there already."""

    download: "Download"
    created: bool


class DownloadQuerySet(models.QuerySet["Download"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """What a user may see and touch: their own; staff all; nobody else anything."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)

    def claimable(self, now: datetime) -> Self:
        """Waiting, due, the most urgent first and then the oldest."""
        due = Q(not_before=None) | Q(not_before__lte=now)
        return self.filter(due, state=State.CREATED).order_by("-priority", "id")

    def active(self) -> Self:
        return self.filter(state__in=ACTIVE)

    def running(self) -> Self:
        return self.filter(state__in=RUNNING)

    def not_cleaned(self) -> Self:
        """Ended, with a directory that is kept or still to be removed."""
        return self.filter(state__in=ENDED)

    def search(self, text: str) -> Self:
        """Those whose title or URL contains the text, or whose correlation id it is."""
        text = text.strip()
        if not text:
            return self
        return self.filter(
            Q(title__icontains=text) | Q(url__icontains=text) | Q(correlation_id=text.lower())
        )

    def counts(self) -> dict[str, int]:
        """How many downloads there are in each state; states with none are there with 0."""
        counted = dict(self.order_by().values_list("state").annotate(models.Count("id")))
        return {state.value: counted.get(state.value, 0) for state in State}

    def outcome_counts(self) -> dict[str, int]:
        counted = dict(
            self.exclude(outcome=None)
            .order_by()
            .values_list("outcome")
            .annotate(models.Count("id"))
        )
        return {outcome.value: counted.get(outcome.value, 0) for outcome in Outcome}

    def submit(
        self,
        wishes: Sequence[tuple[str, DownloadOptions]],
        *,
        owner: "User | None",
        actor: str,
        priority: int = 0,
    ) -> list[Submitted]:
        """Add one download for each (clean URL, options), in order, in one transaction.

        A wish that the same owner has waiting or running already is answered with that download.
        When this returns outside of another transaction, all of it is committed.
        """
        try:
            with short_transaction():
                return self._submit(wishes, owner=owner, actor=actor, priority=priority)
        except IntegrityError:
            # PostgreSQL: the same wish was retried while we looked. Now we see it.
            with short_transaction():
                return self._submit(wishes, owner=owner, actor=actor, priority=priority)

    def _submit(
        self,
        wishes: Sequence[tuple[str, DownloadOptions]],
        *,
        owner: "User | None",
        actor: str,
        priority: int,
    ) -> list[Submitted]:
        if owner is not None and connection.features.has_select_for_update:
            # One owner's submissions take turns, as they do on SQLite: else two that look at the
            # same time both miss what the other one adds, or wait for each other for ever.
            get_user_model().objects.select_for_update(no_key=True).filter(pk=owner.pk).first()
        now = timezone.now()
        fingerprints = [fingerprint(url, options) for url, options in wishes]
        waiting = self.active().filter(owner=owner, fingerprint__in=set(fingerprints))
        present = {download.fingerprint: download for download in waiting} if owner else {}
        fresh: dict[str, Download] = {}
        answers: list[Submitted] = []
        for (url, options), mark in zip(wishes, fingerprints, strict=True):
            existing = present.get(mark) or fresh.get(mark)
            if existing is not None:
                answers.append(Submitted(download=existing, created=False))
                continue
            fresh[mark] = Download(
                correlation_id=new_correlation_id(),
                owner=owner,
                url=url,
                options=options.as_dict(),
                fingerprint=mark,
                priority=priority,
                max_attempts=settings.VNSITE.max_attempts,
                created_at=now,
                updated_at=now,
            )
            answers.append(Submitted(download=fresh[mark], created=True))
        if fresh:
            self._insert_submitted(list(fresh.values()), actor=actor, at=now)
        return answers

    def _insert_submitted(self, downloads: list["Download"], *, actor: str, at: datetime) -> None:
        self.bulk_create(downloads)
        first = StreamPosition.take(len(downloads))
        Transition.objects.bulk_create(
            Transition(
                seq=seq,
                download=download,
                to_state=State.CREATED,
                at=at,
                actor=actor,
                reason=Reason.SUBMITTED,
                attempt=0,
            )
            for seq, download in enumerate(downloads, first)
        )

    def claim_next(
        self, worker: Worker, *, directory_name: Callable[[str], str]
    ) -> "Download | None":
        """Claim the next download for a worker, or return None when nothing is claimable.

        Created → initializing with the attempt counted and the name of the directory recorded
        before the directory exists. Two workers never get the same one.
        """
        while True:
            try:
                return self._claim_first(worker, directory_name)
            except LostDownload:
                continue  # another worker was faster; there may be a next one

    def _claim_first(
        self, worker: Worker, directory_name: Callable[[str], str]
    ) -> "Download | None":
        now = timezone.now()
        candidates = self.claimable(now)
        can_skip = connection.features.has_select_for_update_skip_locked
        with short_transaction() if can_skip else nullcontext():
            if can_skip:
                candidates = candidates.select_for_update(skip_locked=True)
            download = candidates.first()
            if download is None:
                return None
            download.move(
                State.INITIALIZING,
                actor=worker_actor(worker),
                reason=Reason.CLAIMED,
                attempt=download.attempt + 1,
                worker=worker,
                directory=directory_name(download.correlation_id),
                started_at=download.started_at or now,
                not_before=None,
                error_class=None,
                error_detail="",
            )
            return download


def fingerprint(url: str, options: DownloadOptions) -> str:
    """What makes two wishes of one owner the same: the URL and the options."""
    text = json.dumps([url, options.as_dict()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def worker_actor(worker: Worker) -> str:
    return f"worker:{worker.name}"


def user_actor(user: "User | AnonymousUser") -> str:
    return f"user:{user.get_username()}"


class Download(models.Model):
    """One URL and its life. `attempt` is the epoch: the fencing token of every write."""

    correlation_id = models.CharField(max_length=64, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    url = models.CharField(max_length=2048)
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    options = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, editable=False)
    priority = models.SmallIntegerField(default=0)

    state = models.CharField(max_length=16, choices=_choices(State), default=State.CREATED)
    # None: it has not ended since it was submitted or last retried.
    outcome = models.CharField(  # noqa: DJ001 — None and "" are different things here
        max_length=16, choices=_choices(Outcome), null=True, blank=True
    )
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=_choices(ErrorClass), null=True, blank=True
    )
    error_detail = models.TextField(blank=True, default="")

    attempt = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)
    not_before = models.DateTimeField(null=True, blank=True)  # None: at once
    cancel_requested_at = models.DateTimeField(null=True, blank=True)  # None: nobody asked
    cancel_requested_by = models.CharField(max_length=200, blank=True, default="")

    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL)
    directory = models.CharField(max_length=160, blank=True, default="")  # under the temp root
    child_pid = models.PositiveIntegerField(null=True, blank=True)
    child_started = models.BigIntegerField(null=True, blank=True)  # clock ticks since boot
    # Not "": the decision to publish was made, under this name in the library.
    library_path = models.CharField(max_length=255, blank=True, default="")
    manifest = models.JSONField(null=True, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, editable=False)  # set while it is deleted

    objects = DownloadQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("cleanup_download", "Can clean up downloads by correlation id")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=_values(State)), name="download_state"),
            models.CheckConstraint(
                condition=Q(outcome=None) | Q(outcome__in=_values(Outcome)),
                name="download_outcome",
            ),
            models.CheckConstraint(
                condition=Q(state__in=_values(ACTIVE), outcome=None)
                | Q(state=State.CLEANED.value, outcome__isnull=False)
                | Q(state__in=_values(ENDED), outcome=F("state")),
                name="download_outcome_of_state",
            ),
            models.CheckConstraint(
                condition=Q(error_class=None) | Q(error_class__in=_values(ErrorClass)),
                name="download_error_class",
            ),
            models.CheckConstraint(
                condition=~Q(outcome="failed") | Q(error_class__isnull=False),
                name="download_failed_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[State.CREATED.value, State.CLEANED.value])
                | Q(directory=""),
                name="download_directory_of_state",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=_values(RUNNING)) | (~Q(directory="") & Q(attempt__gte=1)),
                name="download_running_has_directory",
            ),
            models.UniqueConstraint(
                fields=["owner", "fingerprint"],
                condition=Q(state__in=_values(ACTIVE)),
                name="download_active_once",
            ),
        ]
        indexes = [
            models.Index(
                F("priority").desc(),
                F("id").asc(),
                condition=Q(state=State.CREATED.value),
                name="download_claim",
            ),
            models.Index(
                fields=["worker"],
                condition=Q(state__in=_values(RUNNING)),
                name="download_running",
            ),
            models.Index(fields=["state", "-id"], name="download_by_state"),
            models.Index(fields=["outcome", "-id"], name="download_by_outcome"),
            models.Index(fields=["owner", "-id"], name="download_by_owner"),
            models.Index(fields=["owner", "state"], name="download_counts"),
        ]

    def __str__(self) -> str:
        return self.correlation_id

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    @property
    def is_retryable(self) -> bool:
        """Whether a person may send it back to CREATED now."""
        outcome = Outcome(self.outcome) if self.outcome else None
        return self.state not in RUNNING and can_move(
            State(self.state), State.CREATED, outcome=outcome
        )

    @property
    def is_cancellable(self) -> bool:
        """Whether asking to cancel can still have an effect."""
        return self.state in ACTIVE and not self.library_path and not self.cancel_requested_at

    @property
    def is_cleanable(self) -> bool:
        """Whether it has ended and its directory is still there or not yet known to be gone."""
        return self.state in ENDED

    def move(
        self, to: State, *, actor: str, reason: str, detail: str = "", **columns: Any
    ) -> "Transition":
        """Change the state and write the transition, in one transaction (its own or the caller's).

        The row must still be in the state and the attempt that this instance shows, or
        LostDownload is raised and nothing is written; IllegalMove when the table has no such edge.
        `columns` are written along. On success this instance shows the new values.
        """
        origin = State(self.state)
        if not can_move(origin, to, outcome=Outcome(self.outcome) if self.outcome else None):
            raise IllegalMove(f"{self.correlation_id}: {origin} → {to}")
        now = timezone.now()
        values = {**_columns_of(to, now), **columns, "state": to, "updated_at": now}
        with short_transaction():
            self._write(values)
            self._begin_or_end_progress(origin, to, now)
            entry = Transition(
                seq=StreamPosition.take(1),
                download=self,
                from_state=origin,
                to_state=to,
                at=now,
                actor=actor,
                reason=reason,
                detail=_storable(detail)[:MAX_DETAIL_LENGTH],
                attempt=values.get("attempt", self.attempt),
                outcome=values.get("outcome", self.outcome),
                error_class=values.get("error_class", self.error_class),
            )
            entry.save(force_insert=True)
        self._show(values)
        return entry

    def note(self, **columns: Any) -> None:
        """Write columns of the present attempt that are no change of state; fenced like `move`.

        Raises LostDownload when the row has another state or attempt by now.
        """
        self._write(columns)
        self._show(columns)

    def decide_to_publish(self, *, library_path: str, manifest: dict[str, Any]) -> None:
        """Record under which name the files will appear: from here on a cancel has lost.

        Raises CancelWasAsked when the cancel was first, LostDownload when the row is not ours.
        """
        columns = {"library_path": library_path, "manifest": manifest}
        with short_transaction():
            updated = self._fenced().filter(cancel_requested_at=None).update(**columns)
        if not updated:
            if self._fenced().exists():
                raise CancelWasAsked(self.correlation_id)
            raise LostDownload(self.correlation_id)
        self._show(columns)

    def ask_to_cancel(self, *, actor: str) -> bool:
        """Ask the worker of a running download to stop it. A request, not a transition.

        False when it is too late: it is not running any more, or its files are being published.
        Asking twice is asking once.
        """
        askable = Download.objects.filter(pk=self.pk, library_path="").running()
        return bool(
            askable.filter(cancel_requested_at=None).update(
                cancel_requested_at=timezone.now(), cancel_requested_by=actor
            )
            or askable.exists()
        )

    def forget(self) -> None:
        """Delete the row with its history, files' rows and progress. It must not be running.

        Files on the disk are the caller's business, before this. Raises LostDownload when it
        is running (or gone) by now.
        """
        with short_transaction():
            idle = Download.objects.filter(pk=self.pk).exclude(state__in=RUNNING)
            if not idle.update(forgotten_at=timezone.now()):
                raise LostDownload(self.correlation_id)
            self.delete()

    def _begin_or_end_progress(self, origin: State, to: State, now: datetime) -> None:
        """A download has a progress row while it is DOWNLOADING, and only then."""
        if to is State.DOWNLOADING:
            Progress.objects.create(
                download=self, attempt=self.attempt, phase=Phase.EXTRACTING, updated_at=now
            )
        elif origin is State.DOWNLOADING:
            Progress.objects.filter(download=self).delete()

    def _fenced(self) -> DownloadQuerySet:
        rows = Download.objects.filter(pk=self.pk, state=self.state, attempt=self.attempt)
        # Who takes a running download from its worker must not do so after a look that was before
        # the decision to publish: the files may be in the library by now.
        return rows.filter(library_path=self.library_path) if self.is_running else rows

    def _write(self, columns: dict[str, Any]) -> None:
        values = {name: _storable(value) for name, value in columns.items()}
        with short_transaction():
            if self._fenced().update(**values) != 1:
                raise LostDownload(self.correlation_id)

    def _show(self, columns: dict[str, Any]) -> None:
        for name, value in columns.items():
            setattr(self, name, value)


def _storable(value: Any) -> Any:
    """A text as every database takes it: PostgreSQL refuses a NUL, and both half a character.

    What a site says in its error messages is not ours to choose.
    """
    if not isinstance(value, str):
        return value
    return value.replace("\0", "").encode(errors="replace").decode()


def _columns_of(to: State, now: datetime) -> dict[str, Any]:
    """What every move to a state writes beside it."""
    if to in ENDED:
        return {"outcome": Outcome(to.value), "finished_at": now, "worker": None, "child_pid": None}
    if to is State.CREATED:
        return {
            "outcome": None,
            "directory": "",
            "worker": None,
            "child_pid": None,
            "finished_at": None,
            "cancel_requested_at": None,
            "cancel_requested_by": "",
            "library_path": "",
            "manifest": None,
        }
    if to is State.CLEANED:
        return {"directory": ""}
    return {}


class Transition(models.Model):
    """One stored change of state. Append-only: triggers refuse UPDATE, and DELETE without its
    download. The table is the event stream."""

    seq = models.BigIntegerField(primary_key=True)
    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="transitions")
    from_state = models.CharField(  # noqa: DJ001
        max_length=16, choices=_choices(State), null=True
    )  # None: it was submitted
    to_state = models.CharField(max_length=16, choices=_choices(State))
    at = models.DateTimeField()
    actor = models.CharField(max_length=200)
    reason = models.CharField(max_length=32)
    detail = models.TextField(blank=True, default="")
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, null=True)  # noqa: DJ001
    error_class = models.CharField(max_length=32, null=True)  # noqa: DJ001

    class Meta:
        ordering = ["seq"]
        constraints = [
            models.CheckConstraint(condition=Q(to_state__in=_values(State)), name="transition_to"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="transition_seq"),
        ]

    def __str__(self) -> str:
        return f"{self.seq}: {self.from_state or 'nothing'} → {self.to_state}"


class Progress(models.Model):
    """How far a running download is: one row, overwritten, worth nothing after the attempt."""

    download = models.OneToOneField(Download, primary_key=True, on_delete=models.CASCADE)
    attempt = models.PositiveIntegerField()
    phase = models.CharField(max_length=16)
    received_bytes = models.BigIntegerField(default=0)
    total_bytes = models.BigIntegerField(null=True)  # None: the site did not say
    speed = models.FloatField(null=True)  # bytes per second; None: not known yet
    eta_seconds = models.FloatField(null=True)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "progress"
        indexes = [models.Index(fields=["updated_at"], name="progress_updated")]

    def __str__(self) -> str:
        return f"{self.phase} {self.received_bytes}/{self.total_bytes}"

    @property
    def percent(self) -> float | None:
        """0 to 100, or None when the total is not known."""
        if not self.total_bytes:
            return None
        return min(100.0, 100.0 * self.received_bytes / self.total_bytes)


class PublishedFile(models.Model):
    """A file in the library. The row is written after the file is there."""

    download = models.ForeignKey(Download, on_delete=models.CASCADE, related_name="files")
    name = models.CharField(max_length=255)  # inside the download's directory of the library
    size = models.BigIntegerField()  # bytes
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=64)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["download", "name"], name="published_file_once")
        ]

    def __str__(self) -> str:
        return self.name


class ApiToken(models.Model):
    """A token of the API. Only its hash is stored: it is shown once, when it is made."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    name = models.CharField(max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)  # sha256 of the token
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)  # None: never
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class IdempotentAnswer(models.Model):
    """The answer to a request with an Idempotency-Key, kept to give it again.

    Written in the transaction of what it answers, so that both are there or neither is.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE)
    key = models.CharField(max_length=255)
    request_digest = models.CharField(max_length=64)  # sha256 of method, path and body
    status = models.PositiveSmallIntegerField()
    body = models.JSONField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "key"], name="idempotent_answer_once")
        ]

    def __str__(self) -> str:
        return self.key
