"""A download: its row, its queries, and every write of its state."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from downloads.models import statements
from downloads.models.archive import ArchivedMedia
from downloads.models.counts import Counts
from downloads.models.library import LibraryEntry, PublishedFile
from downloads.models.logs import AttemptLog
from downloads.models.progress import Progress
from downloads.models.search import condition_of, few_among, few_of
from downloads.models.stream import Deletion, StreamPosition, Transition
from downloads.models.thumbnails import Thumbnail
from downloads.models.transactions import (
    CancelWasAsked,
    IllegalMove,
    LostDownload,
    choices,
    joined_transaction,
    plain_values,
    short_transaction,
    storable,
    tellable,
)
from downloads.models.workers import Worker
from downloads.rules.backoff import LONGEST_WAIT_SECONDS
from downloads.rules.errors import Advice, ErrorClass, advice_of
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.search import Search
from downloads.rules.states import (
    ACTIVE,
    ENDED,
    RUNNING,
    Outcome,
    Phase,
    Reason,
    Result,
    State,
    can_move,
)

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models.sql.compiler import SQLCompiler

MAX_TITLE_LENGTH = 500
# Of one owner's waiting downloads: as they were put in order, the most urgent, the oldest.
QUEUE_ORDER = ("-place", "-priority", "id")
# Options that change nothing about the files, with their defaults.
SAME_FILES = {name: OPTIONS[name].default for name in ("playlist", "start_at", "rate_limit")}


class Likely(models.Func):
    """A condition that holds for many rows.

    SQLite assumes that few rows have one state, and sorts what it finds: each claim would sort
    10,000 waiting rows. With LIKELY it walks the index that is in order.
    """

    function = "LIKELY"
    output_field = models.BooleanField()

    def as_postgresql(self, compiler: "SQLCompiler", _connection: object) -> Any:
        """Compile the condition alone: PostgreSQL has statistics of its rows."""
        return compiler.compile(self.source_expressions[0])


def any_in(states: Collection[State]) -> bool:
    """Say whether a download is in one of these states, some of which are given.

    A worker asks at each of its looks, for ever, and the ORM takes ten times as long to write the
    question as the database to answer it.
    """
    those = ", ".join(f"'{state.value}'" for state in sorted(states))
    sql = f"SELECT 1 FROM downloads_download WHERE state IN ({those}) LIMIT 1"  # noqa: S608
    return bool(statements.ask(sql))


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change of state, of several that are written together."""

    to: State
    reason: str
    data: Mapping[str, Any] = field(default_factory=dict)  # as of `Download.move`


