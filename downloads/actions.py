"""Actions on a download, the same for pages, API, admin and commands.

Each function checks that the state allows it, does the work on the disk where there is some, and
writes the row. Between rows and the two sides: it knows models, the library and the isolated
directories, and neither requests nor workers.
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import IntegrityError
from django.utils import timezone

from downloads.disk import isolation, library, partial
from downloads.models import (
    Counts,
    Download,
    LibraryEntry,
    LostDownload,
    StreamPosition,
    listings,
    short_transaction,
)
from downloads.models.submissions import fingerprint, without_past
from downloads.rules.options import DownloadOptions
from downloads.rules.states import RUNNING, Outcome, Reason, Result, State, word_of
from downloads.rules.words import say, say_number

if TYPE_CHECKING:
    from django.contrib.auth.models import User


class NotAllowed(Exception):
    """The state of the download does not allow the action. Nothing was changed.

    `state` is the state that the download has now; the message is a sentence for a person.
    """

    def __init__(self, download: Download, sentence: str) -> None:
        super().__init__(sentence)
        self.state = download.state


@dataclass(frozen=True, kw_only=True)
class CleanupPreview:
    """The files that cleaning up one download would remove."""

    path: Path | None  # None: it has no directory
    size_bytes: int
    file_count: int


def cancel(download: Download, *, actor: str) -> Download:
    """Cancel a waiting download at once; ask the worker to stop a running one.

    Cancelling twice is cancelling once. Raises NotAllowed when it has ended or when its files are
    being published.
    """
    try:
        if download.state == State.CREATED:
            return _cancel_waiting(download, actor=actor)
    except LostDownload:
        _look_again(download)
    if download.outcome == Outcome.CANCELLED:
        return download
    if download.ask_to_cancel(actor=actor):
        _look_again(download)
        return download
    _look_again(download)
    if download.state == State.CREATED:  # put back meanwhile
        return cancel(download, actor=actor)
    if download.state in RUNNING:
        raise NotAllowed(download, say("It is too late to cancel: the files are being published."))
    state = word_of(download.state)
    raise NotAllowed(download, say("It cannot be cancelled: it is {state}.", state=state))


def stop_and_keep(download: Download, *, actor: str) -> Download:
    """Have the recording of a live stream stopped, finished and published.

    Asking twice is asking once. Raises NotAllowed when nothing of it is recorded or a recording is
    over.
    """
    _look_again(download)
    if not download.is_recording and not _carries_recording(download):
        raise NotAllowed(download, say("It cannot be stopped and kept: it is not recording."))
    asked = download.ask_to_keep(actor=actor)
    _look_again(download)
    if not asked:
        raise NotAllowed(download, say("It is too late to stop it: it is ending already."))
    return download


def _carries_recording(download: Download) -> bool:
    """Whether it waits to go on with a recording, on this machine."""
    is_waiting = download.state == State.CREATED and download.carried
    return bool(is_waiting) and partial.holds_recording(settings.VNSITE.temp_root, download.carried)


def let_go_of_all_of(user: "User", *, actor: str) -> None:
    """Cancel what a user has waiting and running, and count all that they have as nobody's.

    Call it in the transaction that deletes the user: their row and their downloads stay locked.
    What is being published is left to its end.
    """
    # In the order in which a submission and a move lock them: else they wait for each other.
    get_user_model().objects.select_for_update().get(pk=user.pk)
    list(Download.objects.filter(owner=user).order_by("pk").select_for_update().values_list("pk"))
    for download in Download.objects.filter(owner=user).active():
        with suppress(NotAllowed):
            cancel(download, actor=actor)
    StreamPosition.hold()
    Counts.disown(user.pk)


def _cancel_waiting(download: Download, *, actor: str) -> Download:
    """Move to CANCELLED, and to CLEANED at once unless something is carried on the disk."""
    with short_transaction():
        download.move(
            State.CANCELLED,
            actor=actor,
            reason=Reason.CANCELLED,
            cancel_requested_at=timezone.now(),
            cancel_requested_by=actor,
        )
        if not download.carried:
            download.move(State.CLEANED, actor=actor, reason=Reason.CLEANED)
    if download.carried:
        clean(download, actor=actor)
    return download


def retry(download: Download, *, actor: str, options: DownloadOptions | None = None) -> Download:
    """Send a failed or cancelled download back to CREATED, with its full number of attempts.

    `options` replace those that it had; the history names which. What was kept of an earlier
    attempt is removed first. Raises NotAllowed when it is waiting, running or completed, and when
    the same owner has the same wish waiting or running.
    """
    if not download.is_retryable:
        ending = word_of(download.outcome or download.state)
        raise NotAllowed(download, say("It cannot be retried: it is {state}.", state=ending))
    refuse_when_too_many_wait(download)
    changed, columns = _changes(download, options)
    try:
        remove_directory(download)
        with short_transaction():
            _refuse_when_added_again(download)
            download.move(
                State.CREATED,
                actor=actor,
                reason=Reason.RETRIED,
                data={"changed": " ".join(changed)} if changed else {},
                uncounted=download.attempt,
                max_attempts=settings.VNSITE.max_attempts,
                keep_requested_by="",
                error_class=None,
                error_data={},
                **columns,
            )
    except LostDownload:
        _look_again(download)
        # As it is now: it may only have been cleaned up.
        return retry(download, actor=actor, options=options)
    except IntegrityError:
        _look_again(download)
        raise NotAllowed(download, say("The same link is waiting or running already.")) from None
    return download


def _changes(
    download: Download, options: DownloadOptions | None
) -> tuple[list[str], dict[str, Any]]:
    """Return the names of the options that become others, and the columns to write with them."""
    if options is None:
        return [], {"not_before": None}
    options = without_past(options, timezone.now())
    values = options.as_dict()
    changed = [name for name in values if values[name] != download.options.get(name)]
    columns = {
        "options": values,
        "fingerprint": fingerprint(download.url, options),
        "not_before": options.starts_at,
    }
    return changed, columns


def _refuse_when_added_again(download: Download) -> None:
    """Refuse when the entry that it was made of became another download since.

    Locks the list, so that the entry is not added at the same moment.
    """
    if download.listed_in is None:
        return
    with suppress(Download.DoesNotExist):  # the list was deleted meanwhile
        listings.hold(download.listed_in.pk)
    if download.made_of.exists():
        return
    others = Download.objects.filter(listed_in=download.listed_in, url=download.url)
    others = others.exclude(outcome__in=listings.IN_VAIN).exclude(result=Result.CHECKED)
    if others.exclude(pk=download.pk).exists():
        raise NotAllowed(download, say("It cannot be retried: its entry was added again."))


def refuse_when_too_many_wait(download: Download) -> None:
    """Raise NotAllowed when no more of a download's owner may wait."""
    limit = settings.VNSITE.user_waiting
    if download.owner is None or not limit:
        return
    waiting = Download.objects.waiting_of(download.owner)
    if waiting >= limit:
        sentence = say_number(
            "{name} has {number:,} download queued (limit {limit:,}).",
            "{name} has {number:,} downloads queued (limit {limit:,}).",
            number=waiting,
            name=download.owner.get_username(),
            limit=limit,
        )
        raise NotAllowed(download, sentence)


