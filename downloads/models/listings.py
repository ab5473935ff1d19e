"""The listing that a link for many videos gave, its entries, and the downloads made of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from django.db import models
from django.db.models import Count, Exists, OuterRef, Q, Subquery

from downloads.models import submissions
from downloads.models.archive import ArchivedMedia
from downloads.models.download import MAX_TITLE_LENGTH, Download, DownloadQuerySet
from downloads.models.submissions import Submitted
from downloads.models.transactions import choices, short_transaction
from downloads.rules.media_id import GENERIC
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.states import ENDED, ListKind, Outcome, Reason, Result, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ENTRIES_AT_ONCE = 500  # that become downloads in one transaction
MAX_LIST_DEPTH = 3  # of a download: lists within lists are read above it
# Options that are of the one link that they were chosen for, with their defaults.
# A check of a list adds nothing: one that is wished for with an entry is of that entry.
OF_THE_LIST = {
    name: option.default
    for name, option in OPTIONS.items()
    if option.of_one_link and name != "check"
}
# After these, and after a check, an entry may become another download.
IN_VAIN = (Outcome.FAILED.value, Outcome.CANCELLED.value)


class Listing(models.Model):
    """The listing that a download ended with. Written with all of its entries, or not at all."""

    download = models.OneToOneField(
        Download, primary_key=True, on_delete=models.CASCADE, related_name="listing"
    )
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    kind = models.CharField(max_length=16, choices=choices(ListKind))
    count = models.PositiveIntegerField()  # of its entries
    is_complete = models.BooleanField()  # False: a limit ended the reading

    def __str__(self) -> str:
        return self.title

    @property
    def downloads(self) -> DownloadQuerySet:
        """The newest download of each entry, as far as there are any."""
        made = self.entries.order_by().exclude(download=None).values("download")
        return Download.objects.filter(pk__in=made)


class EntryQuerySet(models.QuerySet["Entry"]):
    def search(self, text: str) -> Self:
        """Entries whose title or link contains the text."""
        text = text.strip()
        return self.filter(Q(title__icontains=text) | Q(url__icontains=text)) if text else self

    def with_had(self, owner: "User | None") -> Self:
        """Say of each entry what the owner had of it, in the same query.

        `had_as` is the correlation id of the newest download whose files are in the library, or
        None; `is_archived` whether the archive has it.
        """
        same = {"media_id": OuterRef("media_id"), "extractor": OuterRef("extractor")}
        downloads = Download.objects.filter(
            owner=owner, result=Result.FILES, entry__isnull=False, **same
        ).exclude(media_id="")
        had_as = downloads.order_by("-id").values("correlation_id")[:1]
        archived = ArchivedMedia.objects.filter(owner=owner, **same)
        return self.annotate(had_as=Subquery(had_as), is_archived=Exists(archived))

    def new_to(self, owner: "User | None") -> Self:
        """Entries that the owner's archive does not have and that no download was made of.

        A download that failed or was cancelled does not count, nor does a check.
        """
        had = ArchivedMedia.objects.filter(
            owner=owner, media_id=OuterRef("media_id"), extractor=OuterRef("extractor")
        )
        is_free = Q(download=None) | Q(download__outcome__in=IN_VAIN)
        is_free |= Q(download__result=Result.CHECKED)
        return self.filter(is_free, Q(media_id="") | ~Exists(had))


class Entry(models.Model):
    """One video of a listing, or a list within it."""

    listing = models.ForeignKey(
        Listing,
        on_delete=models.CASCADE,
        related_name="entries",
        db_index=False,  # the constraint has one
    )
    position = models.PositiveIntegerField()  # from 1, in the order of the site
    # As those of a download; "" when the site tells them only on the video's page.
    extractor = models.CharField(max_length=100, blank=True, default="")
    media_id = models.CharField(max_length=300, blank=True, default="")
    url = models.CharField(max_length=2048)
    title = models.CharField(max_length=MAX_TITLE_LENGTH, blank=True, default="")
    duration_seconds = models.FloatField(null=True)  # None: the site did not say
    uploaded_at = models.DateTimeField(null=True)  # None: the site did not say
    is_live = models.BooleanField(default=False)
    is_list = models.BooleanField(default=False)
    # The newest download that was made of it; None: of it none was made, or that was deleted.
    download = models.ForeignKey(
        Download, null=True, on_delete=models.SET_NULL, related_name="made_of"
    )

    objects = EntryQuerySet.as_manager()
    # Only after `with_had`.
    had_as: str | None
    is_archived: bool

    class Meta:
        ordering = ["position"]
        verbose_name_plural = "entries"
        constraints = [
            models.UniqueConstraint(fields=["listing", "position"], name="entry_position_once")
        ]

    def __str__(self) -> str:
        return self.title or self.url

    @property
    def is_video(self) -> bool:
        """Whether its site is known to have one video there; else it may be a list as well."""
        return bool(self.media_id) and self.extractor != GENERIC and not self.is_list

    @property
    def is_taken(self) -> bool:
        """Whether a download of it waits, runs or completed, and not as a check."""
        made = self.download
        return made is not None and made.outcome not in IN_VAIN and made.result != Result.CHECKED


@dataclass(frozen=True, kw_only=True)
class Became:
    """What became of the entries of a listing: of each entry its newest download."""

    waiting: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    kept: int = 0  # of those that have ended: their directories may still be there

    @property
    def added(self) -> int:
        return self.waiting + self.running + self.completed + self.failed + self.cancelled


def became_of(listing_ids: Iterable[int]) -> dict[int, Became]:
    """Count what became of the entries of some listings; one query. All of them are keys."""
    numbers: dict[int, Counter[str]] = {key: Counter() for key in listing_ids}
    groups = Entry.objects.order_by().filter(listing__in=numbers, download__isnull=False)
    rows = groups.values_list("listing", "download__state", "download__outcome")
    for key, state, outcome, number in rows.annotate(Count("pk")):
        what = outcome or ("waiting" if state == State.CREATED else "running")
        numbers[key][what] += number
        numbers[key]["kept"] += number if state in ENDED else 0
    return {key: Became(**counts) for key, counts in numbers.items()}


def became_of_lists(downloads: Iterable[Download]) -> dict[int, Became]:
    """Count what became of the entries of those that ended with a listing, and query for no others.

    By the key of the download.
    """
    listed = [each.pk for each in downloads if each.result == Result.LISTING]
    return became_of(listed) if listed else {}


class Refusal(StrEnum):
    """Why an entry did not become a download."""

    TOO_MANY_WAITING = "too_many_waiting"  # of its owner's downloads: see VNSITE_USER_WAITING
    TOO_DEEP = "too_deep"  # a list that is MAX_LIST_DEPTH lists deep
    ITSELF = "itself"  # the list that it is in, or one around that


@dataclass(frozen=True, kw_only=True)
class Addition:
    """The answer to the wish for one entry: its download, new or there already, or a refusal."""

    entry: Entry  # its `download` is the one that was made or is there; None: refused
    created: bool = False
    refusal: Refusal | None = None


def complete_with_listing(
    download: Download,
    listing: Listing,
    entries: Sequence[Entry],
    *,
    actor: str,
    data: Mapping[str, Any],
) -> None:
    """Move to COMPLETED, and write the listing with its entries, which are not saved yet.

    Those that the option `playlist` names become downloads. All in one transaction, of which
    nothing is left when it raises CancelWasAsked or LostDownload. `data` is for the history.
    """
    with short_transaction():
        hold(download.pk)
        download.note_unless_cancelled(title=listing.title or download.title)
        listing.download, listing.count = download, len(entries)
        listing.save(force_insert=True)
        for position, entry in enumerate(entries, 1):
            entry.listing, entry.position = listing, position
        Entry.objects.bulk_create(entries)
        added = _add_as_wanted(listing, actor=actor)
        download.move(
            State.COMPLETED,
            actor=actor,
            reason=Reason.LISTED,
            data={**data, "entries": len(entries), **added},
            result=Result.LISTING,
            error_class=None,
            error_data={},
        )


def _add_as_wanted(listing: Listing, *, actor: str) -> dict[str, int]:
    """Add the entries that the option `playlist` names; return how many, for the history."""
    options = DownloadOptions.from_mapping(listing.download.options)
    if options.check:
        return {}
    wanted = listing.entries.all()
    if options.first_entries is not None:
        wanted = wanted.filter(position__lte=options.first_entries)
    elif options.playlist == "new":
        wanted = wanted.new_to(listing.download.owner)
    elif options.playlist != "all":
        return {}
    additions = add_entries(listing, wanted, options=options, actor=actor)
    refused = sum(addition.refusal is not None for addition in additions)
    added = sum(addition.created for addition in additions)
    return {"added": added, **({"not_added": refused} if refused else {})}


def add_entries(
    listing: Listing, entries: EntryQuerySet, *, options: DownloadOptions, actor: str
) -> list[Addition]:
    """Make a download of each entry of `entries`, in their order, in one transaction.

    `entries` is of this listing: `listing.entries.all()`, `.filter(position__in=…)`,
    `.new_to(owner)`. The downloads are of the listing's owner. An entry whose download waits, runs
    or completed keeps it. Two calls at once never make two downloads of one entry.

    Raises Download.DoesNotExist when the listing was deleted.
    """
    with short_transaction():
        source = hold(listing.pk)
        around = _links_around(source)
        chosen = list(entries.select_related("download").order_by("position"))
        refusals = {entry.pk: _refusal(entry, source, around) for entry in chosen}
        free = [entry for entry in chosen if not refusals[entry.pk] and not entry.is_taken]
        answers = _submit(free, source, options=options, actor=actor)
        added = [entry for entry, answer in zip(free, answers, strict=True) if answer]
        # The rows are there: each conflicts. `bulk_update` would add a third to the whole.
        Entry.objects.bulk_create(
            added, update_conflicts=True, unique_fields=["id"], update_fields=["download"]
        )
        made = {entry.pk: answer for entry, answer in zip(free, answers, strict=True)}
    return [_addition(entry, refusals[entry.pk], made) for entry in chosen]


def add_entries_in_turns(
    listing: Listing, entries: EntryQuerySet, *, options: DownloadOptions, actor: str
) -> list[Addition]:
    """Do as `add_entries` for any number of entries, in transactions of ENTRIES_AT_ONCE.

    Others write between them. What was added stays when this raises as `add_entries` does.
    """
    positions = list(entries.order_by("position").values_list("position", flat=True))
    additions: list[Addition] = []
    for start in range(0, len(positions), ENTRIES_AT_ONCE):
        some = listing.entries.filter(position__in=positions[start : start + ENTRIES_AT_ONCE])
        additions += add_entries(listing, some, options=options, actor=actor)
    return additions


def hold(listing_id: int) -> Download:
    """Return the download that ended with a listing, locked: its entries are added by one at once.

    Raises Download.DoesNotExist. The owner is locked first, as in a submission and when somebody
    deletes the owner: else they wait for each other for ever.
    """
    rows = Download.objects.filter(pk=listing_id)
    submissions.take_turn(rows.values_list("owner_id", flat=True).get())
    return rows.select_for_update(no_key=True).get()


def _links_around(source: Download) -> frozenset[str]:
    """Return the links of a list and of the lists that it is in."""
    links, outer = set(), Download.objects.filter(pk=source.pk)
    while row := outer.values_list("url", "listed_in_id").first():
        links.add(row[0])
        outer = Download.objects.filter(pk=row[1])
        if len(links) > MAX_LIST_DEPTH:
            break
    return frozenset(links)


def _refusal(entry: Entry, source: Download, around: frozenset[str]) -> Refusal | None:
    if entry.url in around:
        return Refusal.ITSELF
    is_too_deep = source.list_depth + 1 >= MAX_LIST_DEPTH
    return Refusal.TOO_DEEP if entry.is_list and is_too_deep else None


def _submit(
    entries: Sequence[Entry], source: Download, *, options: DownloadOptions, actor: str
) -> list[Submitted | None]:
    """Submit the entries, and show each its download; None: too many wait.

    What becomes of the entries of a list is said of lists within it as well.
    """
    options = options.with_overrides(**OF_THE_LIST)
    options_of = {True: options.with_overrides(playlist="ask"), False: options}
    answers = submissions.submit_what_fits(
        [(entry.url, options_of[entry.is_video]) for entry in entries],
        owner=source.owner,
        actor=actor,
        priority=source.priority,
        columns=[
            {
                "title": entry.title,
                "extractor": entry.extractor,
                "media_id": entry.media_id,
                "listed_in": source,
                "list_depth": source.list_depth + 1,
            }
            for entry in entries
        ],
    )
    for entry, answer in zip(entries, answers, strict=True):
        if answer is not None:
            entry.download = answer.download
    return answers


def _addition(
    entry: Entry, refusal: Refusal | None, made: Mapping[int, Submitted | None]
) -> Addition:
    if refusal is None and entry.pk in made and made[entry.pk] is None:
        refusal = Refusal.TOO_MANY_WAITING
    answer = made.get(entry.pk)
    return Addition(entry=entry, created=bool(answer and answer.created), refusal=refusal)
