"""Recovers orphans: rows, directories and processes whose worker is dead.

Worker start, the worker's sweep and `cleanup_orphans` call the same functions. Everything here may
be interrupted and done again, and two of them may run at once: every write is fenced, and what is
done on the disk is idempotent.
"""

import logging
import socket
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta

from django.conf import settings

from downloads import actions, logs
from downloads.disk import isolation, library, partial
from downloads.fetch.processes import ChildFailed, Process, boot_id, end_attempt
from downloads.models import Attempt, Download, LostDownload, Worker, any_in, database_now
from downloads.rules.states import ENDED, RUNNING, Outcome, State
from downloads.worker import endings, leftovers, publication, resume
from downloads.worker.attempt import should_clean
from downloads.worker.endings import Ending, Facts
from downloads.worker.leftovers import Orphan, child_of
from downloads.worker.owned import Row
from downloads.worker.publication import OutOfReach

logger = logging.getLogger(__name__)

FORGET_WORKERS_AFTER = timedelta(days=1)
ACTIONS = {
    State.COMPLETED: "complete",
    State.CANCELLED: "cancel",
    State.CREATED: "requeue",
    State.FAILED: "fail",
}


def is_dead(worker: Worker | None, now: datetime, *, host: str) -> bool:
    """Return whether nobody works on this worker's downloads any more.

    On this host the kernel says so; of another host only the lease tells.
    """
    if worker is None or worker.stopped_at is not None:
        return True
    if worker.host != host:
        return not worker.is_alive(now)
    if worker.boot_id != boot_id():
        return True
    return not Process(worker.pid, worker.pid_started).is_alive()


def recover(
    *,
    actor: str,
    host: str | None = None,
    only: frozenset[str] | None = None,
    older_than: timedelta | None = None,
    abandoned: Collection[tuple[int, int]] = (),
    dry_run: bool = False,
    on_found: Callable[[Orphan], None] | None = None,
) -> list[Orphan]:
    """Find every orphan and give it its right end; return what was done, in order.

    `host` is this machine's name for its workers (None: the system's), `only` limits it to these
    correlation ids, `older_than` to downloads that did not change for so long. `abandoned` are
    (primary key, attempt) of downloads that the caller, a living worker, no longer works on. With
    `dry_run` nothing is changed. `on_found` is called with each orphan of a row as it is mended.
    """
    host = host or socket.gethostname()
    orphans = []
    for download in _orphaned_rows(
        host=host, only=only, older_than=older_than, abandoned=abandoned
    ):
        try:
            with logs.about(correlation_id=download.correlation_id, attempt=download.attempt):
                orphans.append(_recover_row(download, actor=actor, host=host, dry_run=dry_run))
        except (LostDownload, actions.NotAllowed):
            continue  # somebody else recovered, retried or deleted it meanwhile
        except (OSError, ChildFailed, OutOfReach) as error:
            logger.warning("%s could not be recovered: %s", download, error)
            orphans.append(_orphan(download, action=f"failed: {error}", is_mended=False))
        if on_found is not None:
            on_found(orphans[-1])
    if older_than is None:
        orphans += leftovers.remove(host=host, only=only, dry_run=dry_run)
        if not dry_run:
            leftovers.forget_attempts(database_now(), host=host)
    return orphans


def forget_old_workers(now: datetime, *, host: str) -> None:
    """Delete the rows of workers that are dead for a day and have no downloads."""
    old = Worker.objects.filter(heartbeat_at__lt=now - FORGET_WORKERS_AFTER, download=None)
    for worker in old:
        if is_dead(worker, now, host=host):
            worker.delete()


def _orphaned_rows(
    *,
    host: str,
    only: frozenset[str] | None,
    older_than: timedelta | None,
    abandoned: Collection[tuple[int, int]],
) -> Iterator[Download]:
    if not any_in(RUNNING | ENDED):
        return  # nearly always
    now = database_now()
    rows = Download.objects.select_related("worker").order_by("id")
    if only is not None:
        rows = rows.filter(correlation_id__in=only)
    if older_than is not None:
        rows = rows.filter(updated_at__lt=now - older_than)
    for download in rows.running():
        is_abandoned = (download.pk, download.attempt) in abandoned
        is_over = is_abandoned or is_dead(download.worker, now, host=host)
        if is_over and not is_in_use(download, host=host):
            yield download
    for download in rows.not_cleaned():
        if (_is_to_clean(download) or _is_to_withdraw(download)) and not _is_owned(download):
            yield download


