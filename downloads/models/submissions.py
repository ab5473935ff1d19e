"""Submissions: wishes become downloads, each once, in one transaction."""

import hashlib
import json
import math
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection
from django.db.models import Q
from django.utils import timezone

from downloads.disk.isolation import new_correlation_id
from downloads.models.counts import Counts
from downloads.models.download import Download
from downloads.models.stream import StreamPosition, Transition
from downloads.models.transactions import short_transaction
from downloads.rules.links import site_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ACTIVE, Reason, Result, State
from downloads.rules.words import say_number

if TYPE_CHECKING:
    from django.contrib.auth.models import User


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """The answer to one wish: a new download, or the existing one."""

    download: Download
    created: bool


def known(owner: "User", urls: Iterable[str], options: DownloadOptions) -> dict[str, Download]:
    """Return the downloads in which the owner has clean URLs already, with the same options.

    For each URL the one that waits or runs; else the newest that left files which are all there.
    """
    options = without_past(options, timezone.now())
    url_of = {fingerprint(url, options): url for url in urls}
    found = (
        Download.objects.filter(owner=owner, fingerprint__in=url_of)
        .filter(Q(state__in=ACTIVE) | Q(result=Result.FILES, entry__isnull=False))
        .defer("manifest", "media", "options")
        .select_related("entry")
        .prefetch_related("entry__files")
        .order_by("id")
    )
    there = [each for each in found if _is_active(each) or not each.misses_files]
    return {url_of[each.fingerprint]: each for each in sorted(there, key=_is_active)}


def _is_active(download: Download) -> bool:
    return download.state in ACTIVE


class TooManyWaiting(Exception):
    """A user has no room for more waiting downloads. Nothing was added; the message is for them.

    `waiting` are there, `wanted` were to be added, of which `limit` lets fewer through.
    """

    def __init__(self, *, waiting: int, wanted: int, limit: int) -> None:
        if room := max(0, limit - waiting):
            sentence = say_number(
                "You have {number:,} download queued (limit {limit:,}): {room:,} more can be added"
                " now, not {wanted:,}.",
                "You have {number:,} downloads queued (limit {limit:,}): {room:,} more can be added"
                " now, not {wanted:,}.",
                number=waiting,
                limit=limit,
                room=room,
                wanted=wanted,
            )
        else:
            sentence = say_number(
                "You have {number:,} download queued (limit {limit:,}). More can be added when it"
                " has begun.",
                "You have {number:,} downloads queued (limit {limit:,}). More can be added when"
                " some of them have begun.",
                number=waiting,
                limit=limit,
            )
        super().__init__(sentence)


def submit(
    wishes: Sequence[tuple[str, DownloadOptions]],
    *,
    owner: "User | None",
    actor: str,
    priority: int = 0,
    is_again: bool = False,
) -> list[Submitted]:
    """Add one download for each (clean URL, options), in order, in one transaction.

    A wish that the same owner has waiting or running already is answered with that download.
    `is_again`: fetch what the owner has already.
    When this returns outside of another transaction, all of it is committed. Raises
    TooManyWaiting.
    """
    with short_transaction():
        answers = submit_what_fits(
            wishes, owner=owner, actor=actor, priority=priority, is_again=is_again
        )
        added = [answer for answer in answers if answer is not None]
        if owner is not None and len(added) < len(answers):
            fresh = sum(answer is None or answer.created for answer in answers)
            raise TooManyWaiting(
                waiting=Download.objects.waiting_of(owner)
                - sum(answer.created for answer in added),
                wanted=fresh,
                limit=settings.VNSITE.user_waiting,
            )
    return added