def preview_cleanup(download: Download) -> CleanupPreview:
    """Return what `clean` would remove now."""
    named = [name for name in (download.directory, download.carried) if name]
    paths = [path for name in named if (path := settings.VNSITE.temp_root / name).is_dir()]
    # os.walk does not mind what somebody else removes meanwhile.
    return CleanupPreview(
        path=paths[0] if paths else None,
        size_bytes=sum(map(isolation.directory_size, paths)),
        file_count=sum(len(files) for path in paths for _, _, files in os.walk(path)),
    )


def clean(download: Download, *, actor: str) -> int:
    """Remove the files of a download that has ended; → CLEANED. Return the bytes freed.

    Cleaning twice is cleaning once: 0 the second time. Raises NotAllowed when it is waiting or
    running.
    """
    if download.state == State.CLEANED:
        return 0
    if not download.is_cleanable:
        raise NotAllowed(download, _not_cleaned(download))
    freed = 0
    try:
        freed = remove_directory(download)
        download.move(
            State.CLEANED, actor=actor, reason=Reason.CLEANED, data={"freed_bytes": freed}
        )
    except LostDownload:
        _look_again(download)
        if download.state != State.CLEANED:
            raise NotAllowed(download, _not_cleaned(download)) from None
    return freed


def remove_directory(download: Download) -> int:
    """Remove the isolated directory of the row, and what is carried; return the bytes freed.

    Raises LostDownload when something was carried and the row is not what the caller knows.
    """
    freed = 0
    if download.directory:
        freed = isolation.remove_directory(settings.VNSITE.temp_root, download.directory)
    return freed + drop_carried(download)


def drop_carried(download: Download) -> int:
    """Remove what is carried, and its name from the row; return the bytes freed.

    What is not here is on another machine, whose recovery removes it. Raises LostDownload when the
    row is not what the caller knows.
    """
    if not download.carried:
        return 0
    freed = isolation.remove_directory(settings.VNSITE.temp_root, download.carried)
    download.note(carried="")
    return freed


def delete_files(download: Download) -> int:
    """Remove a download's library entry, files and rows; return the bytes freed."""
    freed = 0
    if download.library_path:
        freed = library.remove(settings.VNSITE.media_root, download.library_path)
    LibraryEntry.objects.filter(download=download).delete()
    return freed


def delete_entry(entry: LibraryEntry) -> int:
    """Remove an entry of the library, files and rows; return the bytes freed."""
    freed = library.remove(settings.VNSITE.media_root, entry.path)
    entry.delete()
    return freed


def remove_what_is_left(download: Download, *, with_files: bool) -> None:
    """Remove the files of a download that is about to be deleted. Raises LostDownload."""
    remove_directory(download)
    if with_files:
        delete_files(download)


def _not_cleaned(download: Download) -> str:
    return say("It cannot be cleaned up: it is {state}.", state=word_of(download.state))


def refusal_to_delete(download: Download) -> str:
    """Say why it cannot be deleted now; "" when it can."""
    if download.state not in RUNNING:
        return ""
    return say(
        "It cannot be deleted: it is {state}. Cancel it first.", state=word_of(download.state)
    )


def require_deletable(download: Download) -> None:
    """Raise NotAllowed when it is running."""
    if refusal := refusal_to_delete(download):
        raise NotAllowed(download, refusal)


def forget(download: Download, *, with_files: bool = False) -> None:
    """Delete the row and its history; with `with_files` the published files as well.

    Raises NotAllowed when it is running.
    """
    require_deletable(download)
    try:
        remove_what_is_left(download, with_files=with_files)
        download.forget()
    except LostDownload:
        _look_again(download)
        forget(download, with_files=with_files)  # as it is now: it may only have been cleaned up


def _look_again(download: Download) -> None:
    """Show what the row says now. Raises NotAllowed when somebody deleted it meanwhile."""
    try:
        download.refresh_from_db()
    except Download.DoesNotExist:
        raise NotAllowed(download, say("It was deleted meanwhile.")) from None