def _is_to_clean(download: Download) -> bool:
    return should_clean(Outcome(download.state))


def _is_to_withdraw(download: Download) -> bool:
    """Return whether it failed after the decision to publish: something may be published."""
    return download.state == State.FAILED and bool(download.library_path)


def is_in_use(download: Download, *, host: str) -> bool:
    """Return whether a living process holds its lock; False for another host's worker.

    A worker that was stopped for longer than its lease holds the lock, and may hold it for ever.
    """
    is_ours = download.worker is None or download.worker.host == host
    return is_ours and _is_owned(download)


def _is_owned(download: Download) -> bool:
    if not download.directory:  # cancelled while it waited, with bytes carried for it
        return False
    return isolation.is_owned(settings.VNSITE.temp_root, download.directory)


def _recover_row(download: Download, *, actor: str, host: str, dry_run: bool) -> Orphan:
    action = _action_for(download)
    orphan = _orphan(download, action=action)
    if dry_run:
        return orphan
    logger.info("%s: %s", download, action)
    _end_processes(download, host=host)
    if download.is_running:
        _end_attempt(download, actor=actor, host=host)
    if _is_to_withdraw(download):
        publication.withdraw(Row(download, actor=actor))
    if download.is_cleanable and _is_to_clean(download):
        actions.clean(download, actor=actor)
    return orphan


def _orphan(download: Download, *, action: str, is_mended: bool = True) -> Orphan:
    preview = actions.preview_cleanup(download)
    return Orphan(
        what="download",
        correlation_id=download.correlation_id,
        path=preview.path,
        size_bytes=preview.size_bytes,
        action=action,
        is_mended=is_mended,
    )


def _action_for(download: Download) -> str:
    """Return the right end of this row as one word."""
    if not download.is_running:
        return "clean" if _is_to_clean(download) else "withdraw"
    return ACTIONS[_ending_of(download).to]


def _ending_of(download: Download) -> Ending:
    return endings.after_loss(
        Facts(
            tries=download.tries,
            max_attempts=download.max_attempts,
            is_decided=bool(download.library_path),
            can_finish=_can_finish(download),
            is_cancel_asked=download.cancel_requested_at is not None,
            asked_by=download.cancel_requested_by,
            has_recorded=download.has_recorded,
        )
    )


def _can_finish(download: Download) -> bool:
    """Return whether the decision to publish was made and its files are there."""
    if not download.library_path or not download.manifest:
        return False
    root = settings.VNSITE.media_root
    sizes = {file["name"]: file["size"] for file in download.manifest["files"]}
    return library.is_staged(root, download.directory) or library.holds(
        root, download.library_path, sizes
    )


def _end_processes(download: Download, *, host: str) -> None:
    """End all processes that may write in the directory, which is about to be removed."""
    if download.directory:
        end_attempt(download.directory, child_of(_present_attempt(download), host=host))


def _present_attempt(download: Download) -> Attempt:
    # By its directory: a deletion meanwhile takes the download from it.
    return Attempt.objects.get(directory=download.directory)


def _is_over(download: Download, *, host: str) -> bool:
    """Whether what its attempt wrote is on the disk, and nobody writes there any more.

    After a power cut only of a recording, whose child waits for the disk.
    """
    attempt, root = _present_attempt(download), settings.VNSITE.temp_root
    if partial.holds_recording(root, download.directory):
        return attempt.host == host
    return attempt.was_on(host, boot_id=boot_id())


def _end_attempt(download: Download, *, actor: str, host: str) -> None:
    ending = _ending_of(download)
    if ending.to is State.COMPLETED:
        publication.finish(Row(download, actor=actor))
        return
    publication.bring_back(download)
    name = download.directory
    kept = resume.settle(download, ending.directory, is_over=_is_over(download, host=host))
    try:
        Row(download, actor=actor).move(
            ending.to,
            ending.reason,
            {**ending.data, **kept.data},
            carried=kept.carried,
            **ending.columns(uncounted=download.uncounted),
        )
    except LostDownload:
        # Another recovery gave it an end, and may have removed the directory before we kept it.
        resume.remove_unless_named(download, name)
        raise