def submit_what_fits(
    wishes: Sequence[tuple[str, DownloadOptions]],
    *,
    owner: "User | None",
    actor: str,
    priority: int = 0,
    is_again: bool = False,
    columns: Sequence[Mapping[str, Any]] = (),
    purpose: str = "",
) -> list[Submitted | None]:
    """Like `submit`, with None for each wish for which the owner has too many waiting.

    `columns` are further ones of each wish's new download; with them `is_again` does not count.
    The new downloads of several wishes have a `batch` in common. Equal wishes with another
    `purpose` are not the same.
    """
    columns = columns or [{"is_again": is_again}] * len(wishes)
    submit_once = partial(
        _submit, wishes, columns, owner=owner, actor=actor, priority=priority, purpose=purpose
    )
    try:
        with short_transaction():
            return submit_once()
    except IntegrityError:
        # PostgreSQL: the same wish was retried while we looked. Now we see it.
        with short_transaction():
            return submit_once()


def take_turn(owner_id: int | None) -> None:
    """Let one owner's submissions take turns until the commit, as they do on SQLite.

    Else two that look at the same time both miss what the other one adds, or wait for each other
    for ever.
    """
    if owner_id is not None and connection.features.has_select_for_update:
        get_user_model().objects.select_for_update(no_key=True).filter(pk=owner_id).first()


def _room_to_wait(owner: "User | None") -> float:
    """Return how many more of an owner's downloads may wait; without an owner any number."""
    limit = settings.VNSITE.user_waiting
    return limit - Download.objects.waiting_of(owner) if owner is not None and limit else math.inf


def _submit(
    wishes: Sequence[tuple[str, DownloadOptions]],
    columns: Sequence[Mapping[str, Any]],
    *,
    owner: "User | None",
    actor: str,
    priority: int,
    purpose: str,
) -> list[Submitted | None]:
    take_turn(owner.pk if owner else None)
    now = timezone.now()
    batch = secrets.token_hex(6) if len(wishes) > 1 else None
    wishes = [(url, without_past(options, now)) for url, options in wishes]
    fingerprints = [fingerprint(url, options, purpose=purpose) for url, options in wishes]
    waiting = Download.objects.active().filter(owner=owner, fingerprint__in=set(fingerprints))
    present = {download.fingerprint: download for download in waiting} if owner else {}
    room = _room_to_wait(owner)
    fresh: dict[str, Download] = {}
    answers: list[Submitted | None] = []
    for (url, options), mark, further in zip(wishes, fingerprints, columns, strict=True):
        existing = present.get(mark) or fresh.get(mark)
        if existing is not None:
            answers.append(Submitted(download=existing, created=False))
            continue
        if len(fresh) >= room:
            answers.append(None)
            continue
        fresh[mark] = Download(
            correlation_id=new_correlation_id(),
            owner=owner,
            url=url,
            site=site_of(url),
            options=options.as_dict(),
            fingerprint=mark,
            priority=priority,
            batch=batch,
            max_attempts=settings.VNSITE.max_attempts,
            not_before=options.starts_at,
            created_at=now,
            updated_at=now,
            **further,
        )
        answers.append(Submitted(download=fresh[mark], created=True))
    if fresh:
        _insert_submitted(list(fresh.values()), actor=actor, at=now)
    return answers


def _insert_submitted(downloads: list[Download], *, actor: str, at: datetime) -> None:
    Download.objects.bulk_create(downloads)
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
    Counts.add(downloads[0].owner_id, len(downloads), state=State.CREATED)


def without_past(options: DownloadOptions, now: datetime) -> DownloadOptions:
    """Return the options with a start that is over taken out, so that equal wishes are equal."""
    if options.starts_at is None or options.starts_at > now:
        return options
    return options.with_overrides(start_at=None)


def fingerprint(url: str, options: DownloadOptions, *, purpose: str = "") -> str:
    """Return a hash of URL and chosen options, equal for two wishes that are the same."""
    text = f"[{json.dumps(url)},{_chosen(options)}]{purpose}"
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=64)  # all links of a batch have the same options
def _chosen(options: DownloadOptions) -> str:
    return json.dumps(options.chosen(), sort_keys=True, separators=(",", ":"))
