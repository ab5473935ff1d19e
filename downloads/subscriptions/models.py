"""The rows of subscriptions: what is followed, its checks, and the entries that it has seen."""

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from django.conf import settings
from django.db import IntegrityError, models
from django.db.models import OuterRef, Q, Subquery

from downloads.models import ArchivedMedia, Download, database_now, short_transaction
from downloads.models.download import MAX_TITLE_LENGTH
from downloads.models.submissions import fingerprint
from downloads.models.transactions import choices
from downloads.rules.errors import Advice, ErrorClass, advice_of
from downloads.rules.filters import MAX_TEXT_LENGTH, Filters, InvalidFilter
from downloads.rules.names import MAX_KEY_LENGTH
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.schedule import (
    FAILURES_THAT_NEED_ATTENTION,
    LONGEST_WAIT_SECONDS,
    USUAL_INTERVAL_SECONDS,
    checked_first,
    checked_interval,
    checked_keeping,
)
from downloads.rules.words import say

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ACTOR = "subscription"  # of what checks add and try again
MAX_SUBSCRIPTIONS = 1000  # of one user
MAX_NAME_LENGTH = 200
IDS_AT_ONCE = 500  # of one query
# Options that say which videos: those of a list are chosen by the subscription.
NOT_OF_A_SUBSCRIPTION = frozenset(
    {"playlist", *(name for name, option in OPTIONS.items() if option.of_one_link)}
)


class InvalidSubscription(ValueError):
    """A subscription that cannot be as it is wished. The message is a sentence for a person."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class Named(Protocol):
    """What names a video: an entry of a listing, or one that a child has just read."""

    @property
    def extractor(self) -> str: ...
    @property
    def media_id(self) -> str: ...
    @property
    def url(self) -> str: ...


class Key(NamedTuple):
    """What makes two entries the same one: the site's id or, where it has none, the link."""

    extractor: str  # "": the id is the hash of the link
    media_id: str


def key_of(entry: Named) -> Key:
    if entry.media_id:
        return Key(entry.extractor, entry.media_id)
    return Key("", hashlib.sha256(entry.url.encode()).hexdigest())


class SubscriptionQuerySet(models.QuerySet["Subscription"]):
    def visible_to(self, user: "User") -> Self:
        """A user's own; all for staff."""
        return self if user.is_staff else self.filter(owner=user)

    def with_rules(self) -> Self:
        """Subscriptions that let go of what they fetched; a paused one does nothing."""
        has_rule = Q(keep_last__isnull=False) | Q(keep_days__isnull=False)
        return self.filter(has_rule, paused_at=None)

    def due(self, now: datetime) -> Self:
        """Subscriptions to be checked at `now` (of `database_now`), the longest due first.

        A check that is due in a time beyond all intervals was planned by a wrong clock.
        """
        beyond = now + timedelta(seconds=LONGEST_WAIT_SECONDS)
        is_due = Q(next_check_at__lte=now) | Q(next_check_at__gt=beyond)
        return self.filter(is_due).order_by("next_check_at", "pk")