class DownloadQuerySet(models.QuerySet["Download"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Downloads that a user may see and act on: their own, or all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)

    def claimable(self, now: datetime) -> Self:
        """Downloads that are due at `now` (of `database_now`) and not paused, in QUEUE_ORDER.

        After an attempt a `not_before` beyond the longest possible wait means that the clock was
        set back: it counts as due. Before the first one it is what a person chose.
        """
        longest = timedelta(seconds=LONGEST_WAIT_SECONDS)
        was_set_back = Q(attempt__gt=0, not_before__gt=now + longest)
        due = Q(not_before=None) | Q(not_before__lte=now) | was_set_back
        may_start = Likely(Q(state=State.CREATED)) & Q(paused_at=None)
        return self.filter(due, may_start).order_by(*QUEUE_ORDER)

    def active(self) -> Self:
        return self.filter(state__in=ACTIVE)

    def running(self) -> Self:
        return self.filter(state__in=RUNNING)

    def not_cleaned(self) -> Self:
        """Downloads that have ended, whose directory is kept or not removed yet."""
        return self.filter(state__in=ENDED)

    def search(self, text: str) -> Self:
        """Downloads that match all parts of a search, but for those that make no sense.

        Asks the indexes for those that were there when this was called.
        """
        search = Search.parse(text)
        return self.filter(condition_of(search), few_among(self.model.objects.all(), search))

    def those(self, condition: Q) -> Self:
        """Downloads that meet a condition of which an index knows, as `search` reads them."""
        return self.filter(condition, few_of(self.model.objects.filter(condition)))

    def with_thumbnail(self) -> Self:
        """Join the thumbnails of rows and of what they have, without their bytes."""
        joined = self.select_related("thumbnail", "have__thumbnail")
        return joined.defer("thumbnail__content", "have__thumbnail__content")

    def waiting_of(self, owner: "User") -> int:
        """Return the number of a user's downloads that wait."""
        return self.filter(owner=owner, state=State.CREATED).count()

    def had_by(
        self, owner: "User | None", *, extractor: str, media_id: str, options: DownloadOptions
    ) -> "Download | None":
        """Return the owner's newest download that left the same video with the same options.

        None when there is none, when its files were removed, and when `media_id` is "". One
        indexed query, and a look at the disk for each candidate.
        """
        if not media_id:
            return None
        candidates = self.filter(
            owner=owner, media_id=media_id, extractor=extractor, result=Result.FILES
        )
        found = candidates.filter(entry__isnull=False).select_related("entry").order_by("-id")
        return next((each for each in found if each.has_files_of(options)), None)


class Download(models.Model):
    """One URL and its life. `attempt` is the epoch: the fencing token of every write."""

    correlation_id = models.CharField(max_length=64, unique=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL
    )
    url = models.CharField(max_length=2048)
    site = models.CharField(max_length=300, default="", editable=False)  # see links.site_of
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    # What makes two links the same video: yt-dlp's extractor key, in lower case, and the site's id.
    # "": not known yet.
    extractor = models.CharField(max_length=100, blank=True, default="")
    media_id = models.CharField(max_length=300, blank=True, default="")
    media = models.JSONField(blank=True, default=dict)  # what else the site says of the video
    options = models.JSONField(default=dict)
    fingerprint = models.CharField(max_length=64, editable=False)
    priority = models.SmallIntegerField(default=0)
    # What those have in common that were added together; None: it was added alone.
    batch = models.CharField(max_length=32, null=True, blank=True, editable=False)  # noqa: DJ001
    # Above 0: its owner wants it before their others. Unlike the priority it never counts against
    # another owner's.
    place = models.IntegerField(default=0, editable=False)

    state = models.CharField(max_length=16, choices=choices(State), default=State.CREATED)
    # None: it has not ended since it was submitted or last retried.
    outcome = models.CharField(  # noqa: DJ001 — None and "" are different things here
        max_length=16, choices=choices(Outcome), null=True, blank=True
    )
    # None: it did not complete.
    result = models.CharField(  # noqa: DJ001
        max_length=16, choices=choices(Result), null=True, blank=True
    )
    # The listing that it was made of; None: of none, or that was deleted.
    listed_in = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="listed"
    )
    list_depth = models.PositiveSmallIntegerField(default=0)  # of lists within lists
    # The download whose files the owner had; None: unless the result is `have_it`, or deleted.
    have = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    is_again = models.BooleanField(default=False)  # fetch it although the owner has it
    # The correlation id of an entry of the library, whose film is put into another container;
    # nothing is fetched. None: it comes from its site.
    remux_of = models.CharField(max_length=64, null=True, editable=False)  # noqa: DJ001
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True, blank=True
    )
    error_data = models.JSONField(blank=True, default=dict)  # as of a transition

    attempt = models.PositiveIntegerField(default=0)
    # Attempts that do not count: they were put back, or are from before the last retry.
    uncounted = models.PositiveIntegerField(default=0)
    max_attempts = models.PositiveIntegerField(default=3)  # of those that count
    not_before = models.DateTimeField(null=True, blank=True)  # None: at once
    paused_at = models.DateTimeField(null=True, editable=False)  # None: it may start
    cancel_requested_at = models.DateTimeField(null=True, blank=True)  # None: nobody asked
    cancel_requested_by = models.CharField(max_length=200, blank=True, default="")
    # Not "": who asked to stop the recording and keep what is there. It stays over attempts.
    keep_requested_by = models.CharField(max_length=200, blank=True, default="")

    worker = models.ForeignKey(Worker, null=True, blank=True, on_delete=models.SET_NULL)
    directory = models.CharField(max_length=160, blank=True, default="")  # under the temp root
    # Under the temp root: proven bytes of an earlier attempt for the next one.
    carried = models.CharField(max_length=160, blank=True, default="")
    # Not "": the decision to publish was made, under this name in the library.
    library_path = models.CharField(max_length=255, blank=True, default="")
    manifest = models.JSONField(null=True, blank=True)

    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    forgotten_at = models.DateTimeField(null=True, editable=False)  # set while it is deleted
    # Its moves before the first that is there were pruned so many days after it had ended. None:
    # its history is whole.
    history_days = models.PositiveIntegerField(null=True, editable=False)

    objects = DownloadQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        permissions = [("cleanup_download", "Can clean up downloads by correlation id")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=plain_values(State)), name="download_state"
            ),
            models.CheckConstraint(
                condition=Q(outcome=None) | Q(outcome__in=plain_values(Outcome)),
                name="download_outcome",
            ),
            models.CheckConstraint(
                condition=Q(state__in=plain_values(ACTIVE), outcome=None)
                | Q(state=State.CLEANED.value, outcome__isnull=False)
                | Q(state__in=plain_values(ENDED), outcome=F("state")),
                name="download_outcome_of_state",
            ),
            models.CheckConstraint(
                condition=Q(outcome=None, result=None)
                | Q(outcome=Outcome.COMPLETED.value, result__in=plain_values(Result))
                | Q(outcome__in=[Outcome.FAILED.value, Outcome.CANCELLED.value], result=None),
                name="download_result_of_outcome",
            ),
            models.CheckConstraint(
                condition=Q(error_class=None) | Q(error_class__in=plain_values(ErrorClass)),
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
                condition=~Q(state__in=plain_values(RUNNING))
                | (~Q(directory="") & Q(attempt__gte=1)),
                name="download_running_has_directory",
            ),
            models.CheckConstraint(
                condition=Q(paused_at=None) | Q(state=State.CREATED.value),
                name="download_paused_waits",
            ),
            models.UniqueConstraint(
                fields=["owner", "fingerprint"],
                condition=Q(state__in=plain_values(ACTIVE)),
                name="download_active_once",
            ),
        ]
        indexes = [
            models.Index(
                F("owner").asc(),  # a claim asks for the first of each
                F("place").desc(),
                F("priority").desc(),
                F("id").asc(),
                F("site").asc(),  # so that the rows of a site that waits are passed over here
                F("not_before").asc(),
                F("paused_at").asc(),
                condition=Q(state=State.CREATED.value),
                name="download_claim",
            ),
            models.Index(
                fields=["-place", "-priority", "id"],  # the queue of all, as staff see it
                condition=Q(state=State.CREATED.value),
                name="download_queue",
            ),
            models.Index(
                fields=["site"],
                condition=Q(state=State.CREATED.value),
                name="download_waiting_site",
            ),
            models.Index(
                fields=["paused_at"],
                condition=Q(paused_at__isnull=False),
                name="download_paused",
            ),
            models.Index(
                fields=["worker"],
                condition=Q(state__in=plain_values(RUNNING)),
                name="download_running",
            ),
            models.Index(fields=["state", "-id"], name="download_by_state"),
            models.Index(fields=["outcome", "-id"], name="download_by_outcome"),
            models.Index(fields=["owner", "-id"], name="download_by_owner"),
            models.Index(fields=["-finished_at", "-id"], name="download_by_end"),
            models.Index(fields=["owner", "-finished_at", "-id"], name="download_by_owner_end"),
            models.Index(
                fields=["batch"], condition=Q(batch__isnull=False), name="download_by_batch"
            ),
            models.Index(fields=["site"], name="download_by_site"),
            models.Index(
                fields=["error_class"],
                condition=Q(error_class__isnull=False),
                name="download_by_error",
            ),
            models.Index(fields=["created_at"], name="download_by_day"),
            models.Index(
                fields=["result"],
                condition=Q(result=Result.LISTING.value),
                name="download_by_result",
            ),
            # Not of the URL, which may be longer than PostgreSQL takes into an index.
            models.Index(fields=["owner", "fingerprint"], name="download_by_fingerprint"),
            models.Index(
                fields=["remux_of"],
                condition=Q(remux_of__isnull=False),
                name="download_by_remux_of",
            ),
            # Of all rows: with a condition on media_id SQLite would not use it for a parameter.
            models.Index(fields=["owner", "media_id", "extractor"], name="download_by_media"),
        ]

    def __str__(self) -> str:
        return self.correlation_id

    @property
    def tries(self) -> int:
        """The number of attempts that count so far, the present one included."""
        return self.attempt - self.uncounted

    @property
    def files(self) -> models.QuerySet[PublishedFile]:
        """Its files in the library; none when it left none, or they were deleted."""
        entry: LibraryEntry | None = getattr(self, "entry", None)
        return entry.files.all() if entry else PublishedFile.objects.none()

    @property
    def files_at_hand(self) -> Iterable[PublishedFile]:
        """Its `files`, as `LibraryEntry.read_files` where whoever made a list has read them."""
        entry: LibraryEntry | None = getattr(self, "entry", None)
        read: list[PublishedFile] | None = getattr(entry, "read_files", None)
        return self.files if read is None else read

    def has_files_of(self, options: DownloadOptions) -> bool:
        """Whether it left the files that these options ask for, and all of them are there."""
        try:
            own = DownloadOptions.from_mapping(self.options)
        except InvalidOption:  # of a newer version
            return False
        is_same = own.with_overrides(**SAME_FILES) == options.with_overrides(**SAME_FILES)
        return is_same and not self.misses_files

    @property
    def misses_files(self) -> bool:
        """Whether files that it left were removed from the library. Looks at the disk."""
        return any(file.fault == "missing" for file in self.files)

    @property
    def advice(self) -> Advice | None:
        """The words for its error: the last attempt's, as long as the next has no other."""
        if not self.error_class:
            return None
        return advice_of(ErrorClass(self.error_class), self.error_data)

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    @property
    def is_retryable(self) -> bool:
        """True when a person may send it back to CREATED now."""
        outcome = Outcome(self.outcome) if self.outcome else None
        return self.state not in RUNNING and can_move(
            State(self.state), State.CREATED, outcome=outcome
        )

    @property
    def is_cancellable(self) -> bool:
        """True when asking to cancel can still have an effect."""
        return self.state in ACTIVE and not self.library_path and not self.cancel_requested_at

    @property
    def is_pausable(self) -> bool:
        """Whether it waits and may start."""
        return self.state == State.CREATED and not self.is_paused

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_recording(self) -> bool:
        """Whether it records a live stream now."""
        progress: Progress | None = getattr(self, "progress", None)
        return progress is not None and progress.is_recording

    @property
    def has_recorded(self) -> bool:
        """Whether its attempt records a live stream, and got further than those before."""
        progress: Progress | None = getattr(self, "progress", None)
        is_further = progress is not None and progress.received_bytes > progress.resumed_bytes
        return self.is_recording and is_further

    @property
    def is_keepable(self) -> bool:
        """Whether asking to stop the recording and keep it can still have an effect."""
        is_asked = self.cancel_requested_at or self.keep_requested_by
        return self.is_recording and not is_asked and not self.library_path

    @property
    def is_cleanable(self) -> bool:
        """True when it has ended and its directory may still be there."""
        return self.state in ENDED

    def move(
        self,
        to: State,
        *,
        actor: str,
        reason: str,
        data: Mapping[str, Any] | None = None,
        **columns: Any,
    ) -> "Transition":
        """Change the state and write the transition, in one transaction (its own or the caller's).

        The row must still be in the state and the attempt that this instance shows, or
        LostDownload is raised and nothing is written; IllegalMove when the table has no such edge.
        A move to COMPLETED without a `result` among `columns` is one with files.
        `data` are codes and numbers for the history, and at most a `message` that somebody else
        wrote. `columns` are written along. On success this instance shows the new values.
        """
        step = Step(to=to, reason=reason, data=data or {})
        return self.move_on([step], actor=actor, **columns)

    def move_on(self, steps: Sequence[Step], *, actor: str, **columns: Any) -> "Transition":
        """Change the state once or several times, at one instant; see `move`.

        Nobody sees the states between, and no crash leaves one. Returns the last transition.
        """
        now = timezone.now()
        if "error_data" in columns:
            columns["error_data"] = tellable(columns["error_data"])
        before = self.state, self.outcome
        values: dict[str, Any] = {"updated_at": now}
        entries = []
        for step in steps:
            origin = State(values.get("state", self.state))
            outcome = values.get("outcome", self.outcome)
            if not can_move(origin, step.to, outcome=Outcome(outcome) if outcome else None):
                raise IllegalMove(f"{self.correlation_id}: {origin} → {step.to}")
            values |= {**_columns_of(step.to, now), **columns, "state": step.to}
            entries.append(self._transition(origin, step, values, actor=actor, at=now))
        with joined_transaction():
            owner_id = self._write(values)
            self._begin_or_end_progress(State(before[0]), steps[-1].to, now)
            first = StreamPosition.take(len(entries))
            for number, entry in enumerate(entries):
                entry.seq = first + number
            statements.insert(*entries)
            after = values["state"], values.get("outcome", self.outcome)
            Counts.move(owner_id, before=before, after=after)
        self._show({**values, "owner_id": owner_id})
        return entries[-1]

    def _transition(
        self, origin: State, step: Step, values: Mapping[str, Any], *, actor: str, at: datetime
    ) -> Transition:
        """Make the entry of the history for a step; `values`: columns as they are after it."""
        return Transition(
            download=self,
            from_state=origin,
            to_state=step.to,
            at=at,
            actor=actor,
            reason=step.reason,
            data=tellable(step.data),
            attempt=values.get("attempt", self.attempt),
            outcome=values.get("outcome", self.outcome),
            error_class=values.get("error_class", self.error_class),
        )

    def complete(
        self,
        files: Iterable[Mapping[str, Any]],
        *,
        actor: str,
        title: str,
        data: Mapping[str, Any],
        media: Mapping[str, Any] | None = None,
        freed_bytes: int | None = None,
    ) -> None:
        """Move to COMPLETED, and write the entry of the library with its files, and the archive's.

        Each of `files` has the columns of a PublishedFile; `media` None: the column stays as it is.
        `freed_bytes`: of its directory, which is gone, so that it moves on to CLEANED; None: it may
        be there. In one transaction, which raises as `move` does.
        """
        steps = [Step(to=State.COMPLETED, reason=Reason.PUBLISHED, data=data)]
        if freed_bytes is not None:
            steps.append(
                Step(to=State.CLEANED, reason=Reason.CLEANED, data={"freed_bytes": freed_bytes})
            )
        with short_transaction():
            transition = self.move_on(
                steps,
                actor=actor,
                title=title,
                error_class=None,
                error_data={},
                media=self.media if media is None else dict(media),
            )
            self._archive(transition.at)
            entry = LibraryEntry(
                correlation_id=self.correlation_id,
                download=self,
                owner_id=self.owner_id,
                path=self.library_path,
                url=self.url,
                site=self.site,
                title=title,
                published_at=transition.at,
            )
            statements.insert(entry)
            statements.insert(*(PublishedFile(entry=entry, **file) for file in files))

    def complete_as_had(self, *, have: "Download", actor: str, **columns: Any) -> None:
        """Move to COMPLETED without files: its owner has those of another download.

        `columns` are written along. Raises CancelWasAsked, and as `move` does.
        """
        self._complete_without_files(Result.HAVE_IT, actor=actor, have=have, **columns)

    def complete_as_checked(self, *, media: Mapping[str, Any], actor: str, **columns: Any) -> None:
        """Move to COMPLETED without files: the video was looked up, and nothing else was wanted.

        `columns` are written along. Raises CancelWasAsked, and as `move` does.
        """
        self._complete_without_files(Result.CHECKED, actor=actor, media=dict(media), **columns)

    def _complete_without_files(self, result: Result, *, actor: str, **columns: Any) -> None:
        with short_transaction():
            self.note_unless_cancelled(**columns)
            self.move(
                State.COMPLETED,
                actor=actor,
                reason=Reason(result),
                result=result,
                error_class=None,
                error_data={},
            )

    def note(self, **columns: Any) -> None:
        """Write columns of the present attempt that are no change of state; fenced like `move`.

        Raises LostDownload when the row has another state or attempt by now.
        """
        with joined_transaction():
            self._write(columns)
        self._show(columns)

    def note_unless_cancelled(self, **columns: Any) -> None:
        """Write columns as `note` does. Raises CancelWasAsked when a cancel was first.

        In the caller's transaction no cancel can be asked for before its commit.
        """
        try:
            with joined_transaction():
                self._write(columns, cancel_requested_at=None)
        except LostDownload:
            if Download.objects.filter(pk=self.pk, **self._fence()).exists():
                raise CancelWasAsked(self.correlation_id) from None
            raise
        self._show(columns)

    def decide_to_publish(
        self,
        *,
        library_path: str,
        manifest: dict[str, Any],
        thumbnail: Thumbnail | None = None,
        log: AttemptLog | None = None,
        **columns: Any,
    ) -> None:
        """Record under which name the files will appear: from here on a cancel has lost.

        `columns` are written along, and a `thumbnail` and a `log` that are not written yet. Raises
        CancelWasAsked when the cancel was first, LostDownload when the row is not ours.
        """
        with short_transaction():
            self.note_unless_cancelled(library_path=library_path, manifest=manifest, **columns)
            if thumbnail is not None:
                Thumbnail.objects.keep(thumbnail)
            if log is not None:
                AttemptLog.objects.write(log)

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

    def ask_to_keep(self, *, actor: str) -> bool:
        """Ask the worker to stop recording and to finish what is there. A request, as a cancel.

        False when it has ended, is being published, or was cancelled. Asking twice is asking once.
        """
        askable = Download.objects.filter(
            pk=self.pk, library_path="", cancel_requested_at=None
        ).active()
        return bool(
            askable.filter(keep_requested_by="").update(keep_requested_by=actor) or askable.exists()
        )

    def forget(self) -> None:
        """Delete the row with its history and progress. It must not be running.

        What it left in the library stays, with its rows. Raises LostDownload when it
        is running (or gone) by now.
        """
        with short_transaction():
            idle = Download.objects.filter(pk=self.pk).exclude(state__in=RUNNING)
            if not idle.update(forgotten_at=timezone.now()):
                raise LostDownload(self.correlation_id)
            row = Download.objects.only("owner_id").get(pk=self.pk)  # as it is now
            Deletion.objects.create(
                seq=StreamPosition.take(1),
                correlation_id=self.correlation_id,
                owner_id=row.owner_id,
                at=timezone.now(),
            )
            Counts.remove(self.pk)
            self.delete()

    def _begin_or_end_progress(self, origin: State, to: State, now: datetime) -> None:
        """Make the progress row with DOWNLOADING, and delete it after that."""
        if to is State.DOWNLOADING:
            phase = Phase.EXTRACTING
            statements.insert(
                Progress(download=self, attempt=self.attempt, phase=phase, updated_at=now)
            )
        elif origin is State.DOWNLOADING:
            statements.ask("DELETE FROM downloads_progress WHERE download_id = %s", [self.pk])

    def _archive(self, at: datetime) -> None:
        """Remember that its owner has the video, if its site has an id for it."""
        if self.media_id:
            known = {"extractor": self.extractor, "media_id": self.media_id}
            media = ArchivedMedia(owner_id=self.owner_id, added_at=at, **known)
            statements.insert(media, or_else="ON CONFLICT DO NOTHING")

    def _fence(self) -> dict[str, Any]:
        """Return what the row must still show."""
        # The outcome tells CLEANED from CLEANED after a retry that was cancelled at once.
        shown = {"attempt": self.attempt, "state": self.state, "outcome": self.outcome}
        # A recovery that read the row before the decision to publish must not write it: the files
        # may be in the library by now.
        return shown | ({"library_path": self.library_path} if self.is_running else {})

    def _write(self, columns: Mapping[str, Any], **also: Any) -> int | None:
        """Write columns, fenced, in the caller's transaction; return the key of the row's owner.

        The owner may be another than this instance shows: a user may have been deleted. `also` are
        more columns that the row must show. Raises LostDownload.
        """
        values = {name: storable(value) for name, value in columns.items()}
        where = {"id": self.pk, **self._fence(), **also}
        owners = statements.update(Download, values, where=where, returning="owner")
        if not owners:
            raise LostDownload(self.correlation_id)
        owner_id: int | None = owners[0][0]
        return owner_id

    def _show(self, columns: dict[str, Any]) -> None:
        for name, value in columns.items():
            setattr(self, name, value)


def _columns_of(to: State, now: datetime) -> dict[str, Any]:
    """Return the columns that every move to this state writes."""
    if to in ENDED:
        result = {"result": Result.FILES} if to is State.COMPLETED else {}
        of_queue = {"paused_at": None, "place": 0}
        return {
            "outcome": Outcome(to.value),
            "finished_at": now,
            "worker": None,
            **of_queue,
            **result,
        }
    if to is State.CREATED:
        return {
            "outcome": None,
            "directory": "",
            "worker": None,
            "finished_at": None,
            "cancel_requested_at": None,
            "cancel_requested_by": "",
            "library_path": "",
            "manifest": None,
        }
    if to is State.CLEANED:
        return {"directory": ""}
    return {}
