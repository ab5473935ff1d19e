"""The history of one download in words: its transitions, grouped by attempt, with their logs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from downloads.models import AttemptLog, Download, Transition
from downloads.rules.errors import ErrorClass, advice_of
from downloads.rules.states import ENDED, RUNNING, Reason, State
from downloads.rules.words import say
from downloads.web.actors import actor_in_words, workers_among
from downloads.web.details import detail_of
from downloads.web.format import LOOKS, Look, duration, size

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise

LONG_DETAIL = 200  # characters
MAX_LOGS = 3  # each may have 64 KiB; to older ones there is a link
REASONS: "dict[str, StrPromise]" = {
    Reason.SUBMITTED: gettext_lazy("Added"),
    Reason.CLAIMED: gettext_lazy("Picked up by a worker"),
    Reason.DIRECTORY_MADE: gettext_lazy("Folder prepared"),
    Reason.CHILD_STARTED: gettext_lazy("Download started"),
    Reason.PUBLISHED: gettext_lazy("Moved to the library"),
    Reason.LISTED: gettext_lazy("List read"),
    Reason.HAVE_IT: gettext_lazy("You had it already"),
    Reason.CHECKED: gettext_lazy("Looked up, nothing downloaded"),
    Reason.IMPORTED: gettext_lazy("Imported: another tool had fetched it"),
    Reason.CANCELLED: gettext_lazy("Cancelled"),
    Reason.WILL_RETRY: gettext_lazy("Will be tried again"),
    Reason.SHUTDOWN: gettext_lazy("The worker was stopped"),
    Reason.WORKER_LOST: gettext_lazy("The worker was lost"),
    Reason.CLEANED: gettext_lazy("Temp files removed"),
    Reason.RETRIED: gettext_lazy("Retried"),
}


class Move(NamedTuple):
    """One transition in the history."""

    entry: Transition
    origin: str
    who: str
    reason: str
    detail: str
    is_warning: bool  # something went wrong, or was left out

    @property
    def is_long(self) -> bool:
        """Whether the detail is scrolled in its place, which the keyboard must reach."""
        return len(self.detail) > LONG_DETAIL


@dataclass(frozen=True, kw_only=True)
class AttemptView:
    """The transitions of one attempt, newest first, and its log."""

    number: int  # 0: none was begun
    moves: list[Move]
    outcome: State  # how it ended, or where it is
    lasted: str  # "" while it lasts, and when none was begun
    why: str  # it ended so; "" when that is plain
    log: AttemptLog | None
    has_older_log: bool  # it is not shown, but can be asked for
    is_open: bool

    @property
    def title(self) -> str:
        if not self.number:
            return _("Not begun")
        return _("Attempt %(number)d") % {"number": self.number}

    @property
    def look(self) -> Look:
        return LOOKS[self.outcome]

    @property
    def log_title(self) -> str:
        return _("Log of attempt %(number)d") % {"number": self.number}

    @property
    def left_out(self) -> str:
        """How many lines the log lacks; "" for none."""
        number = self.log.left_out if self.log else 0
        sentence = ngettext(
            "%(number)d line in the middle was left out.",
            "%(number)d lines in the middle were left out.",
            number,
        )
        return sentence % {"number": number} if number else ""


def history_of(download: Download, entries: Sequence[Transition]) -> list[AttemptView]:
    """Group transitions (oldest first) by attempt; the newest attempt is the first.

    What came before the first attempt belongs to it.
    """
    workers = workers_among([entry.actor for entry in entries])
    first = min((entry.attempt for entry in entries if entry.attempt), default=0)
    groups = groupby(entries, key=lambda entry: max(entry.attempt, first))
    attempts = {number: list(group) for number, group in groups}
    logs, logged = _logs_of(download)
    return [
        _attempt_view(
            number,
            attempts[number],
            workers=workers,
            log=logs.get(number),
            has_older_log=number in logged and number not in logs,
            is_newest=number == max(attempts),
        )
        for number in sorted(attempts, reverse=True)
    ]


def _logs_of(download: Download) -> tuple[Mapping[int, AttemptLog], set[int]]:
    """Return the newest logs by attempt, and the numbers of all attempts that have one."""
    logged = list(download.logs.order_by("attempt").values_list("attempt", flat=True))
    newest = download.logs.filter(attempt__in=logged[-MAX_LOGS:]) if logged else ()
    return {log.attempt: log for log in newest}, set(logged)


def _attempt_view(
    number: int,
    entries: Sequence[Transition],
    *,
    workers: Sequence[str],
    log: AttemptLog | None,
    has_older_log: bool,
    is_newest: bool,
) -> AttemptView:
    end = end_of(entries)
    begun = next((each for each in entries if each.to_state == State.INITIALIZING), None)
    lasted = (end.at - begun.at).total_seconds() if begun and end else None
    has_failed = end is not None and _went_wrong(end)
    return AttemptView(
        number=number,
        moves=[_move(entry, workers) for entry in reversed(entries)],
        outcome=_outcome_of(entries, end=end),
        lasted="" if lasted is None else duration(lasted),
        why=_why(end) if end else "",
        log=log,
        has_older_log=has_older_log,
        is_open=is_newest or has_failed,
    )


def end_of(entries: Iterable[Transition]) -> Transition | None:
    """Return the transition that ended an attempt; None while it lasts."""
    return next(
        (
            entry
            for entry in entries
            if entry.to_state in ENDED
            or (entry.from_state in RUNNING and entry.to_state == State.CREATED)
        ),
        None,
    )


def _outcome_of(entries: Sequence[Transition], *, end: Transition | None) -> State:
    if end is not None and _went_wrong(end):
        return State.FAILED
    return State((end or entries[-1]).to_state)


def _went_wrong(entry: Transition) -> bool:
    """Return whether it ended an attempt with an error; later transitions keep its class."""
    return entry.to_state == State.FAILED or entry.reason in (
        Reason.WILL_RETRY,
        Reason.WORKER_LOST,
    )


def _why(end: Transition) -> str:
    if _went_wrong(end) and end.error_class:
        return say(advice_of(ErrorClass(end.error_class), end.data).sentence)
    return "" if end.to_state in ENDED else reason_in_words(end)


def reason_in_words(entry: Transition) -> str:
    if entry.reason in list(ErrorClass):
        return say(advice_of(ErrorClass(entry.reason), entry.data).sentence)
    return str(REASONS.get(entry.reason, entry.reason))


def _move(entry: Transition, workers: Sequence[str]) -> Move:
    return Move(
        entry=entry,
        origin=str(LOOKS[State(entry.from_state)].label) if entry.from_state else "",
        who=actor_in_words(entry.actor, workers=workers),
        reason=reason_in_words(entry),
        detail=detail_of(entry.data, write_bytes=size),
        is_warning=_went_wrong(entry) or bool(entry.data.get("warnings")),
    )
