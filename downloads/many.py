"""One action on many downloads: each is judged by itself, and none stops the others.

The same for the dashboard, for lists and for the API. Beside `actions`, which it calls.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

from django.db.models import Case, Q, When

from downloads import actions, logs, queueing
from downloads.actions import NotAllowed
from downloads.models import Download, DownloadQuerySet, Listing, LostDownload
from downloads.models.batches import cancel_waiting, forget
from downloads.models.download import QUEUE_ORDER
from downloads.rules.states import ACTIVE, ENDED, RUNNING, Outcome, State

if TYPE_CHECKING:
    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

MAX_AT_ONCE = 5_000  # downloads that one request touches: the others are for the next one
BUDGET_SECONDS = 5.0  # after which the rest is left for the next request
CHUNK = 250  # moved or deleted in one transaction


class Action(StrEnum):
    CANCEL = "cancel"
    RETRY = "retry"
    CLEANUP = "cleanup"
    DELETE = "delete"
    PAUSE = "pause"
    RESUME = "resume"
    FIRST = "first"


class Refusal(StrEnum):
    """Why an action was not done to one of them."""

    ENDED = "ended"
    WAITING = "waiting"
    RUNNING = "running"
    PUBLISHING = "publishing"  # it is too late to cancel
    COMPLETED = "completed"
    CLEAN = "clean"  # nothing was left to clean up
    GONE = "gone"  # it was deleted, or is not theirs
    DISK = "disk"  # a directory cannot be removed
    OTHER = "other"


# To which downloads each action applies, when all that match a query are meant.
APPLIES: dict[Action, Q] = {
    Action.CANCEL: Q(state__in=ACTIVE, cancel_requested_at=None),
    Action.RETRY: Q(outcome__in=[Outcome.FAILED, Outcome.CANCELLED]),
    Action.CLEANUP: Q(state__in=ENDED),
    Action.DELETE: ~Q(state__in=RUNNING),
    Action.PAUSE: Q(state=State.CREATED, paused_at=None),
    Action.RESUME: Q(paused_at__isnull=False),
    Action.FIRST: Q(state=State.CREATED),
}


@dataclass(kw_only=True)
class Done:
    """What an action on many downloads did."""

    done: int = 0
    asked: int = 0  # of those the ones that still run: their worker was asked to stop them
    refused: Counter[Refusal] = field(default_factory=Counter)
    reason: str = ""  # why the first OTHER was refused, in a sentence
    left: int = 0  # not tried yet: for the next request


def applicable(downloads: DownloadQuerySet, action: Action) -> DownloadQuerySet:
    """Return those of the downloads that are in a state for the action."""
    return downloads.filter(APPLIES[action])


def act(
    downloads: DownloadQuerySet, action: Action, *, actor: str, with_files: bool = False
) -> Done:
    """Do the action to each, in a sensible order, for at most BUDGET_SECONDS.

    `with_files`: a deletion removes the published files as well.
    """
    keys = list(_in_order(downloads, action).values_list("pk", flat=True))
    batch = _Batch(action, actor=actor, with_files=with_files)
    for start in range(0, min(len(keys), MAX_AT_ONCE), CHUNK):
        batch.act_on(keys[start : min(start + CHUNK, MAX_AT_ONCE)])
    batch.done.left = len(keys) - batch.tried
    return batch.done


def act_on_list(listing: Listing, action: Action, *, viewer: "User", actor: str) -> Done:
    """Do the action to those of a list to which it applies; retry only those that failed."""
    downloads = applicable(listing.downloads.visible_to(viewer), action)
    if action is Action.RETRY:
        downloads = downloads.filter(outcome=Outcome.FAILED)
    return act(downloads, action, actor=actor)


def _in_order(downloads: DownloadQuerySet, action: Action) -> DownloadQuerySet:
    match action:
        case Action.CANCEL:  # first those that wait, so that none takes a freed slot
            return downloads.order_by(Case(When(state=State.CREATED, then=0), default=1), "-pk")
        case Action.FIRST:  # the last one first: each goes before all others
            return downloads.order_by(*QUEUE_ORDER).reverse()
    return downloads.order_by("pk")


class _Batch:
    """One action under way, with what it did so far."""

    def __init__(self, action: Action, *, actor: str, with_files: bool) -> None:
        self.done = Done()
        self.tried = 0
        self._action = action
        self._actor = actor
        self._with_files = with_files
        self._over_at = time.monotonic() + BUDGET_SECONDS
        one: dict[Action, Callable[[Download], object]] = {
            Action.CANCEL: partial(actions.cancel, actor=actor),
            Action.RETRY: partial(actions.retry, actor=actor),
            Action.CLEANUP: partial(actions.clean, actor=actor),
            Action.DELETE: partial(actions.forget, with_files=with_files),
            Action.PAUSE: partial(queueing.pause, actor=actor),
            Action.RESUME: partial(queueing.resume, actor=actor),
            Action.FIRST: partial(queueing.first, actor=actor),
        }
        self._one = one[action]

    def act_on(self, keys: Sequence[int]) -> None:
        """Act on these, in their order, until the time is over."""
        if time.monotonic() > self._over_at:
            return
        moved = self._act_together(Download.objects.filter(pk__in=keys))
        self.done.done += len(moved)
        self.tried += len(moved)
        rows = Download.objects.select_related("owner").in_bulk(set(keys) - moved)
        for key in keys:
            if key in moved:
                continue
            if time.monotonic() > self._over_at:
                return
            self.tried += 1
            if key in rows:
                self._act(rows[key])
            else:
                self.done.refused[Refusal.GONE] += 1

    def _act_together(self, rows: DownloadQuerySet) -> set[int]:
        """Do it with few queries to those for which that can be done; return which."""
        if self._action is Action.CANCEL:
            return cancel_waiting(rows, actor=self._actor)
        if self._action is not Action.DELETE:
            return set()
        ready = []
        for row in rows.exclude(state__in=RUNNING):
            with suppress(LostDownload, OSError):  # it is judged alone
                actions.remove_what_is_left(row, with_files=self._with_files)
                ready.append(row.pk)
        return forget(Download.objects.filter(pk__in=ready))

    def _act(self, download: Download) -> None:
        was_clean = download.state == State.CLEANED
        try:
            self._one(download)
        except NotAllowed as refusal:
            why = self._why(download)
            self.done.refused[why] += 1
            if why is Refusal.OTHER:
                self.done.reason = self.done.reason or str(refusal)
        except OSError as error:
            logs.failed(logger, f"{download} cannot be removed", error)
            self.done.refused[Refusal.DISK] += 1
        else:
            self._count(download, was_clean=was_clean)

    def _count(self, download: Download, *, was_clean: bool) -> None:
        if self._action is Action.CANCEL and was_clean:
            self.done.refused[Refusal.ENDED] += 1  # it was cancelled already: nothing to do
        elif self._action is Action.CLEANUP and was_clean:
            self.done.refused[Refusal.CLEAN] += 1
        else:
            self.done.done += 1
            self.done.asked += self._action is Action.CANCEL and download.is_running

    def _why(self, download: Download) -> Refusal:
        """Sort a refusal by the state that the download has now."""
        if not Download.objects.filter(pk=download.pk).exists():
            return Refusal.GONE
        if download.state in RUNNING:
            return Refusal.PUBLISHING if self._action is Action.CANCEL else Refusal.RUNNING
        if download.state == State.CREATED:
            is_in_order = self._action in (Action.RETRY, Action.CLEANUP)
            return Refusal.WAITING if is_in_order else Refusal.OTHER
        if self._action is not Action.RETRY:
            return Refusal.ENDED
        is_over = download.outcome == Outcome.COMPLETED
        return Refusal.COMPLETED if is_over else Refusal.OTHER
