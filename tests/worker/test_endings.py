"""What an ending makes of a row, as a table."""

import random
from typing import Any

import pytest

from downloads.rules.backoff import (
    BACKOFF_BASE_SECONDS,
    PREMIERE_CAP_SECONDS,
    PREMIERE_LEAST_SECONDS,
)
from downloads.rules.breaker import Verdict
from downloads.rules.errors import ErrorClass
from downloads.rules.states import State, can_move
from downloads.worker.endings import (
    NOT_BEGUN,
    Directory,
    Ending,
    Facts,
    Failure,
    StopRequest,
    after_failure,
    after_loss,
    after_refusal,
    after_request,
)

RUNNING_STATES = [State.INITIALIZING, State.READY, State.DOWNLOADING]
SAID = {"message": "what it said"}


def facts(*, tries: int = 1, **values: Any) -> Facts:
    return Facts(tries=tries, max_attempts=3, **values)


def failed(
    error_class: ErrorClass, of: Facts, *, retry_after_seconds: float | None = None
) -> Ending:
    failure = Failure(error_class=error_class, data=SAID, retry_after_seconds=retry_after_seconds)
    return after_failure(failure, of, chance=random.Random(1))


@pytest.mark.parametrize(
    ("error_class", "of", "to", "reason", "directory", "verdict"),
    [
        ("network", facts(), "created", "will_retry", "reduce", "REFUSES"),
        ("network", facts(tries=2), "created", "will_retry", "reduce", "REFUSES"),
        ("network", facts(tries=3), "failed", "network", "leave", "REFUSES"),
        ("stalled", facts(), "created", "will_retry", "reduce", "NOTHING"),
        ("forbidden", facts(), "created", "will_retry", "reduce", "REFUSES"),
        ("forbidden", facts(tries=2), "failed", "forbidden", "leave", "REFUSES"),
        ("unavailable", facts(), "failed", "unavailable", "leave", "ANSWERS"),
        ("storage", facts(), "failed", "storage", "leave", "NOTHING"),
        ("worker_lost", facts(), "created", "will_retry", "reduce", "NOTHING"),
        ("worker_lost", facts(tries=3), "failed", "worker_lost", "leave", "NOTHING"),
        ("network", facts(is_decided=True), "failed", "network", "leave", "REFUSES"),
    ],
)
def test_an_attempt_that_broke_is_tried_again_or_fails(
    error_class: str, of: Facts, to: str, reason: str, directory: str, verdict: str
) -> None:
    ending = failed(ErrorClass(error_class), of)

    assert (ending.to, ending.reason) == (to, reason)
    assert (ending.directory, ending.verdict) == (Directory(directory), Verdict[verdict])
    assert (ending.error_class, ending.data, ending.counts) == (error_class, SAID, True)
    assert ending.withdraws == of.is_decided
    assert (ending.delay_seconds is None) == (to == "failed")


@pytest.mark.parametrize(
    "ending",
    [
        failed(ErrorClass.NETWORK, facts(tries=3, has_recorded=True)),
        after_loss(facts(tries=3, has_recorded=True)),
    ],
    ids=["failed", "lost"],
)
def test_an_attempt_that_recorded_something_does_not_count(ending: Ending) -> None:
    assert (ending.to, ending.directory, ending.counts) == ("created", Directory.REDUCE, False)


@pytest.mark.parametrize(
    ("starts_in_seconds", "delay_seconds"),
    [
        (3000.0, 3000.0),
        (-5.0, PREMIERE_LEAST_SECONDS),
        (10 * PREMIERE_CAP_SECONDS, PREMIERE_CAP_SECONDS),
    ],
    ids=["soon", "late already", "in days"],
)
def test_a_premiere_is_waited_for_without_using_up_tries(
    starts_in_seconds: float, delay_seconds: float
) -> None:
    failure = Failure(
        error_class=ErrorClass.LIVE_NOT_STARTED,
        data={"starts_at": 1800000000},
        retry_after_seconds=starts_in_seconds,
    )

    ending = after_failure(failure, facts(tries=3))

    assert (ending.to, ending.reason, ending.counts) == ("created", "will_retry", False)
    assert ending.delay_seconds == delay_seconds
    assert ending.data == {"starts_at": 1800000000}


@pytest.mark.parametrize(
    ("error_class", "of", "to", "counts", "withdraws"),
    [
        ("storage", facts(tries=3, uncounted=40), "created", False, False),
        ("storage", facts(tries=3, is_decided=True), "created", False, False),
        ("storage", facts(asked_by="user:ann"), "cancelled", True, False),
        ("disk_full", facts(is_decided=True), "created", True, False),
        ("disk_full", facts(tries=3, is_decided=True), "failed", True, True),
        ("too_large", facts(), "failed", True, False),
    ],
)
def test_what_the_library_refused_is_published_by_another_try(
    error_class: str, of: Facts, to: str, counts: bool, withdraws: bool
) -> None:
    ending = after_refusal(Failure(error_class=ErrorClass(error_class), data=SAID), of)

    assert (ending.to, ending.counts, ending.withdraws) == (to, counts, withdraws)
    assert ending.verdict is Verdict.NOTHING or error_class == "too_large"
    assert to != "created" or ending.directory is Directory.REDUCE


