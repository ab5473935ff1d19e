"""The list that a child reads, until its download ends with it.

The entries stay in memory: one that is killed begins anew, and no half of a list is ever written.
"""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from django.conf import settings

from downloads.fetch.protocol import ListedEntry, ListingEnded
from downloads.models import ArchivedMedia, Download, Entry, Listing, complete_with_listing
from downloads.models.outage import is_outage
from downloads.rules.schedule import ENOUGH_KNOWN
from downloads.rules.states import ListEnd, Reason, State
from downloads.subscriptions.models import Check, Key, key_of
from downloads.worker.owned import OwnedRow

logger = logging.getLogger(__name__)


class ListBeingRead:
    """What came so far of one list."""

    def __init__(self, download: Download) -> None:
        self._download = download
        self._wants_new = download.options.get("playlist") == "new"
        self._check: Check | None = None  # of a subscription; stops where all is known
        self._has_looked = False  # for that check
        self._entries: list[ListedEntry] = []
        self._known_in_a_row = 0

    @property
    def is_enough(self) -> bool:
        """Whether only new entries are wanted, and the last ones were all known."""
        return self._known_in_a_row >= ENOUGH_KNOWN

    def take(self, entries: Sequence[ListedEntry]) -> None:
        self._entries += entries[: settings.VNSITE.max_entries - len(self._entries)]
        try:
            known = self._known_among(entries)
        except Exception as error:
            if not is_outage(error):
                raise
            known = set()
        for entry in entries:
            is_known = key_of(entry) in known
            self._known_in_a_row = self._known_in_a_row + 1 if is_known else 0

    def _known_among(self, entries: Sequence[ListedEntry]) -> set[Key]:
        """Return those that need not be read again; none when all of the list is wanted."""
        if self._wants_new:
            ids = [entry.media_id for entry in entries if entry.media_id]
            archive = ArchivedMedia.objects.filter(owner=self._download.owner_id, media_id__in=ids)
            return {Key(*row) for row in archive.values_list("extractor", "media_id")}
        if not self._has_looked:
            check = Check.objects.of_list(self._download)
            self._check = check if check is not None and not check.is_whole else None
            self._has_looked = True
        return self._check.subscription.known_among(entries) if self._check else set()

    def complete(self, row: OwnedRow, ended: ListingEnded) -> None:
        """Write the listing, and add of its entries what the options say; → COMPLETED.

        Raises CancelWasAsked or LostDownload, and what the row raises; nothing is written then.
        """
        write = partial(self._write, ended, actor=row.actor)
        row.write(write, state=State.COMPLETED)
        logger.info("%s is %s (%s)", row.download, State.COMPLETED, Reason.LISTED)

    def _write(self, ended: ListingEnded, *, actor: str) -> None:
        # Made anew for each try: one that the database broke off has given them keys.
        complete_with_listing(
            self._download,
            Listing(title=ended.title, kind=ended.kind, is_complete=ended.end == ListEnd.END),
            list(map(_entry, self._entries)),
            actor=actor,
            data=_data_of(ended),
        )


def _data_of(ended: ListingEnded) -> dict[str, str | int]:
    """For the history: why the reading ended, and what it left out."""
    data: dict[str, str | int] = {}
    if ended.end != ListEnd.END:
        data["code"] = f"list_{ended.end}"
    if ended.left_out:
        data["left_out"] = ended.left_out
    return data


def _entry(listed: ListedEntry) -> Entry:
    at = listed.uploaded_at
    return Entry(
        extractor=listed.extractor,
        media_id=listed.media_id,
        url=listed.url,
        title=listed.title,
        duration_seconds=listed.duration_seconds,
        uploaded_at=None if at is None else datetime.fromtimestamp(at, UTC),
        is_live=listed.is_live,
        is_list=listed.is_list,
    )
