"""Sets of downloads: what is asked of them, a submitted batch, and the next one to be claimed."""

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.db import IntegrityError, connection, models
from django.db.models import Q
from django.utils import timezone

from downloads.disk.isolation import new_correlation_id
from downloads.models import claims
from downloads.models.counts import Counts
from downloads.models.stream import StreamPosition, Transition
from downloads.models.transactions import short_transaction
from downloads.models.workers import Worker
from downloads.rules.errors import RETRY_AFTER_CAP_SECONDS
from downloads.rules.links import site_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ACTIVE, ENDED, RUNNING, Reason, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models.sql.compiler import SQLCompiler

    from downloads.models.download import Download


@dataclass(frozen=True, kw_only=True)
class Submitted:
    """The answer to one wish: a new download, or the existing one."""

    download: "Download"
    created: bool


class TooManyWaiting(Exception):
    """A user has as many downloads waiting as may. Nothing was added; the message says it to them.

    `waiting` are there, `wanted` were to be added, of which `limit` lets fewer through.
    """

    def __init__(self, *, waiting: int, wanted: int, limit: int) -> None:
        room = max(0, limit - waiting)
        advice = f": {room:,} more can be added now, not {wanted:,}."
        if not room:
            advice = ". More can be added when some of them have begun."
        super().__init__(
            f"{waiting:,} of your downloads are waiting, and at most {limit:,} may{advice}"
        )


class Likely(models.Func):
    """A condition that holds for many rows.

    SQLite assumes that few rows have one state, and sorts what it finds: each claim would sort
    10,000 waiting rows. With LIKELY it walks the index that is in order.
    """

    function = "LIKELY"
    output_field = models.BooleanField()

    def as_postgresql(self, compiler: "SQLCompiler", _connection: object) -> Any:
        """As it is: PostgreSQL knows how many there are."""
        return compiler.compile(self.source_expressions[0])


class DownloadQuerySet(models.QuerySet["Download"]):
    def visible_to(self, user: "User | AnonymousUser") -> Self:
        """Downloads that a user may see and act on: their own, or all for staff."""
        if not user.is_authenticated:
            return self.none()
        return self if user.is_staff else self.filter(owner=user)

    def claimable(self, now: datetime) -> Self:
        """Downloads that are due at `now` (of `database_now`): the most urgent, then the oldest.

        A `not_before` beyond the longest possible wait means that the clock was set back: it counts
        as due.
        """
        longest = timedelta(seconds=RETRY_AFTER_CAP_SECONDS)
        due = Q(not_before=None) | Q(not_before__lte=now) | Q(not_before__gt=now + longest)
        return self.filter(due, Likely(Q(state=State.CREATED))).order_by("-priority", "id")

    def active(self) -> Self:
        return self.filter(state__in=ACTIVE)

    def running(self) -> Self:
        return self.filter(state__in=RUNNING)

    def not_cleaned(self) -> Self:
        """Ended, with a directory that is kept or still to be removed."""
        return self.filter(state__in=ENDED)

    def search(self, text: str) -> Self:
        """Downloads whose title or URL contains the text, or whose correlation id equals it."""
        text = text.strip()
        if not text:
            return self
        return self.filter(
            Q(title__icontains=text) | Q(url__icontains=text) | Q(correlation_id=text.lower())
        )

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
        When this returns outside of another transaction, all of it is committed. Raises
        TooManyWaiting.
        """
        with short_transaction():
            answers = self.submit_what_fits(wishes, owner=owner, actor=actor, priority=priority)
            added = [answer for answer in answers if answer is not None]
            if owner is not None and len(added) < len(answers):
                fresh = sum(answer is None or answer.created for answer in answers)
                raise TooManyWaiting(
                    waiting=self.waiting_of(owner) - sum(answer.created for answer in added),
                    wanted=fresh,
                    limit=settings.VNSITE.user_waiting,
                )
        return added

    def submit_what_fits(
        self,
        wishes: Sequence[tuple[str, DownloadOptions]],
        *,
        owner: "User | None",
        actor: str,
        priority: int = 0,
    ) -> list[Submitted | None]:
        """Like `submit`, with None for each wish for which the owner has too many waiting."""
        try:
            with short_transaction():
                return self._submit(wishes, owner=owner, actor=actor, priority=priority)
        except IntegrityError:
            # PostgreSQL: the same wish was retried while we looked. Now we see it.
            with short_transaction():
                return self._submit(wishes, owner=owner, actor=actor, priority=priority)

    def waiting_of(self, owner: "User") -> int:
        """How many downloads of a user wait."""
        return self.filter(owner=owner, state=State.CREATED).count()

    def _room_to_wait(self, owner: "User | None") -> float:
        """How many more of an owner's downloads may wait; what the command adds is not limited."""
        limit = settings.VNSITE.user_waiting
        return limit - self.waiting_of(owner) if owner is not None and limit else math.inf

    def _submit(
        self,
        wishes: Sequence[tuple[str, DownloadOptions]],
        *,
        owner: "User | None",
        actor: str,
        priority: int,
    ) -> list[Submitted | None]:
        if owner is not None and connection.features.has_select_for_update:
            # One owner's submissions take turns, as they do on SQLite: else two that look at the
            # same time both miss what the other one adds, or wait for each other for ever.
            get_user_model().objects.select_for_update(no_key=True).filter(pk=owner.pk).first()
        now = timezone.now()
        fingerprints = [fingerprint(url, options) for url, options in wishes]
        waiting = self.active().filter(owner=owner, fingerprint__in=set(fingerprints))
        present = {download.fingerprint: download for download in waiting} if owner else {}
        room = self._room_to_wait(owner)
        fresh: dict[str, Download] = {}
        answers: list[Submitted | None] = []
        for (url, options), mark in zip(wishes, fingerprints, strict=True):
            existing = present.get(mark) or fresh.get(mark)
            if existing is not None:
                answers.append(Submitted(download=existing, created=False))
                continue
            if len(fresh) >= room:
                answers.append(None)
                continue
            fresh[mark] = self.model(
                correlation_id=new_correlation_id(),
                owner=owner,
                url=url,
                site=site_of(url),
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
        Counts.add_submitted(downloads[0].owner_id, len(downloads))

    def claim(
        self, worker: Worker, *, slots: int, directory_name: Callable[[str], str]
    ) -> "list[Download]":
        """Claim the next downloads for a worker, as many as there are free slots at most.

        Created → initializing with the attempt counted and the name of the directory recorded
        before the directory exists; all in one transaction. Two workers never get the same one. The
        owner who has the fewest running comes first; of one owner's the most urgent and then the
        oldest. Passed over are owners and sites that have as many running as they may, and
        downloads of a site whose breaker is open.
        """
        return claims.claim(self, worker, slots=slots, directory_name=directory_name)


def fingerprint(url: str, options: DownloadOptions) -> str:
    """What makes two wishes of one owner the same: the URL and the options that were chosen."""
    text = json.dumps([url, options.chosen()], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
