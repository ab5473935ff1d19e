"""What is known of the video of each entry of the library, as the library's pages list it."""

import hashlib
import secrets
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Prefetch, Q
from django.utils import timezone

from downloads.models import Download, LibraryEntry
from downloads.models.transactions import choices, plain_values, short_transaction
from downloads.rules import sealing
from downloads.rules.about import MAX_LANGUAGE_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import AnonymousUser, User

    from downloads.subscriptions.models import Subscription

MAX_NAME_LENGTH = 300  # of an uploader, a channel
MAX_SORTED_LENGTH = 100
MAX_FEEDS = 200  # of one user
MAX_FEED_TITLE_LENGTH = 500
TOKEN_BYTES = 24  # of randomness
# From here on an entry counts as watched: what follows are names and music.
WATCHED_SHARE = 0.95
LAST_SECONDS = 30


class Kind(StrEnum):
    """What an entry is for."""

    VIDEO = "video"
    SOUND = "sound"


class Step(StrEnum):
    """How far a removal is."""

    REMOVING = "removing"  # its rows are gone; its directory may still be in the library
    REMOVED = "removed"  # its directory is in the trash
    EMPTYING = "emptying"  # too late to undo it; its directory may still be in the trash
    GONE = "gone"
    RESTORED = "restored"  # somebody had it back


class Watched(StrEnum):
    """How far a user is, as a filter."""

    UNWATCHED = "unwatched"  # not to the end; those that are begun as well
    BEGUN = "begun"
    WATCHED = "watched"


UNDOABLE = frozenset({Step.REMOVING, Step.REMOVED})