class Subscription(models.Model):
    """A link that is read again and again.

    While a check is under way, and while it is paused, `next_check_at` is None.
    """

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="subscriptions"
    )
    url = models.CharField(max_length=2048)
    name = models.CharField(max_length=MAX_NAME_LENGTH, blank=True, default="")  # "": the title
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")  # of the list
    # The options of its downloads, and the preset that they were chosen by; "": by none.
    options = models.JSONField(default=dict)
    preset = models.CharField(max_length=MAX_KEY_LENGTH, blank=True, default="")
    fingerprint = models.CharField(max_length=64, editable=False)  # of the link with the options
    interval_seconds = models.PositiveIntegerField(default=USUAL_INTERVAL_SECONDS)
    first = models.CharField(max_length=20, default="all")  # see schedule.checked_first

    include = models.CharField(max_length=MAX_TEXT_LENGTH, blank=True, default="")
    exclude = models.CharField(max_length=MAX_TEXT_LENGTH, blank=True, default="")
    min_seconds = models.PositiveIntegerField(null=True, blank=True)
    max_seconds = models.PositiveIntegerField(null=True, blank=True)
    since = models.DateField(null=True, blank=True)
    shorts = models.BooleanField(default=True)
    live = models.BooleanField(default=False)

    # What of it stays in the library, by `keeping`. None: there is no such limit.
    keep_last = models.PositiveIntegerField(null=True, blank=True)  # so many of the newest
    keep_days = models.PositiveIntegerField(null=True, blank=True)  # for so many days

    created_at = models.DateTimeField()
    paused_at = models.DateTimeField(null=True, blank=True)  # None: it is checked
    is_checking = models.BooleanField(default=False)
    next_check_at = models.DateTimeField(null=True, blank=True)
    checked_at = models.DateTimeField(null=True, blank=True)  # when it last worked
    # When its list was last read to the end: what is new may be in the middle.
    whole_at = models.DateTimeField(null=True, blank=True)
    # Whether something new was once behind what is known: then all of it is always read.
    is_unsorted = models.BooleanField(default=False)
    failures = models.PositiveSmallIntegerField(default=0)  # since it last worked
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True, blank=True
    )
    error_data = models.JSONField(blank=True, default=dict)

    objects = SubscriptionQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "fingerprint"], name="subscription_once"),
            models.CheckConstraint(
                condition=Q(next_check_at=None)
                | Q(is_checking=False, paused_at=None, next_check_at__isnull=False),
                name="subscription_plans_one_check",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_check_at"],
                condition=Q(next_check_at__isnull=False),
                name="subscription_due",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.title or self.url

    @property
    def filters(self) -> Filters:
        return Filters.of(self)

    @property
    def is_paused(self) -> bool:
        return self.paused_at is not None

    @property
    def is_first(self) -> bool:
        """Whether no check of it has worked yet."""
        return self.checked_at is None

    @property
    def needs_attention(self) -> bool:
        return self.failures >= FAILURES_THAT_NEED_ATTENTION

    @property
    def advice(self) -> Advice | None:
        """The words for the error of the last check; None when that worked."""
        if not self.error_class:
            return None
        return advice_of(ErrorClass(self.error_class), self.error_data)

    def download_options(self) -> DownloadOptions:
        """Return the options of its downloads. Raises InvalidOption for those of a later version.

        What is a list behind an entry asks, as entries of unknown kind do everywhere.
        """
        return DownloadOptions.from_mapping(self.options)

    def store(self, *, options: DownloadOptions) -> None:
        """Write a new subscription, or this one as it was changed.

        Its next check is due at once when it is new or has another link; a nearer one than the
        interval stays. Raises InvalidSubscription; then nothing was written.
        """
        self._check(options)
        self.options = options.chosen()
        self.fingerprint = fingerprint(self.url, options)
        try:
            with short_transaction():
                if self.pk is None:
                    self._insert()
                else:
                    self._change()
        except IntegrityError:
            raise InvalidSubscription(
                "url", say("You are subscribed to this link with the same options already.")
            ) from None

    def check_filters(self) -> None:
        """Raise InvalidSubscription for filters that cannot be."""
        try:
            Filters.of(self)
        except InvalidFilter as fault:
            raise InvalidSubscription(fault.field, str(fault)) from None

    def _check(self, options: DownloadOptions) -> None:
        for name in NOT_OF_A_SUBSCRIPTION & options.chosen().keys():
            sentence = say("This belongs to one link, not to a subscription.")
            raise InvalidSubscription(f"options.{name}", sentence)
        self.check_filters()
        for name, check in CHECKED:
            try:
                check(getattr(self, name))
            except ValueError as fault:
                raise InvalidSubscription(name, str(fault)) from None
        if len(self.name) > MAX_NAME_LENGTH or not self.name.isprintable():
            raise InvalidSubscription(
                "name", say("A name can have at most {most} characters.", most=MAX_NAME_LENGTH)
            )

    def _insert(self) -> None:
        if Subscription.objects.filter(owner=self.owner).count() >= MAX_SUBSCRIPTIONS:
            raise InvalidSubscription(
                "url", say("You have {number:,} subscriptions.", number=MAX_SUBSCRIPTIONS)
            )
        self.created_at = self.next_check_at = database_now()
        self.save(force_insert=True)

    def _change(self) -> None:
        now = database_now()
        was = Subscription.objects.select_for_update().get(pk=self.pk)
        values: dict[str, Any] = {name: getattr(self, name) for name in CHOSEN}
        if was.next_check_at is not None:
            latest = now + timedelta(seconds=self.interval_seconds)
            is_other = was.url != self.url
            values["next_check_at"] = now if is_other else min(was.next_check_at, latest)
        if was.url != self.url:
            values |= {"title": "", "whole_at": None, "failures": 0}
            values |= {"error_class": None, "error_data": {}}
        Subscription.objects.filter(pk=self.pk).update(**values)
        self.refresh_from_db()

    def pause(self) -> None:
        """Check it no more; a check under way comes to its end. Pausing twice is pausing once."""
        rows = Subscription.objects.filter(pk=self.pk, paused_at=None)
        rows.update(paused_at=database_now(), next_check_at=None)
        self.refresh_from_db()

    def resume(self) -> None:
        """Check it again, now: whatever was missed meanwhile is one check."""
        now = database_now()
        with short_transaction():
            rows = Subscription.objects.filter(pk=self.pk).exclude(paused_at=None)
            rows.filter(is_checking=True).update(paused_at=None)
            rows.filter(is_checking=False).update(paused_at=None, next_check_at=now)
        self.refresh_from_db()

    def known_among(self, entries: Iterable[Named]) -> set[Key]:
        """Return the keys of those entries that it has seen, or that its owner's archive has."""
        keys = {key_of(entry) for entry in entries}
        ids = sorted({key.media_id for key in keys})
        archive = ArchivedMedia.objects.filter(owner=self.owner_id)
        found: set[Key] = set()
        for start in range(0, len(ids), IDS_AT_ONCE):
            some = {"media_id__in": ids[start : start + IDS_AT_ONCE]}
            seen = SeenEntry.objects.filter(subscription=self.pk, **some)
            for rows in (seen, archive.filter(**some)):
                found |= {Key(*row) for row in rows.values_list("extractor", "media_id")}
        return found & keys


CHECKED: tuple[tuple[str, Callable[[Any], object]], ...] = (
    ("interval_seconds", checked_interval),
    ("first", checked_first),
    ("keep_last", checked_keeping),
    ("keep_days", checked_keeping),
)
# What a person chooses of a subscription.
CHOSEN = (
    *("url", "name", "options", "preset", "fingerprint", "interval_seconds", "first"),
    *("include", "exclude", "min_seconds", "max_seconds", "since", "shorts", "live"),
    *("keep_last", "keep_days"),
)


class CheckQuerySet(models.QuerySet["Check"]):
    def under_way(self) -> Self:
        return self.filter(ended_at=None)

    def last_of(self, subscriptions: Iterable[Subscription]) -> "dict[int, Check]":
        """Return the newest check of each, by the key of the subscription; one query."""
        newest = self.filter(subscription=OuterRef("pk")).order_by("-pk").values("pk")[:1]
        rows = Subscription.objects.filter(pk__in=[each.pk for each in subscriptions])
        newest_ones = rows.order_by().annotate(newest=Subquery(newest)).values("newest")
        found = self.filter(pk__in=newest_ones).select_related("download")
        return {check.subscription_id: check for check in found}

    def of_list(self, download: Download) -> "Check | None":
        """Return the check under way that reads this list, or the list around it; None: none."""
        keys = [download.pk, download.listed_in_id]
        rows = self.under_way().filter(download__in=filter(None, keys))
        return rows.select_related("subscription").first()


class Check(models.Model):
    """One reading of a subscription's link: a download that ends with a listing."""

    subscription = models.ForeignKey(Subscription, on_delete=models.CASCADE, related_name="checks")
    # None: it was deleted.
    download = models.OneToOneField(
        Download, null=True, on_delete=models.SET_NULL, related_name="check_of"
    )
    is_whole = models.BooleanField()  # False: it stops where all is known
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)  # None: it is under way
    # Once it has ended.
    listed = models.PositiveIntegerField(default=0)  # entries that were read
    added = models.PositiveIntegerField(default=0)  # that became downloads
    left = models.PositiveIntegerField(default=0)  # new ones that the filters left
    not_added = models.PositiveIntegerField(default=0)  # for which there was no room
    error_class = models.CharField(  # noqa: DJ001
        max_length=32, choices=choices(ErrorClass), null=True, blank=True
    )

    objects = CheckQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["subscription"], condition=Q(ended_at=None), name="check_under_way_once"
            )
        ]

    def __str__(self) -> str:
        return f"check {self.pk} of {self.subscription_id}"


class SeenEntry(models.Model):
    """An entry that a subscription has judged: it became a download, or it never will."""

    subscription = models.ForeignKey(
        Subscription,
        on_delete=models.CASCADE,
        related_name="seen",
        db_index=False,  # the constraint has one
    )
    extractor = models.CharField(max_length=100)  # see Key
    media_id = models.CharField(max_length=300)
    # None: it was left, or the download was deleted.
    download = models.ForeignKey(
        Download, null=True, on_delete=models.SET_NULL, related_name="seen_by"
    )
    is_added = models.BooleanField(default=False)  # the subscription made that download
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "seen entries"
        constraints = [
            models.UniqueConstraint(
                fields=["subscription", "media_id", "extractor"], name="seen_entry_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.extractor} {self.media_id}"
