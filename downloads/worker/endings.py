"""The endings of an attempt, decided from values alone, for the attempt and for recovery.

Nothing is written or removed here, and Django is not imported.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from downloads.rules.backoff import (
    PREMIERE_CAP_SECONDS,
    PREMIERE_LEAST_SECONDS,
    jittered_seconds,
    retry_delay_seconds,
)
from downloads.rules.breaker import Verdict, verdict_of
from downloads.rules.errors import ErrorClass
from downloads.rules.states import Reason, State

NO_ROOM = {"code": "no_room"}
LOST = {"code": "worker_stopped"}


class StopRequest(Enum):
    """A request of the worker to a running attempt."""

    CANCEL = "cancel"
    STOP = "stop"
    GIVE_WAY = "give_way"  # a disk runs full, and others are older
    NO_ROOM = "no_room"  # a disk runs full, and there is no other
    LEAVE = "leave"  # the row may not be ours any more: end the child at once, write nothing


class Directory(Enum):
    """The fate of the isolated directory, before the row is written."""

    REDUCE = "reduce"  # to its proven bytes, for the next attempt
    REMOVE = "remove"
    LEAVE = "leave"  # to the clean-up, which the settings may forbid


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of the row by which an ending is chosen."""

    tries: int  # that count, this one included
    max_attempts: int
    uncounted: int = 0  # attempts before this one that do not count
    is_decided: bool = False  # the decision to publish is written
    can_finish: bool = False  # it is, and the files are there, staged or published
    is_cancel_asked: bool = False
    asked_by: str = ""  # the actor who asked to cancel
    has_recorded: bool = False  # more of a live stream than the attempts before

    @property
    def has_tries_left(self) -> bool:
        return self.has_recorded or self.tries < self.max_attempts


@dataclass(frozen=True, kw_only=True)
class Failure:
    """The error that broke an attempt."""

    error_class: ErrorClass
    data: Mapping[str, Any]  # codes and numbers, as of a transition
    # Until the site may be asked again, or until a premiere. None: the site did not say.
    retry_after_seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The move that ends an attempt, and what goes with it."""

    to: State
    reason: str
    directory: Directory
    data: Mapping[str, Any] = field(default_factory=dict)  # for the history
    error_class: ErrorClass | None = None  # None: the row's error stays as it is
    delay_seconds: float | None = None  # until the next attempt; None: the row's stays as it is
    counts: bool = True  # as one of the row's tries
    verdict: Verdict = Verdict.NOTHING  # on its site
    withdraws: bool = False  # what may have been published is taken back after the move

    def columns(self, *, uncounted: int) -> dict[str, Any]:
        """Return the columns of the move; `uncounted` is the row's present value."""
        columns: dict[str, Any] = {} if self.counts else {"uncounted": uncounted + 1}
        if self.error_class is not None:
            columns |= {"error_class": self.error_class, "error_data": self.data}
        return columns


# The lease ended between the claim and the first step: others may have taken it.
NOT_BEGUN = Ending(
    to=State.CREATED, reason=Reason.WORKER_LOST, directory=Directory.LEAVE, counts=False
)


def after_failure(failure: Failure, facts: Facts, *, chance: random.Random | None = None) -> Ending:
    """Return the ending of an attempt that broke: another try, or FAILED."""
    error_class = failure.error_class
    if "starts_at" in failure.data and not facts.is_decided:
        return _until_it_starts(failure)
    delay = retry_delay_seconds(
        error_class,
        tries=facts.tries,
        retry_after_seconds=failure.retry_after_seconds,
        chance=chance,
    )
    if delay is None or facts.is_decided or not facts.has_tries_left:
        return Ending(
            to=State.FAILED,
            reason=error_class,
            data=failure.data,
            error_class=error_class,
            directory=Directory.LEAVE,
            verdict=verdict_of(error_class),
            withdraws=facts.is_decided,
        )
    return Ending(
        to=State.CREATED,
        reason=Reason.WILL_RETRY,
        data=failure.data,
        error_class=error_class,
        delay_seconds=delay,
        directory=Directory.REDUCE,
        counts=not facts.has_recorded,
        verdict=verdict_of(error_class),
    )


def after_refusal(failure: Failure, facts: Facts, *, chance: random.Random | None = None) -> Ending:
    """Return the ending of an attempt whose finished files the library's file system refused.

    They are kept, and publishing is tried again until it works or somebody cancels.
    """
    if facts.asked_by:
        return _cancelled(facts, directory=Directory.LEAVE)
    if failure.error_class is not ErrorClass.STORAGE:
        ending = after_failure(failure, replace(facts, is_decided=False), chance=chance)
        return replace(ending, withdraws=facts.is_decided and ending.to is State.FAILED)
    return Ending(
        to=State.CREATED,
        reason=Reason.WILL_RETRY,
        data=failure.data,
        error_class=failure.error_class,
        delay_seconds=jittered_seconds(facts.uncounted + 1, chance=chance),
        directory=Directory.REDUCE,
        counts=False,
    )


def after_request(request: StopRequest, facts: Facts) -> Ending:
    """Return the ending of an attempt that was asked to end, and whose processes are dead.

    Raises ValueError for LEAVE, which writes nothing.
    """
    match request:
        case StopRequest.CANCEL:
            return _cancelled(facts, directory=Directory.LEAVE)
        case StopRequest.STOP:
            return Ending(
                to=State.CREATED,
                reason=Reason.SHUTDOWN,
                directory=Directory.REDUCE,
                counts=False,
            )
        case StopRequest.GIVE_WAY:
            return Ending(
                to=State.CREATED,
                reason=Reason.WILL_RETRY,
                data=NO_ROOM,
                error_class=ErrorClass.DISK_FULL,
                directory=Directory.REMOVE,
                counts=False,
            )
        case StopRequest.NO_ROOM:
            return after_failure(Failure(error_class=ErrorClass.DISK_FULL, data=NO_ROOM), facts)
        case StopRequest.LEAVE:
            raise ValueError(request)


def after_loss(facts: Facts) -> Ending:
    """Return the ending that recovery gives to an attempt whose worker is dead."""
    if facts.can_finish:
        return Ending(to=State.COMPLETED, reason=Reason.PUBLISHED, directory=Directory.LEAVE)
    if facts.is_cancel_asked:
        return _cancelled(facts, directory=Directory.REMOVE)
    if facts.has_tries_left:
        return Ending(
            to=State.CREATED,
            reason=Reason.WORKER_LOST,
            directory=Directory.REDUCE,
            counts=not facts.has_recorded,
        )
    return Ending(
        to=State.FAILED,
        reason=ErrorClass.WORKER_LOST,
        data=LOST,
        error_class=ErrorClass.WORKER_LOST,
        directory=Directory.REMOVE,
        withdraws=facts.is_decided,
    )


def _until_it_starts(failure: Failure) -> Ending:
    """The ending of an attempt that came before a premiere, or before a part of the wait for it."""
    seconds = failure.retry_after_seconds or 0
    return Ending(
        to=State.CREATED,
        reason=Reason.WILL_RETRY,
        data=failure.data,
        error_class=failure.error_class,
        delay_seconds=min(max(seconds, PREMIERE_LEAST_SECONDS), PREMIERE_CAP_SECONDS),
        directory=Directory.REMOVE,
        counts=False,
    )


def _cancelled(facts: Facts, *, directory: Directory) -> Ending:
    return Ending(
        to=State.CANCELLED,
        reason=Reason.CANCELLED,
        data={"asked_by": facts.asked_by} if facts.asked_by else {},
        directory=directory,
    )