class CardQuerySet(models.QuerySet["Card"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Cards that a user may see: of their own entries, or all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)

    def pin(self, *, pinned: bool) -> int:
        """Pin those that are not, or take their pins away; return how many changed."""
        changed = self.filter(pinned_at__isnull=pinned)
        return changed.update(pinned_at=timezone.now() if pinned else None)

    def with_position_of(self, user: "User") -> Self:
        """Bring along how far a user is in each entry."""
        own = Position.objects.filter(user=user)
        return self.prefetch_related(Prefetch("entry__positions", queryset=own))


class Card(models.Model):
    """One entry in the library's catalogue. Made by a reaction after its download completed.

    The owner, the size and the times are copies, so that an index has them in the order of a page.
    """

    entry = models.OneToOneField(
        LibraryEntry, on_delete=models.CASCADE, primary_key=True, related_name="card"
    )
    # As of the entry, which says why the database does not check it.
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    kind = models.CharField(max_length=8, choices=choices(Kind))
    title = models.CharField(max_length=500)
    sort_title = models.CharField(max_length=MAX_SORTED_LENGTH)  # in lower case
    uploader = models.CharField(max_length=MAX_NAME_LENGTH, blank=True)
    channel = models.CharField(max_length=MAX_NAME_LENGTH, blank=True)
    site = models.CharField(max_length=300)
    extractor = models.CharField(max_length=100, blank=True)
    media_id = models.CharField(max_length=300, blank=True)
    # The list that its download was made of; None: of none, or that was deleted.
    listed_in = models.ForeignKey(
        Download, null=True, on_delete=models.SET_NULL, db_index=False, related_name="+"
    )
    uploaded_at = models.DateTimeField(null=True)  # None: the site does not say
    dated_at = models.DateTimeField()  # uploaded_at, or else added_at
    added_at = models.DateTimeField()
    duration_seconds = models.PositiveIntegerField(default=0)  # 0: not known
    size_bytes = models.BigIntegerField()  # of all its files
    width = models.PositiveIntegerField(default=0)  # in pixels; 0: no picture, or not known
    height = models.PositiveIntegerField(default=0)
    video_codec = models.CharField(max_length=16, blank=True)
    audio_codec = models.CharField(max_length=16, blank=True)
    # The next four as of `rules.about`.
    description = models.TextField(blank=True)
    tags = models.JSONField(blank=True, default=list)
    chapters = models.JSONField(blank=True, default=list)
    language = models.CharField(max_length=MAX_LANGUAGE_LENGTH, blank=True)
    # When a file was found to be removed outside vnsite; None: all were there at the last look.
    missing_at = models.DateTimeField(null=True)
    # When somebody said that no rule may take it; None: nobody did.
    pinned_at = models.DateTimeField(null=True)
    # Whether its subtitles changed since `library.subtitles` read them.
    has_unread_subtitles = models.BooleanField(default=False)
    # What is said in them, in one language: up to 200 kB, so lists leave it out. The last column:
    # SQLite reads through it to those behind it.
    subtitles = models.TextField(blank=True)

    objects = CardQuerySet.as_manager()

    class Meta:
        ordering = ["-added_at", "-entry_id"]
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=plain_values(Kind)), name="card_kind"),
        ]
        indexes = [
            # The orders of the page, for staff and for one owner.
            # Those with a size behind the rest tell the sums of the storage without the rows.
            models.Index(F("added_at").desc(), F("entry").desc(), "size_bytes", name="card_added"),
            models.Index(
                "owner",
                F("added_at").desc(),
                F("entry").desc(),
                "size_bytes",
                name="card_own_added",
            ),
            models.Index(F("dated_at").desc(), F("entry").desc(), name="card_dated"),
            models.Index("owner", F("dated_at").desc(), F("entry").desc(), name="card_own_dated"),
            models.Index("sort_title", "entry", name="card_titled"),
            models.Index("owner", "sort_title", "entry", name="card_own_titled"),
            models.Index(F("duration_seconds").desc(), F("entry").desc(), name="card_long"),
            models.Index(
                "owner", F("duration_seconds").desc(), F("entry").desc(), name="card_own_long"
            ),
            models.Index(F("size_bytes").desc(), F("entry").desc(), name="card_large"),
            models.Index("owner", F("size_bytes").desc(), F("entry").desc(), name="card_own_large"),
            # The filters.
            models.Index(fields=["uploader", "owner", "size_bytes"], name="card_uploader"),
            models.Index(fields=["owner", "uploader", "size_bytes"], name="card_own_uploader"),
            models.Index(fields=["site", "owner"], name="card_site"),
            models.Index(fields=["kind", "owner"], name="card_kind_owner"),
            models.Index(
                fields=["listed_in", "owner"],
                condition=Q(listed_in__isnull=False),
                name="card_list",
            ),
            models.Index(
                fields=["owner"], condition=Q(missing_at__isnull=False), name="card_missing"
            ),
            models.Index(
                fields=["owner"], condition=Q(pinned_at__isnull=False), name="card_pinned"
            ),
            models.Index(
                fields=["entry"], condition=Q(has_unread_subtitles=True), name="card_unread"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def position(self) -> "Position | None":
        """How far the user of `with_position_of` is; None: they have not begun. Only after it."""
        return next(iter(self.entry.positions.all()), None)


class PositionQuerySet(models.QuerySet["Position"]):
    def keep(self, *, user: "User", entry: int, seconds: float, duration: float = 0) -> bool:
        """Write how far a user is, over what was there; False: there is no such entry.

        `duration`, in seconds, counts only when the catalogue does not know it; 0: not known.
        """
        with short_transaction():
            # Locked: one that is removed meanwhile must not get a position.
            entries = LibraryEntry.objects.select_for_update(of=("self",), no_key=True)
            if not entries.filter(pk=entry).exists():
                return False
            known = Card.objects.filter(pk=entry).values_list("duration_seconds", flat=True).first()
            whole = known or round(duration)
            position = Position(
                user=user,
                entry_id=entry,
                seconds=int(seconds),
                duration_seconds=whole,
                is_watched=is_watched(seconds, duration=whole),
                updated_at=timezone.now(),
            )
            self._write([position])
        return True

    def mark(self, *, user: "User", entries: "Iterable[int]", watched: bool) -> int:
        """Write that a user has watched entries to the end, or forget how far they are in them.

        Returns how many entries that changed. Those that are gone are left out.
        """
        if not watched:
            return self.filter(user=user, entry__in=list(entries)).delete()[0]
        with short_transaction():
            # Locked as by `keep`; in an order, so that two of these do not wait for each other.
            locked = LibraryEntry.objects.select_for_update(of=("self",), no_key=True)
            found = locked.filter(pk__in=list(entries)).order_by("pk")
            keys = list(found.values_list("pk", flat=True))
            done = self.filter(user=user, entry__in=keys, is_watched=True)
            begun = set(keys).difference(done.values_list("entry", flat=True))
            cards = Card.objects.filter(pk__in=begun).order_by("pk")
            self._write(
                Position(
                    user=user,
                    entry_id=key,
                    seconds=duration,
                    duration_seconds=duration,
                    is_watched=True,
                    updated_at=timezone.now(),
                )
                for key, duration in cards.values_list("pk", "duration_seconds")
            )
        return len(begun)

    def _write(self, positions: "Iterable[Position]") -> None:
        """Write positions over those that are there."""
        self.bulk_create(
            positions,
            update_conflicts=True,
            unique_fields=["entry", "user"],
            update_fields=["seconds", "duration_seconds", "is_watched", "updated_at"],
        )


class Position(models.Model):
    """How far a user is in an entry. Of what several devices write, the newest wins."""

    entry = models.ForeignKey(
        LibraryEntry, on_delete=models.CASCADE, db_index=False, related_name="positions"
    )
    # Not checked by the database, as the owner of an entry.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    seconds = models.PositiveIntegerField()  # from the beginning
    duration_seconds = models.PositiveIntegerField()  # of the whole; 0: not known
    is_watched = models.BooleanField()
    updated_at = models.DateTimeField()

    objects = PositionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["entry", "user"], name="position_once"),
        ]
        indexes = [
            models.Index(fields=["user", "is_watched", "entry"], name="position_by_user"),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id}: {self.seconds} s"

    @property
    def resume_seconds(self) -> int:
        """Where the player goes on: what was watched begins again."""
        return 0 if self.is_watched else self.seconds

    @property
    def percent(self) -> int:
        """How much is watched; 0 when the duration is not known."""
        if self.is_watched:
            return 100
        whole = self.duration_seconds
        return min(100, round(100 * self.seconds / whole)) if whole else 0