@pytest.mark.parametrize(
    ("error_class", "retry_after_seconds", "least", "most"),
    [
        ("network", None, 0, BACKOFF_BASE_SECONDS),
        ("rate_limited", 100.0, 100, 100),
        ("worker_lost", None, 0, 0),
    ],
)
def test_the_next_try_waits_as_long_as_its_error_asks_for(
    error_class: str, retry_after_seconds: float | None, least: float, most: float
) -> None:
    ending = failed(ErrorClass(error_class), facts(), retry_after_seconds=retry_after_seconds)

    assert ending.delay_seconds is not None
    assert least <= ending.delay_seconds <= most


@pytest.mark.parametrize(
    ("request_", "of", "to", "reason", "error_class", "directory", "counts"),
    [
        ("cancel", facts(), "cancelled", "cancelled", None, "leave", True),
        ("stop", facts(), "created", "shutdown", None, "reduce", False),
        ("stop", facts(tries=3), "created", "shutdown", None, "reduce", False),
        ("give_way", facts(), "created", "will_retry", "disk_full", "remove", False),
        ("give_way", facts(tries=3), "created", "will_retry", "disk_full", "remove", False),
        ("no_room", facts(tries=3), "failed", "disk_full", "disk_full", "leave", True),
    ],
)
def test_an_attempt_that_was_asked_to_end(
    request_: str,
    of: Facts,
    to: str,
    reason: str,
    error_class: str | None,
    directory: str,
    counts: bool,
) -> None:
    ending = after_request(StopRequest(request_), of)

    assert (ending.to, ending.reason, ending.error_class) == (to, reason, error_class)
    assert (ending.directory, ending.counts) == (Directory(directory), counts)


def test_who_leaves_writes_nothing() -> None:
    with pytest.raises(ValueError, match="LEAVE"):
        after_request(StopRequest.LEAVE, facts())


@pytest.mark.parametrize(
    ("of", "to", "reason", "directory"),
    [
        (facts(), "created", "worker_lost", "reduce"),
        (facts(tries=2), "created", "worker_lost", "reduce"),
        (facts(tries=3), "failed", "worker_lost", "remove"),
        (facts(is_cancel_asked=True), "cancelled", "cancelled", "remove"),
        (facts(tries=3, is_cancel_asked=True), "cancelled", "cancelled", "remove"),
        (facts(is_decided=True), "created", "worker_lost", "reduce"),
        (facts(is_decided=True, can_finish=True), "completed", "published", "leave"),
        (facts(tries=3, is_decided=True, can_finish=True), "completed", "published", "leave"),
        (facts(is_cancel_asked=True, can_finish=True), "completed", "published", "leave"),
    ],
)
def test_an_attempt_whose_worker_was_lost(of: Facts, to: str, reason: str, directory: str) -> None:
    ending = after_loss(of)

    assert (ending.to, ending.reason) == (to, reason)
    assert (ending.directory, ending.counts) == (Directory(directory), True)
    assert (ending.error_class == ErrorClass.WORKER_LOST) == (to == "failed")


def test_a_last_attempt_that_was_lost_after_the_decision_is_withdrawn() -> None:
    assert after_loss(facts(tries=3, is_decided=True)).withdraws


@pytest.mark.parametrize("asked_by", ["", "user:eve"])
def test_the_history_says_who_cancelled(asked_by: str) -> None:
    of = facts(is_cancel_asked=True, asked_by=asked_by)

    told = [after_request(StopRequest.CANCEL, of).data, after_loss(of).data]

    assert told == [{"asked_by": asked_by} if asked_by else {}] * 2


@pytest.mark.parametrize("origin", RUNNING_STATES)
@pytest.mark.parametrize(
    "ending",
    [
        NOT_BEGUN,
        failed(ErrorClass.NETWORK, facts()),
        failed(ErrorClass.DRM, facts()),
        *(after_request(request, facts()) for request in StopRequest if request.value != "leave"),
        after_loss(facts()),
        after_loss(facts(tries=3)),
        after_loss(facts(is_cancel_asked=True)),
    ],
)
def test_every_ending_is_an_allowed_move(origin: State, ending: Ending) -> None:
    assert can_move(origin, ending.to, outcome=None)


@pytest.mark.parametrize(
    ("ending", "columns"),
    [
        (NOT_BEGUN, {"uncounted": 6}),
        (after_loss(facts()), {}),
        (
            failed(ErrorClass.DRM, facts()),
            {"error_class": ErrorClass.DRM, "error_data": SAID},
        ),
    ],
)
def test_an_ending_writes_what_it_decides(ending: Ending, columns: dict[str, object]) -> None:
    assert ending.columns(uncounted=5) == columns
