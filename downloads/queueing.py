"""What people do with downloads that wait: pause them or the queue of all, and put them in order.

No state changes, and so no history: the log says who did it. Beside `actions`, with its refusals.
"""

import logging

from downloads import logs
from downloads.actions import NotAllowed
from downloads.models import Download, Queue, database_now, short_transaction
from downloads.models.download import QUEUE_ORDER
from downloads.rules.order import Move, Queued, moved
from downloads.rules.states import State, word_of
from downloads.rules.words import say

logger = logging.getLogger(__name__)


def pause(download: Download, *, actor: str) -> Download:
    """Keep a waiting download from starting. Pausing twice is pausing once.

    Raises NotAllowed when it does not wait.
    """
    waiting = Download.objects.filter(pk=download.pk, state=State.CREATED)
    if waiting.filter(paused_at=None).update(paused_at=database_now()):
        _log(download, "paused", actor=actor)
    return _still_waiting(download)


def resume(download: Download, *, actor: str) -> Download:
    """Let a paused download start. Raises NotAllowed when it does not wait."""
    waiting = Download.objects.filter(pk=download.pk, state=State.CREATED)
    if waiting.exclude(paused_at=None).update(paused_at=None):
        _log(download, "resumed", actor=actor)
    return _still_waiting(download)


def first(download: Download, *, actor: str) -> Download:
    """Put a waiting download before all others of its owner, and resume it."""
    resume(download, actor=actor)
    return _move(download, Move.FIRST, actor=actor)


def up(download: Download, *, actor: str) -> Download:
    """Put a waiting download before the one before it in its owner's queue."""
    return _move(download, Move.UP, actor=actor)


def down(download: Download, *, actor: str) -> Download:
    """Put a waiting download behind the next one in its owner's queue."""
    return _move(download, Move.DOWN, actor=actor)


def last(download: Download, *, actor: str) -> Download:
    """Put a waiting download behind all others of its owner."""
    return _move(download, Move.LAST, actor=actor)


def pause_queue(*, actor: str) -> Queue:
    """Let nothing new start; what runs goes on. Pausing twice is pausing once."""
    if Queue.pause(actor=actor):
        logger.warning("the queue was paused by %s", actor)
    return Queue.current()


def resume_queue(*, actor: str) -> Queue:
    """Let downloads start again."""
    if Queue.resume():
        logger.warning("the queue was resumed by %s", actor)
    return Queue.current()


def _move(download: Download, move: Move, *, actor: str) -> Download:
    """Write the places that change; raise NotAllowed when it does not wait."""
    with short_transaction():
        waiting = Download.objects.filter(owner=download.owner_id, state=State.CREATED)
        rows = waiting.order_by(*QUEUE_ORDER).values_list("pk", "priority", "place")
        queue = [Queued(key=key, priority=urgency, place=at) for key, urgency, at in rows]
        if any(each.key == download.pk for each in queue):
            # Each row by itself, in one order: two moves at once must not wait for each other.
            for each in sorted(moved(queue, download.pk, move), key=lambda one: one.key):
                waiting.filter(pk=each.key).update(place=each.place)
            _log(download, f"moved ({move})", actor=actor)
    return _still_waiting(download)


def _still_waiting(download: Download) -> Download:
    """Show what the row says now. Raises NotAllowed when it does not wait, or is gone."""
    try:
        download.refresh_from_db()
    except Download.DoesNotExist:
        raise NotAllowed(download, say("It was deleted meanwhile.")) from None
    if download.state != State.CREATED:
        state = word_of(download.state)
        raise NotAllowed(download, say("It does not wait any more: it is {state}.", state=state))
    return download


def _log(download: Download, done: str, *, actor: str) -> None:
    with logs.about(correlation_id=download.correlation_id):
        logger.info("%s was %s by %s", download, done, actor)
