"""Pausing the queue and what waits in it, and putting it in order."""

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction
from django.utils import timezone

from downloads import actions, queueing
from downloads.models import Download, Queue, StreamPosition, claims
from downloads.models.download import QUEUE_ORDER
from downloads.waiting import Obstacles, Why
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

ACTOR = "user:ann"


def submit(owner: User | None, number: int) -> list[Download]:
    return [lives.submit(owner) for _ in range(number)]


def claimed(slots: int = 9) -> list[Download]:
    return claims.claim(lives.make_worker(), slots=slots)


def queue_of(owner: User) -> list[Download]:
    return list(Download.objects.filter(owner=owner, state="created").order_by(*QUEUE_ORDER))


def why(download: Download) -> Why | None:
    waiting = Obstacles.read().of(Download.objects.get(pk=download.pk))
    return waiting.why if waiting else None


# The queue of all.


def test_nothing_is_claimed_while_the_queue_is_paused_and_what_runs_goes_on(user: User) -> None:
    running, waiting = submit(user, 2)
    lives.start(running)

    queueing.pause_queue(actor=ACTOR)

    assert claimed() == []
    assert Download.objects.get(pk=running.pk).state == "downloading"
    assert why(waiting) is Why.QUEUE_PAUSED


def test_a_resumed_queue_is_claimed_from(user: User) -> None:
    waiting = submit(user, 1)
    queueing.pause_queue(actor=ACTOR)

    queueing.resume_queue(actor=ACTOR)

    assert claimed() == waiting


def test_pausing_twice_is_pausing_once() -> None:
    first = queueing.pause_queue(actor=ACTOR)

    second = queueing.pause_queue(actor="user:bob")

    assert (second.paused_at, second.paused_by) == (first.paused_at, ACTOR)
    assert Queue.objects.count() == 1


# One download.


def test_a_paused_download_is_not_claimed_until_it_is_resumed(user: User) -> None:
    paused, other = submit(user, 2)
    queueing.pause(paused, actor=ACTOR)

    assert claimed() == [other]
    assert why(paused) is Why.PAUSED
    queueing.resume(paused, actor=ACTOR)
    assert claimed() == [paused]


def test_a_pause_is_no_change_of_state(user: User) -> None:
    [download] = submit(user, 1)
    seq = StreamPosition.current()

    queueing.pause(queueing.pause(download, actor=ACTOR), actor=ACTOR)
    queueing.resume(download, actor=ACTOR)

    assert StreamPosition.current() == seq


@pytest.mark.parametrize("action", [queueing.pause, queueing.resume, queueing.first])
def test_only_what_waits_is_paused_resumed_and_put_in_order(action: object, user: User) -> None:
    running = lives.start(lives.submit(user))

    with pytest.raises(actions.NotAllowed, match="it is downloading"):
        action(running, actor=ACTOR)  # type: ignore[operator]


def test_a_paused_download_is_cancelled_retried_and_then_not_paused(user: User) -> None:
    [download] = submit(user, 1)
    paused = queueing.pause(download, actor=ACTOR)

    actions.retry(actions.cancel(paused, actor=ACTOR), actor=ACTOR)

    assert Download.objects.get(pk=download.pk).paused_at is None
    assert claimed() == [download]


def test_a_paused_download_is_deleted(user: User) -> None:
    [download] = submit(user, 1)

    actions.forget(queueing.pause(download, actor=ACTOR))

    assert not Download.objects.exists()


def test_what_runs_cannot_be_paused_in_the_database(user: User) -> None:
    running = lives.start(lives.submit(user))

    with pytest.raises(IntegrityError), transaction.atomic():
        Download.objects.filter(pk=running.pk).update(paused_at=timezone.now())


# Order.


def test_what_is_to_start_next_is_claimed_first_also_when_it_was_paused(user: User) -> None:
    *_, newest = submit(user, 3)
    queueing.pause(newest, actor=ACTOR)

    queueing.first(newest, actor=ACTOR)

    assert claimed(slots=1) == [newest]


def test_a_queue_is_put_in_order_place_by_place(user: User) -> None:
    first, second, third, fourth = submit(user, 4)

    queueing.up(third, actor=ACTOR)
    assert queue_of(user) == [first, third, second, fourth]
    queueing.down(first, actor=ACTOR)
    assert queue_of(user) == [third, first, second, fourth]
    queueing.last(third, actor=ACTOR)
    assert queue_of(user) == [first, second, fourth, third]


def test_who_wants_theirs_next_gets_no_turn_of_another_owner(user: User, staff: User) -> None:
    theirs = submit(staff, 2)
    mine = submit(user, 2)

    queueing.first(mine[1], actor=ACTOR)

    assert claimed() == [theirs[0], mine[1], theirs[1], mine[0]]


def test_the_order_is_forgotten_when_it_ended(user: User) -> None:
    _, download = submit(user, 2)
    queueing.first(download, actor=ACTOR)

    actions.retry(actions.cancel(Download.objects.get(pk=download.pk), actor=ACTOR), actor=ACTOR)

    assert queue_of(user)[-1] == download
