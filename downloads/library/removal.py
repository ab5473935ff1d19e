"""Removes entries from the library, undoes that for a day, and then removes their files for good.

A row is written before its directory is moved, so that whoever is killed in between leaves what
`finish` can carry on: the row says which way. Looking at the row and moving the directory is one
step for all processes of a machine (`trash.locked`).
"""

import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import serializers
from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Q
from django.utils import timezone

from downloads.disk import library, trash
from downloads.disk.isolation import new_correlation_id
from downloads.library import quotas
from downloads.library.models import UNDOABLE, Card, Position, Removal, RemovalQuerySet, Step
from downloads.models import Download, LibraryEntry, PublishedFile, short_transaction

logger = logging.getLogger(__name__)

UNDO = timedelta(days=1)
BATCH = 50  # removals that are read at once


class Exact(DjangoJSONEncoder):
    """Writes instants as they are: Django's own cuts them to milliseconds."""

    def default(self, o: Any) -> Any:
        return o.isoformat() if isinstance(o, datetime) else super().default(o)


class NotRestored(Exception):
    """A removal cannot be undone."""


class TooLate(NotRestored):
    """The files are gone, or the entry is back already."""


class NameTaken(NotRestored):
    """Another entry has the name by now."""


@dataclass(frozen=True, kw_only=True)
class Removed:
    """The result of one wish."""

    count: int
    size_bytes: int
    refused: list[str]  # titles of entries whose directory cannot be moved


def remove(cards: Iterable[Card], *, actor: str) -> Removed:
    """Move the entries of cards into the trash. Those that are gone already are left out.

    Of one that cannot be moved nothing is recorded: it never left.
    """
    removals, refused = [], []
    for key in [card.pk for card in cards]:
        removal = _take_rows(key, actor=actor)
        if removal is None:
            continue
        try:
            finish(removal)
            removals.append(removal)
        except OSError as error:
            logger.warning("%s cannot be moved into the trash: %s", removal.path, error)
            refused.append(removal.title)
            with suppress(NotRestored, OSError):  # then `tend` tries the move again
                _bring_back(removal, is_recorded=False)
    size_bytes = sum(removal.size_bytes for removal in removals)
    return Removed(count=len(removals), size_bytes=size_bytes, refused=refused)


def remove_unknown(path: str, *, size_bytes: int, actor: str) -> None:
    """Move what no download knows into the trash, with a removal that only staff see.

    Raises OSError when it cannot be moved, and NameTaken when an entry is there or in it by now;
    nothing is recorded then.
    """
    removal = Removal(
        entry_number=0,
        correlation_id=new_correlation_id(),
        title=path,
        path=path,
        size_bytes=size_bytes,
        actor=actor,
        removed_at=timezone.now(),
        step=Step.REMOVING,
        contents="[]",
    )
    if _is_name_taken(removal):
        raise NameTaken(path)
    removal.save()
    try:
        finish(removal)
    except OSError:
        removal.delete()
        raise
    logger.info("%s is removed from the library by %s", path, actor)


def restore(removal: Removal) -> None:
    """Undo a removal: files and rows are where they were. Raises TooLate, NameTaken, OSError.

    For somebody who wants that: no rule takes the entry again.
    """
    _bring_back(removal, is_recorded=True)


def _bring_back(removal: Removal, *, is_recorded: bool) -> None:
    root, mode = settings.VNSITE.media_root, library.folder_mode(settings.VNSITE.library_mode)
    with trash.locked(root):
        removal.refresh_from_db()
        if not removal.is_undoable:
            raise TooLate(removal.title)
        if _is_name_taken(removal):
            raise NameTaken(removal.path)
        try:
            trash.bring_back(root, removal.path, removal.key, mode=mode)
        except FileExistsError as error:
            raise NameTaken(removal.path) from error
        _give_rows_back(removal, is_recorded=is_recorded)


def empty(removals: RemovalQuerySet) -> int:
    """Remove the files of removals that could still be undone, for good; return the bytes freed.

    Raises OSError.
    """
    return sum(_empty(removal) for removal in list(_light(removals.filter(step__in=UNDOABLE))))


def _empty(removal: Removal) -> int:
    freed = 0
    with trash.locked(settings.VNSITE.media_root):
        if Removal.objects.filter(pk=removal.pk, step__in=UNDOABLE).update(step=Step.EMPTYING):
            removal.refresh_from_db()
            _put_away(removal)
            freed = removal.size_bytes
    finish(removal)
    return freed