def is_watched(seconds: float, *, duration: float) -> bool:
    """Whether so much of an entry counts as all of it. A `duration` of 0 is not known."""
    is_at_end = duration - seconds <= LAST_SECONDS and seconds >= duration / 2
    return duration > 0 and (seconds >= WATCHED_SHARE * duration or is_at_end)


class RemovalQuerySet(models.QuerySet["Removal"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Removals that a user may see and undo: of their own entries, or all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)


class Removal(models.Model):
    """An entry that left the library: who wanted that, when, and what it takes to undo it.

    The row stays when the files are gone: it is the record.
    """

    # The primary key that its entry had; 0: it was none, and no download knew it.
    entry_number = models.BigIntegerField()
    correlation_id = models.CharField(max_length=64)
    download = models.ForeignKey(
        Download, null=True, on_delete=models.SET_NULL, related_name="removals"
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        db_constraint=False,
        db_index=False,
        related_name="+",
    )
    title = models.CharField(max_length=500)
    path = models.CharField(max_length=255)  # in the library
    size_bytes = models.BigIntegerField()
    actor = models.CharField(max_length=200)
    removed_at = models.DateTimeField()
    step = models.CharField(max_length=10, choices=choices(Step))
    # The rows of the entry, as Django writes them; "" when they are back, or it cannot be undone.
    contents = models.TextField(blank=True)

    objects = RemovalQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(step__in=plain_values(Step)), name="removal_step"),
        ]
        indexes = [
            models.Index(F("owner").asc(), F("id").desc(), name="removal_by_owner"),
            models.Index(fields=["entry_number"], name="removal_by_entry"),
            models.Index(
                fields=["step", "removed_at"],
                condition=~Q(step__in=[Step.GONE.value, Step.RESTORED.value]),
                name="removal_unfinished",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title}: {self.step}"

    @property
    def key(self) -> str:
        """The name of its directory in the trash."""
        return f"{self.correlation_id}.{self.pk}"

    @property
    def is_undoable(self) -> bool:
        return self.step in UNDOABLE


class TooManyFeeds(Exception):
    """The user has MAX_FEEDS feeds."""


class FeedQuerySet(models.QuerySet["Feed"]):
    def of_token(self, token: str) -> "Feed | None":
        """Return the feed that a token opens; None: there is none, or its owner may not sign in.

        The query is by the hash, so that its time reveals nothing about the token.
        """
        rows = self.select_related("owner", "subscription")
        return rows.filter(digest=_digest(token), owner__is_active=True).first()

    def make(
        self,
        owner: "User",
        *,
        title: str = "",
        subscription: "Subscription | None" = None,
        filters: dict[str, str] | None = None,
    ) -> "Feed":
        """Insert a feed with a token of its own. Raises TooManyFeeds."""
        if self.filter(owner=owner).count() >= MAX_FEEDS:
            raise TooManyFeeds
        token = secrets.token_urlsafe(TOKEN_BYTES)
        feed = Feed(
            owner=owner,
            digest=_digest(token),
            title=title[:MAX_FEED_TITLE_LENGTH],
            subscription=subscription,
            filters=filters or {},
        )
        feed.sealed = sealing.seal(token, secret_key=settings.SECRET_KEY, place=feed._place)
        feed.save(force_insert=True)
        return feed


class Feed(models.Model):
    """A podcast feed of what its owner may see. Whoever has its token may read it; deleting the row
    revokes the token.

    The token is found by its hash, and sealed beside that, because the page shows it again: the
    database alone opens no feed.
    """

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    digest = models.CharField(max_length=64, unique=True, editable=False)  # sha256 of the token
    sealed = models.BinaryField()
    title = models.CharField(max_length=MAX_FEED_TITLE_LENGTH, blank=True)  # "": all is in it
    # None: it is of all that the filters let through.
    subscription = models.ForeignKey(
        "subscriptions.Subscription", null=True, on_delete=models.CASCADE, related_name="+"
    )
    filters = models.JSONField(blank=True, default=dict)  # as in the address of the library
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = FeedQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return str(self.subscription) if self.subscription else self.title

    def token(self) -> str:
        """Return the token. Raises sealing.Unreadable when the secret key is another one by now."""
        sealed = bytes(self.sealed)  # PostgreSQL gives a memoryview
        return sealing.unseal(sealed, secret_key=settings.SECRET_KEY, place=self._place)

    @property
    def _place(self) -> str:
        return f"feed {self.digest}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()