def tend(now: datetime | None = None) -> None:
    """Carry on what somebody was killed at, and empty what nobody wants back any more.

    What the disk refuses is logged, holds up nothing else, and is tried again by the next call.
    """
    before = (now or timezone.now()) - UNDO
    begun = Removal.objects.filter(step__in=[Step.REMOVING, Step.EMPTYING])
    due = Removal.objects.filter(step=Step.REMOVED, removed_at__lt=before)
    for removals, carry_on in ((begun, finish), (due, _empty)):
        for removal in _each(removals):
            try:
                carry_on(removal)
            except OSError as error:
                logger.warning("%s stays in the trash or on its way there: %s", removal.path, error)


def _each(removals: RemovalQuerySet) -> Iterator[Removal]:
    """Yield them in their order; those that change meanwhile are not missed, nor seen twice."""
    last = 0
    while batch := list(_light(removals.filter(pk__gt=last))[:BATCH]):
        yield from batch
        last = batch[-1].pk


def finish(removal: Removal) -> None:
    """Bring the directory to where the row says that it goes. Raises OSError; may be done again."""
    root = settings.VNSITE.media_root
    with trash.locked(root):
        removal.refresh_from_db()
        if removal.step == Step.REMOVING:
            _put_away(removal)
            removal.step = Step.REMOVED
            removal.save(update_fields=["step"])
    if removal.step == Step.EMPTYING:
        trash.remove(root, removal.key)
        removal.step, removal.contents = Step.GONE, ""
        removal.save(update_fields=["step", "contents"])
        logger.info("%s is removed from the library for good", removal.path)


def _light(removals: RemovalQuerySet) -> RemovalQuerySet:
    """In their order, without the rows of their entries: those have all that is said in a film."""
    return removals.defer("contents").order_by("pk")


def _put_away(removal: Removal) -> None:
    if not _is_name_taken(removal):
        trash.put_away(settings.VNSITE.media_root, removal.path, removal.key)


def _is_name_taken(removal: Removal) -> bool:
    """Whether another download has, or is about to have, an entry of this name, or in a folder of
    this name that was no entry."""
    entries, others = Q(path=removal.path), Q(library_path=removal.path)
    if not removal.entry_number:
        inside = f"{removal.path}/"
        entries |= Q(path__startswith=inside)
        others |= Q(library_path__startswith=inside)
    owner = Q(correlation_id=removal.correlation_id)
    return (
        LibraryEntry.objects.filter(entries).exists()
        or Download.objects.filter(others).exclude(owner).exists()
    )


def _take_rows(key: int, *, actor: str) -> Removal | None:
    """Replace the rows of an entry by that of its removal; None when there is no such entry."""
    with short_transaction():
        entry = LibraryEntry.objects.select_for_update().filter(pk=key).first()
        if entry is None:
            return None
        files, cards = list(entry.files.all()), list(Card.objects.filter(entry=entry))
        positions = list(entry.positions.all())
        removal = Removal.objects.create(
            entry_number=entry.pk,
            correlation_id=entry.correlation_id,
            download_id=entry.download_id,
            owner_id=entry.owner_id,
            title=entry.title or entry.url,
            path=entry.path,
            size_bytes=sum(file.size for file in files),
            actor=actor,
            removed_at=timezone.now(),
            step=Step.REMOVING,
            contents=serializers.serialize("json", [entry, *files, *cards, *positions], cls=Exact),
        )
        entry.delete()
        quotas.look([removal.owner_id])
    logger.info("%s is removed from the library by %s", removal.path, actor)
    return removal


def _give_rows_back(removal: Removal, *, is_recorded: bool) -> None:
    """Write the rows as they were; what they name may be gone since.

    The row of the removal stays as the record, or leaves as if nothing had been tried.
    """
    with short_transaction():
        restorable = Removal.objects.filter(pk=removal.pk, step__in=UNDOABLE)
        if is_recorded:
            count = restorable.update(step=Step.RESTORED, contents="")
        else:
            count, _ = restorable.delete()
        if not count:
            raise TooLate(removal.title)
        for each in serializers.deserialize("json", removal.contents, ignorenonexistent=True):
            row = each.object
            if isinstance(row, LibraryEntry):
                row.owner_id, row.download_id = removal.owner_id, removal.download_id
            elif isinstance(row, Card):
                row.owner_id = removal.owner_id
                lists = Download.objects.filter(pk=row.listed_in_id or 0)
                row.listed_in_id = lists.values_list("pk", flat=True).first()
            elif isinstance(row, Position):
                if not get_user_model().objects.filter(pk=row.user_id).exists():
                    continue
            elif not isinstance(row, PublishedFile):
                continue
            each.save()
        quotas.look([removal.owner_id])
